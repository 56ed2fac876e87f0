//! Rows that stand whole on some page, whatever the header, the schema and the trees say.

use std::fs;
use std::path::Path;

use super::damage::{damage, leaves, recover, root};
use super::fixtures::{directory, lane, open_damaged as open, session};
use crate::model::{KeyId, Pending, Server, Session};
use crate::store::Store;
use crate::store::directory::DATABASE_FILE;
use crate::store::schema::PAGE;

const SESSIONS: usize = 200;

/// A closed store without a copy: each session has a pending licence, and another that is owed a release.
async fn stored(path: &Path) -> Vec<Session> {
    // Some rows go on in other pages.
    stored_with_notes(path, 60).await
}

async fn stored_with_notes(path: &Path, step: usize) -> Vec<Session> {
    let (store, _) = open(path);
    let job = move |tx: &mut crate::store::Tx<'_>| {
        let lane = tx.insert_lane(&lane())?;
        let put = |n| {
            let mut session = session(lane, &format!("title {n}"));
            session.metadata = Some(serde_json::json!({ "note": "x".repeat(n * step) }));
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

/// A copy of what is there now.
async fn copy(store: &Store) {
    store
        .write(|tx| tx.all_sessions()?.iter().try_for_each(|session| tx.save_session(session)))
        .await
        .expect("written");
    assert_eq!(store.copy(), Ok(true));
}

fn server() -> Server {
    Server {
        origin: "https://license.example".into(),
        // SQLite writes a rate that is a whole number down as one.
        rate_per_s: 2.0,
        ceiling_per_s: Some(0.5),
        tokens: -3.0,
        at_ms: 1,
        not_before_ms: Some(2),
        asked_until_ms: Some(3),
        throttles: 4,
        failures: 5,
        answered_at_ms: std::collections::VecDeque::new(),
    }
}

/// What is on record after the recovery, which nothing of was in a copy: the sessions, and whose releases are owed.
fn recovered(path: &Path) -> (Vec<Session>, Vec<String>) {
    let (store, _) = open(path);
    if let Some(recovered) = recover(&store) {
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
        [leaves(directory.path(), "session")[0], root(directory.path(), "debt"), root(directory.path(), "budget")];
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
    let sessions = stored_with_notes(directory.path(), 15).await;
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
    let before = leaves(directory.path(), "session")[0];
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

#[tokio::test]
async fn a_header_in_which_every_byte_is_wrong_costs_nothing_and_brings_nothing_back() {
    let directory = directory();
    let sessions = stored(directory.path()).await;
    let (store, _) = open(directory.path());
    let removed = sessions[0].id;
    copy(&store).await;
    store.write(move |tx| tx.delete_session(removed)).await.expect("removed");
    store.close();
    damage(directory.path(), |pages| pages[0][..100].fill(0xa5));
    let (store, told) = open(directory.path());
    assert!(told.is_some_and(|told| told.complete && told.restored == 0));
    store.close();
    assert_eq!(recovered(directory.path()), (sessions[1..].to_vec(), owed()));
}

#[tokio::test]
async fn what_a_server_asked_for_is_kept_as_it_was() {
    let directory = directory();
    stored(directory.path()).await;
    let (store, _) = open(directory.path());
    store.write(|tx| tx.save_server(&server())).await.expect("saved");
    store.close();
    let of_debt = root(directory.path(), "debt");
    damage(directory.path(), |pages| pages[of_debt].fill(0));
    recovered(directory.path());
    let (store, _) = open(directory.path());
    assert_eq!(store.read(|rows| rows.servers()), Ok(vec![server()]));
    store.close();
}

#[tokio::test]
async fn what_a_copy_knew_of_and_nothing_knows_any_more_is_owed_where_the_debts_are_lost() {
    let directory = directory();
    stored(directory.path()).await;
    let (store, _) = open(directory.path());
    copy(&store).await;
    let adopt = |tx: &mut crate::store::Tx<'_>| {
        for debt in tx.debts()? {
            tx.delete_debt(debt.id)?;
        }
        for mut session in tx.all_sessions()? {
            let old = std::mem::replace(&mut session.session_id, format!("new {}", session.id));
            let pending = session.pending.take();
            tx.save_session(&session)?;
            tx.owe(&session, &old, None)?;
            tx.owe(&session, &pending.expect("it has one").session_id, None)?;
        }
        Ok(())
    };
    store.write(adopt).await.expect("written");
    let owed = |store: &Store| -> std::collections::BTreeSet<String> {
        store.read(|rows| rows.debts()).expect("read").into_iter().map(|debt| debt.session_id).collect()
    };
    let before = owed(&store);
    store.close();
    let of_debts = leaves(directory.path(), "debt");
    damage(directory.path(), |pages| of_debts.iter().for_each(|leaf| pages[*leaf].fill(0)));
    let (store, _) = open(directory.path());
    recover(&store);
    assert!(owed(&store).is_superset(&before), "{:?}", before.difference(&owed(&store)).collect::<Vec<_>>());
    store.close();
}

#[tokio::test]
async fn a_title_that_was_stored_anew_since_the_copy_is_on_record_once() {
    let directory = directory();
    stored(directory.path()).await;
    let (store, _) = open(directory.path());
    let know_keys = |tx: &mut crate::store::Tx<'_>| {
        let sessions = tx.all_sessions()?.into_iter();
        sessions
            .map(|session| Session { key_ids: vec![KeyId([7; 16])], ..session })
            .try_for_each(|session| tx.save_session(&session))
    };
    store.write(know_keys).await.expect("written");
    copy(&store).await;
    let sessions = store.read(|rows| rows.all_sessions()).expect("read");
    let (old, lost) = (sessions[0].clone(), leaves(directory.path(), "session")[1]);
    let anew = Session { session_id: "anew".to_owned(), pending: None, ..old.clone() };
    let store_anew = move |tx: &mut crate::store::Tx<'_>| {
        tx.delete_session(old.id)?;
        tx.insert_session(&anew)
    };
    store.write(store_anew).await.expect("written");
    store.close();
    damage(directory.path(), |pages| pages[lost].fill(0));
    let (store, _) = open(directory.path());
    recover(&store);
    let found = store.read(|rows| rows.all_sessions()).expect("read");
    let ids = found.iter().filter(|session| session.content_id == "title 0").map(|session| session.session_id.as_str());
    assert_eq!((ids.collect::<Vec<_>>(), found.len()), (vec!["anew"], SESSIONS));
    store.close();
}

#[tokio::test]
async fn a_bit_that_flips_in_the_header_of_a_page_costs_no_row() {
    let original = directory();
    let sessions = stored(original.path()).await;
    let leaf = leaves(original.path(), "session")[1];
    // Its kind, how many rows it has, and where the first one is.
    for (at, bit) in [(0, 1), (0, 0x40), (4, 8), (4, 1), (3, 0x80), (9, 1), (8, 2)] {
        let left = super::damage::killed(original.path());
        damage(left.path(), |pages| pages[leaf][at] ^= bit);
        assert_eq!(recovered(left.path()).0.len(), sessions.len(), "{at} {bit}");
    }
}
