//! Values that the tests of this room share.

use crate::clock::Millis;
use crate::lifecycle::{Context, Event, Judgement};
use crate::model::{KeyId, Policy, Proof, Reason, SessionSummary, Standing, State};
use crate::plan::LaneFacts;

pub const NOW: Millis = 1_700_000_000_000;
pub const LAUNCH: i64 = 7;
pub const RUN: i64 = 70;

pub fn key(n: u8) -> KeyId {
    KeyId([n; 16])
}

pub fn cx(policy: &Policy) -> Context<'_> {
    Context { now: NOW, launch: LAUNCH, run: RUN, chance: 1.0, policy }
}

pub fn proof(generation: i64) -> Proof {
    Proof { generation, launch: LAUNCH - 1, at_ms: NOW - 1_000_000 }
}

/// A session in `state` as it may well be found there.
pub fn standing(state: State) -> Standing {
    let (reason, proof) = match state {
        State::Active => (None, Some(proof(3))),
        State::Lost => (Some(Reason::Gone), None),
        State::Expired => (Some(Reason::Expired), None),
        State::Blocked => (Some(Reason::Geo), None),
    };
    Standing {
        state,
        reason,
        proof,
        checked_generation: Some(3),
        stale_id: state == State::Lost,
        ..Standing::unproven(Some(NOW + 1))
    }
}

pub fn checked(judgement: Judgement, alone: bool) -> Event {
    Event::Checked { judgement, alone, generation: 4 }
}

pub fn loaded() -> Judgement {
    Judgement::Loaded { key_ids: vec![key(1)], expiration_ms: Some(NOW + 5) }
}

pub fn summary(standing: &Standing) -> SessionSummary {
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
        standing: standing.clone(),
        pending: None,
    }
}

pub fn lane(generation: i64) -> LaneFacts {
    LaneFacts {
        id: 1,
        key: crate::model::LaneKey {
            origin: "app://bundle".to_owned(),
            partition: String::new(),
            key_system: "org.w3.clearkey".to_owned(),
        },
        generation,
        cdm_observed: true,
        capability: Some(crate::model::Capability::Supported),
        deferred: None,
        retry_at_ms: None,
    }
}
