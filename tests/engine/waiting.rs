//! What waits for whom: the network, a driver, a clock, a click.

use electron_offline_sessions::model::{Connectivity, Reason};
use serde_json::json;

use crate::app::{App, input, proven, suspects, with};
use crate::cdm::key_of;

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
    assert_eq!(app.run().await, ["license: a", "verify: a", "adopt: a"], "unknown is treated as online");
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
    app.put(vec![with(proven(input("a", &id)), json!({ "initData": null, "initDataType": null }))]).await;
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
        assert_eq!(state == "lost", lost, "new run: {new_run}, after {after_ms} ms: {state}");
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
    assert_eq!(trace, ["probe", "check: t00", "license: t00", "verify: t00", "adopt: t00", "release: 1"]);
}

#[tokio::test]
async fn a_changed_location_retries_what_was_refused_for_the_region_and_nothing_else() {
    let mut app = suspects(2).await;
    app.cdm.invalidate();
    app.script("license", "t00", json!({ "kind": "refused", "status": 403, "reason": "geo" }));
    app.script("license", "t01", json!({ "kind": "refused", "status": 403, "reason": "entitlement" }));
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
    app.script("license", "t00", json!({ "kind": "throttled", "status": 429, "retryAfterMs": 90_000 }));
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
        app.script("license", "t00", json!({ "kind": "throttled", "status": 429, "retryAfterMs": 0 }));
    }
    app.run().await;
    assert_eq!(app.requests.len(), 1, "requests without the clock having moved");
}

#[tokio::test]
async fn a_lane_that_waits_on_a_clock_that_ran_years_ahead_does_not_wait_for_years() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut app = suspects(1).await;
    app.wait(TEN_YEARS_MS);
    let check = app.next("check").await;
    app.engine.end_phase(check.phase_id, Some(Reason::Timeout));
    app.wait(-TEN_YEARS_MS + app.engine.policy().backoff_max_ms);
    assert_eq!(app.run().await, ["check: t00"]);
}

#[tokio::test]
async fn a_session_that_waits_on_a_clock_that_ran_years_ahead_does_not_wait_for_years() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut app = suspects(1).await;
    app.script("check", "t00", json!({ "kind": "timeout" }));
    app.wait(TEN_YEARS_MS);
    assert_eq!(app.run().await, ["check: t00"]);
    app.wait(-TEN_YEARS_MS + app.engine.policy().backoff_max_ms);
    assert_eq!(app.run().await, ["check: t00"]);
    assert_eq!(app.playable("t00"), "offline");
}
