//! `observe`: what starts a new generation.

use crate::model::{Binding, Cdm, Lane, LaneKey, Snapshot};
use crate::plan::{observe, observes_cdm};

const KEY_SYSTEM: &str = "com.widevine.alpha";
const BEFORE: i64 = 3;
const NOW: i64 = 4;

fn snapshot() -> Snapshot {
    Snapshot {
        app: "1.0.0".to_owned(),
        electron: "29.1.6".to_owned(),
        chromium: "122.0.6261.139".to_owned(),
        node: Some("20.9.0".to_owned()),
        cdms: vec![cdm(KEY_SYSTEM, Some("4.10.2891.0")), cdm("org.w3.clearkey", Some("1.0.0.0"))],
        os_name: Some("Linux".to_owned()),
        os_version: Some("12".to_owned()),
        arch: Some("x64".to_owned()),
        profile: Some("default".to_owned()),
        machine_hash: Some("aa".to_owned()),
    }
}

fn cdm(key_system: &str, version: Option<&str>) -> Cdm {
    Cdm { key_system: key_system.to_owned(), version: version.map(str::to_owned) }
}

/// A lane whose binding was recorded from `snapshot` in the launch before this one.
fn lane(snapshot: &Snapshot) -> Lane {
    Lane {
        id: 1,
        key: LaneKey { origin: "app://bundle".to_owned(), partition: String::new(), key_system: KEY_SYSTEM.to_owned() },
        generation: 1,
        binding: Binding::of(snapshot, KEY_SYSTEM),
        binding_launch: BEFORE,
        witness: None,
        witness_found: false,
        writing: false,
        capability: None,
        capability_launch: None,
    }
}

fn changed(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    let mut snapshot = snapshot();
    change(&mut snapshot);
    snapshot
}

/// Feeds `observed` to a lane one launch after the other; whether each started a generation.
fn starts(lane: &mut Lane, observed: &[(&Snapshot, i64)]) -> Vec<bool> {
    let mut starts = Vec::new();
    for (snapshot, launch) in observed {
        let found = observe(lane, snapshot, *launch);
        if found.binding != lane.binding {
            lane.binding = found.binding;
            lane.binding_launch = *launch;
        }
        starts.push(found.new_generation);
    }
    starts
}

#[test]
fn nothing_changed_starts_nothing() {
    let found = observe(&lane(&snapshot()), &snapshot(), NOW);
    assert!(!found.new_generation);
    assert_eq!(found.binding, Binding::of(&snapshot(), KEY_SYSTEM));
}

#[test]
fn each_part_of_the_binding_starts_a_generation_and_so_does_going_back() {
    let parts: [(&str, Snapshot); 9] = [
        ("electron", changed(|s| s.electron = "35.1.4".to_owned())),
        ("electron's build", changed(|s| s.electron = "29.1.6+wvcus".to_owned())),
        ("chromium", changed(|s| s.chromium = "134.0.6998.179".to_owned())),
        ("its CDM", changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, Some("4.10.2999.0")))),
        ("an earlier CDM", changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, Some("4.9.0.0")))),
        ("OS name", changed(|s| s.os_name = Some("macOS".to_owned()))),
        ("architecture", changed(|s| s.arch = Some("arm64".to_owned()))),
        ("profile", changed(|s| s.profile = Some("other".to_owned()))),
        ("machine", changed(|s| s.machine_hash = Some("bb".to_owned()))),
    ];
    let before = snapshot();
    for (part, after) in parts {
        let mut lane = lane(&before);
        let there_and_back = [(&after, NOW), (&after, NOW + 1), (&before, NOW + 2), (&before, NOW + 3)];
        assert_eq!(starts(&mut lane, &there_and_back), [true, false, true, false], "{part}");
        assert_eq!(lane.binding, Binding::of(&before, KEY_SYSTEM), "{part}");
    }
}

#[test]
fn what_is_recorded_but_not_binding_starts_nothing() {
    let others: [(&str, Snapshot); 5] = [
        ("app", changed(|s| s.app = "2.0.0".to_owned())),
        ("node", changed(|s| s.node = Some("22.0.0".to_owned()))),
        ("OS version", changed(|s| s.os_version = Some("13".to_owned()))),
        ("another CDM", changed(|s| s.cdms[1] = cdm("org.w3.clearkey", Some("2.0.0.0")))),
        ("another CDM, gone", changed(|s| drop(s.cdms.pop()))),
    ];
    for (part, after) in others {
        assert!(!observe(&lane(&snapshot()), &after, NOW).new_generation, "{part}");
    }
}

#[test]
fn what_is_not_observed_keeps_the_generation_and_what_was_last_observed() {
    let unseen: [(&str, Snapshot); 6] = [
        ("CDM null", changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, None))),
        ("CDM not listed", changed(|s| drop(s.cdms.remove(0)))),
        ("OS name", changed(|s| s.os_name = None)),
        ("architecture", changed(|s| s.arch = None)),
        ("profile", changed(|s| s.profile = None)),
        ("machine", changed(|s| s.machine_hash = None)),
    ];
    let before = snapshot();
    for (part, unseen) in unseen {
        let mut lane = lane(&before);
        let there_and_back = [(&unseen, NOW), (&unseen, NOW + 1), (&before, NOW + 2)];
        assert_eq!(starts(&mut lane, &there_and_back), [false, false, false], "{part}");
        assert_eq!(lane.binding, Binding::of(&before, KEY_SYSTEM), "{part}");
    }
}

#[test]
fn another_cdm_after_a_null_starts_a_generation_in_a_later_launch_or_late_in_the_same_one() {
    let before = snapshot();
    let null = changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, None));
    let after = changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, Some("4.10.2999.0")));
    assert_eq!(starts(&mut lane(&before), &[(&null, NOW), (&after, NOW + 1)]), [false, true]);
    assert_eq!(starts(&mut lane(&before), &[(&null, NOW), (&after, NOW)]), [false, true]);
}

#[test]
fn a_cdm_that_comes_late_in_the_launch_that_first_saw_the_lane_is_filled_in() {
    let null = changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, None));
    let known = snapshot();
    let mut fresh = lane(&null);
    assert_eq!(starts(&mut fresh, &[(&known, BEFORE)]), [false]);
    assert_eq!(fresh.binding.cdm.as_deref(), Some("4.10.2891.0"));

    let updated = changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, Some("4.10.2999.0")));
    assert_eq!(starts(&mut fresh, &[(&updated, NOW)]), [true], "from then on it is compared");
}

#[test]
fn a_cdm_never_seen_before_may_have_changed_unseen_in_a_later_launch() {
    let null = changed(|s| s.cdms[0] = cdm(KEY_SYSTEM, None));
    let known = snapshot();
    assert_eq!(starts(&mut lane(&null), &[(&null, NOW), (&known, NOW)]), [false, true]);
}

#[test]
fn a_cdm_is_observed_only_with_a_version() {
    assert!(observes_cdm(&snapshot(), KEY_SYSTEM));
    assert!(!observes_cdm(&changed(|s| s.cdms[0].version = None), KEY_SYSTEM));
    assert!(!observes_cdm(&changed(|s| s.cdms.clear()), KEY_SYSTEM));
}
