//! The player's catalogue, as `reconcile` takes it.

use serde::Deserialize;

use super::checks::id;
use super::session::{NewSession, SessionInput};
use crate::error::{Error, Result};
use crate::model::{Capabilities, LaneKey, Policy, Rules};

const MAX_SESSIONS: usize = 1024;

/// One content of the catalogue. What it says of its licences, it says of each of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CatalogueEntry {
    pub content_id: String,
    pub session_ids: Vec<String>,
    /// Still being downloaded: its session ids are in use, and nothing else follows from it.
    pub incomplete: Option<bool>,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    pub init_data: Option<String>,
    pub key_ids: Option<Vec<String>>,
    pub expiration: Option<f64>,
    pub license_url: Option<String>,
    pub capabilities: Option<Capabilities>,
    pub last_played_at: Option<f64>,
    pub rules: Option<Rules>,
    pub metadata: Option<serde_json::Value>,
}

/// A checked `CatalogueEntry`.
#[derive(Debug, Clone)]
pub struct CatalogueContent {
    pub content_id: String,
    pub incomplete: bool,
    pub sessions: Vec<NewSession>,
}

impl CatalogueEntry {
    pub fn check(self, lane: &LaneKey, policy: &Policy) -> Result<CatalogueContent> {
        let content_id = id("contentId", self.content_id.clone())?;
        if self.session_ids.len() > MAX_SESSIONS {
            return Err(Error::invalid("sessionIds", format!("at most {MAX_SESSIONS}")));
        }
        let mut sessions = Vec::with_capacity(self.session_ids.len());
        for (at, session_id) in self.session_ids.iter().enumerate() {
            let session_id = id(&format!("sessionIds[{at}]"), session_id.clone())?;
            sessions.push(self.session(session_id, lane).check(policy)?);
        }
        Ok(CatalogueContent { content_id, incomplete: self.incomplete == Some(true), sessions })
    }

    fn session(&self, session_id: String, lane: &LaneKey) -> SessionInput {
        SessionInput {
            content_id: self.content_id.clone(),
            origin: lane.origin.clone(),
            partition: Some(lane.partition.clone()),
            key_system: lane.key_system.clone(),
            session_id,
            account: self.account.clone(),
            init_data_type: self.init_data_type.clone(),
            init_data: self.init_data.clone(),
            key_ids: self.key_ids.clone(),
            expiration: self.expiration,
            license_url: self.license_url.clone(),
            capabilities: self.capabilities.clone(),
            last_played_at: self.last_played_at,
            rules: self.rules.clone(),
            metadata: self.metadata.clone(),
            ..SessionInput::default()
        }
    }
}
