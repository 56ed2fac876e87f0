//! The answer to "may the renderer play this now?"

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{Action, Reason};
use crate::clock::Millis;

words! {
    Playable { Offline = "offline", Try = "try", Online = "online", No = "no" }
}

words! {
    /// A content's state: the worst of its sessions.
    VerdictState {
        Proven = "proven",
        Suspect = "suspect",
        Expired = "expired",
        Lost = "lost",
        Blocked = "blocked",
        Unsupported = "unsupported",
        Unknown = "unknown",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayableSession {
    pub session_id: String,
    pub key_system: String,
    pub expiration: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub content_id: String,
    pub playable: Playable,
    pub state: VerdictState,
    pub reason: Option<Reason>,
    pub action: Action,
    pub retry_at: Option<Millis>,
    pub sessions: Vec<PlayableSession>,
}
