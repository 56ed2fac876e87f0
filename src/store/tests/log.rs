//! A log that is damaged, cut from its database, or has more in it than was committed.

use std::fs;

use super::damage::{damage, damage_log, frames, killed, owed, put_titles, root, sessions};
use super::fixtures::{directory, open_damaged as open};
use crate::model::Session;
use crate::store::schema::PAGE;
use crate::store::{Tx, log};

/// How many of the titles with these numbers are there.
fn count(store: &crate::store::Store, numbers: std::ops::Range<usize>) -> usize {
    let found: Vec<String> = sessions(store).into_iter().map(|session| session.content_id).collect();
    numbers.filter(|n| found.contains(&format!("title {n}"))).count()
}

#[tokio::test]
async fn rows_of_many_pages_come_back_from_a_log_beside_a_database_that_is_cut_off() {
    for pages in [0, 3] {
        let directory = directory();
        let (store, _) = open(directory.path());
        put_titles(&store, 0..500, 900).await;
        store.close();
        let (store, _) = open(directory.path());
        put_titles(&store, 5_000..5_010, 20_000).await;
        let left = killed(directory.path());
        store.close();
        damage(left.path(), |all| all.truncate(pages));
        let (store, _) = open(left.path());
        assert_eq!(count(&store, 5_000..5_010), 10, "beside {pages} pages");
        store.close();
    }
}

#[tokio::test]
async fn a_bit_that_flips_in_the_header_of_a_frame_costs_no_row_and_brings_none_of_before() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..60, 100).await;
    store.close();
    let (store, _) = open(directory.path());
    let renew = |tx: &mut Tx<'_>| {
        for session in tx.all_sessions()?.into_iter().take(5) {
            let renewed = Session { session_id: format!("renewed {}", session.id), ..session.clone() };
            tx.save_session(&renewed)?;
            tx.owe(&renewed, &session.session_id, None)?;
        }
        Ok(())
    };
    store.write(renew).await.expect("written");
    store.write(|tx| tx.save_budget(1, 1)).await.expect("another commit");
    let before = killed(directory.path());
    store.close();
    let bytes = fs::read(before.path().join(log::FILE)).expect("a log");
    // The page's number, the first salt, the checksum.
    for (frame, at) in frames(&bytes).flat_map(|frame| [3, 9, 18].map(|at| (frame, at))) {
        let left = killed(before.path());
        damage_log(left.path(), |bytes| bytes[frame + at] ^= 1);
        let (store, _) = open(left.path());
        let renewed = sessions(&store).iter().filter(|session| session.session_id.starts_with("renewed")).count();
        assert_eq!((count(&store, 0..60), renewed, owed(&store).len()), (60, 5, 5), "{frame} + {at}");
        store.close();
    }
}

#[tokio::test]
async fn a_log_that_does_not_say_how_many_commits_it_has_loses_nothing_to_a_copy() {
    for note in [100, 20_000] {
        let directory = directory();
        let (store, _) = open(directory.path());
        put_titles(&store, 0..30, 100).await;
        assert_eq!(store.copy(), Ok(true));
        store.close();
        let copy = |path: &std::path::Path| path.join("offline-sessions.copy-1.sqlite3");
        let (store, _) = open(directory.path());
        put_titles(&store, 100..110, note).await;
        let left = killed(directory.path());
        fs::copy(copy(directory.path()), copy(left.path())).expect("a copy");
        store.close();
        let meta = u32::try_from(root(directory.path(), "meta") + 1).expect("a page").to_be_bytes();
        damage_log(left.path(), |bytes| {
            for frame in frames(bytes) {
                if bytes[frame..frame + 4] == meta {
                    bytes[frame + 24..][..PAGE].fill(0);
                }
            }
        });
        let (store, _) = open(left.path());
        assert_eq!(count(&store, 100..110), 10, "notes of {note}");
        store.close();
    }
}

#[tokio::test]
async fn what_a_commit_that_failed_has_left_behind_the_last_one_is_no_commit() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..100, 100).await;
    store.close();
    let (store, _) = open(directory.path());
    put_titles(&store, 100..101, 100).await;
    let (acknowledged, failed) = (killed(directory.path()), killed(directory.path()));
    store.close();
    // Its frames are written, its sync fails, and SQLite rolls it back.
    let (store, _) = open(failed.path());
    let never = |tx: &mut Tx<'_>| {
        let all = tx.all_sessions()?.into_iter().take(60);
        all.map(|session| Session { request_id: Some("never".to_owned()), ..session })
            .try_for_each(|session| tx.save_session(&session))
    };
    store.write(never).await.expect("written");
    let longer = fs::read(failed.path().join(log::FILE)).expect("a log");
    store.close();
    let (store, _) = open(acknowledged.path());
    let change = |tx: &mut Tx<'_>| {
        let session = tx.all_sessions()?.swap_remove(0);
        tx.save_session(&Session { session_id: "acknowledged".to_owned(), ..session })
    };
    store.write(change).await.expect("written");
    let left = killed(acknowledged.path());
    store.close();
    damage_log(left.path(), |bytes| {
        assert_eq!(bytes[16..24], longer[16..24], "one life of the log");
        bytes.extend_from_slice(&longer[bytes.len()..]);
    });
    let (store, recovered) = open(left.path());
    let has = |is: fn(&Session) -> bool| sessions(&store).into_iter().filter(is).count();
    let found = (has(|row| row.request_id.is_some()), has(|row| row.session_id == "acknowledged"), recovered);
    assert_eq!(found, (0, 1, None));
    store.close();
}

#[tokio::test]
async fn a_frame_whose_header_is_zeroed_takes_no_other_of_its_commit_along() {
    let directory = directory();
    let (store, _) = open(directory.path());
    put_titles(&store, 0..60, 100).await;
    store.close();
    let (store, _) = open(directory.path());
    for n in 1..4 {
        put_titles(&store, n * 100..n * 100 + 5, 100).await;
    }
    let before = killed(directory.path());
    store.close();
    let bytes = fs::read(before.path().join(log::FILE)).expect("a log");
    // The page that counts comes first in its commit.
    let meta = u32::try_from(root(directory.path(), "meta") + 1).expect("a page").to_be_bytes();
    let counts: Vec<usize> = frames(&bytes).filter(|frame| bytes[*frame..][..4] == meta).collect();
    for frame in &counts[..counts.len() - 1] {
        let left = killed(before.path());
        damage_log(left.path(), |bytes| bytes[*frame..][..24].fill(0));
        let (store, _) = open(left.path());
        assert_eq!([100, 200, 300].map(|n| count(&store, n..n + 5)), [5; 3], "{frame}");
        store.close();
    }
}
