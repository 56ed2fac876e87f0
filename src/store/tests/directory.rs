//! The directory: private files, one holder, and databases that are not ours to open.

use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::fixtures::{contents, directory, open, put, stored_lane};
use crate::error::Error;
use crate::model::Snapshot;
use crate::store::Store;
use crate::store::directory::DATABASE_FILE;

/// The error of opening `path`; `None`: it opens.
fn refusal(path: &Path) -> Option<Error> {
    open(path).err()
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_0700_and_every_file_in_it_0600() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| {
        let metadata = fs::metadata(path).expect("it exists");
        metadata.permissions().mode() & 0o777
    };
    let parent = directory();
    let path = parent.path().join("a/b");
    let store = open(&path).expect("directories are created");
    let lane = stored_lane(&store).await;
    put(&store, lane, "film").await.expect("written");
    assert_eq!(mode(&path), 0o700);
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("our names are text");
        assert_eq!(mode(&entry.path()), 0o600, "{name}");
        files.push(name);
    }
    for suffix in ["", "-wal", "-shm"] {
        assert!(files.contains(&format!("{DATABASE_FILE}{suffix}")), "{files:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn modes_that_were_opened_up_are_narrowed_again() {
    use std::os::unix::fs::PermissionsExt;
    let directory = directory();
    open(directory.path()).expect("a store").close();
    let file = directory.path().join(DATABASE_FILE);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("our own directory");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("our own file");
    let store = open(directory.path()).expect("a store");
    let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
    assert_eq!((mode(directory.path()), mode(&file)), (0o700, 0o600));
    store.close();
}

#[tokio::test]
async fn a_second_open_fails_with_the_holders_pid_until_the_first_is_closed() {
    let directory = directory();
    let first = open(directory.path()).expect("a store");
    let pid = Some(std::process::id());
    assert_eq!(refusal(directory.path()), Some(Error::InUse { pid }));
    let lane = stored_lane(&first).await;
    assert!(put(&first, lane, "film").await.is_ok(), "the holder is not disturbed");
    first.close();
    let second = open(directory.path()).expect("free again");
    assert_eq!(contents(&second), ["film"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_holder_whose_lock_was_removed_writes_no_more_whoever_opened_since_does() {
    let directory = directory();
    let first = open(directory.path()).expect("a store");
    let lane = stored_lane(&first).await;
    fs::remove_file(directory.path().join("offline-sessions.lock")).expect("there was a lock");
    let second = open(directory.path()).expect("nothing keeps it out");
    put(&second, lane, "film").await.expect("written");
    assert_eq!(put(&first, lane, "another").await.map_err(|error| error.code()), Err("ERR_STORAGE"));
    assert_eq!(contents(&second), ["film"]);
    let file = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    file.execute_batch("DROP TRIGGER session_updated; UPDATE session SET content_id = 'wrong'").expect("damaged");
    let recovered = tokio::task::spawn_blocking(move || first.recover()).await.expect("no panic");
    assert_eq!(recovered.map_err(|error| error.code()), Err("ERR_STORAGE"), "nor does it exchange the database");
}

#[test]
fn an_open_that_waits_succeeds_when_the_holder_leaves() {
    let directory = directory();
    let first = open(directory.path()).expect("a store");
    let path = directory.path().to_owned();
    let (tell, told) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let at_once = open(&path).map(|_| ());
        tell.send(at_once).expect("the test listens");
        Store::open(&path, Duration::from_secs(60), Arc::new(|_| {})).map(|(store, _)| store.close())
    });
    let at_once = told.recv().expect("the thread tells");
    assert_eq!(at_once.map_err(|error| error.code()), Err("ERR_IN_USE"), "held when the wait begins");
    first.close();
    assert_eq!(waiting.join().expect("the thread ends"), Ok(()));
}

#[test]
fn a_store_that_is_dropped_lets_go_too() {
    let directory = directory();
    drop(open(directory.path()).expect("a store"));
    assert_eq!(refusal(directory.path()), None);
}

/// Makes the store of a later version of it: one table more, written by nobody older than `oldest_writer`.
async fn newer_store(path: &Path, oldest_writer: i64) {
    let store = open(path).expect("a store");
    let lane = stored_lane(&store).await;
    put(&store, lane, "film").await.expect("written");
    store.close();
    let newer = rusqlite::Connection::open(path.join(DATABASE_FILE)).expect("a database");
    newer.execute_batch("DROP TRIGGER meta_updated; CREATE TABLE later (a);").expect("changed");
    newer.execute("UPDATE meta SET oldest_writer = ?1", [oldest_writer]).expect("written");
    newer.pragma_update(None, "user_version", 2).expect("written");
    newer.close().expect("closed");
}

/// The files of a folder with what is in them, but for the lock.
fn everything(path: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("our names")).collect();
    names.retain(|name| !name.ends_with(".lock") && !name.ends_with(".pid"));
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs::read(path.join(name)).expect("a file"))).collect()
}

#[tokio::test]
async fn a_database_that_only_a_newer_version_may_write_is_read_from_a_private_copy_and_left_as_it_is() {
    let directory = directory();
    newer_store(directory.path(), 2).await;
    let before = everything(directory.path());
    let store = open(directory.path()).expect("it can be read");
    assert!(store.is_newer());
    assert_eq!(contents(&store), ["film"]);
    let lane = store.read(|rows| rows.lanes()).expect("read")[0].id;
    assert_eq!(put(&store, lane, "another").await, Err(Error::NewerDatabase { found: 2, known: 1 }));
    assert!(matches!(open(directory.path()), Err(Error::InUse { .. })), "the original is locked");
    store.close();
    drop(store);
    assert!(everything(directory.path()) == before, "not a byte of it is changed");
    assert!(open(directory.path()).is_ok(), "and the lock is not kept");
}

#[tokio::test]
async fn the_log_that_a_killed_newer_version_left_stays_as_it_is_too() {
    let (directory, killed) = (directory(), directory());
    newer_store(directory.path(), 2).await;
    let newer = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
    newer.execute_batch("PRAGMA journal_mode = WAL; INSERT INTO later VALUES (1);").expect("written");
    for (name, bytes) in everything(directory.path()) {
        fs::write(killed.path().join(name), bytes).expect("copied");
    }
    drop(newer);
    for _ in 0..2 {
        let before = everything(killed.path());
        let store = open(killed.path()).expect("it can be read");
        assert!(store.is_newer());
        assert_eq!(contents(&store), ["film"]);
        drop(store);
        assert!(everything(killed.path()) == before, "not a byte of it is changed");
        // Also where nobody shares it.
        let _ = fs::remove_file(killed.path().join(format!("{DATABASE_FILE}-shm")));
    }
}

#[tokio::test]
async fn a_damaged_database_of_a_newer_version_is_left_to_newer_code() {
    let log = format!("{DATABASE_FILE}-wal");
    for what in ["cut", "its log", "gone"] {
        let (directory, damaged) = (directory(), directory());
        newer_store(directory.path(), 2).await;
        let newer = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
        newer
            .execute_batch("PRAGMA journal_mode = WAL; UPDATE meta SET oldest_writer = 3; PRAGMA user_version = 3;")
            .expect("written");
        for (name, mut bytes) in everything(directory.path()) {
            let end = bytes.len();
            match what {
                "cut" if name == DATABASE_FILE => bytes.truncate(end - 4_096),
                "cut" | "gone" if name.starts_with(&format!("{DATABASE_FILE}-")) => continue,
                "gone" if name == DATABASE_FILE => {
                    fs::write(damaged.path().join("offline-sessions.copy-1.sqlite3"), bytes).expect("a copy");
                    continue;
                }
                "its log" if name == log => bytes[32 + 24 + 100] ^= 1,
                _ => {}
            }
            fs::write(damaged.path().join(name), bytes).expect("written");
        }
        let before = everything(damaged.path());
        match open(damaged.path()) {
            Ok(store) => assert!(store.is_newer(), "{what}"),
            Err(error) => assert_eq!(error.code(), "ERR_NEWER_DATABASE", "{what}"),
        }
        assert!(everything(damaged.path()) == before, "{what}: not a byte of it is changed");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_that_only_adds_is_read_and_written() {
    let directory = directory();
    newer_store(directory.path(), 1).await;
    let store = open(directory.path()).expect("the newer one opens");
    let lane = store.read(|rows| rows.lanes()).expect("read")[0].id;
    put(&store, lane, "another").await.expect("written");
    assert_eq!(contents(&store), ["film", "another"]);
    store.close();
}

#[test]
fn a_newer_database_that_keeps_another_journal_is_left_as_it_is_too() {
    let directory = directory();
    let file = directory.path().join(DATABASE_FILE);
    let newer = rusqlite::Connection::open(&file).expect("a database");
    newer.pragma_update(None, "application_id", 0x454f_5373).expect("written");
    newer.pragma_update(None, "user_version", 9).expect("written");
    newer.execute_batch("CREATE TABLE later (a)").expect("a table");
    newer.close().expect("closed");
    let before = fs::read(&file).expect("a file");
    assert_eq!(refusal(directory.path()), Some(Error::NewerDatabase { found: 9, known: 1 }));
    assert!(fs::read(&file).expect("a file") == before, "not a byte of it is changed");
}

/// Opens what is there; the names of what was set aside.
fn set_aside(path: &Path) -> Vec<String> {
    let (store, recovered) = Store::open(path, Duration::ZERO, Arc::new(|_| {})).expect("it opens");
    store.close();
    recovered.expect("something was wrong").damaged_files
}

#[test]
fn a_file_of_another_kind_is_set_aside_as_it_is() {
    let directory = directory();
    let text = "Dear diary, ".repeat(1_000);
    fs::write(directory.path().join(DATABASE_FILE), &text).expect("written");
    let names = set_aside(directory.path());
    assert_eq!(names.len(), 1);
    assert_eq!(fs::read_to_string(directory.path().join(&names[0])).expect("a file"), text);
    assert_eq!(refusal(directory.path()), None);
}

#[test]
fn the_database_of_another_application_is_not_taken_for_ours() {
    for user_version in [0, 1] {
        let directory = directory();
        let other = rusqlite::Connection::open(directory.path().join(DATABASE_FILE)).expect("a database");
        other.pragma_update(None, "application_id", 0x4d50_504b).expect("written");
        other.pragma_update(None, "user_version", user_version).expect("written");
        other.execute_batch("CREATE TABLE notes (a)").expect("a table");
        other.close().expect("closed");
        let names = set_aside(directory.path());
        let kept = rusqlite::Connection::open(directory.path().join(&names[0])).expect("still a database");
        assert!(kept.prepare("SELECT a FROM notes").is_ok(), "user_version {user_version}");
    }
}

#[test]
fn an_empty_file_that_a_kill_left_behind_becomes_a_store() {
    let directory = directory();
    fs::write(directory.path().join(DATABASE_FILE), "").expect("written");
    assert_eq!(refusal(directory.path()), None);
}

#[test]
fn a_path_that_is_no_directory_is_a_coded_error() {
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "").expect("written");
    for path in [file.clone(), file.join("below")] {
        let code = refusal(&path).map(|error| error.code());
        assert!(matches!(code, Some("ERR_READ_ONLY" | "ERR_STORAGE")), "{code:?}");
    }
}

#[tokio::test]
async fn what_was_set_aside_stays_for_90_days_whatever_the_clock_says() {
    const DAY: i64 = 86_400_000;
    let now = 20_000 * DAY;
    let platform = serde_json::json!({ "app": "1", "electron": "2", "chromium": "3", "cdms": [] });
    let platform: Snapshot = serde_json::from_value(platform).expect("a snapshot");
    // When it was set aside, launches since, and whether it is removed.
    let cases = [
        (now, vec![now + DAY, now + 89 * DAY], now + 90 * DAY, false),
        (now, vec![now + 91 * DAY], now + 91 * DAY, false),
        (now, vec![now + 91 * DAY], now + 182 * DAY, true),
        // Set aside in 1970, for all its clock knew.
        (5, vec![now, now + DAY], now + DAY, false),
        (5, vec![now, now + DAY], now + 91 * DAY, true),
        // A clock that is years ahead once.
        (now, vec![now + DAY, now + 3_000 * DAY], now + 3_000 * DAY, false),
        (now, vec![now + DAY, now + 3_000 * DAY], now + 2 * DAY, false),
    ];
    for (case, (at, launches, now, is_removed)) in cases.into_iter().enumerate() {
        let directory = directory();
        let store = open(directory.path()).expect("a store");
        let damaged = directory.path().join(format!("offline-sessions.damaged-{at}.sqlite3-wal"));
        fs::write(&damaged, "damaged once").expect("written");
        for at in launches {
            let platform = platform.clone();
            store.write(move |tx| tx.insert_launch(at, &platform, &[])).await.expect("written");
        }
        store.remove_old(now).expect("looked at");
        assert_eq!(damaged.exists(), !is_removed, "case {case}");
    }
}

#[test]
fn what_is_set_aside_takes_nothing_elses_place() {
    let directory = directory();
    for _ in 0..5 {
        fs::write(directory.path().join(DATABASE_FILE), "Dear diary").expect("written");
        set_aside(directory.path());
    }
    let names = everything(directory.path()).into_iter().map(|file| file.0);
    assert_eq!(names.filter(|name| name.contains("damaged")).count(), 5);
}
