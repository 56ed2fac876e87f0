//! Single values: lengths, shapes and ranges. A mistake names its field.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::{Capabilities, KeyId, KeyStatus, KeyStatuses, MediaCapability, Policy, Rules};

const MAX_ID_BYTES: usize = 1024;
const MAX_DATA_BYTES: usize = 64 * 1024;
pub const MAX_KEY_IDS: usize = 1024;
const MAX_CAPABILITIES: usize = 64;

pub(super) fn id(field: &str, value: String) -> Result<String> {
    if value.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    text(field, value)
}

pub(super) fn text(field: &str, value: String) -> Result<String> {
    if value.len() > MAX_ID_BYTES {
        return Err(Error::invalid(field, "at most 1 KiB"));
    }
    if value.contains('\0') {
        return Err(Error::invalid(field, "must not contain U+0000"));
    }
    Ok(value)
}

pub(super) fn bytes(field: &str, base64: &str) -> Result<Vec<u8>> {
    let data = STANDARD.decode(base64).map_err(|_| Error::invalid(field, "must be a Uint8Array"))?;
    match data.len() {
        0 => Err(Error::invalid(field, "must not be empty; leave it out or give null")),
        1..=MAX_DATA_BYTES => Ok(data),
        _ => Err(Error::invalid(field, "at most 64 KiB")),
    }
}

/// Of EME's Initialization Data Format Registry. With any other a browser refuses the whole configuration.
pub(super) fn init_data_type(value: String) -> Result<String> {
    match value.as_str() {
        "cenc" | "keyids" | "webm" => Ok(value),
        _ => Err(Error::invalid("initDataType", "must be cenc, keyids or webm")),
    }
}

pub(super) fn key_ids(field: &str, given: &[String]) -> Result<Vec<KeyId>> {
    if given.len() > MAX_KEY_IDS {
        return Err(Error::invalid(field, format!("at most {MAX_KEY_IDS}")));
    }
    let mut ids = Vec::with_capacity(given.len());
    for (at, value) in given.iter().enumerate() {
        let key_id = KeyId::parse(value)
            .ok_or_else(|| Error::invalid(format!("{field}[{at}]"), "must be 32 hex digits, without dashes"))?;
        if !ids.contains(&key_id) {
            ids.push(key_id);
        }
    }
    Ok(ids)
}

pub(super) fn key_statuses(field: &str, given: BTreeMap<String, KeyStatus>) -> Result<KeyStatuses> {
    if given.len() > MAX_KEY_IDS {
        return Err(Error::invalid(field, format!("at most {MAX_KEY_IDS}")));
    }
    let shown = given.into_iter().map(|(key_id, status)| {
        let parsed = KeyId::parse(&key_id);
        let key_id = parsed
            .ok_or_else(|| Error::invalid(format!("{field}.{key_id}"), "a key id is 32 hex digits, without dashes"))?;
        Ok((key_id, status))
    });
    shown.collect()
}

/// `scheme://host[:port]`, also for custom schemes, whose `URL.origin` is `null`.
pub(super) fn origin(value: &str) -> Result<String> {
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
pub(super) fn license_url(value: &str, policy: &Policy) -> Result<String> {
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

pub(super) fn timestamp(field: &str, ms: f64) -> Result<Millis> {
    // 8.64e15 ms is the last moment that a JavaScript Date can name.
    if ms.is_finite() && ms.abs() <= 8.64e15 {
        return Ok(ms as Millis);
    }
    Err(Error::invalid(field, "milliseconds since 1970, or null for never"))
}

pub(super) fn capabilities(given: Capabilities) -> Result<Capabilities> {
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

pub(super) fn rules(given: Rules) -> Result<Rules> {
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

pub(super) fn metadata(given: Value) -> Result<Value> {
    if given.to_string().len() > MAX_DATA_BYTES {
        return Err(Error::invalid("metadata", "at most 64 KiB of JSON"));
    }
    match secret(&given, "metadata") {
        Some(field) => {
            Err(Error::invalid(&field, "looks like a secret, and none is stored: acquireLicense can ask for it anew"))
        }
        None => Ok(given),
    }
}

/// Where a text stands under a name that headers, cookies or tokens have: as a field, in it, or beside the name as headers are listed.
fn secret(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::Object(fields) => {
            let name = fields.get("name").or_else(|| fields.get("key")).and_then(Value::as_str);
            if let (Some(name), Some(value)) = (name, fields.get("value"))
                && is_secret(name)
                && has_text(value)
            {
                return Some(format!("{path}.value"));
            }
            fields.iter().find_map(|(name, value)| {
                let path = format!("{path}.{name}");
                if is_secret(name) && has_text(value) { Some(path) } else { secret(value, &path) }
            })
        }
        Value::Array(values) => match values.as_slice() {
            [Value::String(name), value] if is_secret(name) && has_text(value) => Some(format!("{path}[1]")),
            _ => values.iter().find_map(|value| secret(value, &format!("{path}[]"))),
        },
        Value::String(text) => text.starts_with("Bearer ").then(|| path.to_owned()),
        _ => None,
    }
}

fn is_secret(name: &str) -> bool {
    const ENDS: [&str; 9] =
        ["authorization", "cookie", "cookies", "password", "secret", "apikey", "jwt", "token", "tokens"];
    let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    ENDS.iter().any(|end| plain.ends_with(end))
}

fn has_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(values) => values.iter().any(has_text),
        Value::Object(fields) => fields.values().any(has_text),
        _ => false,
    }
}
