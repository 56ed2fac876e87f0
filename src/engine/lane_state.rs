//! A lane, and how it fares in this process.

use super::wire::PhaseId;
use crate::clock::Millis;
use crate::model::{Generation, Lane, Policy, Reason, ServerOrigin};
use crate::plan;

#[derive(Debug)]
pub struct LaneState {
    pub lane: Lane,
    /// The generation in which this launch has probed the lane.
    pub probed: Option<Generation>,
    pub deferred: Option<Reason>,
    /// After a phase that could not start, or a CDM that is not there yet.
    pub not_before_ms: Millis,
    pub attempts: u32,
    pub phase: Option<PhaseId>,
    /// Another driver has come since that phase was handed out.
    pub has_new_driver: bool,
    /// The licence server that the phase asks, and how many requests it makes at a time.
    pub asks: Option<(ServerOrigin, u32)>,
    /// The window went while licences were being written.
    pub cut_off: bool,
    /// What checks have found in this generation, so far as this process knows.
    pub seen: Seen,
}

/// Checks of a lane that found what was stored, or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    generation: Generation,
    kept: u64,
    lost: u64,
}

impl Seen {
    /// What was seen in an earlier generation says nothing in a later one.
    pub fn add(&mut self, generation: Generation, kept: u64, lost: u64) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
        self.kept += kept;
        self.lost += lost;
    }

    /// Nothing was kept yet: what is not checked is probably lost too, and a check may cost it.
    pub fn expects_loss(&self) -> bool {
        self.lost > 0 && self.kept == 0
    }

    /// How many of `checks` will need a licence, as far as can be told.
    pub fn expected_lost(&self, checks: usize) -> usize {
        let share = self.lost as f64 / (self.lost + self.kept).max(1) as f64;
        (checks as f64 * share).ceil() as usize
    }
}

impl LaneState {
    pub fn new(lane: Lane) -> Self {
        Self {
            lane,
            probed: None,
            deferred: None,
            not_before_ms: 0,
            attempts: 0,
            phase: None,
            has_new_driver: false,
            asks: None,
            cut_off: false,
            seen: Seen::default(),
        }
    }

    /// A window that did not answer is tried again when its wait is over.
    pub fn end_wait(&mut self, policy: &Policy, now: Millis) {
        if self.deferred == Some(Reason::Timeout) && self.waits_until(policy, now).is_none() {
            self.deferred = None;
        }
    }

    /// Until when nothing of the lane is tried.
    pub fn waits_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        plan::still_to_come(Some(self.not_before_ms), now, policy.backoff_max_ms)
    }
}
