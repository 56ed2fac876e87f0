//! Input of the public calls: read, checked whole, normalised. A mistake names its field and writes nothing.

mod catalogue;
mod checks;
mod session;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{KeyId, KeyStatus, KeyStatuses, LaneKey, PartialPlatform, PlatformInfo, State, content_key_ids};
use crate::error::{Error, Result};
pub use catalogue::{CatalogueContent, CatalogueEntry};
pub use checks::MAX_KEY_IDS;
use checks::{bytes, id, key_ids, key_statuses, origin, text, timestamp};
pub use session::{NewSession, SessionInput};

/// Reads JSON; an error names the field's path.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        // serde_json adds a position in a text that the caller has never seen.
        let message = message.split(" at line ").next().unwrap_or_default();
        let at = Error::invalid(path.trim_start_matches('.'), in_javascript(message));
        // A field that is not there has no path of its own.
        match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(field) if path == "." => Error::invalid(field, "must be given"),
            Some(field) => Error::invalid(format!("{path}.{field}"), "must be given"),
            None => at,
        }
    })?;
    deserializer.end().map_err(|error| Error::invalid("", error.to_string()))?;
    Ok(value)
}

/// The same with the caller's names of types.
fn in_javascript(message: &str) -> String {
    let Some((found, expected)) = message.split_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "i64" => "an integer",
        "u64" | "u32" | "u16" | "u8" | "usize" => "an integer from 0",
        "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        other => other.strip_prefix("struct ").map_or(other, |_| "an object"),
    };
    let found = found.replace("floating point", "number").replace("sequence", "array").replace(": map", ": object");
    format!("{found}, expected {expected}")
}

/// What the player saw, as `reportPlayback` takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaybackReport {
    /// What went wrong, for the log only.
    pub error: Option<String>,
    pub system_code: Option<i64>,
    pub key_statuses: Option<BTreeMap<String, KeyStatus>>,
    pub expiration: Option<f64>,
}

impl PlaybackReport {
    /// The key statuses seen; `None`: playback failed, whatever they were.
    pub fn check(self) -> Result<Option<KeyStatuses>> {
        self.expiration.map(|ms| timestamp("expiration", ms)).transpose()?;
        let shown = key_statuses("keyStatuses", self.key_statuses.unwrap_or_default())?;
        Ok((self.error.is_none() && self.system_code.is_none()).then_some(shown))
    }
}

/// Narrows `list`; all given conditions hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    pub content_id: Option<String>,
    pub origin: Option<String>,
    pub partition: Option<String>,
    pub key_system: Option<String>,
    pub account: Option<String>,
    pub state: Option<State>,
    pub suspect: Option<bool>,
}

impl Filter {
    pub fn check(self) -> Result<Self> {
        let texts = [
            ("contentId", &self.content_id),
            ("origin", &self.origin),
            ("partition", &self.partition),
            ("keySystem", &self.key_system),
            ("account", &self.account),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                text(field, value.clone())?;
            }
        }
        Ok(self)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindQuery {
    pub content_id: Option<String>,
    pub key_ids: Option<Vec<String>>,
    pub init_data: Option<String>,
    /// What `initData` is; `cenc` when left out.
    pub init_data_type: Option<String>,
}

impl FindQuery {
    /// The content id and the key ids that a session must share one of (`None`: any).
    pub fn check(self) -> Result<(Option<String>, Option<Vec<KeyId>>)> {
        let content_id = self.content_id.map(|c| id("contentId", c)).transpose()?;
        let mut wanted: Option<Vec<KeyId>> = self.key_ids.map(|ids| key_ids("keyIds", &ids)).transpose()?;
        if let Some(data) = self.init_data {
            let data = bytes("initData", &data)?;
            let kind = self.init_data_type.as_deref().unwrap_or("cenc");
            wanted.get_or_insert_default().extend(content_key_ids(kind, &data));
        }
        if content_id.is_none() && wanted.is_none() {
            return Err(Error::invalid("query", "name a contentId, keyIds or initData"));
        }
        Ok((content_id, wanted))
    }
}

impl PlatformInfo {
    pub fn check(self) -> Result<Self> {
        for (field, value) in [("app", &self.app), ("electron", &self.electron), ("chromium", &self.chromium)] {
            id(field, value.clone())?;
        }
        PartialPlatform {
            node: self.node.clone(),
            cdms: Some(self.cdms.clone()),
            os: self.os.clone(),
            arch: self.arch.clone(),
            profile: self.profile.clone(),
            machine: self.machine.clone(),
            ..PartialPlatform::default()
        }
        .check()?;
        Ok(self)
    }
}

impl PartialPlatform {
    pub fn check(self) -> Result<Self> {
        let os = self.os.clone().unwrap_or_default();
        let texts = [
            ("app", &self.app),
            ("electron", &self.electron),
            ("chromium", &self.chromium),
            ("node", &self.node),
            ("os.name", &os.name),
            ("os.version", &os.version),
            ("arch", &self.arch),
            ("profile", &self.profile),
            ("machine", &self.machine),
        ];
        for (field, value) in texts {
            if let Some(value) = value {
                id(field, value.clone())?;
            }
        }
        for (at, cdm) in self.cdms.iter().flatten().enumerate() {
            id(&format!("cdms[{at}].keySystem"), cdm.key_system.clone())?;
            if let Some(version) = &cdm.version {
                id(&format!("cdms[{at}].version"), version.clone())?;
            }
        }
        Ok(self)
    }
}

/// A lane on its own, as `hold` takes it.
pub fn checked_lane(lane: LaneKey) -> Result<LaneKey> {
    Ok(LaneKey {
        origin: origin(&lane.origin)?,
        partition: text("partition", lane.partition)?,
        key_system: id("keySystem", lane.key_system)?,
    })
}

/// The account that is signed in.
pub fn account(value: String) -> Result<String> {
    id("account", value)
}

/// A content id on its own, as `removeContent`, `verdict` and `ensurePlayable` take it.
pub fn content_id(value: String) -> Result<String> {
    id("contentId", value)
}

/// A session id that a window reports.
pub fn session_id(value: String) -> Result<String> {
    id("sessionId", value)
}
