//! An install that has the addon: whom it asks when, and how quickly, is the engine's own code. What the engine does beside it, lane
//! phases and the store, takes no time here.

use std::sync::{Arc, LazyLock};

use electron_offline_sessions::clock::Millis;
use electron_offline_sessions::model::{Policy, Server, ServerOrigin};
use electron_offline_sessions::plan::{Answer, EXEMPT_TITLES, spread_delay_ms};

use crate::client::{Client, Step, Titles};
use crate::fleet::Ms;
use crate::random::Random;
use crate::server::RETRY_AFTER;

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);
static ORIGIN: LazyLock<ServerOrigin> = LazyLock::new(|| Arc::from("https://license.example.com"));

pub struct Ours {
    lost: Titles,
    out: Titles,
    clicked: Option<u8>,
    /// Outlives a launch, as in the store.
    server: Option<Server>,
    spread_until: Ms,
}

impl Ours {
    /// What may be asked for now, the one last played first.
    fn next(&self, now: Ms) -> Option<u8> {
        let title = self.lost.without(self.out).lowest()?;
        (usize::from(title) < EXEMPT_TITLES || now >= self.spread_until).then_some(title)
    }
}

impl Client for Ours {
    fn new(sessions: u8) -> Self {
        Self { lost: Titles::first(sessions), out: Titles::default(), clicked: None, server: None, spread_until: 0 }
    }

    fn opened(&mut self, now: Ms, random: &mut Random) {
        if self.server.is_none() {
            self.server = Some(Server::new(Arc::clone(&ORIGIN), &POLICY, Millis::from(now)));
            self.spread_until = now + spread_delay_ms(&POLICY, random.unit()) as Ms;
        }
    }

    fn closed(&mut self) {
        self.out = Titles::default();
        self.clicked = None;
    }

    fn clicked(&mut self, _now: Ms, title: u8) {
        self.clicked = Some(title);
    }

    fn answered(&mut self, now: Ms, title: u8, licensed: bool, random: &mut Random) {
        self.out.remove(title);
        let answer = if licensed {
            self.lost.remove(title);
            Answer::Answered
        } else {
            Answer::Throttled { retry_after_ms: Some(Millis::from(RETRY_AFTER)) }
        };
        if let Some(server) = &mut self.server {
            server.answered(answer, Millis::from(now), &POLICY, random.unit());
        }
    }

    fn step(&mut self, now: Ms, _random: &mut Random) -> Step {
        let Some(server) = &mut self.server else { return Step::Rest };
        let moment = Millis::from(now);
        let wanted = self.clicked.filter(|title| self.lost.contains(*title) && !self.out.contains(*title));
        let title = if let Some(title) = wanted {
            if let Some(until) = server.closed_until(moment, POLICY.backoff_max_ms, true) {
                return Step::WakeAt(until as Ms);
            }
            title
        } else {
            if self.out.count() >= POLICY.license_concurrency || self.lost.without(self.out).is_empty() {
                return Step::Rest;
            }
            if server.may_begin(moment, &POLICY, false) == 0 {
                return Step::WakeAt(server.next_at(moment, &POLICY, false) as Ms);
            }
            match self.next(now) {
                Some(title) => title,
                None => return Step::WakeAt(self.spread_until),
            }
        };
        if let Some(server) = &mut self.server {
            server.begin(moment, &POLICY);
        }
        self.out.insert(title);
        Step::Request(title)
    }

    fn lost(&self) -> Titles {
        self.lost
    }
}
