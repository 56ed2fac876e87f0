//! What an app may set, with a default and a unit in the name of every field.

use serde::{Deserialize, Serialize};

use super::input::parse_json;
use super::words::words;
use crate::clock::Millis;
use crate::error::{Error, Result};

words! {
    /// `observe` detects and reports, and does nothing else.
    Mode { Repair = "repair", Observe = "observe" }
}

words! {
    /// What an app would best do with an update.
    Advice { Install = "install", Warn = "warn", Defer = "defer" }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Policy {
    pub mode: Mode,
    /// The advice about every update, whatever an assessment finds; `None`: what it finds.
    pub update_advice: Option<Advice>,
    /// Sessions of one lane that are handed out at a time.
    pub batch_size: u32,
    /// Licence requests in parallel inside a lane's one MediaKeys.
    pub license_concurrency: u32,
    /// Licence requests a second with which a server that is not known yet is asked; more, as long as it bears them.
    pub license_rate_per_s: f64,
    /// The most licence requests a second.
    pub license_rate_max_per_s: f64,
    /// Licence requests for one session in a day (UTC), whatever goes wrong.
    pub licenses_per_session_per_day: u32,
    /// Licence requests of this install in an hour.
    pub licenses_per_hour: u32,
    /// The longest that updates may be held back for a journey.
    pub travel_mode_max_days: u32,
    /// The longest random delay before licences that nobody waits for.
    pub spread_max_ms: Millis,
    /// How long a loaded session may show no key status before it counts as hollow.
    pub key_status_wait_ms: Millis,
    /// How long a phase may wait for the origin's lock and for its MediaKeys.
    pub start_phase_timeout_ms: Millis,
    /// How long one check, verification, adoption or release may take.
    pub task_timeout_ms: Millis,
    /// How long one licence may take, its request included.
    pub license_timeout_ms: Millis,
    /// The first wait after a failure; it doubles with each further one.
    pub backoff_base_ms: Millis,
    /// The longest wait after a failure, a server's Retry-After included.
    pub backoff_max_ms: Millis,
    /// How long after a first strike a second one counts.
    pub strike_spacing_ms: Millis,
    /// Whether an expired licence is licensed again without being asked for.
    pub relicense_expired: bool,
    /// Whether the query of a licence URL is kept.
    pub keep_license_query: bool,
    /// The default of `ensurePlayable`'s `timeoutMs`.
    pub ensure_playable_timeout_ms: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Repair,
            update_advice: None,
            batch_size: 25,
            license_concurrency: 4,
            license_rate_per_s: 10.0,
            license_rate_max_per_s: 90.0,
            licenses_per_session_per_day: 24,
            licenses_per_hour: 5_000,
            travel_mode_max_days: 30,
            spread_max_ms: 60_000,
            key_status_wait_ms: 2_000,
            start_phase_timeout_ms: 60_000,
            task_timeout_ms: 30_000,
            license_timeout_ms: 30_000,
            backoff_base_ms: 5_000,
            backoff_max_ms: 6 * 3_600_000,
            strike_spacing_ms: 60_000,
            relicense_expired: true,
            keep_license_query: false,
            ensure_playable_timeout_ms: 15_000,
        }
    }
}

impl Policy {
    /// This one with the fields of `changes`, a JSON object, in their place.
    pub fn changed_by(&self, changes: serde_json::Value) -> Result<Self> {
        let serde_json::Value::Object(changes) = changes else {
            return Err(Error::invalid("policy", "must be an object"));
        };
        let mut fields = serde_json::to_value(self).map_err(|error| Error::Internal(error.to_string()))?;
        if let serde_json::Value::Object(fields) = &mut fields {
            fields.extend(changes);
        }
        let changed = parse_json::<Self>(&fields.to_string()).and_then(Self::validate);
        changed.map_err(|error| error.within("policy"))
    }

    pub fn validate(self) -> Result<Self> {
        const DAY_MS: Millis = 86_400_000;
        let counts = [
            ("batchSize", self.batch_size, 25),
            ("licenseConcurrency", self.license_concurrency, 16),
            ("licensesPerSessionPerDay", self.licenses_per_session_per_day, 1_000),
            ("licensesPerHour", self.licenses_per_hour, 1_000_000),
            ("travelModeMaxDays", self.travel_mode_max_days, 365),
        ];
        for (field, value, max) in counts {
            if !(1..=max).contains(&value) {
                return Err(Error::invalid(field, format!("a whole number from 1 to {max}")));
            }
        }
        let rates = [("licenseRatePerS", self.license_rate_per_s), ("licenseRateMaxPerS", self.license_rate_max_per_s)];
        for (field, value) in rates {
            if !(1.0..=1_000.0).contains(&value) {
                return Err(Error::invalid(field, "requests a second, from 1 to 1,000"));
            }
        }
        let durations = [
            ("keyStatusWaitMs", self.key_status_wait_ms),
            ("startPhaseTimeoutMs", self.start_phase_timeout_ms),
            ("taskTimeoutMs", self.task_timeout_ms),
            ("licenseTimeoutMs", self.license_timeout_ms),
            ("backoffBaseMs", self.backoff_base_ms),
            ("backoffMaxMs", self.backoff_max_ms),
            ("strikeSpacingMs", self.strike_spacing_ms),
            ("spreadMaxMs", self.spread_max_ms),
            ("ensurePlayableTimeoutMs", self.ensure_playable_timeout_ms),
        ];
        for (field, value) in durations {
            if !(1..=DAY_MS).contains(&value) {
                return Err(Error::invalid(field, "milliseconds, from 1 to one day"));
            }
        }
        Ok(self)
    }

    /// The wait after the `attempts`th failure in a row (1 is the first).
    pub fn backoff_ms(&self, attempts: u32) -> Millis {
        let doublings = attempts.saturating_sub(1).min(30);
        self.backoff_base_ms.saturating_mul(1 << doublings).min(self.backoff_max_ms)
    }

    /// When to try again after a failure that the server may have dated. Never beyond `backoff_max_ms`, so that no
    /// clock and no server can postpone work for years.
    pub fn retry_at(&self, now: Millis, attempts: u32, retry_after_ms: Option<Millis>) -> Millis {
        self.jittered_retry_at(now, attempts, retry_after_ms, 1.0)
    }

    /// The same with full jitter: some part (`chance`, from 0 to 1) of the wait, but not at once; up to a quarter longer than what a server
    /// asked for.
    /// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>)
    pub fn jittered_retry_at(&self, now: Millis, attempts: u32, retry_after_ms: Option<Millis>, chance: f64) -> Millis {
        let wait = match retry_after_ms {
            Some(asked) if asked > 0 => asked as f64 * (1.25 - 0.25 * chance),
            // "At once" from a server that has just refused is no answer.
            _ => self.backoff_ms(attempts) as f64 * (0.1 + 0.9 * chance),
        };
        now.saturating_add((wait as Millis).clamp(1, self.backoff_max_ms))
    }
}
