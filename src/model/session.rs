//! A stored session: our record of a `persistent-license` MediaKeySession.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{
    Generation, KeyId, LaneId, LaneKey, LaunchId, Reason, RowId, ServerOrigin, State, named_key_ids, server_origin,
};
use crate::clock::Millis;

/// When the CDM last showed the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    pub generation: Generation,
    pub launch: LaunchId,
    pub at_ms: Millis,
}

/// A load that failed without saying that the licence is gone. The second, in another run, counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    pub run: i64,
    pub at_ms: Millis,
}

/// How a stored session stands: everything a transition may change but its ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    /// Why it is lost, expired, blocked, or why its proof was taken.
    pub reason: Option<Reason>,
    /// Why its next attempt waits.
    pub delay: Option<Reason>,
    pub proof: Option<Proof>,
    /// `None` means never.
    pub expiration_ms: Option<Millis>,
    pub strike: Option<Strike>,
    /// Attempts in a row that ended with a delay.
    pub attempts: u32,
    pub next_attempt_at_ms: Option<Millis>,
    /// The generation of the last check that answered. Lost and blocked sessions are checked once in each.
    pub checked_generation: Option<Generation>,
    /// Our licence is no longer there under the session id: whatever the CDM has there now is not ours to release.
    pub stale_id: bool,
}

impl Standing {
    /// A row that nothing has been seen of yet.
    pub fn unproven(expiration_ms: Option<Millis>) -> Self {
        Self {
            state: State::Active,
            reason: Some(Reason::NeverProven),
            delay: None,
            proof: None,
            expiration_ms,
            strike: None,
            attempts: 0,
            next_attempt_at_ms: None,
            checked_generation: None,
            stale_id: false,
        }
    }
}

words! {
    /// How far a pending licence has come.
    Stage {
        /// The CDM has created the session and we wrote its id down; whether a licence came is not known.
        Journalled = "journalled",
        /// The CDM took a licence.
        Licensed = "licensed",
        /// A fresh MediaKeys showed its keys.
        Verified = "verified",
    }
}

/// A session the CDM has created for us whose outcome is not yet recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub session_id: String,
    /// The lane's when the CDM created it: since a later one its id may be another's.
    pub generation: Generation,
    pub stage: Stage,
    /// Set with `Verified`.
    pub proof: Option<Proof>,
    /// The expected key ids that the new licence lists; set with `Verified`.
    pub key_ids: Vec<KeyId>,
    pub expiration_ms: Option<Millis>,
    pub delay: Option<Reason>,
    pub attempts: u32,
    pub next_attempt_at_ms: Option<Millis>,
}

impl Pending {
    pub fn journalled(session_id: String, generation: Generation) -> Self {
        Self {
            session_id,
            generation,
            stage: Stage::Journalled,
            proof: None,
            key_ids: Vec::new(),
            expiration_ms: None,
            delay: None,
            attempts: 0,
            next_attempt_at_ms: None,
        }
    }
}

/// One entry of a MediaKeySystemConfiguration's capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaCapability {
    pub content_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robustness: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_scheme: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    #[serde(default)]
    pub audio: Vec<MediaCapability>,
    #[serde(default)]
    pub video: Vec<MediaCapability>,
}

/// The rules that came with a licence. Durations in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rules {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_duration_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rental_duration_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playback_duration_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_played_at: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_ahead_ms: Option<Millis>,
}

impl Rules {
    /// When a licence stops to play because it was begun.
    pub fn playback_ends_at_ms(&self) -> Option<Millis> {
        self.first_played_at.zip(self.playback_duration_ms).map(|(first, duration)| first.saturating_add(duration))
    }
}

/// A stored session, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: RowId,
    pub lane: LaneId,
    pub content_id: String,
    /// What the CDM calls it today; no identity.
    pub session_id: String,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    pub init_data: Option<Vec<u8>>,
    /// The expected key ids.
    pub key_ids: Vec<KeyId>,
    pub license_url: Option<String>,
    pub capabilities: Capabilities,
    pub last_played_at_ms: Option<Millis>,
    pub rules: Rules,
    pub canary: bool,
    pub metadata: Option<serde_json::Value>,
    pub ever_proven: bool,
    /// The id under which a server may bill once; kept from the first request until its licence is adopted or refused.
    pub request_id: Option<String>,
    /// The day (UTC) of its last licence request, and how many that day has seen.
    pub requests: DailyRequests,
    /// The launch in which the player's catalogue was first seen without it; `None`: listed, or never compared.
    pub missing_launch: Option<LaunchId>,
    pub standing: Standing,
    pub pending: Option<Pending>,
}

impl Session {
    /// Whether what a new licence needs is stored.
    pub fn renewable(&self) -> bool {
        self.init_data.is_some() && self.init_data_type.is_some()
    }

    /// The key ids that its init data names.
    pub fn named_key_ids(&self) -> Vec<KeyId> {
        named_key_ids(self.init_data_type.as_deref(), self.init_data.as_deref())
    }

    /// Those that its licence shows, as far as that is known.
    pub fn shown_key_ids(&self) -> Vec<KeyId> {
        if self.key_ids.is_empty() { self.named_key_ids() } else { self.key_ids.clone() }
    }

    pub fn summary(&self) -> SessionSummary {
        SessionSummary {
            id: self.id,
            lane: self.lane,
            content_id: self.content_id.as_str().into(),
            session_id: self.session_id.as_str().into(),
            account: self.account.as_deref().map(Into::into),
            canary: self.canary,
            missing: self.missing_launch.is_some(),
            renewable: self.renewable(),
            last_played_at_ms: self.last_played_at_ms,
            server: server_origin(self.license_url.as_deref()).into(),
            requests: self.requests,
            renew_ahead_ms: self.rules.renew_ahead_ms,
            playback_ends_at_ms: self.rules.playback_ends_at_ms(),
            standing: self.standing.clone(),
            pending: self.pending.as_ref().map(Pending::summary),
        }
    }
}

/// The part of a stored session that verdicts and scheduling need; kept in memory for every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    pub id: RowId,
    pub lane: LaneId,
    pub content_id: std::sync::Arc<str>,
    pub session_id: Box<str>,
    pub account: Option<Box<str>>,
    pub canary: bool,
    /// The player's catalogue no longer lists it.
    pub missing: bool,
    pub renewable: bool,
    pub last_played_at_ms: Option<Millis>,
    /// Who is asked for its licence.
    pub server: ServerOrigin,
    pub requests: DailyRequests,
    pub renew_ahead_ms: Option<Millis>,
    /// By the rules that came with the licence.
    pub playback_ends_at_ms: Option<Millis>,
    pub standing: Standing,
    pub pending: Option<PendingSummary>,
}

pub type DailyRequests = (i64, u32);

impl SessionSummary {
    /// Nothing that a new licence could give would play any more.
    pub fn is_over(&self, now: Millis) -> bool {
        self.playback_ends_at_ms.is_some_and(|end| end <= now)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingSummary {
    pub stage: Stage,
    pub proof: Option<Proof>,
    pub delay: Option<Reason>,
    pub next_attempt_at_ms: Option<Millis>,
}

impl Pending {
    pub fn summary(&self) -> PendingSummary {
        PendingSummary {
            stage: self.stage,
            proof: self.proof,
            delay: self.delay,
            next_attempt_at_ms: self.next_attempt_at_ms,
        }
    }
}

/// A stored session as JavaScript sees it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSession {
    pub id: RowId,
    pub content_id: String,
    #[serde(flatten)]
    pub lane: LaneKey,
    pub session_id: String,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    /// Base64 on its way to JavaScript, where it becomes a `Uint8Array`.
    pub init_data: Option<String>,
    pub key_ids: Vec<KeyId>,
    pub expiration: Option<Millis>,
    pub license_url: Option<String>,
    pub capabilities: Capabilities,
    pub last_played_at: Option<Millis>,
    pub rules: Rules,
    pub canary: bool,
    pub metadata: Option<serde_json::Value>,
    pub state: State,
    pub suspect: bool,
    pub reason: Option<Reason>,
    pub proven_at: Option<Millis>,
    pub next_attempt_at: Option<Millis>,
}
