//! create → journal → licence → verify → adopt → record → release the old id.

use electron_offline_sessions::error::Error;
use serde_json::json;

use crate::app::{App, content_of, id_of, input, licensed, proven, with};
use crate::cdm::{key_of, loaded};

/// `a` is lost and its licence phase is out. `b` is good.
async fn lost_and_out() -> (App, electron_offline_sessions::engine::PhaseOrder) {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    let license = app.run_until("license").await;
    (app, license)
}

#[tokio::test]
async fn gone_is_rechecked_alone_licensed_verified_adopted_and_proven() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    let trace = app.run().await;
    assert_eq!(trace, ["probe", "check: a b", "check: a", "license: a", "verify: a", "adopt: a"]);
    assert_eq!(app.says("a"), ["offline", "proven", "—", "play"]);
    assert_eq!(app.stored("a").await.session_id, "3");
    assert_eq!(app.cdm.sessions.len(), 2, "nothing of ours was left under the old id to release");
    let counters = app.poll().await.counters;
    assert_eq!((counters.checked, counters.proven, counters.lost), (2, 1, 1));
    assert_eq!((counters.licensed, counters.adopted, counters.released), (1, 1, 0));
    app.reopen().await;
    assert_eq!(app.run().await, ["probe"], "and that is that");
}

#[tokio::test]
async fn the_old_id_is_released_only_when_what_lies_there_is_ours() {
    let system_code = json!({ "kind": "rejected", "name": "X", "message": "", "systemCode": 75 });
    let cases = [
        ("gone", json!({ "kind": "gone" }), false),
        ("system id changed", system_code, false),
        ("foreign keys", loaded(&[key_of("foreign")]), false),
        ("hollow", json!({ "kind": "hollow" }), true),
    ];
    for (what, outcome, ours) in cases {
        let mut app = App::with_contents(&["a"]).await;
        app.update().await;
        app.script("check", "a", outcome.clone());
        app.script("check", "a", outcome);
        let trace = app.run().await;
        let mut expected = vec!["probe", "check: a", "check: a", "license: a", "verify: a", "adopt: a"];
        if ours {
            expected.push("release: 1");
        }
        assert_eq!(trace, expected, "{what}");
        assert_eq!(app.cdm.sessions.contains_key("1"), !ours, "{what}");
    }
}

#[tokio::test]
async fn released_and_expired_count_at_once_and_lead_to_a_licence() {
    let statuses = |status: &str| json!({ "kind": "loaded", "keyStatuses": { key_of("a"): status }, "expiration": 5 });
    for (status, state) in [("released", "lost"), ("expired", "expired")] {
        let mut app = App::with_contents(&["a"]).await;
        app.update().await;
        app.script("check", "a", statuses(status));
        app.run_until("license").await;
        assert_eq!(app.stored("a").await.state.as_str(), state);
        app.reopen().await;
        let trace = app.run().await;
        assert_eq!(trace[..4], ["probe", "license: a", "verify: a", "adopt: a"], "{status}");
        assert_eq!(app.playable("a"), "offline");
    }
}

#[tokio::test]
async fn an_expired_licence_stays_where_the_policy_keeps_it_until_somebody_clicks() {
    let mut app = App::with_policy(json!({ "relicenseExpired": false })).await;
    app.download(&["a"]).await;
    app.update().await;
    let expired = json!({ "kind": "loaded", "keyStatuses": { key_of("a"): "expired" }, "expiration": 5 });
    app.script("check", "a", expired);
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.says("a"), ["no", "expired", "expired", "renew"]);
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await[0], "license: a");
}

#[tokio::test]
async fn our_clock_only_makes_suspect() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    app.put(vec![with(proven(input("a", &id)), json!({ "expiration": app.now() + 1_000 }))]).await;
    app.run().await;
    app.wait(1_000);
    assert_eq!(app.playable("a"), "offline", "proven in this launch");
    app.reopen().await;
    assert_eq!(app.says("a"), ["no", "suspect", "expiration-passed", "wait"]);
    assert_eq!(app.stored("a").await.state.as_str(), "active");
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline", "the CDM's answer counts");
}

#[tokio::test]
async fn a_renewed_licence_is_held_to_the_keys_that_it_lists() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a"), key_of("uhd")]);
    app.put(vec![proven(with(input("a", &id), json!({ "keyIds": [key_of("a"), key_of("uhd")] })))]).await;
    app.run().await;
    app.cdm.invalidate();
    app.update().await;
    app.run().await;
    assert_eq!(app.playable("a"), "offline");
    let expected: Vec<String> = app.stored("a").await.key_ids.iter().map(ToString::to_string).collect();
    assert_eq!(expected, [key_of("a")], "UHD keys are never given to persistent sessions");
    app.update().await;
    assert_eq!(app.run().await, ["probe", "check: a"]);
}

#[tokio::test]
async fn a_licence_needs_its_journal_entry() {
    let (app, license) = lost_and_out().await;
    let error = app.report(&license.tasks[0], licensed("9")).await.expect_err("never journalled");
    assert_eq!(error.field(), Some("sessionId"));
    assert_eq!(app.stored("a").await.session_id, "1");
}

#[tokio::test]
async fn a_journal_for_a_task_that_was_taken_back_is_refused_so_that_the_driver_removes_the_session() {
    let (app, license) = lost_and_out().await;
    app.end(&license);
    assert_eq!(app.journal(&license.tasks[0], "3").await, Err(Error::NotFound));
    assert_eq!(app.journal(&license.tasks[0], "").await.map_err(|error| error.code()), Err("ERR_INVALID_ARGUMENT"));
}

#[tokio::test]
async fn the_request_id_stays_the_same_until_a_licence_is_adopted_or_refused() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    app.cdm.invalidate();
    app.script("license", "a", json!({ "kind": "unreachable" }));
    app.script("license", "a", json!({ "kind": "server-error", "status": 500 }));
    app.script("license", "a", json!({ "kind": "refused", "status": 403, "reason": "concurrency" }));
    for _ in 0..4 {
        app.run().await;
        app.wait(86_400_000);
    }
    assert_eq!(app.playable("a"), "offline");
    app.cdm.invalidate();
    app.update().await;
    app.run().await;
    let ids: Vec<&String> = app.requests.iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 5);
    assert_eq!((ids[0], ids[0]), (ids[1], ids[2]), "the same purchase");
    assert_ne!(ids[2], ids[3], "a refusal ends it");
    assert_ne!(ids[3], ids[4], "an adoption ends it");
}

#[tokio::test]
async fn a_late_licence_after_a_time_out_is_verified_and_adopted_instead_of_paid_again() {
    let (mut app, license) = lost_and_out().await;
    let created = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.report(&license.tasks[0], json!({ "kind": "timeout" })).await.expect("recorded");
    app.end(&license);
    assert_eq!(app.says("a"), ["no", "lost", "timeout", "wait"]);
    assert_eq!(app.run().await, [""; 0], "after its backoff");
    app.cdm.sessions.insert(created.clone(), vec![key_of("a")]);
    app.wait(app.engine.policy().backoff_base_ms);
    assert_eq!(app.run().await, ["verify: a", "adopt: a"]);
    assert_eq!((app.playable("a"), app.stored("a").await.session_id), ("offline".to_owned(), created));
    assert_eq!(app.requests.len(), 0);
}

#[tokio::test]
async fn a_time_out_whose_licence_never_came_is_asked_for_again_under_the_same_request_id() {
    let (mut app, license) = lost_and_out().await;
    let request = license.tasks[0].request_id.clone();
    let created = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    app.report(&license.tasks[0], json!({ "kind": "timeout" })).await.expect("recorded");
    app.end(&license);
    app.wait(app.engine.policy().backoff_base_ms);
    let trace = app.run().await;
    assert_eq!(trace[..3], ["verify: a", "verify: a", "license: a"]);
    assert_eq!(Some(&app.requests[0].1), request.as_ref());
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_time_out_before_anything_was_created_is_asked_for_again_after_its_backoff() {
    let (mut app, license) = lost_and_out().await;
    app.report(&license.tasks[0], json!({ "kind": "timeout" })).await.expect("recorded");
    app.end(&license);
    assert_eq!(app.run().await, [""; 0]);
    app.wait(app.engine.policy().backoff_base_ms);
    assert_eq!(app.run().await[0], "license: a");
}

#[tokio::test]
async fn a_new_licence_that_does_not_show_its_keys_blocks_and_is_never_asked_for_again_at_once() {
    let (mut app, license) = lost_and_out().await;
    app.serve(&license).await;
    let id = app.next("verify").await;
    app.cdm.sessions.insert(id_of(&id.tasks[0]), vec![key_of("foreign")]);
    app.serve(&id).await;
    let trace = app.run().await;
    assert_eq!(trace[0], "verify: a", "once more, alone");
    assert!(!trace.iter().any(|phase| phase.starts_with("license")), "{trace:?}");
    assert_eq!(app.says("a"), ["no", "blocked", "unverified", "wait"]);
    assert_eq!(app.verdict("a").retry_at, Some(app.now() + app.engine.policy().backoff_base_ms));
}

#[tokio::test]
async fn a_licence_that_the_cdm_rejects_blocks_with_a_backoff_that_grows() {
    let rejected = json!({ "kind": "rejected", "name": "TypeError", "message": "", "systemCode": null });
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    app.cdm.invalidate();
    let mut waits = Vec::new();
    for _ in 0..3 {
        app.script("license", "a", rejected.clone());
        app.run().await;
        assert_eq!(app.says("a"), ["no", "blocked", "rejected", "wait"]);
        let wait = app.verdict("a").retry_at.expect("by itself") - app.now();
        waits.push(wait);
        app.wait(wait);
    }
    assert!(waits[0] > 0 && waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
}

#[tokio::test]
async fn an_adoption_that_cannot_be_done_now_stays_pending_and_is_done_later() {
    for (outcome, reason) in [("catalogue-changed", "catalogue-changed"), ("open-in-player", "open-in-player")] {
        let (mut app, license) = lost_and_out().await;
        app.script("adopt", "a", json!(outcome));
        app.serve(&license).await;
        assert_eq!(app.run().await, ["verify: a", "adopt: a"]);
        assert_eq!(app.says("a"), ["no", "lost", reason, "wait"]);
        assert_eq!(app.stored("a").await.session_id, "1");
        app.wait(app.engine.policy().backoff_base_ms);
        let adopt = app.next("adopt").await;
        assert_eq!(adopt.tasks[0].new_session_id.as_deref(), Some("3"));
        assert_eq!(id_of(&adopt.tasks[0]), "1", "the catalogue still has the old id");
        assert_eq!(adopt.configuration, None, "no MediaKeys is needed");
        app.serve(&adopt).await;
        assert_eq!(app.playable("a"), "offline");
        assert_eq!(app.requests.len(), 1, "paid once");
    }
}

#[tokio::test]
async fn what_waits_for_its_adoption_is_verified_again_in_the_next_launch() {
    let (mut app, license) = lost_and_out().await;
    app.script("adopt", "a", json!("open-in-player"));
    app.serve(&license).await;
    app.run().await;
    app.wait(app.engine.policy().backoff_base_ms);
    app.reopen().await;
    assert_eq!(app.run().await, ["probe", "verify: a", "adopt: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn an_adoption_proves_for_the_generation_of_its_verification() {
    let (mut app, license) = lost_and_out().await;
    app.serve(&license).await;
    let adopt = app.run_until("adopt").await;
    let partial = json!({ "chromium": "134.0.6998.179" }).to_string();
    let partial = electron_offline_sessions::model::parse_json(&partial).expect("a partial platform");
    app.engine.update_platform(partial).await.expect("recorded");
    app.serve(&adopt).await;
    assert_eq!(app.says("a"), ["no", "suspect", "new-generation", "wait"]);
}

#[tokio::test]
async fn content_that_the_player_no_longer_has_goes_and_owes_its_ids() {
    let mut app = App::with_contents(&["a"]).await;
    app.cdm.sessions.insert("1".to_owned(), vec![]);
    app.update().await;
    app.script("adopt", "a", json!("content-gone"));
    let trace = app.run().await;
    assert_eq!(trace.last().map(String::as_str), Some("release: 1 2"), "{trace:?}");
    assert_eq!(app.list().await.len(), 0);
    assert_eq!(app.says("a")[1], "unknown");
    assert!(app.cdm.sessions.is_empty());
}

#[tokio::test]
async fn an_id_given_again_while_journalling_proves_the_older_row_lost_and_the_lane_suspect() {
    let mut app = App::with_contents(&["a", "b", "c"]).await;
    app.update().await;
    // `b` and `c` are proven in this generation; then the CDM's storage goes, and only `a` was seen to be gone.
    app.script("check", "a", json!({ "kind": "gone" }));
    app.script("check", "a", json!({ "kind": "gone" }));
    let license = app.run_until("license").await;
    assert_eq!([app.playable("b"), app.playable("c")], ["offline", "offline"]);
    app.cdm.invalidate();
    app.cdm.create(&[]);
    let created = app.cdm.create(&[key_of("a")]);
    assert_eq!(created, app.stored("b").await.session_id);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    assert_eq!(app.stored("b").await.reason.map(|reason| reason.as_str()), Some("id-reused"));
    assert_eq!(app.says("c"), ["no", "suspect", "new-generation", "wait"], "at once, before any licence");
    app.report(&license.tasks[0], licensed(&created)).await.expect("recorded");
    app.end(&license);
    let trace = app.run().await;
    assert!(!trace.iter().any(|phase| phase.starts_with("release")), "no id that a live row holds: {trace:?}");
    for content in ["a", "b", "c"] {
        assert_eq!(app.playable(content), "offline", "{trace:?}");
    }
    assert_eq!(app.cdm.sessions[&app.stored("a").await.session_id], [key_of("a")]);
    assert_eq!(app.requests.len(), 2, "b and c once each: {:?}", app.requests);
}

#[tokio::test]
async fn an_id_given_again_that_was_not_proven_in_this_generation_leaves_the_others_alone() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.put(vec![with(input("old", "7"), json!({ "initData": null, "initDataType": null }))]).await;
    app.script("check", "a", json!({ "kind": "gone" }));
    app.script("check", "a", json!({ "kind": "gone" }));
    app.update().await;
    let license = app.run_until("license").await;
    app.journal(&license.tasks[0], "7").await.expect("journalled");
    assert_eq!(app.says("old")[1], "lost");
    assert_eq!(app.playable("b"), "offline", "the lane is not suspect");
}

#[tokio::test]
async fn a_lost_session_is_checked_once_in_a_new_generation_before_it_is_licensed() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    app.script("license", "a", json!({ "kind": "refused", "status": 403, "reason": "auth" }));
    app.run().await;
    assert_eq!(app.says("a"), ["no", "blocked", "auth", "sign-in"]);
    app.reopen().await;
    assert_eq!(app.run().await, ["probe"], "same generation, and nobody signed in");
    app.cdm.sessions.insert("1".to_owned(), vec![key_of("a")]);
    app.update().await;
    assert_eq!(app.run().await, ["probe", "check: a b"], "after a rollback");
    assert_eq!(app.playable("a"), "offline");
    assert_eq!(app.requests.len(), 1);
}

#[tokio::test]
async fn a_task_carries_what_a_driver_needs() {
    let (app, license) = lost_and_out().await;
    let task = &license.tasks[0];
    assert_eq!(content_of(task), "a");
    assert_eq!(task.request_id.as_ref().map(String::len), Some(32));
    let session = task.session.as_ref().expect("a session");
    let given = input("a", "1");
    assert_eq!(session.init_data.as_deref(), given["initData"].as_str());
    assert_eq!((session.init_data_type.as_deref(), session.lane.origin.as_str()), (Some("keyids"), "app://bundle"));
    assert_eq!(session.key_status_wait_ms, app.engine.policy().key_status_wait_ms);
}

#[tokio::test]
async fn a_request_that_fails_because_the_system_id_has_changed_is_repeated_exactly_once() {
    let changed = json!({ "kind": "rejected", "name": "InvalidStateError", "message": "", "systemCode": 75 });
    for (failures, trace, says) in [
        (1, vec!["license: a", "license: a", "verify: a", "adopt: a"], "offline"),
        (2, vec!["license: a", "license: a"], "no"),
    ] {
        let mut app = App::with_contents(&["a"]).await;
        app.update().await;
        app.cdm.invalidate();
        for _ in 0..failures {
            app.script("license", "a", changed.clone());
        }
        let run = app.run().await;
        let from = run.iter().position(|phase| phase.starts_with("license")).expect("it was licensed");
        let paid: Vec<&str> =
            run[from..].iter().map(String::as_str).filter(|phase| !phase.starts_with("release")).collect();
        assert_eq!((paid, app.playable("a").as_str()), (trace, says));
        let ids: std::collections::HashSet<_> = app.requests.iter().collect();
        assert_eq!(ids.len(), 1, "under one id");
    }
}
