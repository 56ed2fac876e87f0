//! What is handed out: one phase a lane, in batches, what somebody waits for first; and what waits for whom.

use electron_offline_sessions::model::{Connectivity, Reason};
use serde_json::json;

use crate::app::{App, content_of, input, proven, with};
use crate::cdm::key_of;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n:02}")).collect()
}

/// That many suspects, after an update; probed.
async fn suspects(count: usize) -> App {
    let mut app = App::new().await;
    let names = names(count);
    app.download(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    app.update().await;
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    app
}

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
    assert_eq!(
        (rest.counters.checked, rest.counters.proven, rest.remaining),
        (26, 26, 0)
    );
}

#[tokio::test]
async fn licences_are_asked_for_a_few_at_a_time_by_one_writer() {
    let mut app = suspects(26).await;
    app.cdm.invalidate();
    let license = app.run_until("license").await;
    let limit = usize::try_from(app.engine.policy().license_concurrency).expect("a small number");
    assert_eq!((license.tasks.len(), license.concurrency), (25, limit));
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
    assert_eq!(
        trace[0].tasks.iter().map(content_of).collect::<Vec<_>>(),
        ["t59"],
        "alone"
    );
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
    let licences: Vec<String> = app
        .run()
        .await
        .into_iter()
        .filter(|phase| phase.starts_with("license"))
        .collect();
    assert_eq!(licences, ["license: a c", "license: b d"]);
}

#[tokio::test]
async fn a_check_is_asked_with_the_stored_configuration() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    let video = json!([{ "contentType": "video/mp4", "robustness": "SW_SECURE_DECODE", "encryptionScheme": "cbcs" }]);
    app.put(vec![with(
        input("a", &id),
        json!({ "capabilities": { "video": video } }),
    )])
    .await;
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
    let lanes: Vec<(&str, &str)> = poll
        .phases
        .iter()
        .map(|order| (order.phase, order.lane.partition.as_str()))
        .collect();
    assert_eq!(lanes, [("probe", ""), ("probe", "persist:b")]);
    assert_eq!(poll.running, 2);
    assert_eq!(
        app.playable("a"),
        "offline",
        "the same id in another lane is another session"
    );
    assert_eq!(app.playable("b"), "offline");
}

#[tokio::test]
async fn offline_defers_licences_and_checks() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.cdm.lose("1");
    app.run_until("license").await;
    app.reopen().await;
    app.connect(Connectivity::Offline);
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.says("a"), ["no", "lost", "offline", "connect"]);
    let rest = app.poll().await;
    assert_eq!((rest.deferred, rest.next_poll_at), (1, None));
    app.connect(Connectivity::Unknown);
    assert_eq!(
        app.run().await,
        ["license: a", "verify: a", "adopt: a"],
        "unknown is treated as online"
    );
}

#[tokio::test]
async fn a_click_is_checked_offline_too_where_nothing_is_left_to_lose() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.update().await;
    app.connect(Connectivity::Offline);
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
    assert_eq!(app.playable("b"), "try");
}

#[tokio::test]
async fn what_cannot_be_licensed_again_is_checked_on_a_click_only() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    app.put(vec![with(
        proven(input("a", &id)),
        json!({ "initData": null, "initDataType": null }),
    )])
    .await;
    app.update().await;
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.says("a"), ["try", "suspect", "no-license-data", "try"]);
    app.cdm.invalidate();
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, ["check: a", "check: a"]);
    assert_eq!(app.says("a"), ["no", "lost", "no-license-data", "download-again"]);
}

#[tokio::test]
async fn a_lane_without_a_driver_waits_until_one_is_there() {
    let mut app = App::with_contents(&["a"]).await;
    app.update().await;
    let probe = app.next("probe").await;
    app.engine.end_phase(probe.phase_id, Some(Reason::NoDriver));
    assert_eq!(app.says("a"), ["try", "suspect", "no-driver", "try"]);
    app.wait(86_400_000);
    app.engine.want("a".to_owned()).await.expect("a content id");
    let rest = app.poll().await;
    assert_eq!((rest.phases.len(), rest.deferred, rest.next_poll_at), (0, 1, None));
    app.engine.resume();
    assert_eq!(app.run().await, ["probe", "check: a"]);
}

#[tokio::test]
async fn a_phase_that_could_not_start_is_tried_again_after_a_while() {
    let mut app = suspects(1).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let check = app.next("check").await;
        app.engine.end_phase(check.phase_id, Some(Reason::Timeout));
        let next = app.poll().await.next_poll_at.expect("by itself");
        waits.push(next - app.now());
        app.wait(next - app.now());
    }
    assert!(waits[0] > 0 && waits.is_sorted() && waits[2] > waits[0], "{waits:?}");
    assert_eq!(app.run().await, ["check: t00"]);
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
    assert_eq!(
        app.run().await,
        ["probe", "check: t01"],
        "first of two checks in a batch, not alone"
    );
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
    for bad in [
        json!({ "kind": "splendid" }),
        json!({}),
        json!({ "kind": "loaded", "keyStatuses": 1 }),
    ] {
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
    let sizes: Vec<usize> = app
        .run()
        .await
        .iter()
        .map(|phase| phase.split(' ').count() - 1)
        .collect();
    assert_eq!(sizes, [25, 5, 1, 1]);
}

#[tokio::test]
async fn observe_hands_nothing_out() {
    let mut app = App::with_policy(json!({ "mode": "observe" })).await;
    app.download(&["a"]).await;
    app.update().await;
    assert_eq!(app.report.suspects, 1, "it detects and reports");
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, [""; 0]);
    assert_eq!(app.says("a"), ["try", "suspect", "new-generation", "try"]);
}

#[tokio::test]
async fn a_second_strike_counts_in_another_run_and_sixty_seconds_later() {
    let rejected = json!({ "kind": "rejected", "name": "InvalidStateError", "message": "", "systemCode": 72 });
    // (a new run, how long after the first failure) → lost?
    for (new_run, after_ms, lost) in [(false, 60_000, false), (true, 59_999, false), (true, 60_000, true)] {
        let mut app = suspects(1).await;
        app.script("check", "t00", rejected.clone());
        app.script("check", "t00", rejected.clone());
        assert_eq!(app.run().await, ["check: t00"]);
        assert_eq!(app.says("t00")[1..3], ["suspect", "load-failed"]);
        if new_run {
            app.engine.begin_run();
        }
        app.wait(after_ms);
        app.engine.want("t00".to_owned()).await.expect("a content id");
        let check = app.next("check").await;
        app.serve(&check).await;
        let state = app.stored("t00").await.state.as_str();
        assert_eq!(
            state == "lost",
            lost,
            "new run: {new_run}, after {after_ms} ms: {state}"
        );
    }
}

#[tokio::test]
async fn a_strike_outlives_the_process_and_the_next_launch_is_another_run() {
    let rejected = json!({ "kind": "rejected", "name": "TypeError", "message": "", "systemCode": null });
    let mut app = suspects(1).await;
    app.script("check", "t00", rejected.clone());
    app.run().await;
    app.reopen().await;
    app.wait(60_000);
    app.script("check", "t00", rejected);
    let trace = app.run().await;
    assert_eq!(
        trace,
        [
            "probe",
            "check: t00",
            "license: t00",
            "verify: t00",
            "adopt: t00",
            "release: 1"
        ]
    );
}

#[tokio::test]
async fn a_changed_location_retries_what_was_refused_for_the_region_and_nothing_else() {
    let mut app = suspects(2).await;
    app.cdm.invalidate();
    app.script(
        "license",
        "t00",
        json!({ "kind": "refused", "status": 403, "reason": "geo" }),
    );
    app.script(
        "license",
        "t01",
        json!({ "kind": "refused", "status": 403, "reason": "entitlement" }),
    );
    app.run().await;
    assert_eq!(app.says("t00"), ["no", "blocked", "geo", "change-location"]);
    assert_eq!(app.says("t01"), ["no", "blocked", "entitlement", "renew"]);
    app.engine.set_connectivity(Connectivity::Online, false);
    assert_eq!(app.run().await, [""; 0]);
    app.engine.set_connectivity(Connectivity::Online, true);
    assert_eq!(app.run().await, ["license: t00", "verify: t00", "adopt: t00"]);
    assert_eq!(app.playable("t00"), "offline");
    assert_eq!(app.playable("t01"), "no");
}

#[tokio::test]
async fn a_wait_that_a_server_asked_for_is_kept_whoever_clicks() {
    let mut app = suspects(1).await;
    app.cdm.invalidate();
    app.script(
        "license",
        "t00",
        json!({ "kind": "throttled", "status": 429, "retryAfterMs": 90_000 }),
    );
    app.run().await;
    assert_eq!(app.says("t00"), ["no", "lost", "throttled", "wait"]);
    assert_eq!(app.verdict("t00").retry_at, Some(app.now() + 90_000));
    app.engine.want("t00".to_owned()).await.expect("a content id");
    app.engine.set_connectivity(Connectivity::Online, true);
    assert_eq!(app.run().await, [""; 0]);
    app.reopen().await;
    app.engine.want("t00".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, ["probe"], "in the next launch too");
    app.wait(90_000);
    assert_eq!(app.run().await, ["license: t00", "verify: t00", "adopt: t00"]);
}

#[tokio::test]
async fn a_server_that_says_retry_after_zero_is_not_hammered() {
    let mut app = suspects(1).await;
    app.cdm.invalidate();
    for _ in 0..5 {
        app.script(
            "license",
            "t00",
            json!({ "kind": "throttled", "status": 429, "retryAfterMs": 0 }),
        );
    }
    app.run().await;
    assert_eq!(app.requests.len(), 1, "requests without the clock having moved");
}
