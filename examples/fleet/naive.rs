//! The loop that an app writes by hand: all at once at the launch, four at a time, whatever fails is tried three more times at once.
//! What failed for good is tried again in the next launch.

use crate::client::{Client, Step, Titles};
use crate::fleet::Ms;
use crate::random::Random;

const CONCURRENCY: usize = 4;
const ATTEMPTS: u8 = 4;

pub struct Naive {
    lost: Titles,
    /// Still to be tried in this launch.
    queue: Titles,
    clicked: Option<u8>,
    /// Out, with how many attempts it has had.
    out: [Option<(u8, u8)>; CONCURRENCY],
}

impl Naive {
    fn send(&mut self, title: u8) -> Option<Step> {
        let place = self.out.iter_mut().find(|place| place.is_none())?;
        *place = Some((title, 1));
        self.queue.remove(title);
        Some(Step::Request(title))
    }
}

impl Client for Naive {
    fn new(sessions: u8) -> Self {
        Self { lost: Titles::first(sessions), queue: Titles::default(), clicked: None, out: Default::default() }
    }

    fn opened(&mut self, _now: Ms, _random: &mut Random) {
        self.queue = self.lost;
    }

    fn closed(&mut self) {
        self.queue = Titles::default();
        self.clicked = None;
        self.out = Default::default();
    }

    fn clicked(&mut self, _now: Ms, title: u8) {
        let is_out = self.out.iter().flatten().any(|(other, _)| *other == title);
        self.clicked = (self.lost.contains(title) && !is_out).then_some(title);
    }

    fn answered(&mut self, _now: Ms, title: u8, licensed: bool, _random: &mut Random) {
        if licensed {
            self.lost.remove(title);
        }
        for place in &mut self.out {
            if let Some((other, attempts)) = place
                && *other == title
            {
                // The retry goes out in `step`, by the same place.
                *place = (!licensed && *attempts < ATTEMPTS).then_some((title, *attempts + 100));
            }
        }
    }

    fn step(&mut self, _now: Ms, _random: &mut Random) -> Step {
        for (title, attempts) in self.out.iter_mut().flatten() {
            if *attempts >= 100 {
                *attempts -= 99;
                return Step::Request(*title);
            }
        }
        let next = self.clicked.or_else(|| self.queue.lowest());
        let sent = next.and_then(|title| self.send(title));
        if sent.is_some() {
            self.clicked = None;
        }
        sent.unwrap_or(Step::Rest)
    }

    fn lost(&self) -> Titles {
        self.lost
    }
}
