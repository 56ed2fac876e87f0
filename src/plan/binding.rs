//! Generations: does what is observed now start a new one for this lane?

use crate::model::{Binding, Lane, LaunchId, Snapshot};

/// What to record of an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub binding: Binding,
    pub new_generation: bool,
}

/// Whether this lane's CDM was observed at all. While it is not, its sessions are suspect.
pub fn observes_cdm(snapshot: &Snapshot, key_system: &str) -> bool {
    snapshot.cdm_version(key_system).is_some()
}

/// Compares what a lane was last bound to with what is observed in `launch`. Every difference starts a new
/// generation, going back to an earlier value too. What is not observed stays as it was. A part that was never
/// observed before is only filled in within the launch that recorded the binding (the running CDM cannot have
/// changed in between); in a later launch it may have changed unseen, and is a difference.
pub fn observe(lane: &Lane, snapshot: &Snapshot, launch: LaunchId) -> Observed {
    let before = &lane.binding;
    let now = Binding::of(snapshot, &lane.key.key_system);
    let first_seen_is_new = lane.binding_launch != launch;
    let mut new_generation = before.electron != now.electron || before.chromium != now.chromium;
    let mut part = |before: &Option<String>, now: Option<String>| match (before, now) {
        (Some(before), None) => Some(before.clone()),
        (Some(before), Some(now)) => {
            new_generation |= *before != now;
            Some(now)
        }
        (None, Some(now)) => {
            new_generation |= first_seen_is_new;
            Some(now)
        }
        (None, None) => None,
    };
    let binding = Binding {
        electron: now.electron,
        chromium: now.chromium,
        cdm: part(&before.cdm, now.cdm),
        os_name: part(&before.os_name, now.os_name),
        arch: part(&before.arch, now.arch),
        profile: part(&before.profile, now.profile),
        machine_hash: part(&before.machine_hash, now.machine_hash),
    };
    Observed { binding, new_generation }
}
