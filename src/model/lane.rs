//! A lane is (origin, partition, key system): within it EME work is serial, and its licences share one fate.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{Generation, LaneId, LaunchId, Snapshot};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneKey {
    pub origin: String,
    /// Electron's name of the storage partition; empty for the default session.
    #[serde(default)]
    pub partition: String,
    pub key_system: String,
}

words! {
    /// What the renderer said about persistent licences in a lane.
    Capability { Supported = "supported", Unsupported = "unsupported", Unavailable = "unavailable" }
}

/// What a lane's licences are bound to. A part that was not observed is `None` and stays as it was last observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    pub electron: String,
    pub chromium: String,
    pub cdm: Option<String>,
    pub os_name: Option<String>,
    pub arch: Option<String>,
    pub profile: Option<String>,
    pub machine_hash: Option<String>,
}

impl Binding {
    pub fn of(snapshot: &Snapshot, key_system: &str) -> Self {
        Self {
            electron: snapshot.electron.clone(),
            chromium: snapshot.chromium.clone(),
            cdm: snapshot.cdm_version(key_system).map(str::to_owned),
            os_name: snapshot.os_name.clone(),
            arch: snapshot.arch.clone(),
            profile: snapshot.profile.clone(),
            machine_hash: snapshot.machine_hash.clone(),
        }
    }
}

/// A lane as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub id: LaneId,
    pub key: LaneKey,
    pub generation: Generation,
    pub binding: Binding,
    /// The launch that wrote `binding`.
    pub binding_launch: LaunchId,
    /// The random value we planted in the lane's own web storage; `None`: never probed.
    pub witness: Option<String>,
    /// A probe has found it: it was planted.
    pub witness_found: bool,
    /// A phase that writes licences was begun and not ended: cut off there, a CDM may have lost its list of all of them.
    pub writing: bool,
    /// The last answer of a probe, and the launch that got it.
    pub capability: Option<Capability>,
    pub capability_launch: Option<LaunchId>,
}
