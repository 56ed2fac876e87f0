//! The capability of a lane: asked at every launch, before any check.

use serde_json::json;

use crate::app::{App, input, proven, with};
use crate::cdm::key_of;

#[tokio::test]
async fn in_an_unsupported_lane_nothing_is_handed_out_but_the_probe() {
    let mut app = App::with_contents(&["a", "b", "c"]).await;
    app.engine.remove_content("c".to_owned()).await.expect("removed");
    app.cdm.capability = "unsupported";
    app.update().await;
    for _ in 0..2 {
        assert_eq!(app.run().await, ["probe"]);
        for content in ["a", "b"] {
            assert_eq!(app.says(content), ["online", "unsupported", "unsupported", "connect"]);
            app.engine.want(content.to_owned()).await.expect("a content id");
        }
        assert_eq!(app.run().await, [""; 0], "not even on a click");
        let rest = app.poll().await;
        assert_eq!((rest.unsupported, rest.next_poll_at), (2, None));
        app.reopen().await;
        assert_eq!(app.playable("a"), "online", "the last answer, until there is a new one");
    }
    assert_eq!(app.cdm.sessions.len(), 3, "and the debt waits");
}

#[tokio::test]
async fn a_lane_that_is_supported_again_goes_on_where_it_stood() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.engine.remove_content("b".to_owned()).await.expect("removed");
    app.cdm.capability = "unsupported";
    app.update().await;
    app.run().await;
    app.cdm.capability = "supported";
    app.reopen().await;
    assert_eq!(app.run().await, ["probe", "check: a", "release: 2"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn unavailable_is_asked_again_later_and_never_becomes_unsupported() {
    let mut app = App::with_contents(&["a"]).await;
    app.cdm.capability = "unavailable";
    app.update().await;
    let mut waits = Vec::new();
    for _ in 0..12 {
        assert_eq!(app.run().await, ["probe"]);
        assert_eq!(app.says("a"), ["try", "suspect", "unavailable", "try"]);
        let rest = app.poll().await;
        let next = rest.next_poll_at.expect("it is asked again by itself");
        assert_eq!((rest.deferred, rest.unsupported), (1, 0));
        waits.push(next - app.now());
        app.wait(next - app.now() - 1);
        assert_eq!(app.run().await, [""; 0]);
        app.wait(1);
    }
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
    assert!(waits[1] > waits[0], "{waits:?}");
    let cap = app.engine.policy().backoff_max_ms;
    assert!(waits.iter().all(|wait| (1..=cap).contains(wait)), "{waits:?}");
    app.cdm.capability = "supported";
    assert_eq!(app.run().await, ["probe", "check: a"]);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn a_click_asks_an_unavailable_cdm_again_at_once() {
    let mut app = App::with_contents(&["a"]).await;
    app.cdm.capability = "unavailable";
    app.update().await;
    assert_eq!(app.run().await, ["probe"]);
    app.cdm.capability = "supported";
    app.engine.want("a".to_owned()).await.expect("a content id");
    assert_eq!(app.run().await, ["probe", "check: a"]);
}

#[tokio::test]
async fn an_unavailable_cdm_says_nothing_about_the_witness() {
    let mut app = App::with_contents(&["a"]).await;
    let witness = app.cdm.witness.take();
    app.cdm.capability = "unavailable";
    app.reopen().await;
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.cdm.witness, None, "nothing is planted");
    app.cdm.witness = witness;
    app.cdm.capability = "supported";
    app.wait(86_400_000);
    assert_eq!(app.run().await, ["probe"]);
    assert_eq!(app.playable("a"), "offline", "and nothing was taken for a wipe");
}

#[tokio::test]
async fn a_probe_asks_for_every_recorded_configuration_once() {
    let mut app = App::new().await;
    let video =
        json!({ "capabilities": { "video": [{ "contentType": "video/mp4", "robustness": "SW_SECURE_DECODE" }] } });
    let id = |app: &mut App, content: &str| app.cdm.create(&[key_of(content)]);
    let inputs = vec![
        proven(input("a", &id(&mut app, "a"))),
        proven(input("b", &id(&mut app, "b"))),
        proven(with(input("c", &id(&mut app, "c")), video.clone())),
        proven(with(input("d", &id(&mut app, "d")), video)),
        proven(with(input("e", &id(&mut app, "e")), json!({ "initDataType": "cenc" }))),
    ];
    app.put(inputs).await;
    let probe = app.next("probe").await;
    assert_eq!(probe.configuration, None);
    let mut asked: Vec<String> = probe
        .configurations
        .iter()
        .map(|configuration| {
            let video = configuration.video_capabilities.first();
            let robustness = video.and_then(|video| video.robustness.clone()).unwrap_or_default();
            format!("{} {robustness}", configuration.init_data_types.join(" "))
        })
        .collect();
    asked.sort();
    assert_eq!(asked, ["cenc ", "keyids ", "keyids SW_SECURE_DECODE"]);
}

#[tokio::test]
async fn a_lane_without_sessions_or_debts_is_left_alone() {
    let mut app = App::with_contents(&["a"]).await;
    app.engine.remove_content("a".to_owned()).await.expect("removed");
    assert_eq!(app.run().await, ["release: 1"]);
    app.update().await;
    assert_eq!(app.run().await, [""; 0]);
}

#[tokio::test]
async fn a_lane_with_nothing_but_a_debt_is_probed_and_pays() {
    let mut app = App::with_contents(&["a"]).await;
    app.engine.remove_content("a".to_owned()).await.expect("removed");
    app.reopen().await;
    assert_eq!(app.run().await, ["probe", "release: 1"]);
    assert!(app.cdm.sessions.is_empty());
}

#[tokio::test]
async fn a_probe_asks_for_what_debts_were_recorded_with_too() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("a")]);
    let video = json!([{ "contentType": "video/mp4", "robustness": "SW_SECURE_DECODE" }]);
    app.put(vec![proven(with(input("a", &id), json!({ "capabilities": { "video": video } })))]).await;
    app.engine.remove_content("a".to_owned()).await.expect("removed");
    let probe = app.next("probe").await;
    let asked = serde_json::to_value(&probe.configurations).expect("plain values");
    let expected = json!([{ "initDataTypes": ["keyids"], "audioCapabilities": [], "videoCapabilities": video }]);
    assert_eq!(asked, expected, "every recorded configuration");
}
