//! One exhaustive match over (state, event), grouped by state.

use super::Judgement;
use crate::clock::Millis;
use crate::model::{Generation, KeyId, LaunchId, Policy, Proof, Reason, Refusal, Standing, State, Strike};

/// What happened to a stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A check answered. `alone`: it was the lone recheck, on a fresh MediaKeys.
    Checked { judgement: Judgement, alone: bool, generation: Generation },
    /// A new licence was verified in `proof` and is in the player's catalogue.
    Adopted { proof: Proof, key_ids: Vec<KeyId>, expiration_ms: Option<Millis> },
    /// The licence server refused.
    Refused(Refusal),
    /// Throttled, unreachable, server error or timeout.
    Delayed { reason: Reason, retry_after_ms: Option<Millis> },
    /// The CDM rejected the new licence (`rejected`), or it did not show its keys (`unverified`).
    BadLicense(Reason),
    /// The CDM has given this session's id to another one, in the generation that counts from now on.
    IdReused { generation: Generation },
    /// Playback was reported broken.
    PlaybackBroken,
}

/// What a transition may look at besides the session and the event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: Millis,
    pub launch: LaunchId,
    /// Counts runs across launches: a strike counts once in each.
    pub run: i64,
    /// From 0 to 1: the jitter of a wait after a failed request.
    pub chance: f64,
    pub policy: &'a Policy,
}

/// What follows, in the words of the state table's last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is proven, or stays as it is.
    Rest,
    /// Check once more, alone, on a fresh MediaKeys.
    RecheckAlone,
    Check,
    License,
    /// At `next_attempt_at_ms`.
    Later,
    /// Release the old id.
    Release,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub standing: Standing,
    /// New expected key ids, where the event brought them.
    pub key_ids: Option<Vec<KeyId>>,
    pub next: Next,
}

/// The event has no row for this state: nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} is unknown to a session that is {}", state.as_str())]
pub struct UnknownEvent {
    pub state: State,
    pub event: &'static str,
}

pub fn transition(from: &Standing, event: &Event, cx: Context<'_>) -> Result<Transition, UnknownEvent> {
    use Judgement::{Absent, Expired, Failed, Later, Loaded, Released};
    use State::{Active, Blocked, Lost};

    let transition = match (from.state, event) {
        // Any state.
        (_, Event::Checked { judgement: Loaded { key_ids, expiration_ms }, generation, .. }) => {
            let proof = Proof { generation: *generation, launch: cx.launch, at_ms: cx.now };
            proven(from, proof, key_ids, *expiration_ms, Next::Rest)
        }
        (_, Event::Adopted { proof, key_ids, expiration_ms }) => {
            let mut adopted = proven(from, *proof, key_ids, *expiration_ms, Next::Release);
            let is_no_longer = expiration_ms.zip(from.expiration_ms).is_some_and(|(new, old)| new <= old);
            if from.state == Active && from.proof.is_some() && is_no_longer {
                // Renewed ahead in vain: not at once again.
                adopted.standing.next_attempt_at_ms =
                    Some(cx.policy.retry_at(cx.now, 1, Some(cx.policy.backoff_max_ms)));
            }
            adopted
        }

        // Active: proven or suspect.
        (Active, Event::Checked { judgement: Absent(_), alone: false, .. }) => to(from.clone(), Next::RecheckAlone),
        (Active, Event::Checked { judgement: Absent(reason), alone: true, generation }) => {
            lost(from, *reason, *generation)
        }
        // Never reconciled with a catalogue, so the catalogue may still list it.
        (Active, Event::Checked { judgement: Released, generation, .. }) => lost(from, Reason::Released, *generation),
        (Active, Event::Checked { judgement: Expired { expiration_ms }, generation, .. }) => {
            let standing = Standing {
                state: State::Expired,
                reason: Some(Reason::Expired),
                proof: None,
                expiration_ms: *expiration_ms,
                checked_generation: Some(*generation),
                ..retryable(from)
            };
            let next = if cx.policy.relicense_expired { Next::License } else { Next::Rest };
            to(standing, next)
        }
        (Active, Event::Checked { judgement: Later(reason), .. }) => delayed(from, *reason, None, cx),
        (Active, Event::Checked { judgement: Failed, generation, .. }) => match from.strike {
            // A strike from the future was dated by a clock that has been set since.
            Some(strike)
                if strike.run != cx.run && !(0..cx.policy.strike_spacing_ms).contains(&(cx.now - strike.at_ms)) =>
            {
                lost(from, Reason::LoadFailed, *generation)
            }
            Some(_) => delayed(from, Reason::LoadFailed, Some(cx.policy.strike_spacing_ms), cx),
            None => {
                let struck = Standing { strike: Some(Strike { run: cx.run, at_ms: cx.now }), ..from.clone() };
                delayed(&struck, Reason::LoadFailed, Some(cx.policy.strike_spacing_ms), cx)
            }
        },
        (Active, Event::PlaybackBroken) => {
            let reason = Some(Reason::PlaybackBroken);
            to(Standing { proof: None, reason, checked_generation: None, ..retryable(from) }, Next::Check)
        }
        (Active, Event::IdReused { generation }) => lost(from, Reason::IdReused, *generation),
        // A renewal ahead that fails leaves the licence that is there.
        (Active, Event::Refused(refusal)) => delayed(from, refusal.reason(), None, cx),
        (Active, Event::BadLicense(reason)) => delayed(from, *reason, None, cx),
        (Active, Event::Delayed { reason, retry_after_ms }) => undelivered(from, *reason, *retry_after_ms, cx),

        // Open elsewhere under the id that is still ours: the licence is there, and another would be paid for twice.
        (Lost | State::Expired, Event::Checked { judgement: Later(Reason::InUse), .. }) if !from.stale_id => {
            delayed(from, Reason::InUse, None, cx)
        }
        // Lost, expired, blocked: anything else but a loaded check leads to a new licence.
        (
            Lost | State::Expired | Blocked,
            Event::Checked { judgement: Absent(_) | Released | Expired { .. } | Later(_) | Failed, generation, .. },
        ) => {
            let standing = Standing { checked_generation: Some(*generation), ..from.clone() };
            to(standing, Next::License)
        }
        (Lost | State::Expired | Blocked, Event::Refused(refusal)) => {
            let attempts = from.attempts.saturating_add(1);
            let standing = Standing {
                state: Blocked,
                reason: Some(refusal.reason()),
                delay: None,
                attempts,
                next_attempt_at_ms: refused_until(*refusal, attempts, cx),
                ..from.clone()
            };
            to(standing, Next::Later)
        }
        (Lost | State::Expired | Blocked, Event::Delayed { reason, retry_after_ms }) => {
            undelivered(from, *reason, *retry_after_ms, cx)
        }
        (Lost | State::Expired | Blocked, Event::BadLicense(reason)) => {
            let blocked = Standing { state: Blocked, reason: Some(*reason), ..from.clone() };
            delayed(&blocked, *reason, None, cx)
        }
        // Its waits stay: they are a server's, or there because of a bad licence.
        (Lost | State::Expired | Blocked, Event::PlaybackBroken) => {
            to(Standing { checked_generation: None, ..from.clone() }, Next::Check)
        }
        // Already known to be lost: the reused id says nothing new.
        (Lost | State::Expired | Blocked, Event::IdReused { .. }) => {
            return Err(UnknownEvent { state: from.state, event: "id-reused" });
        }
    };
    Ok(transition)
}

fn to(standing: Standing, next: Next) -> Transition {
    Transition { standing, key_ids: None, next }
}

/// Without the traces of earlier failures.
fn retryable(from: &Standing) -> Standing {
    Standing { delay: None, strike: None, attempts: 0, next_attempt_at_ms: None, ..from.clone() }
}

fn proven(from: &Standing, proof: Proof, key_ids: &[KeyId], expiration_ms: Option<Millis>, next: Next) -> Transition {
    let standing = Standing {
        state: State::Active,
        reason: None,
        proof: Some(proof),
        expiration_ms,
        checked_generation: Some(proof.generation),
        stale_id: false,
        ..retryable(from)
    };
    Transition { standing, key_ids: Some(key_ids.to_vec()), next }
}

fn lost(from: &Standing, reason: Reason, checked_generation: Generation) -> Transition {
    let standing = Standing {
        state: State::Lost,
        reason: Some(reason),
        proof: None,
        checked_generation: Some(checked_generation),
        stale_id: reason.leaves_stale_id(),
        ..retryable(from)
    };
    to(standing, Next::License)
}

fn delayed(from: &Standing, reason: Reason, retry_after_ms: Option<Millis>, cx: Context<'_>) -> Transition {
    undelivered(from, reason, retry_after_ms, Context { chance: 1.0, ..cx })
}

/// A licence did not come. Many installs ask the same server, so each waits for a time of its own.
fn undelivered(from: &Standing, reason: Reason, retry_after_ms: Option<Millis>, cx: Context<'_>) -> Transition {
    let attempts = from.attempts.saturating_add(1);
    let standing = Standing {
        delay: Some(reason),
        attempts,
        next_attempt_at_ms: Some(cx.policy.jittered_retry_at(cx.now, attempts, retry_after_ms, cx.chance)),
        ..from.clone()
    };
    to(standing, Next::Later)
}

/// The retry rule of each refusal; `None`: only when the account or location changes, or somebody asks.
fn refused_until(refusal: Refusal, attempts: u32, cx: Context<'_>) -> Option<Millis> {
    match refusal {
        Refusal::Auth | Refusal::Revoked | Refusal::OfflineNotAllowed => None,
        Refusal::Geo | Refusal::Entitlement | Refusal::DeviceLimit => {
            Some(cx.policy.retry_at(cx.now, attempts, Some(cx.policy.backoff_max_ms)))
        }
        Refusal::Concurrency => Some(cx.policy.retry_at(cx.now, attempts, None)),
    }
}
