//! The app's own calls: put, list, find, remove.

use electron_offline_sessions::error::Error;
use electron_offline_sessions::model::{FindQuery, parse_json};
use serde_json::{Value, json};

use crate::app::{App, input, proven, with};
use crate::cdm::key_of;

async fn find(app: &App, query: Value) -> Vec<String> {
    let query: FindQuery = parse_json(&query.to_string()).expect("a query");
    let found = app.engine.find(query).await.expect("read");
    found.into_iter().map(|session| session.content_id).collect()
}

async fn list(app: &App, filter: Value) -> Vec<String> {
    let found = app.engine.list(parse_json(&filter.to_string()).expect("a filter")).await;
    found.expect("read").into_iter().map(|session| session.content_id).collect()
}

#[tokio::test]
async fn a_new_row_is_proven_only_with_proven() {
    let mut app = App::new().await;
    let a = app.put(vec![input("a", "1")]).await;
    assert!(a[0].suspect);
    assert_eq!(a[0].proven_at, None);
    assert_eq!(app.says("a"), ["no", "suspect", "never-proven", "wait"]);
    let b = app.put(vec![proven(input("b", "2"))]).await;
    assert!(!b[0].suspect);
    assert_eq!(b[0].proven_at, Some(app.now()));
    assert_eq!(app.playable("b"), "offline");
    let bad = with(input("c", "3"), json!({ "proven": { "keyStatuses": { key_of("c"): "status-pending" } } }));
    assert!(app.put(vec![bad]).await[0].suspect, "no good key, no proof");
}

#[tokio::test]
async fn bad_input_is_refused_whole_and_nothing_is_written() {
    let app = App::new().await;
    let bad = with(input("b", "2"), json!({ "keyIds": ["x"] }));
    let error = app.try_put(vec![input("a", "1"), bad], false).await.expect_err("refused");
    assert_eq!((error.code(), error.field()), ("ERR_INVALID_ARGUMENT", Some("[1].keyIds[0]")));
    assert_eq!(app.list().await.len(), 0);
    for call in [app.engine.verdict(String::new()).map(|_| ()), app.engine.want(String::new()).await] {
        assert_eq!(call.expect_err("no content id").field(), Some("contentId"));
    }
    assert!(app.engine.remove_content(String::new()).await.is_err());
}

#[tokio::test]
async fn put_matches_on_lane_content_and_session_id() {
    let mut app = App::new().await;
    let first = app.put(vec![proven(input("a", "1"))]).await.remove(0);
    let again =
        app.put(vec![with(input("a", "1"), json!({ "lastPlayedAt": 5, "metadata": { "x": 1 } }))]).await.remove(0);
    assert_eq!((again.id, again.last_played_at), (first.id, Some(5)));
    assert!(!again.suspect, "what it has proven stays proven");
    let others = [
        input("a", "2"),
        input("b", "3"),
        with(input("a", "1"), json!({ "partition": "persist:x" })),
        with(input("a", "1"), json!({ "origin": "app://other" })),
        with(input("a", "1"), json!({ "keySystem": "com.widevine.alpha" })),
    ];
    for other in others {
        assert_ne!(app.put(vec![other]).await[0].id, first.id);
    }
    assert_eq!(app.list().await.len(), 6);
}

#[tokio::test]
async fn an_id_that_the_row_once_had_matches_it_unless_it_is_proven_anew() {
    let mut app = App::with_contents(&["a"]).await;
    app.cdm.sessions.insert("1".to_owned(), vec![]);
    app.update().await;
    app.run().await;
    let row = app.stored("a").await;
    assert_eq!(row.session_id, "2", "it was hollow, and licensed again");
    let stale = app.put(vec![input("a", "1")]).await.remove(0);
    assert_eq!((stale.id, stale.session_id.as_str()), (row.id, "2"), "an old catalogue entry");
    let fresh = app.put(vec![proven(input("a", "1"))]).await.remove(0);
    assert_ne!(fresh.id, row.id);
}

#[tokio::test]
async fn what_is_put_again_replaces_what_was_put_before_and_what_is_left_out_stays() {
    let mut app = App::new().await;
    let first = json!({
        "account": "me", "licenseUrl": "https://l.example/1", "expiration": 5_000, "canary": true, "metadata": 1,
    });
    app.put(vec![with(input("a", "1"), first)]).await;
    let changes = json!({ "licenseUrl": "https://l.example/2", "metadata": { "two": 2 } });
    let plain = json!({ "contentId": "a", "origin": "app://bundle", "keySystem": "org.w3.clearkey", "sessionId": "1" });
    let row = app.put(vec![with(plain, changes)]).await.remove(0);
    assert_eq!(row.license_url.as_deref(), Some("https://l.example/2"));
    assert_eq!(row.metadata, Some(json!({ "two": 2 })));
    assert_eq!((row.account.as_deref(), row.canary), (Some("me"), true));
    assert!(row.init_data.is_some());
    assert_eq!(row.key_ids.len(), 1);
}

#[tokio::test]
async fn key_ids_that_are_put_for_a_row_never_proven_are_expected_from_then_on() {
    let mut app = App::new().await;
    let id = app.cdm.create(&[key_of("somebody else's")]);
    app.put(vec![with(input("a", &id), json!({ "keyIds": null, "initData": null, "initDataType": null }))]).await;
    let row = app.put(vec![input("a", &id)]).await.remove(0);
    let expected: Vec<String> = row.key_ids.iter().map(ToString::to_string).collect();
    assert_eq!(expected, [key_of("a")]);
    app.run().await;
    assert_ne!(app.stored("a").await.session_id, id, "foreign keys are no proof");
}

#[tokio::test]
async fn replace_removes_the_contents_other_sessions_and_owes_their_ids() {
    let mut app = App::with_contents(&["a", "b"]).await;
    let id = app.cdm.create(&[key_of("a")]);
    app.try_put(vec![proven(input("a", &id))], true).await.expect("good input");
    assert_eq!(app.stored("a").await.session_id, id);
    assert_eq!(app.playable("b"), "offline", "other contents are left alone");
    assert_eq!(app.run().await, ["release: 1"]);
    assert_eq!(app.cdm.sessions.len(), 2);
}

#[tokio::test]
async fn without_replace_a_content_has_all_its_sessions_and_the_worst_decides() {
    let mut app = App::with_contents(&["a"]).await;
    app.put(vec![input("a", "77")]).await;
    assert_eq!(app.verdict("a").sessions.len(), 2);
    assert_eq!(app.says("a"), ["no", "suspect", "never-proven", "wait"]);
}

#[tokio::test]
async fn list_narrows_and_find_knows_contents_key_ids_and_init_data() {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.put(vec![with(input("c", "9"), json!({ "account": "me", "partition": "persist:c" }))]).await;
    assert_eq!(list(&app, json!({})).await, ["a", "b", "c"]);
    assert_eq!(list(&app, json!({ "contentId": "b" })).await, ["b"]);
    assert_eq!(list(&app, json!({ "account": "me" })).await, ["c"]);
    assert_eq!(list(&app, json!({ "partition": "" })).await, ["a", "b"]);
    assert_eq!(list(&app, json!({ "suspect": true })).await, ["c"]);
    assert_eq!(list(&app, json!({ "state": "lost" })).await, [""; 0]);
    assert_eq!(find(&app, json!({ "contentId": "a" })).await, ["a"]);
    assert_eq!(find(&app, json!({ "keyIds": [key_of("c"), key_of("a")] })).await, ["a", "c"]);
    let init_data = input("b", "x")["initData"].clone();
    assert_eq!(find(&app, json!({ "initData": init_data, "initDataType": "keyids" })).await, ["b"]);
    assert_eq!(find(&app, json!({ "contentId": "a", "keyIds": [key_of("c")] })).await, [""; 0]);
}

#[tokio::test]
async fn unready_is_everything_that_would_not_play_offline() {
    let mut app = App::with_contents(&["b", "a"]).await;
    assert_eq!(app.engine.unready(), Ok(vec![]));
    app.put(vec![input("c", "9")]).await;
    app.update().await;
    app.poll().await;
    let unready: Vec<String> =
        app.engine.unready().expect("read").into_iter().map(|verdict| verdict.content_id).collect();
    assert_eq!(unready, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_stored_session_can_be_put_again_as_it_was_listed() {
    let mut app = App::with_contents(&["a"]).await;
    let listed = serde_json::to_value(app.stored("a").await).expect("plain values");
    let again = app.put(vec![listed.clone()]).await.remove(0);
    assert_eq!(serde_json::to_value(again).expect("plain values"), listed);
}

#[tokio::test]
async fn after_close_every_call_says_closed_and_verdicts_go_on() {
    let app = App::with_contents(&["a"]).await;
    app.engine.close().await.expect("closed");
    app.engine.close().await.expect("closed twice");
    assert_eq!(app.try_put(vec![input("b", "2")], false).await.map(|_| ()), Err(Error::Closed));
    assert_eq!(app.engine.remove_content("a".to_owned()).await, Err(Error::Closed));
    assert_eq!(app.engine.history("{}").await.map(|_| ()), Err(Error::Closed));
    assert_eq!(app.playable("a"), "offline");
}

/// `a` and `c` are proven; then the id of `a` is put for `b`.
async fn id_of_a_is_put_for_b(newer: Value) -> App {
    let mut app = App::with_contents(&["a", "c"]).await;
    app.put(vec![newer]).await;
    app
}

#[tokio::test]
async fn an_id_put_as_proven_for_another_content_proves_the_older_row_lost_and_its_lane_suspect() {
    let app = id_of_a_is_put_for_b(proven(input("b", "1"))).await;
    assert_eq!(app.stored("a").await.reason.map(|reason| reason.as_str()), Some("id-reused"));
    assert_eq!(app.says("a")[..2], ["no", "lost"]);
    assert_eq!(app.says("c"), ["no", "suspect", "new-generation", "wait"], "it was proven in this generation");
    assert_eq!(app.playable("b"), "offline");
}

#[tokio::test]
async fn an_id_put_unproven_for_another_content_proves_nothing_until_it_is_checked() {
    let mut app = id_of_a_is_put_for_b(input("b", "1")).await;
    assert_eq!([app.playable("a"), app.playable("c")], ["offline", "offline"], "docs/adr/0003");
    assert_eq!(app.says("b")[1..3], ["suspect", "never-proven"]);
    assert_eq!(app.run().await, ["check: b", "check: b", "license: b", "verify: b", "adopt: b"]);
    for content in ["a", "b", "c"] {
        assert_eq!(app.playable(content), "offline");
    }
    assert_eq!(app.cdm.sessions["1"], [key_of("a")], "what is under the old id is not ours to release");
}

#[tokio::test]
async fn one_licence_never_proves_two_contents() {
    let mut app = App::with_contents(&["a"]).await;
    let unknown_keys = json!({ "keyIds": null, "initData": null, "initDataType": null });
    app.put(vec![with(input("b", "1"), unknown_keys)]).await;
    app.engine.want("b".to_owned()).await.expect("a content id");
    app.run().await;
    let offline = [app.playable("a"), app.playable("b")].iter().filter(|playable| *playable == "offline").count();
    assert!(offline <= 1, "both would play from session 1, which holds the key of one");
}

#[tokio::test]
async fn a_check_that_shows_the_newer_rows_own_keys_proves_the_older_row_lost_and_pays_nothing() {
    let mut app = App::with_contents(&["a", "c"]).await;
    app.cdm.invalidate();
    let created = app.cdm.create(&[key_of("b")]);
    assert_eq!(created, app.stored("a").await.session_id, "ids start over");
    app.put(vec![input("b", &created)]).await;
    let check = app.next("check").await;
    app.serve(&check).await;
    assert_eq!(app.stored("b").await.state.as_str(), "active", "its keys are there");
    assert_eq!(app.stored("a").await.state.as_str(), "lost");
    assert_ne!(app.playable("c"), "offline", "the older row was proven in this generation: the lane is suspect");
    app.run().await;
    let asked: Vec<&str> = app.requests.iter().map(|(content, _)| content.as_str()).collect();
    assert_eq!(asked, ["a", "c"]);
    assert_eq!(["a", "b", "c"].map(|content| app.playable(content)), ["offline"; 3]);
}
