//! Rows that stand whole on pages which no tree leads to.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::fixtures::{directory, lane, session};
use crate::model::{Pending, Session};
use crate::store::directory::DATABASE_FILE;
use crate::store::schema::PAGE;
use crate::store::{Recovered, Store};

const SESSIONS: usize = 200;

fn open(path: &Path) -> (Store, Option<Recovered>) {
    Store::open(path, Duration::ZERO, Arc::new(|_| {})).expect("it opens, whatever is in it")
}

/// A closed store without a copy: each session has a pending licence, and another that is owed a release.
async fn stored(path: &Path) -> Vec<Session> {
    let (store, _) = open(path);
    let job = move |tx: &mut crate::store::Tx<'_>| {
        let lane = tx.insert_lane(&lane())?;
        let put = |n| {
            let mut session = session(lane, &format!("title {n}"));
            session.metadata = Some(serde_json::json!({ "note": "x".repeat(n * 15) }));
            session.pending = Some(Pending::journalled(format!("pending {n}"), 1));
            session.id = tx.insert_session(&session)?;
            tx.owe(&session, &format!("owed {n}"), None)?;
            Ok(session)
        };
        (0..SESSIONS).map(put).collect()
    };
    let sessions = store.write(job).await.expect("written");
    store.close();
    sessions
}

/// The page at which a table begins, from 0.
fn root(path: &Path, table: &str) -> usize {
    let file = Connection::open(path.join(DATABASE_FILE)).expect("a database");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    file.query_row(sql, [table], |row| row.get::<_, u32>(0)).expect("a table") as usize - 1
}

/// A leaf of a table that is none of its ends.
fn leaf(path: &Path, table: &str) -> usize {
    let bytes = fs::read(path.join(DATABASE_FILE)).expect("a file");
    let interior = &bytes[root(path, table) * PAGE..][..PAGE];
    assert_eq!(interior[0], 5, "it has several pages");
    let cell = usize::from(u16::from_be_bytes([interior[14], interior[15]]));
    u32::from_be_bytes(interior[cell..cell + 4].try_into().expect("four bytes")) as usize - 1
}

/// Changes the database as if it were a list of pages.
fn damage(path: &Path, change: impl FnOnce(&mut Vec<[u8; PAGE]>)) {
    let file = path.join(DATABASE_FILE);
    let bytes = fs::read(&file).expect("a file");
    let mut pages: Vec<[u8; PAGE]> = bytes.chunks_exact(PAGE).map(|page| page.try_into().expect("a page")).collect();
    change(&mut pages);
    fs::write(file, pages.concat()).expect("damaged");
}

/// What is on record after the recovery, which nothing of was in a copy: the sessions, and whose releases are owed.
fn recovered(path: &Path) -> (Vec<Session>, Vec<String>) {
    let (store, _) = open(path);
    let recovered = std::thread::scope(|scope| scope.spawn(|| store.recover()).join()).expect("no panic");
    if let Some(recovered) = recovered.expect("it recovers") {
        assert_eq!((recovered.restored, recovered.lost.sessions), (0, 0));
    }
    let (sessions, debts) =
        store.read(|rows| Ok((rows.all_sessions()?, rows.debts()?))).expect("afterwards everything is read");
    store.close();
    (sessions, debts.into_iter().map(|debt| debt.session_id).collect())
}

fn owed() -> Vec<String> {
    (0..SESSIONS).map(|n| format!("owed {n}")).collect()
}

#[tokio::test]
async fn the_first_page_of_a_table_is_zeroed_and_all_of_its_rows_are_back() {
    for table in ["session", "debt", "pending"] {
        let directory = directory();
        let sessions = stored(directory.path()).await;
        let root = root(directory.path(), table);
        damage(directory.path(), |pages| pages[root].fill(0));
        assert_eq!(recovered(directory.path()), (sessions, owed()), "{table}");
    }
}

#[tokio::test]
async fn the_first_page_of_a_table_is_exchanged_for_another_and_all_of_its_rows_are_back() {
    let directory = directory();
    stored(directory.path()).await;
    let [own, of_debt, of_budget] =
        [leaf(directory.path(), "session"), root(directory.path(), "debt"), root(directory.path(), "budget")];
    for other in [own, of_debt, of_budget] {
        let directory = self::directory();
        let sessions = stored(directory.path()).await;
        let root = root(directory.path(), "session");
        damage(directory.path(), |pages| pages.swap(root, other));
        assert_eq!(recovered(directory.path()), (sessions, owed()), "{other}");
    }
}

#[tokio::test]
async fn a_database_that_is_a_text_now_comes_back_from_the_pages_in_its_log() {
    let directory = directory();
    let sessions = stored(directory.path()).await;
    let (store, _) = open(directory.path());
    let changed: Vec<Session> =
        sessions.into_iter().map(|session| Session { request_id: Some("asked".to_owned()), ..session }).collect();
    let all = changed.clone();
    store.write(move |tx| all.iter().try_for_each(|session| tx.save_session(session))).await.expect("written");
    let file = |name: &str| directory.path().join(name);
    let log = format!("{DATABASE_FILE}-wal");
    let bytes = fs::read(file(&log)).expect("a log");
    store.close();
    fs::write(file(&log), bytes).expect("killed before it was folded in");
    fs::write(file(DATABASE_FILE), "some text").expect("damaged");
    assert_eq!(recovered(directory.path()).0, changed);
}

#[tokio::test]
async fn a_title_that_was_removed_does_not_come_back_from_a_page_that_no_tree_leads_to() {
    let directory = directory();
    let sessions = stored(directory.path()).await;
    let before = leaf(directory.path(), "session");
    let mut stale = [0; PAGE];
    damage(directory.path(), |pages| stale = pages[before]);
    let (store, _) = open(directory.path());
    let removed = sessions[0].id;
    store.write(move |tx| tx.delete_session(removed)).await.expect("removed");
    store.close();
    let of_debt = root(directory.path(), "debt");
    damage(directory.path(), |pages| pages[of_debt] = stale);
    assert_eq!(recovered(directory.path()), (sessions[1..].to_vec(), owed()));
}
