//! The writer thread: group commit. Its one rule: nothing is answered before it is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::directory::Place;
use super::schema;
use super::tx::Tx;
use super::{Change, Observer, hold};
use crate::error::{Error, Result};

/// Jobs that may wait; more callers wait for a place.
const QUEUE: usize = 1_024;
/// Jobs that share one commit at most.
const BATCH: usize = 256;

/// Runs in the transaction, or is told why there is none; what it returns answers the caller once the commit's fate
/// is known.
type Job = Box<dyn FnOnce(Result<&mut Tx<'_>>) -> Done + Send>;

struct Done {
    failed: Option<Error>,
    answer: Box<dyn FnOnce(Result<()>) + Send>,
}

pub struct Writer {
    /// `None` once closed; the thread ends when the last sender is gone and the queue is empty.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    abandoned: Arc<AtomicBool>,
}

impl Writer {
    pub fn start(connection: Connection, place: Place, observer: Observer) -> Result<Self> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let thread = Self::spawn(connection, place, observer, &abandoned)?;
        Ok(Self { queue: Mutex::new(Some(thread.0)), thread: Mutex::new(Some(thread.1)), abandoned })
    }

    fn spawn(
        connection: Connection,
        place: Place,
        observer: Observer,
        abandoned: &Arc<AtomicBool>,
    ) -> Result<(mpsc::Sender<Job>, JoinHandle<()>)> {
        let abandoned = Arc::clone(abandoned);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("offline-sessions-writer".to_owned())
            .spawn(move || write_until_closed(connection, &place, receiver, &observer, &abandoned))
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok((sender, thread))
    }

    /// Begins again with another connection, after `close`.
    pub fn restart(&self, connection: Connection, place: Place, observer: Observer) -> Result<()> {
        let (queue, thread) = Self::spawn(connection, place, observer, &self.abandoned)?;
        *hold(&self.queue) = Some(queue);
        *hold(&self.thread) = Some(thread);
        Ok(())
    }

    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let queue = hold(&self.queue).clone().ok_or(Error::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.and_then(|tx| {
                catch_unwind(AssertUnwindSafe(|| job(tx)))
                    .unwrap_or_else(|_| Err(Error::Internal("a write panicked and was rolled back".to_owned())))
            });
            Done {
                failed: result.as_ref().err().cloned(),
                answer: Box::new(move |committed| {
                    // A caller that no longer listens loses nothing: the write stands.
                    let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
                }),
            }
        });
        queue.send(job).await.map_err(|_| Error::Closed)?;
        drop(queue);
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Ends the thread without folding the log into the file: what is damaged is not to be written over.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.close();
        self.abandoned.store(false, Ordering::Release);
    }

    pub fn close(&self) {
        hold(&self.queue).take();
        let thread = hold(&self.thread).take();
        if let Some(thread) = thread {
            // A panic of the thread has already answered its callers with `Closed`.
            let _ = thread.join();
        }
    }
}

fn write_until_closed(
    mut connection: Connection,
    place: &Place,
    mut queue: mpsc::Receiver<Job>,
    observer: &Observer,
    abandoned: &AtomicBool,
) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        let mut done = Vec::with_capacity(jobs.len());
        let committed = commit(&mut connection, place, jobs, &mut done);
        tracing::trace!(jobs = done.len(), ok = committed.is_ok(), "commit");
        let fate = committed.map(|changes| observer(changes)).inspect_err(|error| {
            tracing::error!(%error, "commit failed");
        });
        for done in done {
            (done.answer)(fate.clone());
        }
    }
    if abandoned.load(Ordering::Acquire) {
        if let Err(error) = schema::fold_at_close(&connection, false) {
            tracing::warn!(%error, "the log of a damaged database may be folded into it");
        }
        return;
    }
    // Leaves one tidy file; what stays in the WAL is just as durable.
    let tidied = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);").map_err(Error::from);
    if let Err(error) = tidied.and_then(|()| schema::fold_at_close(&connection, true)) {
        tracing::debug!(%error, "no checkpoint at close");
    }
}

fn commit(connection: &mut Connection, place: &Place, jobs: Vec<Job>, done: &mut Vec<Done>) -> Result<Vec<Change>> {
    let mut jobs = jobs.into_iter();
    let committed = run_jobs(connection, place, &mut jobs, done);
    if let Err(error) = &committed {
        done.extend(jobs.map(|job| job(Err(error.clone()))));
    }
    committed
}

fn run_jobs(
    connection: &mut Connection,
    place: &Place,
    jobs: &mut impl Iterator<Item = Job>,
    done: &mut Vec<Done>,
) -> Result<Vec<Change>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tx = Tx::new(&transaction);
    for job in jobs {
        if let Err(error) = transaction.execute_batch("SAVEPOINT job").map_err(Error::from) {
            done.push(job(Err(error.clone())));
            return Err(error);
        }
        let result = job(Ok(&mut tx));
        let failed = result.failed.clone();
        done.push(result);
        match failed {
            None => transaction.execute_batch("RELEASE job")?,
            // Some errors, a full disk among them, end the whole transaction.
            Some(error) if transaction.is_autocommit() => return Err(error),
            Some(_) => transaction.execute_batch("ROLLBACK TO job; RELEASE job")?,
        }
    }
    let changes = tx.changes()?;
    drop(tx);
    let sql = "UPDATE meta SET commits = commits + 1 RETURNING commits";
    let commits = transaction.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    place.is_kept()?;
    transaction.commit()?;
    if !place.has_log() {
        // What stands in a log that was removed is gone with this process.
        let folded = connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get::<_, bool>(0));
        tracing::warn!(busy = ?folded, "the log was removed");
    }
    if let Some(commits) = commits {
        place.commits.write(commits);
    }
    Ok(changes)
}
