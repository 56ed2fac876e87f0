//! Launches: what starts a generation, what only makes suspect, and what changes nothing.

use electron_offline_sessions::error::Error;
use electron_offline_sessions::model::{Connectivity, PartialPlatform, parse_json};
use serde_json::{Value, json};

use crate::app::{App, KEY_SYSTEM, input, platform};

fn cdm(version: Value) -> Value {
    json!([{ "keySystem": KEY_SYSTEM, "version": version }])
}

async fn late(app: &App, partial: Value) -> electron_offline_sessions::engine::LaunchReport {
    let partial: PartialPlatform = parse_json(&partial.to_string()).expect("a partial platform");
    app.engine.update_platform(partial).await.expect("recorded")
}

#[tokio::test]
async fn a_launch_where_nothing_changed_checks_nothing() {
    let mut app = App::with_contents(&["a", "b"]).await;
    assert!(app.report.first_run);
    app.reopen().await;
    assert_eq!((app.report.first_run, app.report.suspects), (false, 0));
    assert_eq!(app.report.changes, []);
    assert_eq!(app.playable("a"), "offline", "at once, before the probe");
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.says("b"), ["offline", "proven", "—", "play"]);
    let rest = app.poll().await;
    assert_eq!((rest.remaining, rest.deferred, rest.next_poll_at), (0, 0, None));
}

#[tokio::test]
async fn a_new_app_node_or_os_version_is_reported_and_checks_nothing() {
    let changes = [
        ("app", json!({ "app": "1.0.1" })),
        ("node", json!({ "node": "22.0.0" })),
        ("osVersion", json!({ "os": { "name": "Linux", "version": "13" } })),
    ];
    for (component, change) in changes {
        let mut app = App::with_contents(&["a"]).await;
        app.platform = crate::app::with(platform(), change);
        app.reopen().await;
        let reported: Vec<&str> = app.report.changes.iter().map(|change| change.component.as_str()).collect();
        assert_eq!((reported, app.report.suspects), (vec![component], 0));
        assert_eq!(app.run().await, ["probe"], "{component}");
        assert_eq!(app.playable("a"), "offline");
    }
}

#[tokio::test]
async fn each_part_of_the_binding_makes_suspect_and_going_back_does_too() {
    let changes = [
        ("electron", json!({ "electron": "35.1.4" })),
        ("chromium", json!({ "chromium": "134.0.6998.179" })),
        ("cdm", json!({ "cdms": cdm(json!("4.10.2999.0")) })),
        ("os", json!({ "os": { "name": "macOS", "version": "12" } })),
        ("arch", json!({ "arch": "arm64" })),
        ("profile", json!({ "profile": "other" })),
        ("machine", json!({ "machine": "another" })),
    ];
    for (component, change) in changes {
        let mut app = App::with_contents(&["a"]).await;
        for there_or_back in [crate::app::with(platform(), change.clone()), platform()] {
            app.platform = there_or_back;
            app.reopen().await;
            let reported: Vec<&str> = app.report.changes.iter().map(|change| change.component.as_str()).collect();
            assert_eq!((reported, app.report.suspects), (vec![component], 1));
            assert_eq!(app.says("a"), ["no", "suspect", "new-generation", "wait"], "{component}");
            assert!(app.stored("a").await.suspect);
            assert_eq!(app.run().await, ["probe", "check: a"], "{component}");
            assert_eq!(app.playable("a"), "offline", "{component}");
        }
    }
}

#[tokio::test]
async fn another_lanes_cdm_is_none_of_this_lanes_business() {
    let mut app = App::with_contents(&["a"]).await;
    let other = json!({ "keySystem": "com.widevine.alpha", "version": "4.10.2999.0" });
    app.platform["cdms"].as_array_mut().expect("a list").push(other);
    app.reopen().await;
    assert_eq!(app.report.suspects, 0);
    assert_eq!(app.run().await, ["probe"]);
}

#[tokio::test]
async fn a_cdm_of_null_makes_suspect_and_its_return_heals() {
    let mut app = App::with_contents(&["a"]).await;
    app.platform["cdms"] = cdm(json!(null));
    app.reopen().await;
    assert_eq!(app.report.suspects, 1);
    assert_eq!(app.says("a"), ["no", "suspect", "cdm-not-observed", "wait"]);
    let report = late(&app, json!({ "cdms": cdm(json!("4.10.2891.0")) })).await;
    assert_eq!(report.suspects, 0);
    assert_eq!(app.playable("a"), "offline", "the same CDM as ever");
    assert_eq!(app.run().await, ["probe"]);
}

#[tokio::test]
async fn a_cdm_of_null_that_comes_back_as_another_starts_a_generation() {
    let mut app = App::with_contents(&["a"]).await;
    app.platform["cdms"] = cdm(json!(null));
    app.reopen().await;
    let report = late(&app, json!({ "cdms": cdm(json!("4.10.2999.0")) })).await;
    assert_eq!(report.suspects, 1);
    assert_eq!(report.launch_id, app.report.launch_id, "it is the same launch");
    let changed: Vec<&str> = report.changes.iter().map(|change| change.component.as_str()).collect();
    assert_eq!(changed, ["cdm"], "compared again with the launch before");
    assert_eq!(app.says("a")[2], "new-generation");
    assert_eq!(app.run().await, ["probe", "check: a"]);
    app.platform["cdms"] = cdm(json!("4.10.2999.0"));
    app.reopen().await;
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_check_that_loaded_is_proof_until_the_next_launch_though_the_cdm_is_null() {
    let mut app = App::with_contents(&["a"]).await;
    app.platform["cdms"] = cdm(json!(null));
    app.reopen().await;
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
    app.reopen().await;
    assert_eq!(app.says("a")[2], "cdm-not-observed");
}

#[tokio::test]
async fn a_session_checked_in_this_launch_is_not_counted_as_a_suspect_though_the_cdm_is_null() {
    let mut app = App::with_contents(&["a"]).await;
    app.platform["cdms"] = cdm(json!(null));
    app.reopen().await;
    app.run().await;
    assert!(!app.stored("a").await.suspect);
    assert_eq!(late(&app, json!({ "app": "1.0.0" })).await.suspects, 0);
}

#[tokio::test]
async fn a_cdm_version_that_comes_late_in_the_first_launch_changes_nothing() {
    let mut app = App::new().await;
    app.platform["cdms"] = json!([]);
    app.reopen().await;
    app.download(&["a"]).await;
    assert_eq!(app.playable("a"), "offline", "the app has just seen its keys");
    late(&app, json!({ "cdms": cdm(json!("4.10.2891.0")) })).await;
    assert_eq!(app.playable("a"), "offline");
    app.platform = platform();
    app.reopen().await;
    assert_eq!((app.report.suspects, app.playable("a")), (0, "offline".to_owned()));
}

#[tokio::test]
async fn two_launches_offline_in_a_row_leave_suspects_suspect() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    for _ in 0..2 {
        app.connect(Connectivity::Offline);
        assert_eq!(app.run().await, ["probe"], "a check can destroy");
        assert_eq!(app.says("a"), ["try", "suspect", "offline", "try"]);
        app.reopen().await;
        assert_eq!(app.report.changes, [], "nothing changed since the launch before");
        assert_eq!(app.report.suspects, 1);
        assert_ne!(app.playable("a"), "offline");
    }
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_check_that_went_out_before_a_new_generation_proves_nothing_in_it() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    let check = app.run_until("check").await;
    late(&app, json!({ "chromium": "134.0.6998.179" })).await;
    app.serve(&check).await;
    assert_eq!(app.says("a"), ["no", "suspect", "new-generation", "wait"]);
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_missing_witness_starts_a_generation_and_drops_the_debts() {
    let mut app = App::with_contents(&["a", "b"]).await;
    // One that no probe has ever found may never have been planted.
    app.reopen().await;
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    app.engine.remove_content("b".to_owned()).await.expect("removed");
    app.reopen().await;
    app.cdm.wipe();
    assert_eq!(app.playable("a"), "offline", "nobody knows yet");
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    assert_eq!(app.says("a"), ["no", "suspect", "new-generation", "wait"]);
    let trace = app.run().await;
    let expected = ["check: a", "check: a", "license: a", "verify: a", "adopt: a"];
    assert_eq!(trace, expected, "and nothing is released");
    assert_eq!(app.playable("a"), "offline");
    assert_eq!(app.cdm.sessions.len(), 1);
    let witness = app.cdm.witness.clone();
    assert!(witness.is_some(), "a new one is planted");
    app.reopen().await;
    assert_eq!((app.run().await, app.cdm.witness), (vec!["probe".to_owned()], witness));
}

#[tokio::test]
async fn a_witness_of_somebody_else_is_a_wipe_too() {
    let mut app = App::with_contents(&["a"]).await;
    app.reopen().await;
    app.cdm.witness = Some("restored from a backup".to_owned());
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    assert_eq!(app.says("a")[2], "new-generation");
}

#[tokio::test]
async fn no_witness_on_record_means_first_probe_not_a_wipe() {
    let mut app = App::new().await;
    app.download(&["a"]).await;
    app.cdm.witness = Some("whatever lies there".to_owned());
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.playable("a"), "offline");
    assert_ne!(app.cdm.witness.as_deref(), Some("whatever lies there"));
}

#[tokio::test]
async fn history_has_every_launch_newest_first_with_its_changes() {
    let mut app = App::with_contents(&["a"]).await;
    app.wait(5_000);
    app.update().await;
    let history = app.engine.history("{}").await.expect("read");
    let launches: Vec<(i64, usize)> = history.iter().map(|launch| (launch.at_ms, launch.changes.len())).collect();
    assert_eq!(launches, [(app.now(), 1), (app.now() - 5_000, 0)]);
    assert_eq!(app.engine.history("{\"limit\":1}").await.map(|found| found.len()), Ok(1));
    let refused = app.engine.history("{\"limit\":0}").await.expect_err("no launch asked for");
    assert_eq!(refused.field(), Some("limit"));
}

#[tokio::test]
async fn after_a_rollback_verdicts_are_read_from_a_database_that_newer_code_wrote_and_nothing_is_done() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.engine.close().await.expect("close never fails");
    app.change_database("DROP TRIGGER meta_updated; CREATE TABLE later (a); UPDATE meta SET oldest_writer = 2; PRAGMA user_version = 2;");
    app.reopen().await;
    assert_eq!([app.playable("a"), app.playable("b")], ["offline", "offline"]);
    let refused = app.try_put(vec![input("c", "9")], false).await.map(drop);
    assert_eq!(refused, Err(Error::NewerDatabase { found: 2, known: 1 }));
    assert_eq!(app.run().await, [""; 0]);
    app.update().await;
    assert_eq!(
        (app.playable("a"), app.report.changes.len()),
        ("try".to_owned(), 1),
        "an update is noticed all the same"
    );
    assert_eq!(app.run().await, [""; 0]);
}
