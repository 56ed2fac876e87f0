//! What is handed out: one phase a lane, in batches, what somebody waits for first.

use electron_offline_sessions::model::Reason;
use serde_json::json;

use crate::app::{App, content_of, input, names, proven, suspects, with};
use crate::cdm::key_of;

#[tokio::test]
async fn twenty_six_sessions_make_two_batches() {
    let mut app = suspects(26).await;
    let first = app.next("check").await;
    let on: Vec<String> = first.tasks.iter().map(content_of).collect();
    assert_eq!((on, first.concurrency), (names(25), 25), "their waits overlap");
    assert_eq!(app.poll().await.phases.len(), 0, "one phase at a time in a lane");
    app.serve(&first).await;
    assert_eq!(app.run().await, ["check: t25"]);
    let rest = app.poll().await;
    assert_eq!((rest.counters.checked, rest.counters.proven, rest.remaining), (26, 26, 0));
}

#[tokio::test]
async fn licences_are_asked_for_a_few_at_a_time_by_one_writer() {
    let mut app = suspects(26).await;
    app.cdm.invalidate();
    let license = app.run_until("license").await;
    let limit = usize::try_from(app.engine.policy().license_concurrency).expect("a small number");
    assert_eq!(
        (license.tasks.len(), license.concurrency),
        (5, limit),
        "a server that is not known yet is asked slowly"
    );
    assert_eq!(license.task_timeout_ms, app.engine.policy().license_timeout_ms);
    assert!(license.configuration.is_some());
    assert_eq!(app.poll().await.phases.len(), 0, "never two writers");
}

#[tokio::test]
async fn what_somebody_waits_for_goes_first_between_batches() {
    let mut app = suspects(60).await;
    let first = app.next("check").await;
    app.engine.want("t59".to_owned()).await.expect("a content id");
    app.serve(&first).await;
    let second = app.next("check").await;
    assert_eq!(content_of(&second.tasks[0]), "t59");
    app.serve(&second).await;
    assert_eq!(app.playable("t59"), "offline");
    let third = app.next("check").await;
    let on: Vec<String> = third.tasks.iter().map(content_of).collect();
    assert_eq!(on, names(60)[49..59].to_vec());
}

#[tokio::test]
async fn what_somebody_waits_for_is_licensed_before_the_rest_is_checked() {
    let mut app = suspects(60).await;
    app.cdm.lose("60");
    app.engine.want("t59".to_owned()).await.expect("a content id");
    let first = app.next("check").await;
    app.serve(&first).await;
    let trace = [app.next("check").await];
    assert_eq!(trace[0].tasks.iter().map(content_of).collect::<Vec<_>>(), ["t59"], "alone");
    app.serve(&trace[0]).await;
    for phase in ["license", "verify", "adopt"] {
        let order = app.next(phase).await;
        assert_eq!(content_of(&order.tasks[0]), "t59");
        app.serve(&order).await;
    }
    assert_eq!(app.playable("t59"), "offline");
    assert_eq!(app.playable("t58"), "no", "the others come after");
}

#[tokio::test]
async fn what_was_played_last_is_checked_first() {
    let mut app = App::new().await;
    let mut inputs = Vec::new();
    for (content, played) in [("a", json!(null)), ("b", json!(10)), ("c", json!(30)), ("d", json!(20))] {
        let id = app.cdm.create(&[key_of(content)]);
        inputs.push(with(input(content, &id), json!({ "lastPlayedAt": played })));
    }
    app.put(inputs).await;
    assert_eq!(app.run().await, ["probe", "check: c d b a"]);
}

#[tokio::test]
async fn sessions_of_different_configurations_go_in_different_phases() {
    let mut app = App::new().await;
    let hardware =
        json!({ "capabilities": { "video": [{ "contentType": "video/mp4", "robustness": "HW_SECURE_ALL" }] } });
    let mut inputs = Vec::new();
    for content in ["a", "b", "c", "d"] {
        let id = app.cdm.create(&[key_of(content)]);
        let plain = input(content, &id);
        inputs.push(match content {
            "b" | "d" => with(plain, hardware.clone()),
            _ => plain,
        });
    }
    app.put(inputs).await;
    assert_eq!(app.run().await, ["probe", "check: a c", "check: b d"]);
    app.cdm.invalidate();
    app.update().await;
    let licences: Vec<String> = app.run().await.into_iter().filter(|phase| phase.starts_with("license")).collect();
    assert_eq!(licences, ["license: a c", "license: b d"]);
}

#[tokio::test]
async fn a_check_is_asked_with_the_stored_configuration() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    let video = json!([{ "contentType": "video/mp4", "robustness": "SW_SECURE_DECODE", "encryptionScheme": "cbcs" }]);
    app.put(vec![with(input("a", &id), json!({ "capabilities": { "video": video } }))]).await;
    app.run_until("check").await;
    app.reopen().await;
    let check = app.run_until("check").await;
    let configuration = serde_json::to_value(&check.configuration).expect("plain values");
    let expected = json!({ "initDataTypes": ["keyids"], "audioCapabilities": [], "videoCapabilities": video });
    assert_eq!(configuration, expected);
}

#[tokio::test]
async fn lanes_work_side_by_side() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    let other = with(input("b", &id), json!({ "partition": "persist:b" }));
    app.put(vec![proven(input("a", &id)), proven(other)]).await;
    let poll = app.poll().await;
    let lanes: Vec<(&str, &str)> =
        poll.phases.iter().map(|order| (order.phase, order.lane.partition.as_str())).collect();
    assert_eq!(lanes, [("probe", ""), ("probe", "persist:b")]);
    assert_eq!(poll.running, 2);
    assert_eq!(app.playable("a"), "offline", "the same id in another lane is another session");
    assert_eq!(app.playable("b"), "offline");
}

#[tokio::test]
async fn tasks_that_were_not_completed_go_back() {
    let mut app = suspects(2).await;
    let check = app.next("check").await;
    let outcome = app.cdm.check("1");
    assert!(!app.report(&check.tasks[0], outcome).await.expect("recorded").stale);
    app.end(&check);
    assert_eq!(app.run().await, ["check: t01"]);
}

#[tokio::test]
async fn stale_and_duplicate_outcomes_change_nothing() {
    let mut app = suspects(2).await;
    let check = app.next("check").await;
    let good = app.cdm.check("1");
    let gone = json!({ "kind": "gone" });
    app.report(&check.tasks[0], good).await.expect("recorded");
    let before = serde_json::to_value(app.list().await).expect("plain values");
    let twice = app.report(&check.tasks[0], gone.clone()).await.expect("no error");
    assert!(twice.stale && twice.changed.is_empty());
    app.end(&check);
    let late = app.report(&check.tasks[1], gone.clone()).await.expect("no error");
    assert!(late.stale && late.changed.is_empty());
    let unknown = app.engine.complete(999_999, "not even JSON").await.expect("no error");
    assert!(unknown.stale);
    app.engine.end_phase(check.phase_id, Some(Reason::NoDriver));
    app.engine.end_phase(999_999, Some(Reason::NoDriver));
    assert_eq!(serde_json::to_value(app.list().await).expect("plain values"), before);
    let again = app.run_until("check").await;
    app.reopen().await;
    let other_launch = app.report(&again.tasks[0], gone).await.expect("no error");
    assert!(other_launch.stale, "a task id means nothing to the next process");
    assert_eq!(app.run().await, ["probe", "check: t01"], "first of two checks in a batch, not alone");
}

#[tokio::test]
async fn two_outcomes_at_once_are_recorded_as_one() {
    let app = suspects(1).await;
    let check = app.next("check").await;
    let good = app.cdm.check("1").to_string();
    let id = check.tasks[0].task_id;
    let (one, two) = tokio::join!(app.engine.complete(id, &good), app.engine.complete(id, &good));
    let stale = [one, two].map(|done| done.expect("no error").stale);
    assert_eq!(stale.iter().filter(|stale| **stale).count(), 1);
    app.end(&check);
    assert_eq!(app.poll().await.counters.checked, 1);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_read_is_refused_and_leaves_the_task_out() {
    let app = suspects(1).await;
    let check = app.next("check").await;
    for bad in [json!({ "kind": "splendid" }), json!({}), json!({ "kind": "loaded", "keyStatuses": 1 })] {
        let error = app.report(&check.tasks[0], bad).await.expect_err("no outcome");
        assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
        assert!(error.field().is_some_and(|field| field.starts_with("outcome")));
    }
    let created = app.journal(&check.tasks[0], "9").await.expect_err("no licence");
    assert_eq!(created.field(), Some("taskId"));
    let good = app.cdm.check("1");
    assert!(!app.report(&check.tasks[0], good).await.expect("recorded").stale);
    assert_eq!(app.playable("t00"), "offline");
}

#[tokio::test]
async fn one_gone_beside_others_is_checked_once_more_alone_before_it_counts() {
    let mut app = suspects(3).await;
    app.script("check", "t01", json!({ "kind": "gone" }));
    assert_eq!(app.run().await, ["check: t00 t01 t02", "check: t01"]);
    assert_eq!(app.playable("t01"), "offline", "a side-by-side instance lied");
    let counters = app.poll().await.counters;
    assert_eq!((counters.checked, counters.proven, counters.lost), (3, 3, 0));
}

#[tokio::test]
async fn rechecks_are_phases_of_one_session_after_the_rest_of_the_batch() {
    let mut app = suspects(30).await;
    app.script("check", "t00", json!({ "kind": "hollow" }));
    app.script("check", "t01", json!({ "kind": "gone" }));
    let sizes: Vec<usize> = app.run().await.iter().map(|phase| phase.split(' ').count() - 1).collect();
    assert_eq!(sizes, [25, 5, 1, 1]);
}

/// The robustness that a check is made with; "" for the driver's default.
async fn robustness_of_next_check(app: &App) -> (String, electron_offline_sessions::engine::PhaseOrder) {
    let order = app.next("check").await;
    let configuration = order.configuration.as_ref().expect("a check has a MediaKeys");
    let video = configuration.video_capabilities.first();
    (video.and_then(|video| video.robustness.clone()).unwrap_or_default(), order)
}

fn video(robustness: &str) -> serde_json::Value {
    json!({ "capabilities": { "video": [{ "contentType": "video/mp4", "robustness": robustness }] } })
}

/// `plain` came without capabilities, two others have their own. All are suspect; somebody waits for `plain`.
async fn one_of_unknown_capabilities() -> App {
    let mut app = App::new().await;
    let ids: Vec<String> = ["plain", "hw", "sw"].map(|content| app.cdm.create(&[key_of(content)])).to_vec();
    app.put(vec![
        proven(input("plain", &ids[0])),
        proven(with(input("hw", &ids[1]), video("HW_SECURE_ALL"))),
        proven(with(input("sw", &ids[2]), video("SW_SECURE_CRYPTO"))),
    ])
    .await;
    app.update().await;
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    app.engine.want("plain".to_owned()).await.expect("a content id");
    app
}

#[tokio::test]
async fn a_session_without_capabilities_is_gone_only_when_every_recorded_variant_found_it_gone() {
    let app = one_of_unknown_capabilities().await;
    let mut asked = Vec::new();
    for _ in 0..4 {
        let (robustness, order) = robustness_of_next_check(&app).await;
        asked.push(robustness);
        app.report(&order.tasks[0], json!({ "kind": "gone" })).await.expect("recorded");
        app.end(&order);
    }
    assert_eq!(asked, ["", "", "HW_SECURE_ALL", "SW_SECURE_CRYPTO"], "in a batch, alone, and as the others were made");
    assert_eq!(app.says("plain")[1], "lost");
}

#[tokio::test]
async fn a_variant_that_finds_it_is_kept() {
    let mut app = one_of_unknown_capabilities().await;
    for _ in 0..2 {
        let (_, order) = robustness_of_next_check(&app).await;
        app.report(&order.tasks[0], json!({ "kind": "gone" })).await.expect("recorded");
        app.end(&order);
    }
    let (robustness, order) = robustness_of_next_check(&app).await;
    assert_eq!(robustness, "HW_SECURE_ALL");
    app.serve(&order).await;
    assert_eq!(app.playable("plain"), "offline");
    let stored = app.stored("plain").await;
    assert_eq!(stored.capabilities, app.stored("hw").await.capabilities);
}

#[tokio::test]
async fn a_sacrificial_licence_is_checked_in_a_phase_of_its_own_before_any_other_is_risked() {
    let mut app = App::new().await;
    app.download(&["a", "b"]).await;
    let sacrifice = app.cdm.create(&[key_of("c")]);
    app.put(vec![proven(with(input("c", &sacrifice), json!({ "canary": true })))]).await;
    app.update().await;
    assert_eq!(app.run().await, ["probe", "check: c", "check: a b"]);
}

#[tokio::test]
async fn a_task_that_waited_in_its_batch_goes_back_when_the_app_thought_otherwise_meanwhile() {
    let app = suspects(5).await;
    let check = app.next("check").await;
    let begins = |app: &App, at: usize| app.engine.still_due(check.tasks[at].task_id);
    assert!(begins(&app, 0));
    app.engine.remove_content("t01".to_owned()).await.expect("removed");
    let hold = json!({ "contentId": "t02", "lane": { "origin": crate::app::ORIGIN, "keySystem": crate::app::KEY_SYSTEM }, "kind": "playing" });
    app.engine.hold(serde_json::from_value(hold).expect("a hold")).expect("held");
    assert_eq!([1, 2, 3].map(|at| begins(&app, at)), [false, false, true]);
    let late = app.report(&check.tasks[2], json!({ "kind": "gone" })).await.expect("recorded");
    assert!(late.stale, "what went back has no outcome");
    app.connect(electron_offline_sessions::model::Connectivity::Offline);
    assert!(!begins(&app, 4), "a check that could not be mended is not made");
    app.end(&check);
}
