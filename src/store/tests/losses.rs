//! What a recovery says, and what it does with rows that hang together with lost ones.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::damage::{damage, killed, leaves, owed, put_titles, recover, root, sessions};
use super::fixtures::{directory, lane, open_damaged as open, session};
use crate::model::{KeyId, Pending, Session};
use crate::store::directory::{DATABASE_FILE, Directory};
use crate::store::schema::PAGE;
use crate::store::{Recovered, Store, Tx, recovery};

/// What was told at open, or by a recovery since.
fn open_and_recover(path: &Path) -> (Store, Recovered) {
    let (store, told) = open(path);
    let told = told.or_else(|| recover(&store)).expect("something was wrong");
    (store, told)
}

#[tokio::test]
async fn a_session_of_another_account_for_the_same_title_comes_back_and_is_not_owed() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..50, 200).await;
    for (account, numbers) in [("ann", 50..100), ("bob", 100..120)] {
        let shared = move |tx: &mut Tx<'_>| {
            let shared = session(tx.lanes()?[0].id, "shared");
            let (session_id, key_ids) = (format!("of {account}"), vec![KeyId([7; 16])]);
            tx.insert_session(&Session { session_id, key_ids, account: Some(account.to_owned()), ..shared })
        };
        store.write(shared).await.expect("written");
        put_titles(&store, numbers, 200).await;
    }
    assert_eq!(store.copy(), Ok(true));
    put_titles(&store, 120..122, 200).await;
    store.close();
    let bytes = fs::read(directory.path().join(DATABASE_FILE)).expect("a file");
    let has_ann = |leaf: &usize| bytes[leaf * PAGE..][..PAGE].windows(6).any(|text| text == b"of ann");
    let page = leaves(directory.path(), "session").into_iter().find(has_ann).expect("a page");
    let debts = root(directory.path(), "debt");
    damage(directory.path(), |pages| [page, debts].iter().for_each(|page| pages[*page].fill(0)));
    let (store, _) = open_and_recover(directory.path());
    let shared = sessions(&store).into_iter().filter(|session| session.content_id == "shared");
    assert_eq!(shared.map(|session| session.session_id).collect::<Vec<_>>(), ["of ann", "of bob"]);
    assert_eq!(owed(&store), [""; 0]);
    store.close();
}

#[tokio::test]
async fn debts_of_a_lane_that_nobody_knows_any_more_are_told_as_lost() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..20, 100).await;
    let remove = |tx: &mut Tx<'_>| {
        for session in tx.all_sessions()? {
            tx.delete_session(session.id)?;
            tx.owe(&session, &session.session_id, None)?;
        }
        Ok(())
    };
    store.write(remove).await.expect("written");
    store.close();
    let left = killed(directory.path());
    let lanes = root(left.path(), "lane");
    damage(left.path(), |pages| pages[lanes].fill(0));
    let (store, told) = open_and_recover(left.path());
    assert_eq!((owed(&store).len(), told.lost.releases, told.complete), (0, 20, false));
    store.close();
}

#[tokio::test]
async fn a_lane_that_has_another_number_in_a_copy_costs_no_session() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..5, 100).await;
    assert_eq!(store.copy(), Ok(true));
    // Killed before the copy was removed.
    store.write(|tx| tx.erase_all(1)).await.expect("erased");
    store.close();
    let (store, _) = open(directory.path());
    let stored = put_titles(&store, 100..120, 100).await;
    store.close();
    let lanes = root(directory.path(), "lane");
    damage(directory.path(), |pages| pages[lanes].fill(0));
    let (store, _) = open_and_recover(directory.path());
    let found = sessions(&store);
    assert!(stored.iter().all(|one| found.iter().any(|session| session.content_id == one.content_id)));
    store.close();
}

#[tokio::test]
async fn a_number_that_was_handed_out_is_not_handed_out_again() {
    let directory = directory();
    let (store, _) = open(directory.path());
    let put = |tx: &mut Tx<'_>| {
        let lane = tx.insert_lane(&lane())?;
        for n in 0..20 {
            let pending = Some(Pending::journalled(format!("pending of title {n}"), 1));
            tx.insert_session(&Session { pending, ..session(lane, &format!("title {n}")) })?;
        }
        Ok(())
    };
    store.write(put).await.expect("written");
    assert_eq!(store.copy(), Ok(true));
    let remove_last = |tx: &mut Tx<'_>| tx.all_sessions()?.last().map_or(Ok(()), |last| tx.delete_session(last.id));
    store.write(remove_last).await.expect("removed");
    store.close();
    let budget = root(directory.path(), "budget");
    damage(directory.path(), |pages| pages[budget].fill(0));
    let (store, _) = open_and_recover(directory.path());
    put_titles(&store, 100..101, 10).await;
    store.close();
    // The copy has a pending licence under the number of the one that was removed.
    let pending = root(directory.path(), "pending_by_session_id");
    damage(directory.path(), |pages| pages[pending].fill(0));
    let (store, _) = open_and_recover(directory.path());
    let new = sessions(&store).into_iter().find(|session| session.content_id == "title 100");
    assert_eq!(new.expect("it is there").pending, None);
    store.close();
}

#[tokio::test]
async fn rows_that_stand_on_another_tables_page_are_not_told_as_lost() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..100, 200).await;
    let owe = |tx: &mut Tx<'_>| {
        let sessions = tx.all_sessions()?;
        // Numbers that no session has.
        (0..400).try_for_each(|n| tx.owe(&sessions[0], &format!("released {n}"), None))?;
        tx.debts()?.iter().try_for_each(|debt| tx.delete_debt(debt.id))?;
        (0..300).try_for_each(|n| tx.owe(&sessions[n % 100], &format!("owed {n}"), None))
    };
    store.write(owe).await.expect("written");
    store.close();
    let left = killed(directory.path());
    let (one, other) = (leaves(left.path(), "session")[2], leaves(left.path(), "debt")[0]);
    damage(left.path(), |pages| pages.swap(one, other));
    let (store, told) = open_and_recover(left.path());
    assert_eq!((sessions(&store).len(), owed(&store).len()), (100, 300));
    assert_eq!((told.lost.sessions, told.lost.releases), (0, 0));
    store.close();
}

#[tokio::test]
async fn a_pending_licence_whose_row_is_lost_is_told_as_lost() {
    let directory = directory();
    let (store, _) = open(directory.path());
    let put = |tx: &mut Tx<'_>| {
        let lane = tx.insert_lane(&lane())?;
        for n in 0..60 {
            let metadata = Some(serde_json::json!({ "note": "x".repeat(200) }));
            let pending = Some(Pending::journalled(format!("pending {n}"), 1));
            tx.insert_session(&Session { metadata, pending, ..session(lane, &format!("title {n}")) })?;
        }
        Ok(())
    };
    store.write(put).await.expect("written");
    store.close();
    let left = killed(directory.path());
    let leaf = leaves(left.path(), "session")[1];
    damage(left.path(), |pages| pages[leaf].fill(0));
    let (store, told) = open_and_recover(left.path());
    let pending = sessions(&store).iter().filter(|session| session.pending.is_some()).count();
    assert_eq!(pending + told.lost.pending_licenses, 60);
    store.close();
}

#[tokio::test]
async fn what_newer_code_has_added_is_not_dropped_and_called_complete() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..20, 100).await;
    store.close();
    let newer = Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    newer.execute_batch("CREATE TABLE later (a); PRAGMA user_version = 2;").expect("changed");
    newer.close().expect("closed");
    let (store, told) = open(directory.path());
    assert_eq!(told, None, "it is read as it is");
    store.close();
    let budget = root(directory.path(), "budget");
    damage(directory.path(), |pages| pages[budget].fill(0));
    let (store, told) = open_and_recover(directory.path());
    assert!(!told.complete);
    store.close();
}

#[tokio::test]
async fn losses_that_nobody_has_heard_of_are_told_by_the_next_recovery_too() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..100, 200).await;
    store.close();
    let left = killed(directory.path());
    let leaf = leaves(left.path(), "session")[1];
    damage(left.path(), |pages| pages[leaf].fill(0));
    let (store, told) = open_and_recover(left.path());
    assert!(!told.complete);
    store.close();
    // As when the last of its renames has failed.
    let file = |name: &str| left.path().join(name);
    fs::rename(file(DATABASE_FILE), file("offline-sessions.new.sqlite3")).expect("renamed");
    let place = Directory::open(left.path(), std::time::Duration::ZERO).expect("a folder");
    assert_eq!(recovery::recover(&place, place.read_id()).map(|(_, again)| again), Ok(told.clone()));
    drop(place);
    let budget = root(left.path(), "budget");
    damage(left.path(), |pages| pages[budget].fill(0));
    let (store, _) = open(left.path());
    let again = recover(&store).expect("something was wrong");
    assert_eq!((again.complete, &again.lost), (false, &told.lost));
    assert!(again.damaged_files.ends_with(&told.damaged_files) && again.damaged_files.len() > told.damaged_files.len());
    store.close();
}

#[tokio::test]
async fn every_key_that_led_to_a_session_leads_to_it_again() {
    let directory = directory();
    let (store, _) = open(directory.path());
    let [shown, only_put] = [1, 2].map(|byte| KeyId([byte; 16]));
    let put = move |tx: &mut Tx<'_>| {
        let lane = tx.insert_lane(&lane())?;
        let id = tx.insert_session(&Session { key_ids: vec![shown], ..session(lane, "film") })?;
        tx.index_keys(id, &[shown, only_put])
    };
    store.write(put).await.expect("written");
    store.close();
    damage(directory.path(), |pages| pages[0][..100].fill(0xa5));
    let (store, _) = open_and_recover(directory.path());
    for key_id in [shown, only_put] {
        assert_eq!(store.read(|rows| rows.sessions_with_key(key_id)).map(|found| found.len()), Ok(1));
    }
    store.close();
}

#[tokio::test]
async fn losses_are_told_once_where_a_second_damage_is_met_in_the_same_launch() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..100, 200).await;
    store.close();
    let left = killed(directory.path());
    let leaf = leaves(left.path(), "session")[1];
    damage(left.path(), |pages| {
        pages[0][..100].fill(0xa5);
        pages[leaf].fill(0);
    });
    let (store, told) = open(left.path());
    assert!(!told.expect("something was wrong").complete);
    store.told();
    let budget = root(left.path(), "budget");
    damage(left.path(), |pages| pages[budget].fill(0));
    assert!(recover(&store).is_some_and(|again| again.complete && again.damaged_files.len() == 1));
    drop(store);
    assert!(open(left.path()).1.is_some_and(|again| again.complete), "nobody has heard the second one yet");
}
