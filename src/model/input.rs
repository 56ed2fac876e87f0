//! Input of the public calls: read, checked whole, normalised. A mistake names its field and writes nothing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::outcome::KeyStatuses;
use super::{
    Capabilities, KeyId, LaneKey, MediaCapability, PartialPlatform, PlatformInfo, Policy, Rules, State, content_key_ids,
};
use crate::clock::Millis;
use crate::error::{Error, Result};

const MAX_ID_BYTES: usize = 1024;
const MAX_DATA_BYTES: usize = 64 * 1024;
pub const MAX_KEY_IDS: usize = 1024;
const MAX_CAPABILITIES: usize = 64;

/// Reads JSON; an error names the field's path.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        // serde_json adds a position in a text that the caller has never seen.
        let message = message.split(" at line ").next().unwrap_or_default();
        let at = Error::invalid(path.trim_start_matches('.'), message);
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

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proven {
    pub key_statuses: BTreeMap<String, super::KeyStatus>,
}

/// `SessionInput` as JavaScript gives it (`initData` as base64).
#[derive(Debug, Clone, Deserialize)]
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
    _id: Option<IgnoredAny>,
    #[serde(rename = "state")]
    _state: Option<IgnoredAny>,
    #[serde(rename = "suspect")]
    _suspect: Option<IgnoredAny>,
    #[serde(rename = "reason")]
    _reason: Option<IgnoredAny>,
    #[serde(rename = "provenAt")]
    _proven_at: Option<IgnoredAny>,
    #[serde(rename = "nextAttemptAt")]
    _next_attempt_at: Option<IgnoredAny>,
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
    /// The expected key ids: those given, else those shown, else those the init data names.
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

impl SessionInput {
    pub fn check(self, policy: &Policy) -> Result<NewSession> {
        let content_id = id("contentId", self.content_id)?;
        let session_id = id("sessionId", self.session_id)?;
        let partition = self.partition.unwrap_or_default();
        let lane = checked_lane(LaneKey { origin: self.origin, partition, key_system: self.key_system })?;
        let init_data_type = self.init_data_type.map(|t| id("initDataType", t)).transpose()?;
        let init_data = self.init_data.map(|data| bytes("initData", &data)).transpose()?;
        if init_data.is_some() && init_data_type.is_none() {
            return Err(Error::invalid("initDataType", "needed with initData"));
        }
        let proven = self.proven.map(|proven| key_statuses("proven.keyStatuses", proven.key_statuses)).transpose()?;
        let key_ids = match (self.key_ids, &proven, &init_data_type, &init_data) {
            (Some(given), ..) if !given.is_empty() => key_ids("keyIds", &given)?,
            (_, Some(shown), ..) if !shown.is_empty() => shown.keys().copied().collect(),
            (.., Some(kind), Some(data)) => content_key_ids(kind, data),
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

/// What the player saw, as `reportPlayback` takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaybackReport {
    /// What went wrong, for the log only.
    pub error: Option<String>,
    pub system_code: Option<i64>,
    pub key_statuses: Option<BTreeMap<String, super::KeyStatus>>,
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

fn id(field: &str, value: String) -> Result<String> {
    if value.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    text(field, value)
}

fn text(field: &str, value: String) -> Result<String> {
    if value.len() > MAX_ID_BYTES {
        return Err(Error::invalid(field, "at most 1 KiB"));
    }
    if value.contains('\0') {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    Ok(value)
}

fn bytes(field: &str, base64: &str) -> Result<Vec<u8>> {
    let data = STANDARD.decode(base64).map_err(|_| Error::invalid(field, "must be a Uint8Array"))?;
    match data.len() {
        0 => Err(Error::invalid(field, "must not be empty; leave it out or give null")),
        1..=MAX_DATA_BYTES => Ok(data),
        _ => Err(Error::invalid(field, "at most 64 KiB")),
    }
}

fn key_ids(field: &str, given: &[String]) -> Result<Vec<KeyId>> {
    if given.len() > MAX_KEY_IDS {
        return Err(Error::invalid(field, format!("at most {MAX_KEY_IDS}")));
    }
    let mut ids = Vec::with_capacity(given.len());
    for (at, value) in given.iter().enumerate() {
        let key_id = KeyId::parse(value).ok_or_else(|| Error::invalid(format!("{field}[{at}]"), "32 hex digits"))?;
        if !ids.contains(&key_id) {
            ids.push(key_id);
        }
    }
    Ok(ids)
}

fn key_statuses(field: &str, given: BTreeMap<String, super::KeyStatus>) -> Result<KeyStatuses> {
    if given.len() > MAX_KEY_IDS {
        return Err(Error::invalid(field, format!("at most {MAX_KEY_IDS}")));
    }
    let shown = given.into_iter().map(|(key_id, status)| {
        let parsed = KeyId::parse(&key_id);
        let key_id = parsed.ok_or_else(|| Error::invalid(format!("{field}.{key_id}"), "a key id is 32 hex digits"))?;
        Ok((key_id, status))
    });
    shown.collect()
}

/// `scheme://host[:port]`, also for custom schemes, whose `URL.origin` is `null`.
fn origin(value: &str) -> Result<String> {
    let refused = |message: &str| Err(Error::invalid("origin", message));
    if value.len() > MAX_ID_BYTES {
        return refused("at most 1 KiB");
    }
    let Ok(url) = Url::parse(value) else {
        return refused("must be an origin, as https://example.com or app://bundle");
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return refused("must have a host");
    };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return refused("must be an origin only: no path, query or user");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    // Browsers write hosts in lower case, those of custom schemes too.
    Ok(format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase()))
}

/// Origin and path are kept. A query may carry a token, so it is kept only where the policy says so.
fn license_url(value: &str, policy: &Policy) -> Result<String> {
    let refused = |message: &str| Err(Error::invalid("licenseUrl", message));
    if value.len() > MAX_ID_BYTES {
        return refused("at most 1 KiB");
    }
    let Ok(mut url) = Url::parse(value) else {
        return refused("must be an absolute URL");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refused("must be http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("must not carry a user or a password");
    }
    url.set_fragment(None);
    if !policy.keep_license_query {
        url.set_query(None);
    }
    Ok(url.into())
}

fn timestamp(field: &str, ms: f64) -> Result<Millis> {
    // 8.64e15 ms is the last moment that a JavaScript Date can name.
    if ms.is_finite() && ms.abs() <= 8.64e15 {
        return Ok(ms as Millis);
    }
    Err(Error::invalid(field, "milliseconds since 1970, or null for never"))
}

fn capabilities(given: Capabilities) -> Result<Capabilities> {
    for (kind, list) in [("audio", &given.audio), ("video", &given.video)] {
        let field = format!("capabilities.{kind}");
        if list.len() > MAX_CAPABILITIES {
            return Err(Error::invalid(field, format!("at most {MAX_CAPABILITIES}")));
        }
        for (at, MediaCapability { content_type, robustness, encryption_scheme }) in list.iter().enumerate() {
            id(&format!("{field}[{at}].contentType"), content_type.clone())?;
            for (name, value) in [("robustness", robustness), ("encryptionScheme", encryption_scheme)] {
                if let Some(value) = value {
                    text(&format!("{field}[{at}].{name}"), value.clone())?;
                }
            }
        }
    }
    Ok(given)
}

fn rules(given: Rules) -> Result<Rules> {
    let durations = [
        ("rules.licenseDurationMs", given.license_duration_ms),
        ("rules.rentalDurationMs", given.rental_duration_ms),
        ("rules.playbackDurationMs", given.playback_duration_ms),
        ("rules.renewAheadMs", given.renew_ahead_ms),
    ];
    for (field, value) in durations {
        if value.is_some_and(|ms| ms < 0) {
            return Err(Error::invalid(field, "must not be negative"));
        }
    }
    Ok(given)
}

fn metadata(given: serde_json::Value) -> Result<serde_json::Value> {
    if given.to_string().len() > MAX_DATA_BYTES {
        return Err(Error::invalid("metadata", "at most 64 KiB of JSON"));
    }
    Ok(given)
}
