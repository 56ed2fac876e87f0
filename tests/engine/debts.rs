//! Release debt: what is owed is released once, never while a live row holds the id, and never forgotten.

use serde_json::json;

use crate::app::{App, input, licensed, proven};
use crate::cdm::key_of;

async fn remove(app: &App, content: &str) {
    app.engine.remove_content(content.to_owned()).await.expect("removed");
}

#[tokio::test]
async fn a_release_that_fails_is_tried_again_with_a_growing_wait() {
    let mut app = App::with_contents(&["a"]).await;
    remove(&app, "a").await;
    let mut waits = Vec::new();
    for _ in 0..12 {
        app.script("release", "1", json!({ "kind": "failed", "message": "in use" }));
        assert_eq!(app.run().await, ["release: 1"]);
        let next = app.poll().await.next_poll_at.expect("by itself");
        waits.push(next - app.now());
        app.wait(next - app.now());
    }
    let cap = app.engine.policy().backoff_max_ms;
    assert!(waits.is_sorted() && waits[0] < waits[1] && waits.iter().all(|wait| (1..=cap).contains(wait)), "{waits:?}");
    app.script("release", "1", json!({ "kind": "absent" }));
    assert_eq!(app.run().await, ["release: 1"]);
    app.wait(cap);
    assert_eq!(app.run().await, [""; 0], "absent is as good as released");
}

#[tokio::test]
async fn debts_outlive_the_process() {
    let mut app = App::with_contents(&["a", "b"]).await;
    remove(&app, "a").await;
    app.crash().await;
    assert_eq!(app.run().await, ["probe", "release: 1"]);
    app.crash().await;
    assert_eq!(app.run().await, ["probe"]);
}

#[tokio::test]
async fn debts_of_one_configuration_go_in_one_phase_after_all_other_work() {
    let mut app = App::new().await;
    let names: Vec<String> = (0..27).map(|n| format!("t{n:02}")).collect();
    let mut contents: Vec<&str> = names.iter().map(String::as_str).collect();
    contents.push("kept");
    app.download(&contents).await;
    for name in &names {
        remove(&app, name).await;
    }
    app.update().await;
    let sizes: Vec<(String, usize)> = app
        .run()
        .await
        .iter()
        .map(|phase| {
            let (name, on) = phase.split_once(": ").unwrap_or((phase, ""));
            (name.to_owned(), on.split_whitespace().count())
        })
        .collect();
    let expected = [("probe", 0), ("check", 1), ("release", 25), ("release", 2)];
    assert_eq!(sizes, expected.map(|(name, size)| (name.to_owned(), size)));
}

#[tokio::test]
async fn an_id_that_is_put_again_is_no_longer_owed() {
    let mut app = App::with_contents(&["a", "b"]).await;
    remove(&app, "a").await;
    app.put(vec![proven(input("a", "1"))]).await;
    assert_eq!(app.run().await, [""; 0]);
    assert!(app.cdm.sessions.contains_key("1"));
}

#[tokio::test]
async fn an_id_that_the_cdm_gives_to_a_new_session_is_no_longer_owed() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("2");
    let license = app.run_until("license").await;
    remove(&app, "a").await;
    app.cdm.invalidate();
    let created = app.cdm.create(&[key_of("b")]);
    assert_eq!(created, "1", "the id that is owed");
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.report(&license.tasks[0], licensed(&created)).await.expect("recorded");
    app.end(&license);
    assert_eq!(app.run().await, ["verify: b", "adopt: b"]);
    assert_eq!(app.playable("b"), "offline");
    assert!(app.cdm.sessions.contains_key("1"));
}

#[tokio::test]
async fn an_id_that_another_row_holds_is_not_released_with_the_one_that_goes() {
    let mut app = App::with_contents(&["a"]).await;
    app.put(vec![input("b", "1")]).await;
    remove(&app, "b").await;
    assert_eq!(app.run().await, [""; 0]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_removed_contents_licence_is_owed_though_a_lost_row_still_names_its_id() {
    let mut app = App::with_contents(&["lost", "b"]).await;
    app.update().await;
    app.cdm.invalidate();
    app.script("license", "lost", json!({ "kind": "refused", "status": 403, "reason": "auth" }));
    // "lost" was session 1. `b` is licensed again, and the CDM, whose ids start over, gives it that id.
    let license = app.run_until("license").await;
    let created = app.cdm.create(&[key_of("b")]);
    assert_eq!(created, "1");
    let task_of = |content: &str| {
        let found = license.tasks.iter().find(|task| crate::app::content_of(task) == content);
        found.expect("both are out")
    };
    let refused = json!({ "kind": "refused", "status": 403, "reason": "auth" });
    app.report(task_of("lost"), refused).await.expect("recorded");
    app.journal(task_of("b"), &created).await.expect("journalled");
    app.report(task_of("b"), licensed(&created)).await.expect("recorded");
    app.end(&license);
    app.run().await;
    assert_eq!(app.stored("b").await.session_id, "1");
    remove(&app, "b").await;
    app.run().await;
    remove(&app, "lost").await;
    app.run().await;
    assert!(app.cdm.sessions.is_empty(), "no row is left, and the CDM holds {:?}", app.cdm.sessions);
}

#[tokio::test]
async fn a_failed_licence_under_the_rows_own_old_id_is_owed() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    app.cdm.invalidate();
    let license = app.run_until("license").await;
    let created = app.cdm.create(&[key_of("foreign")]);
    assert_eq!(created, "1", "its old id, which the CDM gives again");
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.report(&license.tasks[0], licensed(&created)).await.expect("recorded");
    app.end(&license);
    app.script("verify", "a", json!({ "kind": "hollow" }));
    app.script("verify", "a", json!({ "kind": "hollow" }));
    app.run().await;
    assert_eq!(app.says("a")[1..3], ["blocked", "unverified"]);
    app.wait(86_400_000);
    app.run().await;
    assert_eq!(app.playable("a"), "offline");
    let left: Vec<&String> = app.cdm.sessions.keys().collect();
    assert_eq!(left, [&app.stored("a").await.session_id], "what was not verified is not left behind");
}

#[tokio::test]
async fn an_old_id_that_is_put_again_and_matches_its_row_is_still_owed() {
    let mut app = App::with_contents(&["a"]).await;
    app.cdm.sessions.insert("1".to_owned(), vec![]);
    app.update().await;
    app.run_until("release").await;
    app.reopen().await;
    assert_eq!(app.stored("a").await.session_id, "2");
    app.put(vec![input("a", "1")]).await;
    assert_eq!(app.stored("a").await.session_id, "2", "an old catalogue entry matches the row");
    app.run().await;
    let left: Vec<&String> = app.cdm.sessions.keys().collect();
    assert_eq!(left, ["2"]);
}

#[tokio::test]
async fn a_pending_licence_that_was_found_gone_leaves_no_debt() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    let license = app.run_until("license").await;
    app.journal(&license.tasks[0], "99").await.expect("journalled");
    app.crash().await;
    let trace = app.run().await;
    assert_eq!(trace[..3], ["probe", "verify: a", "verify: a"], "{trace:?}");
    assert!(!trace.iter().any(|phase| phase.starts_with("release")), "found gone: dropped, not owed: {trace:?}");
}

#[tokio::test]
async fn an_id_under_which_a_check_finds_the_row_alive_is_no_longer_owed() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    app.cdm.invalidate();
    let license = app.run_until("license").await;
    let created = app.cdm.create(&[key_of("a")]);
    assert_eq!(created, "1", "the row's old id, given again");
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.update().await;
    let fails = json!({ "kind": "rejected", "name": "InvalidStateError", "message": "", "systemCode": 72 });
    app.script("verify", "a", fails.clone());
    app.script("verify", "a", fails);
    let trace = app.run().await;
    assert_eq!(trace[..4], ["probe", "verify: a", "verify: a", "check: a"], "{trace:?}");
    assert_eq!((app.playable("a").as_str(), app.stored("a").await.session_id.as_str()), ("offline", "1"));
    assert!(app.cdm.sessions.contains_key("1"), "a live row's licence was released: {trace:?}");
}

#[tokio::test]
async fn a_release_dated_by_a_clock_that_ran_years_ahead_does_not_wait_for_years() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut app = App::with_contents(&["a"]).await;
    remove(&app, "a").await;
    app.wait(TEN_YEARS_MS);
    app.script("release", "1", json!({ "kind": "failed", "message": "" }));
    assert_eq!(app.run().await, ["release: 1"]);
    app.wait(-TEN_YEARS_MS);
    app.reopen().await;
    app.wait(app.engine.policy().backoff_max_ms);
    assert_eq!(app.run().await, ["probe", "release: 1"]);
}
