//! `settled`: what `ensurePlayable` waits for.

use electron_offline_sessions::model::{Connectivity, Reason};
use serde_json::json;

use crate::app::App;

async fn wanted(contents: &[&str]) -> App {
    let mut app = App::with_contents(contents).await;
    app.update().await;
    app.engine.want("a".to_owned()).await.expect("a content id");
    app
}

#[tokio::test]
async fn what_is_proven_or_unknown_is_settled_once_the_lane_was_probed() {
    let mut app = App::with_contents(&["a"]).await;
    assert!(app.engine.settled("a"));
    assert!(app.engine.settled("never heard of"));
    app.reopen().await;
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert!(!app.engine.settled("a"), "the first probe of this launch is outstanding");
    let probe = app.next("probe").await;
    assert!(!app.engine.settled("a"));
    app.serve(&probe).await;
    assert!(app.engine.settled("a"));
}

#[tokio::test]
async fn nothing_is_settled_between_the_first_check_and_the_adoption() {
    let mut app = wanted(&["a"]).await;
    app.cdm.invalidate();
    let mut phases = Vec::new();
    while !app.engine.settled("a") && phases.len() < 20 {
        let mut out = app.poll().await.phases;
        let order = out.remove(0);
        assert!(!app.engine.settled("a"), "while {} is out", order.phase);
        phases.push(order.phase);
        app.serve(&order).await;
    }
    assert_eq!(phases, ["probe", "check", "check", "license", "verify", "adopt"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_bad_answer_settles_too() {
    let answers = [
        (json!({ "kind": "refused", "status": 403, "reason": "geo" }), ["no", "blocked", "geo"]),
        (json!({ "kind": "unreachable" }), ["no", "lost", "unreachable"]),
        (json!({ "kind": "server-error", "status": 500 }), ["no", "lost", "server-error"]),
        (
            json!({ "kind": "rejected", "name": "TypeError", "message": "", "systemCode": null }),
            ["no", "blocked", "rejected"],
        ),
    ];
    for (answer, says) in answers {
        let mut app = wanted(&["a"]).await;
        app.cdm.invalidate();
        app.script("license", "a", answer);
        let license = app.run_until("license").await;
        app.serve(&license).await;
        assert!(app.engine.settled("a"), "{says:?}");
        assert_eq!(app.says("a")[..3], says);
        let trace = app.run().await;
        let asked = trace.iter().any(|phase| phase.starts_with("license"));
        assert!(!asked, "the wish was answered, no wait is skipped twice: {trace:?}");
    }
}

#[tokio::test]
async fn what_cannot_run_now_is_settled() {
    let mut app = wanted(&["a"]).await;
    app.cdm.invalidate();
    app.connect(Connectivity::Offline);
    app.run().await;
    assert!(app.engine.settled("a"), "a licence without a network");

    let app = wanted(&["a"]).await;
    let probe = app.next("probe").await;
    app.engine.end_phase(probe.phase_id, Some(Reason::NoDriver));
    assert!(app.engine.settled("a"), "no driver");
    app.engine.resume();
    assert!(!app.engine.settled("a"), "now there is one");

    let mut app = wanted(&["a"]).await;
    app.cdm.capability = "unavailable";
    app.run().await;
    assert!(app.engine.settled("a"), "no CDM yet");

    let mut app = wanted(&["a"]).await;
    app.cdm.capability = "unsupported";
    app.run().await;
    assert!(app.engine.settled("a"), "unsupported");

    let mut app = wanted(&["a"]).await;
    app.script("check", "a", json!({ "kind": "timeout" }));
    app.run().await;
    assert!(app.engine.settled("a"), "later");
}

#[tokio::test]
async fn other_contents_work_does_not_keep_a_content_unsettled() {
    let mut app = wanted(&["a", "b"]).await;
    let check = app.run_until("check").await;
    let outcome = app.cdm.check("1");
    app.report(&check.tasks[0], outcome).await.expect("recorded");
    assert!(app.engine.settled("a"));
    assert!(!app.engine.settled("b"));
    app.end(&check);
}

#[tokio::test]
async fn observe_settles_at_once() {
    let mut app = App::with_policy(json!({ "mode": "observe" })).await;
    app.download(&["a"]).await;
    app.update().await;
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert!(app.engine.settled("a"));
}

#[tokio::test]
async fn that_a_content_was_wanted_is_forgotten_when_it_is_settled() {
    let mut app = wanted(&["a"]).await;
    app.connect(Connectivity::Offline);
    app.script("check", "a", json!({ "kind": "rejected", "name": "X", "message": "", "systemCode": 70 }));
    app.run().await;
    assert!(app.engine.settled("a"));
    app.wait(86_400_000);
    assert_eq!(app.run().await, [""; 0], "offline, and nobody waits any more");
}
