//! What a driver reports. It comes from a window and is checked on entry like any other input.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::words::words;
use super::{Capability, KeyId, Reason};
use crate::clock::Millis;

words! {
    /// EME's MediaKeyStatus (<https://www.w3.org/TR/encrypted-media-2/#enumdef-mediakeystatus>).
    KeyStatus {
        Usable = "usable",
        Expired = "expired",
        Released = "released",
        OutputRestricted = "output-restricted",
        OutputDownscaled = "output-downscaled",
        UsableInFuture = "usable-in-future",
        StatusPending = "status-pending",
        InternalError = "internal-error",
    }
}

words! {
    /// Why a licence server refused.
    Refusal {
        Auth = "auth",
        Geo = "geo",
        Entitlement = "entitlement",
        OfflineNotAllowed = "offline-not-allowed",
        DeviceLimit = "device-limit",
        Concurrency = "concurrency",
        Revoked = "revoked",
    }
}

impl Refusal {
    pub fn reason(self) -> Reason {
        match self {
            Self::Auth => Reason::Auth,
            Self::Geo => Reason::Geo,
            Self::Entitlement => Reason::Entitlement,
            Self::OfflineNotAllowed => Reason::OfflineNotAllowed,
            Self::DeviceLimit => Reason::DeviceLimit,
            Self::Concurrency => Reason::Concurrency,
            Self::Revoked => Reason::Revoked,
        }
    }
}

words! {
    AdoptOutcome {
        Adopted = "adopted",
        CatalogueChanged = "catalogue-changed",
        ContentGone = "content-gone",
        OpenInPlayer = "open-in-player",
    }
}

pub type KeyStatuses = BTreeMap<KeyId, KeyStatus>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeOutcome {
    pub persistent_license: Capability,
    pub witness: Option<String>,
}

/// The CDM refused with an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    pub name: String,
    #[serde(default)]
    pub message: String,
    pub system_code: Option<i64>,
}

/// Widevine: the CDM's system id has changed.
const SYSTEM_CODE_SYSTEM_ID_CHANGED: i64 = 75;

impl Rejection {
    pub fn says_system_id_changed(&self) -> bool {
        self.system_code == Some(SYSTEM_CODE_SYSTEM_ID_CHANGED)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum CheckOutcome {
    Loaded {
        key_statuses: KeyStatuses,
        #[serde(default, deserialize_with = "whole_ms")]
        expiration: Option<Millis>,
    },
    Gone,
    Hollow,
    Timeout,
    Rejected(Rejection),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum LicenseOutcome {
    Licensed {
        session_id: String,
        #[serde(default)]
        key_statuses: KeyStatuses,
        #[serde(default, deserialize_with = "whole_ms")]
        expiration: Option<Millis>,
    },
    Throttled {
        #[serde(default, deserialize_with = "whole_ms")]
        retry_after_ms: Option<Millis>,
    },
    Refused {
        reason: Refusal,
    },
    Unreachable,
    Timeout,
    ServerError,
    Rejected(Rejection),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ReleaseOutcome {
    Released,
    Absent,
    Failed,
}

/// JavaScript's numbers may have fractions, and EME's expiration does. Rounded down; `as` keeps within the range.
fn whole_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map(|ms| ms.floor() as Millis))
}
