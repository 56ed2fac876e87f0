//! How quickly a licence server is asked. It says itself what it can bear: requests begin slowly and faster with every answer, until it
//! asks for patience; then they keep below that rate. Pure: the fleet's simulation (`examples/fleet.rs`) runs this code too.

use crate::clock::Millis;
use crate::model::{Policy, Server, ServerOrigin};

/// At most so many requests at once, as a part of a second's, once it has asked for patience. Until then a second's.
const BURST_S: f64 = 0.25;
/// Never slower, so that a server which recovers is found out.
const MIN_RATE_PER_S: f64 = 0.2;
/// Failures in a row before it is left alone, and then asked with one request at a time.
const BREAKER_FAILURES: u32 = 5;
/// What was learnt of a server is forgotten after this long without a request.
const FORGET_MS: Millis = 86_400_000;

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
        Self {
            origin,
            rate_per_s: policy.license_rate_per_s,
            ceiling_per_s: None,
            tokens: policy.license_rate_per_s,
            at_ms: now,
            not_before_ms: None,
            is_its_word: false,
            failures: 0,
        }
    }

    /// Until when it is not asked. `wanted`: somebody has asked, and only its own word holds.
    pub fn closed_until(&self, now: Millis, longest_wait_ms: Millis, wanted: bool) -> Option<Millis> {
        let until = super::still_to_come(self.not_before_ms, now, longest_wait_ms)?;
        (self.is_its_word || !wanted).then_some(until)
    }

    /// How many requests may begin now.
    pub fn may_begin(&self, now: Millis, policy: &Policy) -> u32 {
        if self.closed_until(now, policy.backoff_max_ms, false).is_some() {
            return 0;
        }
        let tokens = self.tokens_at(now, policy).floor().max(0.0) as u32;
        if self.is_doubtful() { tokens.min(1) } else { tokens }
    }

    /// It has failed so often that one request at a time finds out whether it is back.
    pub fn is_doubtful(&self) -> bool {
        self.failures >= BREAKER_FAILURES
    }

    /// When the next request may begin.
    pub fn next_at(&self, now: Millis, policy: &Policy) -> Millis {
        let missing = 1.0 - self.tokens_at(now, policy);
        let wait_ms = (missing.max(0.0) * 1000.0 / self.rate(policy)).ceil() as Millis;
        self.closed_until(now, policy.backoff_max_ms, false).unwrap_or(now).max(now + wait_ms.max(1))
    }

    /// A request begins, also one that may not wait its turn.
    pub fn begin(&mut self, now: Millis, policy: &Policy) {
        if now - self.at_ms > FORGET_MS {
            *self = Self { not_before_ms: self.not_before_ms, ..Self::new(self.origin.clone(), policy, now) };
        }
        self.tokens = self.tokens_at(now, policy) - 1.0;
        self.at_ms = now;
    }

    /// `chance`: a random number from 0 up to 1, for the jitter of its waits.
    pub fn answered(&mut self, answer: Answer, now: Millis, policy: &Policy, chance: f64) {
        let tokens = self.tokens_at(now, policy);
        match answer {
            Answer::Answered => {
                self.failures = 0;
                // What was under way when it asked for patience does not take that back.
                if self.closed_until(now, policy.backoff_max_ms, true).is_none() {
                    self.not_before_ms = None;
                }
                // A rate that was not made use of says nothing.
                if tokens < 1.0 {
                    self.rate_per_s = (self.rate(policy) + self.growth()).min(policy.license_rate_max_per_s);
                }
            }
            Answer::Throttled { retry_after_ms } => {
                // Several requests that were out together meet the same limit.
                if self.closed_until(now, policy.backoff_max_ms, true).is_none() {
                    let rate = self.rate(policy);
                    let slower = if self.ceiling_per_s.is_none() { 0.5 } else { 0.8 };
                    self.ceiling_per_s = Some(rate);
                    self.rate_per_s = (rate * slower).max(MIN_RATE_PER_S);
                }
                let until = policy.jittered_retry_at(now, self.failures.max(1), retry_after_ms, chance);
                self.close(until, true);
            }
            Answer::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.is_doubtful() {
                    let until = policy.jittered_retry_at(now, self.failures - BREAKER_FAILURES + 1, None, chance);
                    self.close(until, false);
                }
            }
        }
        let is_closed = self.not_before_ms.is_some();
        self.tokens = if is_closed { tokens.min(1.0) } else { tokens };
        self.at_ms = now;
    }

    /// The network is another one: what was only our doubt is over.
    pub fn reconnected(&mut self) {
        self.failures = 0;
        if !self.is_its_word {
            self.not_before_ms = None;
        }
    }

    /// How long `requests` more will take at the present rate.
    pub fn duration_ms(&self, requests: usize, now: Millis, policy: &Policy) -> Millis {
        let wait_ms = self.closed_until(now, policy.backoff_max_ms, false).map_or(0, |until| until - now);
        wait_ms + (requests as f64 * 1000.0 / self.rate(policy)).ceil() as Millis
    }

    fn close(&mut self, until: Millis, is_its_word: bool) {
        self.not_before_ms = Some(self.not_before_ms.map_or(until, |earlier| earlier.max(until)));
        self.is_its_word = is_its_word;
    }

    fn rate(&self, policy: &Policy) -> f64 {
        self.rate_per_s.clamp(MIN_RATE_PER_S, policy.license_rate_max_per_s)
    }

    /// A clock that was set back brings no tokens, and one that jumped ahead no more than a burst.
    fn tokens_at(&self, now: Millis, policy: &Policy) -> f64 {
        let rate = self.rate(policy);
        let elapsed_s = (now - self.at_ms).clamp(0, 3_600_000) as f64 / 1000.0;
        let burst = if self.ceiling_per_s.is_none() { rate } else { rate * BURST_S };
        (self.tokens + elapsed_s * rate).min(burst.max(1.0))
    }

    /// What one answer adds to the rate: it doubles each second until the first limit, comes back near that one within seconds, and then
    /// feels its way.
    fn growth(&self) -> f64 {
        match self.ceiling_per_s {
            None => 1.0,
            Some(ceiling) if self.rate_per_s < 0.95 * ceiling => 0.05,
            Some(_) => 0.005,
        }
    }
}
