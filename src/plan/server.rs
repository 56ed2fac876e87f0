//! How quickly a licence server is asked. It says itself what it can bear: requests begin slowly and faster with every answer, until it
//! asks for patience; then they keep below that rate. Pure: the fleet's simulation (`examples/fleet`) runs this code too.

use std::collections::VecDeque;

use crate::clock::Millis;
use crate::model::{Policy, Server, ServerOrigin};

/// At most so many requests at once, as a part of a second's: before and after it has asked for patience.
const BURST_S: (f64, f64) = (0.5, 0.15);
/// Requests begin together that come within this time: a lane that is handed one at a time is never quick.
const GATHER_S: f64 = 0.1;
/// What is left of the rate at most when it asks for patience, and when it does so again without an answer in between.
const CUT: (f64, f64) = (0.95, 0.85);
/// Its first word makes it no slower than this part of the rate at which servers are asked at first: it may have reasons of its own.
const LEAST: f64 = 0.25;
/// Of what it has just taken in a second so much is left free for somebody who clicks: requests, but at most this part.
const FREE: (f64, f64) = (1.0, 0.2);
/// Up to this part of what it took when it asked for patience the rate comes back quickly.
const NEAR: f64 = 0.8;
/// What one answer adds to the rate: before the first limit, on the way back to the last one, and near it.
const GROWTH: (f64, f64, f64) = (2.0, 0.2, 0.0003);
/// The second pause in a row, doubled by each further one: one install cannot know how many others ask the same server.
const PAUSE_BASE_MS: Millis = 10_000;
const PAUSE_MAX_MS: Millis = 3_600_000;
/// Never slower, so that a server which recovers is found out.
const MIN_RATE_PER_S: f64 = 1.0;
/// Failures in a row before it is left alone, and then asked with one request at a time.
const BREAKER_FAILURES: u32 = 5;
/// What was learnt of a server is forgotten after this long without a request.
const FORGET_MS: Millis = 86_400_000;

/// A clock that goes back by more was set.
const CLOCK_SET_MS: Millis = 60_000;

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It answered, if only with a refusal.
    Answered,
    /// It asked for patience.
    Throttled { retry_after_ms: Option<Millis> },
    /// It could not be reached, did not answer in time, or failed.
    Failed,
}

impl Server {
    pub fn new(origin: ServerOrigin, policy: &Policy, now: Millis) -> Self {
        let rate_per_s = policy.license_rate_per_s.min(policy.license_rate_max_per_s);
        Self {
            origin,
            rate_per_s,
            ceiling_per_s: None,
            tokens: (rate_per_s * BURST_S.0).max(1.0),
            at_ms: now,
            not_before_ms: None,
            asked_until_ms: None,
            throttles: 0,
            failures: 0,
            answered_at_ms: VecDeque::new(),
        }
    }

    /// Until when it is not asked. `wanted`: somebody has asked, and only its own word holds.
    pub fn closed_until(&self, now: Millis, longest_wait_ms: Millis, wanted: bool) -> Option<Millis> {
        let until = if wanted { self.asked_until_ms } else { self.not_before_ms };
        super::still_to_come(until, now, longest_wait_ms)
    }

    /// How many requests may begin now. `wanted`: somebody has asked for them.
    pub fn may_begin(&self, now: Millis, policy: &Policy, wanted: bool) -> u32 {
        if self.closed_until(now, policy.backoff_max_ms, wanted).is_some() {
            return 0;
        }
        let tokens = self.tokens_at(now, policy);
        if tokens < self.gathered(policy) {
            return 0;
        }
        if self.is_doubtful() { 1 } else { tokens as u32 }
    }

    fn gathered(&self, policy: &Policy) -> f64 {
        if self.is_doubtful() {
            return 1.0;
        }
        (self.rate(policy) * GATHER_S).floor().clamp(1.0, f64::from(policy.license_concurrency))
    }

    /// It has failed so often that one request at a time finds out whether it is back.
    pub fn is_doubtful(&self) -> bool {
        self.failures >= BREAKER_FAILURES
    }

    /// When the next request may begin.
    pub fn next_at(&self, now: Millis, policy: &Policy, wanted: bool) -> Millis {
        let missing = self.gathered(policy) - self.tokens_at(now, policy);
        let wait_ms = (missing.max(0.0) * 1000.0 / self.rate(policy)).ceil() as Millis;
        self.closed_until(now, policy.backoff_max_ms, wanted).unwrap_or(now).max(now + wait_ms.max(1))
    }

    /// A request begins, also one that may not wait its turn.
    pub fn begin(&mut self, now: Millis, policy: &Policy) {
        if now - self.at_ms > FORGET_MS {
            let new = Self::new(self.origin.clone(), policy, now);
            *self = Self { not_before_ms: self.not_before_ms, asked_until_ms: self.asked_until_ms, ..new };
        }
        self.tokens = self.tokens_at(now, policy) - 1.0;
        self.at_ms = now;
    }

    /// `chance`: a random number from 0 up to 1, for the jitter of its waits.
    pub fn answered(&mut self, answer: Answer, now: Millis, policy: &Policy, chance: f64) {
        let tokens = self.tokens_at(now, policy);
        self.answered_at_ms.retain(|at| (now - 1_000..=now).contains(at));
        match answer {
            Answer::Answered => {
                self.failures = 0;
                self.answered_at_ms.push_back(now);
                // What was under way when it asked for patience does not take that back.
                if self.closed_until(now, policy.backoff_max_ms, true).is_none() {
                    self.not_before_ms = None;
                    self.throttles = 0;
                }
                // A rate that was not made use of says nothing.
                if tokens < (self.burst(policy) / 2.0).max(1.0) {
                    self.rate_per_s = (self.rate(policy) + self.growth()).min(policy.license_rate_max_per_s);
                }
            }
            Answer::Throttled { retry_after_ms } => {
                // Several requests that were out together meet the same limit.
                if self.closed_until(now, policy.backoff_max_ms, true).is_none() {
                    self.slow_down(policy);
                    self.throttles = self.throttles.saturating_add(1);
                }
                let asked = policy.jittered_retry_at(now, self.failures.max(1), retry_after_ms, chance);
                self.asked_until_ms = self.asked_until_ms.max(Some(asked));
                self.close(asked.max(now + self.patience_ms(policy, chance)));
            }
            Answer::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.is_doubtful() {
                    let until = policy.jittered_retry_at(now, self.failures - BREAKER_FAILURES + 1, None, chance);
                    self.close(until);
                }
            }
        }
        let is_closed = self.not_before_ms.is_some();
        self.tokens = if is_closed { tokens.min(1.0) } else { tokens };
        self.at_ms = now;
    }

    /// What it has just taken is what it bears. Where nothing was taken, as of a server that many ask, it is less than that.
    fn slow_down(&mut self, policy: &Policy) {
        let rate = self.rate(policy);
        let taken = self.answered_at_ms.len() as f64;
        let bearable = if self.throttles == 0 && taken > 0.0 {
            self.ceiling_per_s = Some(taken.min(rate));
            let least = LEAST * policy.license_rate_per_s;
            (taken - FREE.0.min(FREE.1 * taken)).max(least).min(CUT.0 * rate)
        } else {
            self.ceiling_per_s.get_or_insert(rate);
            CUT.1 * rate
        };
        self.rate_per_s = bearable.max(MIN_RATE_PER_S);
    }

    /// The network is another one: what was only our doubt is over.
    pub fn reconnected(&mut self) {
        self.failures = 0;
        self.not_before_ms = self.asked_until_ms;
    }

    /// How long `requests` more will take at the present rate.
    pub fn duration_ms(&self, requests: usize, now: Millis, policy: &Policy) -> Millis {
        let wait_ms = self.closed_until(now, policy.backoff_max_ms, false).map_or(0, |until| until - now);
        wait_ms + (requests as f64 * 1000.0 / self.rate(policy)).ceil() as Millis
    }

    fn close(&mut self, until: Millis) {
        self.not_before_ms = self.not_before_ms.max(Some(until));
    }

    /// How much longer it is left alone, of our own accord, when it asks for patience again and again.
    fn patience_ms(&self, policy: &Policy, chance: f64) -> Millis {
        let Some(doublings) = self.throttles.checked_sub(2) else { return 0 };
        let longest = PAUSE_MAX_MS.min(policy.backoff_max_ms);
        ((PAUSE_BASE_MS << doublings.min(20)).min(longest) as f64 * chance) as Millis
    }

    fn rate(&self, policy: &Policy) -> f64 {
        self.rate_per_s.clamp(MIN_RATE_PER_S, policy.license_rate_max_per_s)
    }

    /// A clock that was set brings a burst and no more: what it said before is worth nothing.
    fn tokens_at(&self, now: Millis, policy: &Policy) -> f64 {
        let rate = self.rate(policy);
        let elapsed_ms = now - self.at_ms;
        if elapsed_ms < -CLOCK_SET_MS {
            return self.burst(policy);
        }
        let elapsed_s = elapsed_ms.clamp(0, 3_600_000) as f64 / 1000.0;
        (self.tokens + elapsed_s * rate).min(self.burst(policy))
    }

    fn burst(&self, policy: &Policy) -> f64 {
        let seconds = if self.ceiling_per_s.is_none() { BURST_S.0 } else { BURST_S.1 };
        (self.rate(policy) * seconds).max(1.0)
    }

    /// Twice as fast and more each second until the first limit, back near that one within seconds, and then it feels its way.
    fn growth(&self) -> f64 {
        match self.ceiling_per_s {
            None => GROWTH.0,
            Some(ceiling) if self.rate_per_s < NEAR * ceiling => GROWTH.1,
            Some(_) => GROWTH.2,
        }
    }
}
