//! Group commit: nothing is answered before it is durable, and one job's failure is its own.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::fixtures::{contents, directory, open, open_told, put, session, stored_lane};
use crate::error::{Error, Result};
use crate::store::{Change, Store, Tx};

type Job = Box<dyn FnOnce(&mut Tx<'_>) -> Result<i64> + Send>;

/// A job that holds the writer until it is let go, so that what is queued meanwhile is queued together.
struct Held {
    release: mpsc::Sender<()>,
    job: tokio::task::JoinHandle<Result<()>>,
}

impl Held {
    async fn start(store: &Arc<Store>) -> Self {
        let (release, released) = mpsc::channel();
        let (started, running) = tokio::sync::oneshot::channel();
        let store = Arc::clone(store);
        let job = tokio::spawn(async move {
            store
                .write(move |_| {
                    let _ = started.send(());
                    // The sender gone is as good as let go.
                    let _ = released.recv();
                    Ok(())
                })
                .await
        });
        running.await.expect("the writer runs the job");
        Self { release, job }
    }

    async fn let_go(self) {
        self.release.send(()).expect("the job waits");
        self.job.await.expect("the job ends").expect("it writes nothing");
    }
}

/// Queues a write of each content, in order, and gives their answers once the held job is let go.
async fn queue_together(store: &Arc<Store>, jobs: Vec<Job>) -> Vec<Result<i64>> {
    let held = Held::start(store).await;
    let mut answers = Vec::new();
    for job in jobs {
        let store = Arc::clone(store);
        answers.push(tokio::spawn(async move { store.write(job).await }));
        // A spawned task of a single-threaded runtime queues its job at its first poll.
        tokio::task::yield_now().await;
    }
    held.let_go().await;
    let mut results = Vec::new();
    for answer in answers {
        results.push(answer.await.expect("a write is answered, not dropped"));
    }
    results
}

fn insert(lane: i64, content_id: &'static str) -> Job {
    Box::new(move |tx| tx.insert_session(&session(lane, content_id)))
}

#[tokio::test]
async fn a_write_is_committed_and_observed_before_it_is_answered() {
    let directory = directory();
    let path = directory.path().to_owned();
    let (entered, observing) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let entered = Mutex::new(Some(entered));
    let released = Mutex::new(released);
    let observer = move |changes: Vec<Change>| {
        let is_session = changes.iter().any(|change| matches!(change, Change::Session(_)));
        if let Some(entered) = entered.lock().expect("one thread").take_if(|_| is_session) {
            let file = path.join(crate::store::directory::DATABASE_FILE);
            let other = rusqlite::Connection::open(file).expect("another connection");
            let count = other.query_row("SELECT count(*) FROM session", [], |row| row.get::<_, i64>(0));
            entered.send(count.expect("a count")).expect("the test listens");
            released.lock().expect("one thread").recv().expect("the test lets go");
        }
    };
    let store = Store::open(directory.path(), Duration::ZERO, Arc::new(observer)).expect("a store").0;
    let store = Arc::new(store);
    let lane = stored_lane(&store).await;
    let writer = Arc::clone(&store);
    let answer = tokio::spawn(async move { put(&writer, lane, "film").await });
    assert_eq!(observing.await, Ok(1), "durable for others when the observer is called");
    assert!(!answer.is_finished(), "not answered before the observer is done");
    release.send(()).expect("the observer waits");
    assert!(answer.await.expect("answered").is_ok());
}

#[tokio::test]
async fn jobs_queued_together_share_a_commit_and_the_observer_hears_of_them_once_in_order() {
    let directory = directory();
    let (store, told) = open_told(directory.path());
    let store = Arc::new(store);
    let lane = stored_lane(&store).await;
    told.lock().expect("the observer does not panic").clear();
    let jobs = vec![insert(lane, "a"), insert(lane, "b"), insert(lane, "c")];
    let answers = queue_together(&store, jobs).await;
    let ids: Vec<i64> = answers.into_iter().map(|answer| answer.expect("written")).collect();
    let told: Vec<Vec<i64>> = told
        .lock()
        .expect("the observer does not panic")
        .iter()
        .map(|changes| {
            let sessions = changes.iter().filter_map(|change| match change {
                Change::Session(session) => Some(session.id),
                _ => None,
            });
            sessions.collect()
        })
        .collect();
    assert_eq!(told, vec![vec![], ids], "the held job's commit, and one for the three");
    assert_eq!(contents(&store), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_job_that_fails_is_rolled_back_alone() {
    let directory = directory();
    let store = Arc::new(open(directory.path()).expect("a store"));
    let lane = stored_lane(&store).await;
    let fails: Job = Box::new(move |tx| {
        tx.insert_session(&session(lane, "half"))?;
        Err(Error::NotFound)
    });
    let answers = queue_together(&store, vec![insert(lane, "a"), fails, insert(lane, "b")]).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1], Err(Error::NotFound));
    assert_eq!(contents(&store), ["a", "b"]);
}

#[tokio::test]
async fn a_job_that_panics_is_rolled_back_alone_and_the_writer_lives() {
    let directory = directory();
    let store = Arc::new(open(directory.path()).expect("a store"));
    let lane = stored_lane(&store).await;
    let panics: Job = Box::new(move |tx| {
        tx.insert_session(&session(lane, "half"))?;
        assert!(tx.session(0)?.is_some(), "a panic on purpose");
        Ok(0)
    });
    let answers = queue_together(&store, vec![insert(lane, "a"), panics, insert(lane, "b")]).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1].as_ref().map_err(Error::code), Err("ERR_INTERNAL"));
    assert!(put(&store, lane, "c").await.is_ok());
    assert_eq!(contents(&store), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_job_that_breaks_the_schemas_rules_is_an_error_of_its_own() {
    let directory = directory();
    let store = Arc::new(open(directory.path()).expect("a store"));
    let lane = stored_lane(&store).await;
    let answers = queue_together(&store, vec![insert(lane + 1, "no lane"), insert(lane, "a")]).await;
    assert_eq!(answers[0].as_ref().map_err(Error::code), Err("ERR_STORAGE"));
    assert!(answers[1].is_ok());
    assert_eq!(contents(&store), ["a"]);
}

#[tokio::test]
async fn the_observer_hears_of_a_removal() {
    let directory = directory();
    let (store, told) = open_told(directory.path());
    let lane = stored_lane(&store).await;
    let id = put(&store, lane, "film").await.expect("written");
    let removed = store.write(move |tx| {
        let session = tx.session(id)?.ok_or(Error::NotFound)?;
        tx.delete_session(id)?;
        tx.owe(&session, "old", None)
    });
    removed.await.expect("removed");
    let told = told.lock().expect("the observer does not panic");
    let last = told.last().expect("three commits");
    assert!(last.iter().any(|change| matches!(change, Change::SessionRemoved(row) if *row == id)));
    assert!(last.iter().any(|change| matches!(change, Change::Debt(debt) if debt.session_id == "old")));
    assert!(contents(&store).is_empty());
}

#[tokio::test]
async fn a_caller_that_no_longer_listens_loses_nothing() {
    let directory = directory();
    let store = Arc::new(open(directory.path()).expect("a store"));
    let lane = stored_lane(&store).await;
    let held = Held::start(&store).await;
    let writer = Arc::clone(&store);
    let left = tokio::spawn(async move { put(&writer, lane, "left").await });
    tokio::task::yield_now().await;
    left.abort();
    held.let_go().await;
    assert!(put(&store, lane, "after").await.is_ok());
    assert_eq!(contents(&store), ["left", "after"]);
}

#[tokio::test]
async fn close_commits_what_is_queued() {
    let directory = directory();
    let store = Arc::new(open(directory.path()).expect("a store"));
    let lane = stored_lane(&store).await;
    let held = Held::start(&store).await;
    let writer = Arc::clone(&store);
    let queued = tokio::spawn(async move { put(&writer, lane, "queued").await });
    tokio::task::yield_now().await;
    let closer = Arc::clone(&store);
    let closed = tokio::task::spawn_blocking(move || closer.close());
    held.let_go().await;
    closed.await.expect("close returns");
    assert!(queued.await.expect("answered").is_ok());
    let again = open(directory.path()).expect("the directory is free");
    assert_eq!(contents(&again), ["queued"]);
}

#[tokio::test]
async fn close_is_idempotent_and_nothing_works_after_it() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    put(&store, lane, "film").await.expect("written");
    store.close();
    store.close();
    assert_eq!(put(&store, lane, "late").await, Err(Error::Closed));
    assert_eq!(store.read(|rows| rows.all_sessions()).map(|_| ()), Err(Error::Closed));
    let again = open(directory.path()).expect("the directory is free");
    assert_eq!(contents(&again), ["film"]);
    store.close();
    assert_eq!(contents(&again), ["film"], "closing once more takes nothing from the next");
}

#[test]
fn a_full_disk_is_called_that_where_sqlite_has_another_word_for_it() {
    let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE);
    assert_eq!(Error::from(rusqlite::Error::SqliteFailure(failure, None)), Error::DiskFull);
}
