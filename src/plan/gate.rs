//! When a licence that is due may be asked for. What somebody wants waits for the server's own word and for the budget alone.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::due::Scope;
use crate::clock::Millis;
use crate::model::{Policy, Reason, Refusal, Server, ServerOrigin, SessionSummary};

const HOUR_MS: Millis = 3_600_000;
const DAY_MS: Millis = 86_400_000;
/// The titles played last are what the viewer will want first.
pub const EXEMPT_TITLES: usize = 10;

/// What is known that keeps licences from being asked for.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// Those that are known.
    pub servers: HashMap<ServerOrigin, Server>,
    pub spread: Option<Spread>,
    /// Contents that the app's server would refuse, and why.
    pub refused: HashMap<String, Refusal>,
    /// Accounts (`None`: of sessions without one) that the licence server wants to be signed in.
    pub unauthorized: HashSet<Option<Box<str>>>,
    pub budget: Budget,
}

/// Licences that nobody waits for begin later.
#[derive(Debug, Clone)]
pub struct Spread {
    /// From when until when. A clock that was set back before its beginning ends it.
    pub during: Range<Millis>,
    /// Contents that do not wait.
    pub exempt: HashSet<Arc<str>>,
}

/// Requests of this install in the hour under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    pub hour: i64,
    pub requests: u32,
}

impl Budget {
    /// With one more request.
    pub fn spend(self, now: Millis) -> Self {
        let hour = now.div_euclid(HOUR_MS);
        let requests = if hour == self.hour { self.requests } else { 0 };
        Self { hour, requests: requests.saturating_add(1) }
    }

    /// How many more there may be.
    pub fn left(self, now: Millis, limit: u32) -> u32 {
        let is_this_hour = self.hour == now.div_euclid(HOUR_MS);
        if is_this_hour { limit.saturating_sub(self.requests) } else { limit }
    }

    fn exhausted_until(self, now: Millis, limit: u32) -> Option<Millis> {
        (self.left(now, limit) == 0).then_some((self.hour + 1) * HOUR_MS)
    }
}

/// The day (UTC) that a session's requests are counted for.
pub fn day_of(now: Millis) -> i64 {
    now.div_euclid(DAY_MS)
}

/// How long licences that nobody waits for are put off; `chance` from 0 to 1.
pub fn spread_delay_ms(policy: &Policy, chance: f64) -> Millis {
    (policy.spread_max_ms as f64 * chance) as Millis
}

/// Until when a session has had its share of requests, or the install has.
pub fn held_back_until(session: &SessionSummary, scope: &Scope) -> Option<Millis> {
    let (day, requests) = session.requests;
    let today = day_of(scope.now);
    let of_session = (day == today && requests >= scope.requests_per_day).then_some((today + 1) * DAY_MS);
    of_session.max(scope.gate.budget.exhausted_until(scope.now, scope.requests_per_hour))
}

/// Until when its server is left alone, with all its titles, and why.
pub fn server_closed(session: &SessionSummary, scope: &Scope, wanted: bool) -> Option<(Millis, Reason)> {
    let server = scope.gate.servers.get(&session.server)?;
    let until = server.closed_until(scope.now, scope.longest_wait_ms, wanted)?;
    Some((until, if server.throttles > 0 { Reason::Throttled } else { Reason::Unreachable }))
}

/// Until when its licence is not asked for; `None`: it may be asked for now.
pub fn closed_until(session: &SessionSummary, scope: &Scope, wanted: bool) -> Option<Millis> {
    let server = server_closed(session, scope, wanted).map(|(until, _)| until);
    let is_spread = |spread: &&Spread| {
        !wanted && spread.during.contains(&scope.now) && !spread.exempt.contains(&session.content_id)
    };
    let spread = scope.gate.spread.as_ref().filter(is_spread).map(|spread| spread.during.end);
    server.max(spread).max(held_back_until(session, scope))
}
