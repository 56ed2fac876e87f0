//! Damage: what was committed and can still be read, or stands in a copy, is there afterwards; nothing wrong is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fixtures::{directory, lane, open_damaged as open, session};
use crate::error::{Error, Result};
use crate::model::{Lane, Pending, Session};
use crate::store::Store;
use crate::store::directory::DATABASE_FILE;

const SESSIONS: usize = 40;

/// Sessions, one with a pending licence and one whose content was removed, and a copy of them; then as many again without a copy.
/// Killed, so that the log is not folded in.
async fn stored(path: &Path) -> (Vec<Session>, Vec<Session>) {
    // An earlier process has made the tables.
    open(path).0.close();
    stored_since_open(path).await
}

async fn stored_since_open(path: &Path) -> (Vec<Session>, Vec<Session>) {
    let (store, _) = open(path);
    let lane = store.write(|tx| tx.insert_lane(&lane())).await.expect("a lane");
    let copied = put(&store, lane, "copied").await;
    store.copy().expect("a copy is made");
    let later = put(&store, lane, "later").await;
    let killed = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(path).expect("our directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), killed.path().join(entry.file_name())).expect("copied");
    }
    store.close();
    for entry in fs::read_dir(killed.path()).expect("our directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), path.join(entry.file_name())).expect("copied back");
    }
    (copied, later)
}

async fn put(store: &Store, lane: i64, prefix: &'static str) -> Vec<Session> {
    let job = move |tx: &mut crate::store::Tx<'_>| {
        let mut all = Vec::new();
        for n in 0..SESSIONS {
            let mut session = session(lane, &format!("{prefix} {n}"));
            session.metadata = Some(serde_json::json!({ "note": "x".repeat(n * 20) }));
            session.pending = (n == 3).then(|| Pending::journalled(format!("{prefix} pending"), 1));
            session.id = tx.insert_session(&session)?;
            tx.owe(&session, &format!("{prefix} debt {n}"), None)?;
            all.push(session);
        }
        Ok(all)
    };
    store.write(job).await.expect("written")
}

/// Everything that the store says, or that it is damaged.
fn read(store: &Store) -> Result<(Vec<Lane>, Vec<Session>, usize)> {
    store.read(|rows| Ok((rows.lanes()?, rows.all_sessions()?, rows.debts()?.len())))
}

/// What an engine does with a store: reads, and recovers when it must.
fn read_or_recover(store: &Store) -> (Vec<Lane>, Vec<Session>, usize) {
    match read(store) {
        Err(Error::CorruptDatabase(_) | Error::Storage(_)) => {
            store.recover().expect("it recovers");
            read(store).expect("afterwards everything is read")
        }
        found => found.expect("no other error"),
    }
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Truncate(Index),
    Zero(Index),
    Swap(Index, Index),
}

fn damage(file: &Path, how: &Damage) {
    const PAGE: usize = 4096;
    let mut bytes = fs::read(file).expect("a file");
    let pages = (bytes.len() / PAGE).max(1);
    let page = |at: &Index| at.index(pages) * PAGE;
    match how {
        // Truncated before.
        Damage::Flip(..) if bytes.is_empty() => {}
        Damage::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << (bit % 8);
        }
        Damage::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Zero(at) => {
            let from = page(at);
            let to = bytes.len().min(from + PAGE);
            bytes[from..to].fill(0);
        }
        Damage::Swap(one, other) => {
            let (one, other) = (page(one), page(other));
            for offset in 0..PAGE {
                if one.max(other) + offset < bytes.len() {
                    bytes.swap(one + offset, other + offset);
                }
            }
        }
    }
    fs::write(file, bytes).expect("damaged");
}

fn damages() -> impl Strategy<Value = Vec<(Index, Damage)>> {
    let one = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => any::<Index>().prop_map(Damage::Truncate),
        1 => any::<Index>().prop_map(Damage::Zero),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Damage::Swap(one, other)),
    ];
    prop::collection::vec((any::<Index>(), one), 1..6)
}

/// Nothing that is served is wrong; what a copy holds is there, unless the copies were damaged.
fn check(path: &Path, copied: &[Session], later: &[Session], copy_is_good: bool) {
    let (store, _) = open(path);
    let (lanes, found, _) = read_or_recover(&store);
    for session in &found {
        let as_written = copied.iter().chain(later).find(|known| known.id == session.id);
        let as_written = as_written.expect("no row that was never written");
        let known = Session { pending: session.pending.clone(), ..as_written.clone() };
        assert_eq!(*session, known, "a row that is served is as it was written");
        assert!(session.pending.is_none() || session.pending == as_written.pending);
    }
    let ids: BTreeSet<i64> = found.iter().map(|session| session.id).collect();
    if copy_is_good {
        assert!(copied.iter().all(|session| ids.contains(&session.id)), "what a copy has is not lost");
    }
    assert!(lanes.iter().all(|known| known.key == lane().key));
    store.told();
    store.close();
    let (again, recovered) = open(path);
    assert_eq!((read(&again).map(|found| found.1.len()), recovered), (Ok(found.len()), None), "once is enough");
    again.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_damaged_nothing_wrong_is_served_and_what_a_copy_has_is_there(damages in damages(), also_copies: bool) {
        let directory = directory();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (copied, later) = runtime.block_on(stored(directory.path()));
        let mut files = vec![DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")];
        if also_copies {
            files.push("offline-sessions.copy-1.sqlite3".to_owned());
            files.push("offline-sessions.id".to_owned());
        }
        for (which, how) in &damages {
            damage(&directory.path().join(&files[which.index(files.len())]), how);
        }
        check(directory.path(), &copied, &later, !also_copies);
    }
}

#[tokio::test]
async fn the_log_of_another_database_brings_nothing_in() {
    let (ours, other) = (directory(), directory());
    let (copied, later) = stored(ours.path()).await;
    stored(other.path()).await;
    let log = format!("{DATABASE_FILE}-wal");
    fs::copy(other.path().join(&log), ours.path().join(&log)).expect("copied");
    check(ours.path(), &copied, &later, true);
}

#[tokio::test]
async fn a_log_of_another_database_beside_a_closed_one_costs_no_row_and_both_are_set_aside_as_they_were() {
    let (ours, other) = (directory(), directory());
    let (copied, later) = stored(ours.path()).await;
    open(ours.path()).0.close();
    fs::remove_file(ours.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
    stored(other.path()).await;
    let log = format!("{DATABASE_FILE}-wal");
    fs::copy(other.path().join(&log), ours.path().join(&log)).expect("copied");
    let read = |name: &String| fs::read(ours.path().join(name)).expect("a file");
    let before = [DATABASE_FILE.to_owned(), log].map(|name| read(&name));
    let (store, recovered) = open(ours.path());
    let recovered = recovered.expect("told");
    assert_eq!(recovered.kept, copied.len() + later.len());
    assert!(recovered.damaged_files.iter().map(read).eq(before), "what is set aside is what was there");
    store.close();
}

#[tokio::test]
async fn the_log_of_an_earlier_time_beside_a_closed_database_takes_it_back_to_nothing() {
    let directory = directory();
    let (copied, later) = stored(directory.path()).await;
    fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
    let log = directory.path().join(format!("{DATABASE_FILE}-wal"));
    let earlier = fs::read(&log).expect("a log");
    let (store, _) = open(directory.path());
    let (removed, lane) = (copied[8].id, copied[8].lane);
    store.write(move |tx| tx.delete_session(removed)).await.expect("removed");
    let last = put(&store, lane, "last").await;
    store.close();
    fs::write(&log, earlier).expect("put back");
    fs::remove_file(directory.path().join("offline-sessions.commits")).expect("there was a count");
    let (store, recovered) = open(directory.path());
    let all = copied.len() + later.len() + last.len() - 1;
    assert_eq!(recovered.expect("told").kept, all);
    let (_, found, _) = read(&store).expect("read");
    assert_eq!(found.len(), all);
    assert!(found.iter().all(|session| session.id != removed));
    store.close();
}

#[tokio::test]
async fn a_log_whose_header_and_first_frame_are_damaged_loses_nothing_behind_them() {
    let directory = directory();
    let (copied, later) = stored(directory.path()).await;
    fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
    let log = directory.path().join(format!("{DATABASE_FILE}-wal"));
    let mut bytes = fs::read(&log).expect("a log");
    bytes[12] ^= 1;
    bytes[45] ^= 1;
    fs::write(&log, bytes).expect("damaged");
    let (store, recovered) = open(directory.path());
    assert!(recovered.is_some());
    let (_, found, _) = read(&store).expect("read");
    assert_eq!(found.len(), copied.len() + later.len());
    store.close();
}

#[tokio::test]
async fn a_removed_title_stays_removed_where_only_an_index_is_damaged() {
    const PAGE: usize = 4_096;
    const LEAF_OF_INDEX: u8 = 10;
    let original = directory();
    let (copied, later) = stored(original.path()).await;
    let (store, _) = open(original.path());
    let removed = copied[8].id;
    store.write(move |tx| tx.delete_session(removed)).await.expect("removed");
    store.close();
    let database = fs::read(original.path().join(DATABASE_FILE)).expect("a database");
    let leaves = (0..database.len() / PAGE).filter(|n| database[n * PAGE] == LEAF_OF_INDEX);
    for page in leaves {
        let directory = directory();
        for entry in fs::read_dir(original.path()).expect("our directory") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), directory.path().join(entry.file_name())).expect("copied");
        }
        let mut bytes = database.clone();
        // A number of cells that cannot be.
        bytes[page * PAGE + 3] ^= 0x80;
        fs::write(directory.path().join(DATABASE_FILE), bytes).expect("damaged");
        let store = Arc::new(open(directory.path()).0);
        let recovering = Arc::clone(&store);
        tokio::task::spawn_blocking(move || recovering.recover()).await.expect("no panic").expect("recovered");
        let (_, found, _) = read(&store).expect("read");
        assert!(found.iter().all(|session| session.id != removed), "page {page}");
        assert_eq!(found.len(), copied.len() + later.len() - 1, "page {page}");
        store.close();
    }
}

#[tokio::test]
async fn a_bit_that_flips_in_the_schema_costs_no_row() {
    const PAGE: usize = 4_096;
    let original = directory();
    let (copied, later) = stored(original.path()).await;
    open(original.path()).0.close();
    let files = |name: &str| fs::read(original.path().join(name)).expect("a file");
    let (database, id) = (files(DATABASE_FILE), files("offline-sessions.id"));
    let is_schema = |page: &[u8]| page.windows(12).any(|text| text == b"CREATE TABLE" || text == b"CREATE TRIGG");
    let pages: Vec<usize> = (0..database.len() / PAGE).filter(|n| is_schema(&database[n * PAGE..][..PAGE])).collect();
    assert!(pages.len() > 2, "it has several");
    for at in pages.iter().flat_map(|page| (0..PAGE).step_by(2_048).map(move |at| page * PAGE + at + 3)) {
        let directory = directory();
        let mut bytes = database.clone();
        bytes[at] ^= 1;
        fs::write(directory.path().join(DATABASE_FILE), bytes).expect("damaged");
        fs::write(directory.path().join("offline-sessions.id"), &id).expect("written");
        let (store, _) = open(directory.path());
        assert_eq!(read_or_recover(&store).1.len(), copied.len() + later.len(), "at {at}");
        store.close();
    }
}

#[tokio::test]
async fn a_database_that_vanished_comes_back_from_its_copy_and_every_session_is_suspect() {
    let directory = directory();
    let (copied, _) = stored(directory.path()).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(directory.path().join(format!("{DATABASE_FILE}{suffix}")));
    }
    let (store, recovered) = open(directory.path());
    let recovered = recovered.expect("told");
    assert_eq!((recovered.kept, recovered.restored, recovered.damaged_files.len()), (0, SESSIONS, 0));
    assert!(recovered.copy_at.is_some());
    let (lanes, found, debts) = read(&store).expect("read");
    assert_eq!(found, copied);
    assert_eq!((lanes[0].generation, debts), (2, SESSIONS), "a generation that nothing was proven in");
    store.close();
}

#[tokio::test]
async fn a_damaged_row_of_a_lane_is_rebuilt_from_its_sessions() {
    let directory = directory();
    let (copied, later) = stored(directory.path()).await;
    fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
    let (store, _) = open(directory.path());
    store.close();
    let file = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    file.execute_batch("DROP TRIGGER lane_updated; UPDATE lane SET origin = 'app://wrong';").expect("damaged");
    drop(file);
    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.expect("told").kept, 2 * SESSIONS);
    let (lanes, found, _) = read(&store).expect("read");
    assert_eq!((lanes[0].key.clone(), found.len()), (lane().key, copied.len() + later.len()));
    store.close();
}

#[tokio::test]
async fn a_recovery_that_a_kill_interrupted_is_ended_by_the_next_open_and_told_until_somebody_heard_it() {
    let directory = directory();
    let (copied, later) = stored(directory.path()).await;
    open(directory.path()).0.close();
    let file = |name: &str| directory.path().join(name);
    let log = format!("{DATABASE_FILE}-wal");
    fs::remove_file(file("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
    damage_rows(directory.path(), "session", "content_id = 'wrong' WHERE id > 30");
    fs::write(file(&log), "no log").expect("written");
    let damaged = [DATABASE_FILE, &log].map(|name| fs::read(file(name)).expect("a file"));
    let (store, told) = open(directory.path());
    let told = told.expect("told");
    assert_eq!((told.kept, told.lost.sessions, told.complete), (30, copied.len() + later.len() - 30, false));
    store.close();
    let finished = [DATABASE_FILE, "offline-sessions.recovered.json"].map(|name| fs::read(file(name)).expect("a file"));

    // How far it had come.
    for renamed in 0..=2 {
        fs::write(file("offline-sessions.new.sqlite3"), &finished[0]).expect("written");
        fs::write(file("offline-sessions.new-0.json"), &finished[1]).expect("written");
        fs::remove_file(file("offline-sessions.recovered.json")).expect("noted");
        for (n, (name, aside)) in [DATABASE_FILE, &log].iter().zip(&told.damaged_files).enumerate() {
            let _ = fs::remove_file(file(name));
            fs::remove_file(file(aside)).expect("it was set aside");
            fs::write(file(if n < renamed { aside } else { name }), &damaged[n]).expect("written");
        }
        let (store, again) = open(directory.path());
        assert_eq!(again.as_ref(), Some(&told), "{renamed}");
        assert_eq!(read(&store).expect("read").1.len(), 30);
        assert!(told.damaged_files.iter().map(|name| fs::read(file(name)).expect("set aside")).eq(damaged.clone()));
        store.close();
    }
    let (store, again) = open(directory.path());
    assert_eq!(again, Some(told), "nobody has heard it yet");
    store.told();
    store.close();
    assert_eq!(open(directory.path()).1, None);
}

#[tokio::test]
async fn what_was_not_regained_is_told_too() {
    let cases = [
        ("budget", "requests = 9", (0, 0, 0), true),
        ("session", "content_id = 'wrong' WHERE id IN (3, 5)", (2, 0, 0), false),
        ("pending", "session_id = 'wrong'", (0, 2, 0), false),
        ("debt", "content_id = 'wrong' WHERE id <= 7", (0, 0, 7), false),
    ];
    for (table, set, lost, complete) in cases {
        let directory = directory();
        stored(directory.path()).await;
        let (store, _) = open(directory.path());
        store.write(|tx| tx.save_budget(1, 1)).await.expect("written");
        store.close();
        fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
        damage_rows(directory.path(), table, set);
        let (store, told) = open(directory.path());
        let told = told.expect("something was wrong");
        let found = (told.lost.sessions, told.lost.pending_licenses, told.lost.releases);
        assert_eq!((found, told.complete), (lost, complete), "{table}");
        store.close();
    }
}

/// Values that a checksum does not bear out, and a version that is none.
fn damage_rows(path: &Path, table: &str, set: &str) {
    let file = rusqlite::Connection::open(path.join(DATABASE_FILE)).expect("a database");
    let name = format!("{table}_updated");
    let sql = format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'");
    let trigger: String = file.query_row(&sql, [], |row| row.get(0)).expect("a trigger");
    let sql = format!("DROP TRIGGER {name}; UPDATE {table} SET {set}; {trigger}; PRAGMA user_version = 0;");
    file.execute_batch(&sql).expect("damaged");
}

#[tokio::test]
async fn a_bit_that_flips_in_the_log_of_a_killed_process_costs_no_commit_behind_it() {
    for at in [1, 3, 5, 7, 9] {
        let directory = directory();
        let (copied, later) = stored(directory.path()).await;
        fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
        let log = directory.path().join(format!("{DATABASE_FILE}-wal"));
        let mut bytes = fs::read(&log).expect("a log");
        let at = bytes.len() / 10 * at;
        bytes[at] ^= 4;
        fs::write(&log, bytes).expect("damaged");
        let (store, recovered) = open(directory.path());
        assert!(recovered.is_some(), "it is told, at {at}");
        let (_, found, _) = read(&store).expect("read");
        // At most the rows of one page.
        assert!(found.len() + 10 > copied.len() + later.len(), "{} at {at}", found.len());
        store.close();
    }
}

#[tokio::test]
async fn a_log_that_has_all_of_its_database_brings_everything_back_its_damaged_schema_or_not() {
    for flip in [0, 1] {
        let directory = directory();
        let (copied, later) = stored_since_open(directory.path()).await;
        fs::remove_file(directory.path().join("offline-sessions.copy-1.sqlite3")).expect("there was a copy");
        fs::write(directory.path().join(DATABASE_FILE), "").expect("emptied");
        let log = directory.path().join(format!("{DATABASE_FILE}-wal"));
        let mut bytes = fs::read(&log).expect("a log");
        let schema = b"CREATE TABLE session";
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(schema)).collect();
        places.iter().for_each(|at| bytes[*at] ^= flip);
        fs::write(&log, bytes).expect("written");
        let (store, recovered) = open(directory.path());
        assert_eq!(recovered.expect("told").kept, copied.len() + later.len(), "{places:?}");
        store.close();
    }
}

#[tokio::test]
async fn titles_that_were_removed_since_the_copy_come_back_only_where_sessions_are_damaged() {
    let directory = directory();
    let (copied, later) = stored(directory.path()).await;
    let (store, _) = open(directory.path());
    let (removed, damaged) = (copied[8].id, copied[3].id);
    store.write(move |tx| tx.delete_session(removed)).await.expect("removed");
    store.close();
    let file = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    let sql = "DROP TRIGGER debt_updated; UPDATE debt SET content_id = 'wrong';";
    file.execute_batch(sql).expect("damaged");
    drop(file);
    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.expect("told").restored, 0);
    let (_, found, _) = read(&store).expect("read");
    assert_eq!(found.len(), copied.len() + later.len() - 1);
    assert!(found.iter().all(|session| session.id != removed));
    store.close();

    // A row that is missing there may be one whose number was damaged.
    let file = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    let sql = format!("DROP TRIGGER session_updated; UPDATE session SET content_id = 'wrong' WHERE id = {damaged};");
    file.execute_batch(&sql).expect("damaged");
    drop(file);
    let (store, recovered) = open(directory.path());
    assert_eq!(recovered.expect("told").restored, 2);
    let (_, found, _) = read(&store).expect("read");
    assert_eq!(found.len(), copied.len() + later.len());
    store.close();
}
