//! `SessionInput`, what `put` takes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::checked_lane;
use super::checks::{
    bytes, capabilities, id, init_data_type, key_ids, key_statuses, license_url, metadata, rules, timestamp,
};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::{Capabilities, KeyId, KeyStatuses, LaneKey, Policy, Rules, named_key_ids};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proven {
    pub key_statuses: BTreeMap<String, crate::model::KeyStatus>,
}

/// `SessionInput` as JavaScript gives it (`initData` as base64).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionInput {
    pub content_id: String,
    pub origin: String,
    pub partition: Option<String>,
    pub key_system: String,
    pub session_id: String,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    pub init_data: Option<String>,
    pub key_ids: Option<Vec<String>>,
    pub expiration: Option<f64>,
    pub license_url: Option<String>,
    pub capabilities: Option<Capabilities>,
    pub last_played_at: Option<f64>,
    pub rules: Option<Rules>,
    pub canary: Option<bool>,
    pub metadata: Option<serde_json::Value>,
    pub proven: Option<Proven>,
    /// What `list` adds is read and ignored, so that a StoredSession can be put again.
    #[serde(rename = "id")]
    pub(super) _id: Option<IgnoredAny>,
    #[serde(rename = "state")]
    pub(super) _state: Option<IgnoredAny>,
    #[serde(rename = "suspect")]
    pub(super) _suspect: Option<IgnoredAny>,
    #[serde(rename = "reason")]
    pub(super) _reason: Option<IgnoredAny>,
    #[serde(rename = "provenAt")]
    pub(super) _proven_at: Option<IgnoredAny>,
    #[serde(rename = "nextAttemptAt")]
    pub(super) _next_attempt_at: Option<IgnoredAny>,
}

/// A checked `SessionInput`.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub content_id: String,
    pub lane: LaneKey,
    pub session_id: String,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    pub init_data: Option<Vec<u8>>,
    /// The expected key ids: those given, else those shown; else what its first check shows will be expected.
    pub key_ids: Vec<KeyId>,
    pub expiration_ms: Option<Millis>,
    pub license_url: Option<String>,
    pub capabilities: Capabilities,
    pub last_played_at_ms: Option<Millis>,
    pub rules: Rules,
    pub canary: Option<bool>,
    pub metadata: Option<serde_json::Value>,
    pub proven: Option<KeyStatuses>,
}

impl NewSession {
    /// The key ids that its init data names.
    pub fn named_key_ids(&self) -> Vec<KeyId> {
        named_key_ids(self.init_data_type.as_deref(), self.init_data.as_deref())
    }
}

impl SessionInput {
    pub fn check(self, policy: &Policy) -> Result<NewSession> {
        let content_id = id("contentId", self.content_id)?;
        let session_id = id("sessionId", self.session_id)?;
        let partition = self.partition.unwrap_or_default();
        let lane = checked_lane(LaneKey { origin: self.origin, partition, key_system: self.key_system })?;
        let init_data_type = self.init_data_type.map(init_data_type).transpose()?;
        let init_data = self.init_data.map(|data| bytes("initData", &data)).transpose()?;
        if init_data.is_some() && init_data_type.is_none() {
            return Err(Error::invalid("initDataType", "needed with initData"));
        }
        let proven = self.proven.map(|proven| key_statuses("proven.keyStatuses", proven.key_statuses)).transpose()?;
        let key_ids = match (self.key_ids, &proven) {
            (Some(given), _) if !given.is_empty() => key_ids("keyIds", &given)?,
            (_, Some(shown)) => shown.keys().copied().collect(),
            _ => Vec::new(),
        };
        Ok(NewSession {
            content_id,
            lane,
            session_id,
            account: self.account.map(|a| id("account", a)).transpose()?,
            init_data_type,
            init_data,
            key_ids,
            expiration_ms: self.expiration.map(|ms| timestamp("expiration", ms)).transpose()?,
            license_url: self.license_url.map(|u| license_url(&u, policy)).transpose()?,
            capabilities: self.capabilities.map(capabilities).transpose()?.unwrap_or_default(),
            last_played_at_ms: self.last_played_at.map(|ms| timestamp("lastPlayedAt", ms)).transpose()?,
            rules: self.rules.map(rules).transpose()?.unwrap_or_default(),
            canary: self.canary,
            metadata: self.metadata.map(metadata).transpose()?,
            proven,
        })
    }
}
