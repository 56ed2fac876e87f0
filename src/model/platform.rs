//! What was observed at a launch, and how it differs from the launch before.

use serde::{Deserialize, Serialize};

use super::{Binding, ChangeKind, LaneKey, LaunchId};
use crate::clock::Millis;

/// One content decryption module. `version: null` means *not observed*, never "none".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cdm {
    pub key_system: String,
    pub version: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OsInfo {
    pub name: Option<String>,
    pub version: Option<String>,
}

/// What the app says about itself at `open`. What it leaves out is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlatformInfo {
    pub app: String,
    pub electron: String,
    pub chromium: String,
    pub node: Option<String>,
    #[serde(default)]
    pub cdms: Vec<Cdm>,
    pub os: Option<OsInfo>,
    pub arch: Option<String>,
    pub profile: Option<String>,
    /// Any text that is the machine's own; only its hash is kept.
    pub machine: Option<String>,
}

/// Facts that come late (`updatePlatform`): what is absent stays as it was; `cdms` are merged by key system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartialPlatform {
    pub app: Option<String>,
    pub electron: Option<String>,
    pub chromium: Option<String>,
    pub node: Option<String>,
    pub cdms: Option<Vec<Cdm>>,
    pub os: Option<OsInfo>,
    pub arch: Option<String>,
    pub profile: Option<String>,
    pub machine: Option<String>,
}

/// The platform snapshot of a launch: what the app said, completed by the probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub app: String,
    pub electron: String,
    pub chromium: String,
    pub node: Option<String>,
    pub cdms: Vec<Cdm>,
    pub os_name: Option<String>,
    pub os_version: Option<String>,
    pub arch: Option<String>,
    pub profile: Option<String>,
    pub machine_hash: Option<String>,
}

/// One difference between two launches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `app`, `electron`, `chromium`, `node`, `cdm`, `os`, `osVersion`, `arch`, `profile` or `machine`.
    pub component: String,
    /// For `cdm` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_system: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub kind: ChangeKind,
}

/// A launch as `history()` gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    pub launch_id: LaunchId,
    pub at_ms: Millis,
    pub platform: Snapshot,
    pub changes: Vec<Change>,
    /// The update that was prepared for in this launch, to be installed after it.
    pub expected: Option<ExpectedUpdate>,
    pub evidence: Vec<Evidence>,
}

/// An update that was announced before it was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedUpdate {
    pub at_ms: Millis,
    /// As far as it was known.
    pub target: PartialPlatform,
}

/// What one change of a lane's binding did to the sessions that had been proven before: as far as they have been checked since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    pub lane: LaneKey,
    pub from: Binding,
    pub to: Binding,
    pub kept: u32,
    pub lost: u32,
    /// Stored sessions of a lane without persistent licences.
    pub unsupported: u32,
}

impl Snapshot {
    /// The observed version of a key system's CDM; `None` when it was not observed.
    pub fn cdm_version(&self, key_system: &str) -> Option<&str> {
        self.cdms.iter().find(|cdm| cdm.key_system == key_system).and_then(|cdm| cdm.version.as_deref())
    }

    /// What changed since `before`. A value that was not observed on either side is no change.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut compare =
            |component: &str, from: Option<&str>, to: Option<&str>, kind: fn(&str, &str) -> ChangeKind| {
                if let (Some(from), Some(to)) = (from, to)
                    && from != to
                {
                    changes.push(Change {
                        component: component.to_owned(),
                        key_system: None,
                        from: Some(from.to_owned()),
                        to: Some(to.to_owned()),
                        kind: kind(from, to),
                    });
                }
            };
        let no_order = |_: &str, _: &str| ChangeKind::Change;
        compare("app", Some(&before.app), Some(&self.app), ChangeKind::of_semver);
        compare("electron", Some(&before.electron), Some(&self.electron), ChangeKind::of_semver);
        compare("chromium", Some(&before.chromium), Some(&self.chromium), ChangeKind::of_four_parts);
        compare("node", before.node.as_deref(), self.node.as_deref(), ChangeKind::of_semver);
        compare("os", before.os_name.as_deref(), self.os_name.as_deref(), no_order);
        compare("osVersion", before.os_version.as_deref(), self.os_version.as_deref(), no_order);
        compare("arch", before.arch.as_deref(), self.arch.as_deref(), no_order);
        compare("profile", before.profile.as_deref(), self.profile.as_deref(), no_order);
        compare("machine", before.machine_hash.as_deref(), self.machine_hash.as_deref(), no_order);
        for cdm in &self.cdms {
            let from = before.cdm_version(&cdm.key_system);
            if let (Some(from), Some(to)) = (from, cdm.version.as_deref())
                && from != to
            {
                changes.push(Change {
                    component: "cdm".to_owned(),
                    key_system: Some(cdm.key_system.clone()),
                    from: Some(from.to_owned()),
                    to: Some(to.to_owned()),
                    kind: ChangeKind::of_four_parts(from, to),
                });
            }
        }
        changes
    }
}
