//! Values that the tests of this room share.

use crate::clock::Millis;
use crate::model::{
    Capability, Connectivity, LaneKey, PendingSummary, Policy, Proof, Reason, SessionSummary, Stage, Standing, State,
};
use crate::plan::{LaneFacts, Scope};

pub const NOW: Millis = 1_700_000_000_000;
/// The launch under way, and the generation that the lane is in.
pub const LAUNCH: i64 = 9;
pub const GENERATION: i64 = 4;

pub fn scope() -> Scope {
    Scope::of(&Policy::default(), NOW, LAUNCH)
}

pub fn offline() -> Scope {
    Scope { connectivity: Connectivity::Offline, ..scope() }
}

pub fn lane() -> LaneFacts {
    LaneFacts {
        id: 1,
        key: LaneKey {
            origin: "app://bundle".to_owned(),
            partition: String::new(),
            key_system: "com.widevine.alpha".to_owned(),
        },
        generation: GENERATION,
        cdm_observed: true,
        capability: Some(Capability::Supported),
        deferred: None,
        retry_at_ms: None,
    }
}

pub fn unobserved() -> LaneFacts {
    LaneFacts { cdm_observed: false, ..lane() }
}

pub fn unsupported() -> LaneFacts {
    LaneFacts { capability: Some(Capability::Unsupported), ..lane() }
}

pub fn deferred(reason: Reason) -> LaneFacts {
    LaneFacts { deferred: Some(reason), ..lane() }
}

/// A proof from an earlier launch.
pub fn proof(generation: i64) -> Proof {
    Proof { generation, launch: LAUNCH - 1, at_ms: NOW - 1_000_000 }
}

pub fn session(standing: Standing) -> SessionSummary {
    SessionSummary {
        id: 1,
        lane: 1,
        content_id: "film".into(),
        session_id: "1".into(),
        missing: false,
        renewable: true,
        account: None,
        canary: false,
        last_played_at_ms: None,
        server: "".into(),
        requests: (0, 0),
        renew_ahead_ms: None,
        playback_ends_at_ms: None,
        standing,
        pending: None,
    }
}

pub fn active(proof: Option<Proof>) -> SessionSummary {
    session(Standing {
        reason: None,
        proof,
        checked_generation: proof.map(|proof| proof.generation),
        ..Standing::unproven(None)
    })
}

pub fn proven() -> SessionSummary {
    active(Some(proof(GENERATION)))
}

pub fn suspect() -> SessionSummary {
    active(Some(proof(GENERATION - 1)))
}

/// A session in a state that needs a licence, already checked in this generation.
pub fn broken(state: State, reason: Reason) -> SessionSummary {
    session(Standing { state, reason: Some(reason), checked_generation: Some(GENERATION), ..Standing::unproven(None) })
}

pub fn lost() -> SessionSummary {
    broken(State::Lost, Reason::Gone)
}

pub fn expired() -> SessionSummary {
    broken(State::Expired, Reason::Expired)
}

/// Blocked, to be tried again at `at`, if ever.
pub fn blocked(reason: Reason, at: Option<Millis>) -> SessionSummary {
    waiting(broken(State::Blocked, reason), None, at)
}

pub fn waiting(mut session: SessionSummary, delay: Option<Reason>, at: Option<Millis>) -> SessionSummary {
    session.standing.delay = delay;
    session.standing.next_attempt_at_ms = at;
    session
}

pub fn unrenewable(session: SessionSummary) -> SessionSummary {
    SessionSummary { renewable: false, ..session }
}

pub fn unchecked(mut session: SessionSummary) -> SessionSummary {
    session.standing.checked_generation = Some(GENERATION - 1);
    session
}

pub fn expiring(mut session: SessionSummary, at: Millis) -> SessionSummary {
    session.standing.expiration_ms = Some(at);
    session
}

pub fn pending(session: SessionSummary, stage: Stage, proof: Option<Proof>) -> SessionSummary {
    let pending = PendingSummary { stage, proof, delay: None, next_attempt_at_ms: None };
    SessionSummary { pending: Some(pending), ..session }
}
