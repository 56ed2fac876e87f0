//! A content that is removed while its work is out: the row is gone, what the CDM holds becomes debt, nothing else moves.

use electron_offline_sessions::error::Error;
use serde_json::json;

use crate::app::{App, licensed};
use crate::cdm::key_of;

/// `a` is hollow, so that its old id is ours too; `b` is good.
async fn app() -> App {
    let mut app = App::with_contents(&["a", "b"]).await;
    app.cdm.sessions.insert("1".to_owned(), vec![]);
    app.update().await;
    app
}

async fn remove(app: &App) {
    app.engine.remove_content("a".to_owned()).await.expect("removed");
}

/// `a` is forgotten, `b` plays, and after the rest of the work the CDM holds only what `b` needs.
async fn only_b_is_left(mut app: App, trace: &[&str]) {
    assert_eq!(app.run().await, trace);
    assert_eq!(app.list().await.len(), 1);
    assert_eq!(app.says("a")[1], "unknown");
    assert_eq!(app.playable("b"), "offline");
    let left: Vec<&String> = app.cdm.sessions.keys().collect();
    assert_eq!(left, ["2"]);
    app.reopen().await;
    assert_eq!(app.run().await, ["probe"]);
}

#[tokio::test]
async fn removed_during_the_probe() {
    let mut app = app().await;
    let probe = app.next("probe").await;
    remove(&app).await;
    app.serve(&probe).await;
    only_b_is_left(app, &["check: b", "release: 1"]).await;
}

#[tokio::test]
async fn removed_during_its_check() {
    let mut app = app().await;
    let check = app.run_until("check").await;
    remove(&app).await;
    app.serve(&check).await;
    only_b_is_left(app, &["release: 1"]).await;
}

#[tokio::test]
async fn removed_during_its_lone_recheck() {
    let mut app = app().await;
    let check = app.run_until("check").await;
    app.serve(&check).await;
    let alone = app.next("check").await;
    remove(&app).await;
    app.serve(&alone).await;
    only_b_is_left(app, &["release: 1"]).await;
}

#[tokio::test]
async fn removed_before_the_cdm_created_its_session() {
    let mut app = app().await;
    let license = app.run_until("license").await;
    remove(&app).await;
    let created = app.cdm.create(&[]);
    assert_eq!(app.journal(&license.tasks[0], &created).await, Err(Error::NotFound));
    app.cdm.lose(&created);
    app.end(&license);
    only_b_is_left(app, &["release: 1"]).await;
}

#[tokio::test]
async fn removed_while_its_licence_is_under_way() {
    let mut app = app().await;
    let license = app.run_until("license").await;
    let created = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    remove(&app).await;
    app.cdm.sessions.insert(created.clone(), vec![key_of("a")]);
    let done = app.report(&license.tasks[0], licensed(&created)).await.expect("no error");
    assert_eq!(done.changed.len(), 0);
    app.end(&license);
    only_b_is_left(app, &["release: 1 3"]).await;
}

#[tokio::test]
async fn removed_during_its_verification() {
    let mut app = app().await;
    let verify = app.run_until("verify").await;
    remove(&app).await;
    app.serve(&verify).await;
    only_b_is_left(app, &["release: 1 3"]).await;
}

#[tokio::test]
async fn removed_during_its_adoption() {
    let mut app = app().await;
    let adopt = app.run_until("adopt").await;
    remove(&app).await;
    app.serve(&adopt).await;
    only_b_is_left(app, &["release: 1 3"]).await;
}

#[tokio::test]
async fn removed_during_the_release_of_its_old_id() {
    let mut app = app().await;
    let release = app.run_until("release").await;
    remove(&app).await;
    app.serve(&release).await;
    only_b_is_left(app, &["release: 3"]).await;
}

#[tokio::test]
async fn removed_and_put_again_while_its_licence_is_under_way_is_another_row() {
    let mut app = app().await;
    let license = app.run_until("license").await;
    let created = app.cdm.create(&[]);
    app.journal(&license.tasks[0], &created).await.expect("journalled");
    remove(&app).await;
    let fresh = app.download(&["a"]).await.remove(0);
    app.report(&license.tasks[0], licensed(&created)).await.expect("no error");
    app.end(&license);
    assert_eq!(app.run().await, ["release: 1 3"]);
    assert_eq!(app.stored("a").await.id, fresh.id);
    assert_eq!(app.playable("a"), "offline");
}

#[tokio::test]
async fn removing_what_is_not_there_is_fine() {
    let app = app().await;
    app.engine.remove_content("never heard of".to_owned()).await.expect("fine");
    remove(&app).await;
    remove(&app).await;
    assert_eq!(app.list().await.len(), 1);
}

#[tokio::test]
async fn a_late_outcome_of_a_removed_row_is_no_error() {
    let mut app = app().await;
    let check = app.run_until("check").await;
    remove(&app).await;
    let done = app.report(&check.tasks[0], json!({ "kind": "timeout" })).await.expect("no error");
    assert_eq!((done.stale, done.changed.len()), (false, 0));
}
