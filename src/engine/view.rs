//! Stored rows as the host sees them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::DriverSession;
use crate::model::{Debt, Generation, LaneKey, Policy, Session, State, StoredSession};
use crate::plan::{self, LaneFacts, Scope};

pub fn stored_session(session: &Session, lane: &LaneFacts, scope: &Scope) -> StoredSession {
    let summary = session.summary();
    let trusted = plan::is_trusted(&summary, lane, scope);
    let next = plan::due(&summary, lane, scope, plan::Urge::None);
    let standing = &session.standing;
    let pending = session.pending.as_ref();
    StoredSession {
        id: session.id,
        content_id: session.content_id.clone(),
        lane: lane.key.clone(),
        session_id: session.session_id.clone(),
        account: session.account.clone(),
        init_data_type: session.init_data_type.clone(),
        init_data: session.init_data.as_ref().map(|data| STANDARD.encode(data)),
        key_ids: session.key_ids.clone(),
        expiration: standing.expiration_ms,
        license_url: session.license_url.clone(),
        capabilities: session.capabilities.clone(),
        last_played_at: session.last_played_at_ms,
        rules: session.rules.clone(),
        canary: session.canary,
        metadata: session.metadata.clone(),
        state: standing.state,
        suspect: standing.state == State::Active && !trusted,
        reason: standing.reason,
        proven_at: standing.proof.map(|proof| proof.at_ms),
        next_attempt_at: match next {
            plan::Due::At(at, _) => Some(at),
            _ => pending.and_then(|pending| pending.next_attempt_at_ms).or(standing.next_attempt_at_ms),
        },
    }
}

/// `session_id`: the one to work on, which for a pending licence is not the row's.
pub fn driver_session(
    session: &Session,
    session_id: &str,
    previous_session_ids: Vec<String>,
    lane: &LaneKey,
    policy: &Policy,
) -> DriverSession {
    DriverSession {
        content_id: Some(session.content_id.clone()),
        lane: lane.clone(),
        session_id: session_id.to_owned(),
        previous_session_ids,
        account: session.account.clone(),
        init_data_type: session.init_data_type.clone(),
        init_data: session.init_data.as_ref().map(|data| STANDARD.encode(data)),
        key_ids: session.key_ids.clone(),
        license_url: session.license_url.clone(),
        capabilities: session.capabilities.clone(),
        rules: session.rules.clone(),
        metadata: session.metadata.clone(),
        key_status_wait_ms: policy.key_status_wait_ms,
    }
}

/// `generation`: the lane's.
pub fn debt_session(debt: &Debt, lane: &LaneKey, generation: Generation, policy: &Policy) -> DriverSession {
    // Whatever keys a bad licence shows, it is ours to remove.
    let key_ids = if debt.bad_in == Some(generation) { Vec::new() } else { debt.key_ids.clone() };
    DriverSession {
        content_id: None,
        lane: lane.clone(),
        session_id: debt.session_id.clone(),
        previous_session_ids: Vec::new(),
        account: None,
        init_data_type: debt.init_data_type.clone(),
        init_data: None,
        key_ids,
        license_url: None,
        capabilities: debt.capabilities.clone(),
        rules: crate::model::Rules::default(),
        metadata: None,
        key_status_wait_ms: policy.key_status_wait_ms,
    }
}
