//! Versions, and which direction a change has.

use crate::model::{ChangeKind, FourPartVersion, Snapshot};

fn four(text: &str) -> FourPartVersion {
    text.parse().expect("four parts")
}

#[test]
fn a_four_part_version_is_compared_by_number_and_refuses_anything_else() {
    assert!(four("134.0.6998.179") > four("134.0.6998.99"));
    assert!(four("4.10.2891.0") > four("4.9.9999.9999"));
    assert_eq!(four("4.10.02891.0"), four("4.10.2891.0"));
    for bad in [
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.x",
        "1.2.3.-4",
        "1.2.3.+4",
        "1.2.3. 4",
        "1.2.3.4-beta",
        "1.2.3.4294967296",
    ] {
        assert_eq!(bad.parse::<FourPartVersion>(), Err(()), "{bad}");
    }
}

#[test]
fn a_change_has_a_direction_only_where_the_versions_have_an_order() {
    use ChangeKind::{Change, Downgrade, Upgrade};
    let semver = [
        ("29.1.6", "35.1.4", Upgrade),
        ("35.1.4", "29.1.6", Downgrade),
        ("31.0.0", "31.0.0+wvcus", Change),
        ("31.0.0+wvcus", "31.0.0", Change),
        ("31.0.0+wvcus", "31.0.1+wvcus", Upgrade),
        ("31.0.0+zzz", "30.9.9+aaa", Downgrade),
        ("31.0.0-beta.2", "31.0.0", Upgrade),
        ("31.0.0-beta.10", "31.0.0-beta.9", Downgrade),
        ("v31", "31.0.0", Change),
        ("31.0.0", "nightly", Change),
    ];
    for (from, to, kind) in semver {
        assert_eq!(ChangeKind::of_semver(from, to), kind, "{from} → {to}");
    }
    let four_parts = [
        ("122.0.6261.139", "134.0.6998.179", Upgrade),
        ("134.0.6998.179", "122.0.6261.139", Downgrade),
        ("4.10.2891.0", "4.10.02891.0", Change),
        ("4.10.2891", "4.10.2891.0", Change),
        ("1.4.9.1088", "unknown", Change),
    ];
    for (from, to, kind) in four_parts {
        assert_eq!(ChangeKind::of_four_parts(from, to), kind, "{from} → {to}");
    }
}

fn snapshot(value: serde_json::Value) -> Snapshot {
    let mut whole = serde_json::json!({
        "app": "1.0.0", "electron": "29.1.6", "chromium": "122.0.6261.139", "node": "20.9.0",
        "cdms": [{ "keySystem": "a", "version": "4.10.2891.0" }, { "keySystem": "b", "version": null }],
        "osName": "Linux", "osVersion": "12", "arch": "x64", "profile": "p", "machineHash": "m",
    });
    for (name, value) in value.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    serde_json::from_value(whole).expect("a snapshot")
}

#[test]
fn every_component_that_changed_is_reported_by_its_name() {
    let before = snapshot(serde_json::json!({}));
    let cases = [
        ("app", serde_json::json!({ "app": "1.0.1" }), "1.0.0", "1.0.1", "upgrade"),
        ("electron", serde_json::json!({ "electron": "29.1.6+wvcus" }), "29.1.6", "29.1.6+wvcus", "change"),
        ("chromium", serde_json::json!({ "chromium": "121.0.0.0" }), "122.0.6261.139", "121.0.0.0", "downgrade"),
        ("node", serde_json::json!({ "node": "22.0.0" }), "20.9.0", "22.0.0", "upgrade"),
        ("os", serde_json::json!({ "osName": "macOS" }), "Linux", "macOS", "change"),
        ("osVersion", serde_json::json!({ "osVersion": "13" }), "12", "13", "change"),
        ("arch", serde_json::json!({ "arch": "arm64" }), "x64", "arm64", "change"),
        ("profile", serde_json::json!({ "profile": "q" }), "p", "q", "change"),
        ("machine", serde_json::json!({ "machineHash": "n" }), "m", "n", "change"),
    ];
    for (component, change, from, to, kind) in cases {
        let changes = snapshot(change).changes_since(&before);
        let expected = serde_json::json!([{ "component": component, "from": from, "to": to, "kind": kind }]);
        assert_eq!(serde_json::to_value(changes).expect("plain values"), expected, "{component}");
    }
}

#[test]
fn a_cdm_is_compared_by_its_key_system_and_only_where_both_launches_saw_it() {
    let before = snapshot(serde_json::json!({}));
    let after = snapshot(serde_json::json!({ "cdms": [
        { "keySystem": "c", "version": "1.0.0.0" },
        { "keySystem": "b", "version": "1.0.0.0" },
        { "keySystem": "a", "version": "4.10.2999.0" },
    ] }));
    let expected = serde_json::json!([{
        "component": "cdm", "keySystem": "a", "from": "4.10.2891.0", "to": "4.10.2999.0", "kind": "upgrade",
    }]);
    assert_eq!(serde_json::to_value(after.changes_since(&before)).expect("plain values"), expected);
    let unseen = snapshot(serde_json::json!({ "cdms": [], "node": null, "osName": null, "machineHash": null }));
    assert_eq!(unseen.changes_since(&before), vec![]);
    assert_eq!(before.changes_since(&unseen), vec![]);
}
