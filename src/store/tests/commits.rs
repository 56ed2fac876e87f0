//! The count of commits beside the database: what was acknowledged and is gone is told, and nothing is believed that was proven before.

use std::fs;
use std::path::Path;

use super::fixtures::{contents, directory, open_damaged as open, put, stored_lane};
use crate::store::Store;
use crate::store::directory::DATABASE_FILE;

const NOTE: &str = "offline-sessions.commits";

fn log(path: &Path) -> std::path::PathBuf {
    path.join(format!("{DATABASE_FILE}-wal"))
}

/// What a kill leaves of a store with three sessions, of which no copy was made. `meanwhile` comes behind the second.
async fn killed(meanwhile: impl FnOnce(&Path)) -> tempfile::TempDir {
    let (running, left) = (directory(), directory());
    open(running.path()).0.close();
    let (store, _) = open(running.path());
    let lane = stored_lane(&store).await;
    put(&store, lane, "a").await.expect("written");
    put(&store, lane, "b").await.expect("written");
    meanwhile(running.path());
    put(&store, lane, "c").await.expect("written");
    for entry in fs::read_dir(running.path()).expect("our directory") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), left.path().join(entry.file_name())).expect("copied");
    }
    store.close();
    left
}

fn generations(store: &Store) -> Vec<i64> {
    store.read(|rows| rows.lanes()).expect("read").iter().map(|lane| lane.generation).collect()
}

#[tokio::test]
async fn a_log_that_lacks_commits_is_told_once_and_nothing_counts_as_proven() {
    for keep in [0, 30, 60, 99] {
        let left = killed(|_| {}).await;
        let bytes = fs::read(log(left.path())).expect("a log");
        fs::write(log(left.path()), &bytes[..bytes.len() * keep / 100]).expect("cut off");
        let (store, recovered) = open(left.path());
        assert!(recovered.is_some_and(|recovered| !recovered.complete), "with {keep} % of its log");
        assert!(generations(&store).iter().all(|generation| *generation > 1));
        store.told();
        store.close();
        assert_eq!(open(left.path()).1, None, "once is enough");
    }
}

#[tokio::test]
async fn a_log_that_is_removed_while_the_store_is_open_takes_nothing_with_it_that_is_acknowledged_afterwards() {
    let left = killed(|path| fs::remove_file(log(path)).expect("there is a log")).await;
    let (store, recovered) = open(left.path());
    assert_eq!((contents(&store), recovered), (["a", "b", "c"].map(str::to_owned).to_vec(), None));
    store.close();
}

#[tokio::test]
async fn a_count_that_is_missing_older_damaged_or_anothers_says_nothing() {
    let other = killed(|_| {}).await;
    let (store, _) = open(other.path());
    let lane = store.read(|rows| rows.lanes()).expect("read")[0].id;
    put(&store, lane, "later").await.expect("written");
    store.close();
    let of_another = fs::read(other.path().join(NOTE)).expect("a count");
    let mut older = Vec::new();
    let left = killed(|path| older = fs::read(path.join(NOTE)).expect("a count")).await;
    let mut damaged = fs::read(left.path().join(NOTE)).expect("a count");
    damaged[2] ^= 1;
    for note in [Some(older), Some(damaged), Some(of_another), Some(Vec::new()), None] {
        match note {
            Some(note) => fs::write(left.path().join(NOTE), note).expect("written"),
            None => fs::remove_file(left.path().join(NOTE)).expect("removed"),
        }
        let (store, recovered) = open(left.path());
        assert_eq!((contents(&store).len(), recovered), (3, None));
        store.close();
    }
}

#[tokio::test]
async fn no_write_fails_where_the_count_cannot_be_written() {
    let left = killed(|_| {}).await;
    fs::remove_file(left.path().join(NOTE)).expect("removed");
    fs::create_dir(left.path().join(NOTE)).expect("something is in the way");
    let (store, recovered) = open(left.path());
    let lane = store.read(|rows| rows.lanes()).expect("read")[0].id;
    put(&store, lane, "d").await.expect("written");
    assert_eq!((contents(&store).len(), recovered), (4, None));
    store.close();
}
