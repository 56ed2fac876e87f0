//! Killed at every step of a licence: what was paid for is found again, and nothing is asked for twice.

use serde_json::json;

use crate::app::{App, licensed};
use crate::cdm::key_of;

/// `a` is lost and its licence phase is out; its request id.
async fn out() -> (App, electron_offline_sessions::engine::PhaseOrder, String) {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    let license = app.run_until("license").await;
    let request = license.tasks[0].request_id.clone().expect("a licence has one");
    (app, license, request)
}

#[tokio::test]
async fn a_crash_before_session_created_asks_anew() {
    let (mut app, _, _) = out().await;
    app.crash().await;
    // Licences were being written: what the CDM had may be gone with it.
    assert_eq!(app.run().await, ["probe", "check: a b", "license: a", "verify: a", "adopt: a"]);
}

#[tokio::test]
async fn a_crash_after_session_created_adopts_instead_of_paying_again() {
    let (mut app, license, _) = out().await;
    let created = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.cdm.sessions.insert(created.clone(), vec![key_of("a")]);
    app.crash().await;
    assert_ne!(app.playable("a"), "offline");
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a", "check: b"]);
    assert_eq!(app.stored("a").await.session_id, created);
    assert_eq!(app.playable("a"), "offline");
    assert_eq!(app.requests.len(), 0);
}

#[tokio::test]
async fn a_crash_after_session_created_verifies_before_it_asks_again_with_the_same_request_id() {
    for licence_came in [json!({ "kind": "gone" }), json!({ "kind": "hollow" })] {
        let (mut app, license, request) = out().await;
        app.journal(&license.tasks[0], "3").await.expect("journalled");
        if licence_came["kind"] == "hollow" {
            app.cdm.create(&[]);
        }
        app.crash().await;
        let trace = app.run().await;
        assert_eq!(trace[..5], ["probe", "verify: a", "verify: a", "check: a b", "license: a"], "{trace:?}");
        assert_eq!(app.requests, [("a".to_owned(), request)]);
        assert_eq!(app.playable("a"), "offline");
    }
}

#[tokio::test]
async fn an_app_that_quits_after_session_created_finds_it_again_too() {
    let (mut app, license, _) = out().await;
    let created = app.cdm.create(&[key_of("a")]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.reopen().await;
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a"]);
}

#[tokio::test]
async fn an_abort_after_session_created_verifies_in_the_same_process() {
    let (mut app, license, _) = out().await;
    let created = app.cdm.create(&[key_of("a")]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.end(&license);
    assert!(app.report(&license.tasks[0], licensed(&created)).await.expect("no error").stale);
    assert_eq!(app.run().await, ["verify: a", "adopt: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_crash_after_the_licence_verifies_and_adopts() {
    let (mut app, license, _) = out().await;
    app.serve(&license).await;
    app.crash().await;
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a", "check: b"]);
    assert_eq!((app.playable("a").as_str(), app.requests.len()), ("offline", 1));
}

#[tokio::test]
async fn a_crash_after_the_verification_verifies_again_and_adopts() {
    let (mut app, license, _) = out().await;
    app.serve(&license).await;
    let adopt = app.run_until("adopt").await;
    app.crash().await;
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a"]);
    assert!(app.report(&adopt.tasks[0], json!("adopted")).await.expect("no error").stale);
    assert_eq!((app.playable("a").as_str(), app.requests.len()), ("offline", 1));
}

#[tokio::test]
async fn a_crash_after_the_players_catalogue_was_written_adopts_once_more() {
    let (mut app, license, _) = out().await;
    app.serve(&license).await;
    app.run_until("adopt").await;
    // The catalogue has the new id; the record of it was not made.
    app.crash().await;
    app.run().await;
    assert_eq!(app.stored("a").await.session_id, "3");
    assert_eq!(app.requests.len(), 1);
}

#[tokio::test]
async fn a_crash_after_the_adoption_pays_nothing_again_and_the_old_id_is_owed() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.cdm.sessions.insert("1".to_owned(), vec![]);
    app.update().await;
    app.run_until("release").await;
    app.crash().await;
    assert_eq!(app.playable("a"), "no", "a removal was cut off, and may have taken more with it");
    assert_eq!(app.run().await, ["probe", "check: a b", "release: 1"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_kill_while_nothing_was_written_costs_no_check() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.run_until("check").await;
    app.crash().await;
    app.run().await;
    app.crash().await;
    assert_eq!((app.report.suspects, app.run().await), (0, vec!["probe".to_owned()]));
}

#[tokio::test]
async fn a_list_of_licences_that_a_kill_emptied_is_found_out() {
    let (mut app, _, _) = out().await;
    app.cdm.sessions.clear();
    app.crash().await;
    assert_eq!(app.report.suspects, 1, "the good one, too");
    app.run().await;
    assert_eq!([app.playable("a"), app.playable("b")], ["offline", "offline"]);
}

#[tokio::test]
async fn a_crash_between_check_and_recheck_checks_in_a_batch_again() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.script("check", "a", json!({ "kind": "gone" }));
    let check = app.run_until("check").await;
    app.serve(&check).await;
    app.crash().await;
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_pending_licence_waits_for_the_network_and_is_not_asked_for_again_meanwhile() {
    let (mut app, license, _) = out().await;
    let created = app.cdm.create(&[key_of("a")]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.crash().await;
    app.connect(electron_offline_sessions::model::Connectivity::Offline);
    assert_eq!(app.run().await, ["probe"]);
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, ["verify: a", "adopt: a"], "on a click, offline too");
}

#[tokio::test]
async fn a_second_session_created_in_one_task_makes_the_first_a_debt() {
    let (mut app, license, _) = out().await;
    let first = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &first).await.expect("journalled");
    let second = app.cdm.create(&[key_of("a")]);
    app.journal(&license.tasks[0], &second).await.expect("the one repetition after system code 75");
    app.journal(&license.tasks[0], &second).await.expect("said twice");
    app.crash().await;
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a", "check: b", "release: 3"]);
    assert_eq!(app.stored("a").await.session_id, second);
}

#[tokio::test]
async fn what_was_put_or_removed_before_a_kill_stays_so() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.engine.remove_content("a".to_owned()).await.expect("removed");
    app.download(&["c"]).await;
    app.crash().await;
    let mut contents: Vec<String> = app.list().await.into_iter().map(|session| session.content_id).collect();
    contents.sort();
    assert_eq!(contents, ["b", "c"]);
    assert_eq!((app.playable("c").as_str(), app.report.suspects), ("offline", 0));
}
