//! Release debt: an old session id still to be removed from the CDM.

use super::{Capabilities, DebtId, Generation, KeyId, LaneId, LaunchId};
use crate::clock::Millis;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    pub id: DebtId,
    pub lane: LaneId,
    pub content_id: String,
    pub session_id: String,
    pub capabilities: Capabilities,
    pub init_data_type: Option<String>,
    /// What the licence shows: a session with none of them is somebody else's by now.
    pub key_ids: Vec<KeyId>,
    /// The generation in which its id is ours whatever keys it shows: the licence was a bad one.
    pub bad_in: Option<Generation>,
    /// The launch in which it was made.
    pub launch: LaunchId,
    pub attempts: u32,
    pub next_attempt_at_ms: Option<Millis>,
}
