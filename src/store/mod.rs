//! The only user of rusqlite: one database file, one writer thread, readers.
//!
//! A write is a job that runs on the writer thread inside a transaction. The writer commits what has queued up in
//! one transaction and answers each job after that commit is durable; what changed is handed to the observer before
//! any answer. A job that fails is rolled back alone.

mod codec;
mod commits;
mod copies;
mod directory;
mod error;
mod log;
mod newer;
mod recovery;
mod report;
mod rows;
mod schema;
mod sums;
mod tx;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::RwLock;

pub use report::Recovered;
pub use rows::Rows;
pub use tx::{Change, Tx};

use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::SessionSummary;
use directory::{DATABASE_FILE, Directory};
use sums::DatabaseId;
use writer::Writer;

/// Told of every committed change, in order, before the job that made it is answered.
pub type Observer = Arc<dyn Fn(Vec<Change>) + Send + Sync>;

pub struct Store {
    writer: Writer,
    /// Held for reading by every write under way, for writing while the database is exchanged.
    exchange: RwLock<()>,
    closed: AtomicBool,
    /// What was recovered was told, and is still noted.
    told: AtomicBool,
    /// `None` once closed, and while there is no database that could be read. Writing never waits for it: WAL readers and the writer do not block each other.
    reader: Mutex<Option<Connection>>,
    /// For single rows that the main thread waits for: no long read is ever in its way.
    quick_reader: Mutex<Option<Connection>>,
    /// Held while everything is read, so that `close` can wait for the end of it.
    reading_all: Mutex<()>,
    /// Ends what reads everything, when nobody waits for it any more.
    long_read: Mutex<Option<InterruptHandle>>,
    id: Mutex<DatabaseId>,
    /// Something was written that no copy has.
    uncopied: Arc<AtomicBool>,
    directory: Directory,
    observer: Observer,
    refused: Option<Refused>,
}

/// Why nothing may be written, and whose place a private copy has taken: its lock is kept.
struct Refused {
    error: Error,
    original: Directory,
}

impl Store {
    /// Opens or creates the database in `directory`, or recovers what is left of it. Blocks: on the disk, and up to `lock_wait` for
    /// the lock.
    pub fn open(
        directory: &std::path::Path,
        lock_wait: Duration,
        observer: Observer,
    ) -> Result<(Self, Option<Recovered>)> {
        let mut directory = Directory::open(directory, lock_wait)?;
        let mut refused = None;
        let (connection, id, recovered) = match open_or_recover(&directory) {
            Err(error @ Error::NewerDatabase { .. }) => {
                let Some((private, connection, id)) = newer::copy(&directory)? else { return Err(error) };
                refused = Some(Refused { error, original: std::mem::replace(&mut directory, private) });
                (connection, id, None)
            }
            opened => opened?,
        };
        let path = directory.file(DATABASE_FILE);
        let uncopied = Arc::new(AtomicBool::new(false));
        let told = tell_and_note(&observer, &uncopied);
        let store = Self {
            writer: Writer::start(connection, directory.place(id), told)?,
            exchange: RwLock::new(()),
            closed: AtomicBool::new(false),
            told: AtomicBool::new(false),
            reader: Mutex::new(Some(schema::connect_reader(&path, id)?)),
            quick_reader: Mutex::new(Some(schema::connect_reader(&path, id)?)),
            reading_all: Mutex::new(()),
            long_read: Mutex::new(None),
            id: Mutex::new(id),
            uncopied,
            directory,
            observer,
            refused,
        };
        Ok((store, recovered))
    }

    /// Whether only newer code may write this database: what is written to its private copy is gone with this process.
    pub fn is_newer(&self) -> bool {
        self.refused.is_some()
    }

    /// Runs `job` in a transaction on the writer thread; resolves when its commit is durable.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.forget_told();
        match &self.refused {
            Some(refused) => Err(refused.error.clone()),
            None => self.write_of_launch(job).await,
        }
    }

    /// The same for what this process alone needs to know, which a newer database's private copy takes too.
    pub async fn write_of_launch<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _not_now = self.exchange.read().await;
        self.writer.run(job).await.map_err(|error| if error == Error::Closed { self.no_database() } else { error })
    }

    /// Reads what is committed. Blocks on the disk, and on other reads.
    pub fn read<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
        let reader = hold(&self.reader);
        read(&Rows::new(reader.as_ref().ok_or_else(|| self.no_database())?))
    }

    /// The same for one indexed read that somebody waits for. `None`: not while the database is being exchanged.
    pub fn read_quickly<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<Option<T>> {
        let reader = match self.quick_reader.try_lock() {
            Ok(reader) => reader,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        read(&Rows::new(reader.as_ref().ok_or_else(|| self.no_database())?)).map(Some)
    }

    /// Every session's summary, in chunks and over a connection of its own, so that nobody waits for it. `close` ends
    /// it early.
    pub fn read_all_summaries(&self, mut chunk: impl FnMut(Vec<SessionSummary>)) -> Result<()> {
        const CHUNK: usize = 2_000;
        let _reading = hold(&self.reading_all);
        let connection = self.own_reader()?;
        let rows = Rows::new(&connection);
        let mut after = 0;
        while hold(&self.reader).is_some() {
            let summaries = rows.summaries_after(after, CHUNK)?;
            let Some(last) = summaries.last() else { return Ok(()) };
            if last.id <= after {
                return Err(Error::CorruptDatabase("its rows are out of order".to_owned()));
            }
            after = last.id;
            chunk(summaries);
        }
        Err(Error::Closed)
    }

    /// Leaves nothing of what was deleted in the folder. Blocks on the disk.
    pub fn scrub(&self) -> Result<()> {
        // A copy that is being made has what was deleted.
        let _reading = hold(&self.reading_all);
        if hold(&self.reader).is_none() {
            return Err(self.no_database());
        }
        copies::remove_damaged(&self.directory, |_| Ok(true))?;
        copies::remove_copies(&self.directory)?;
        schema::empty_wal(&self.directory.file(DATABASE_FILE))
    }

    /// Makes a copy, if something was written since the last one; else false. Blocks on the disk; nobody else waits for it.
    pub fn copy(&self) -> Result<bool> {
        let _reading = hold(&self.reading_all);
        if self.is_newer() || hold(&self.reader).is_none() || !self.uncopied.swap(false, Ordering::AcqRel) {
            return Ok(false);
        }
        let id = *hold(&self.id);
        let made = copies::make(&self.directory, id, || hold(&self.reader).is_some());
        if made.is_err() {
            self.uncopied.store(true, Ordering::Release);
        }
        made.map(|()| true)
    }

    /// Looks at everything. Blocks for long.
    pub fn is_sound(&self) -> Result<bool> {
        let _reading = hold(&self.reading_all);
        schema::is_sound(&self.own_reader()?)
    }

    /// Removes what was set aside long ago. Clocks are wrong at times, when a file is set aside as well as later: the launch that first
    /// found it old has to be as old itself.
    pub fn remove_old(&self, now: Millis) -> Result<()> {
        const KEEP: Millis = copies::KEEP_DAMAGED_MS;
        let _reading = hold(&self.reading_all);
        let connection = self.own_reader()?;
        copies::remove_damaged(&self.directory, |at| {
            let found_old = Rows::new(&connection).first_launch_after(at.saturating_add(KEEP))?;
            Ok(found_old.is_some_and(|found_old| now.saturating_sub(found_old) > KEEP))
        })
    }

    /// What was recovered is on its way to the app. Until there is another call, which only somebody makes who heard it, every launch
    /// says it.
    pub fn told(&self) {
        self.told.store(true, Ordering::Release);
    }

    fn forget_told(&self) {
        if self.told.swap(false, Ordering::AcqRel)
            && let Err(error) = report::forget(&self.directory)
        {
            tracing::warn!(%error, "a recovery will be told once more");
        }
    }

    /// Exchanges a damaged database for what is left of it; `None`: nothing is wrong with it. What was committed may change by it, so
    /// everything that was read is to be read again. Blocks for long.
    pub fn recover(&self) -> Result<Option<Recovered>> {
        if let Some(refused) = &self.refused {
            return Err(refused.error.clone());
        }
        self.forget_told();
        let _exchanging = self.exchange.blocking_write();
        match self.is_sound() {
            Ok(true) => return Ok(None),
            Ok(false) | Err(Error::CorruptDatabase(_)) => {}
            Err(error) => return Err(error),
        }
        let _reading = hold(&self.reading_all);
        let (mut reader, mut quick_reader) = (hold(&self.reader), hold(&self.quick_reader));
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.directory.place(*hold(&self.id)).is_kept()?;
        (*reader, *quick_reader) = (None, None);
        self.writer.abandon();
        let held = *hold(&self.id);
        let recovered = recovery::recover(&self.directory, Some(held));
        // Where that failed, on a full disk for one, work goes on with what is there. Without a database it is recovered again by
        // whoever asks next.
        let id = recovered.as_ref().map_or(held, |(id, _)| *id);
        let reopened = self.reopen(id);
        if let Ok(readers) = reopened {
            (*reader, *quick_reader) = readers;
            *hold(&self.id) = id;
            return recovered.map(|(_, recovered)| Some(recovered));
        }
        recovered.and(reopened).map(|_| None)
    }

    fn reopen(&self, id: DatabaseId) -> Result<(Option<Connection>, Option<Connection>)> {
        let path = self.directory.file(DATABASE_FILE);
        let connection = schema::open(&path, id)?;
        let readers = (schema::connect_reader(&path, id)?, schema::connect_reader(&path, id)?);
        self.writer.restart(connection, self.directory.place(id), tell_and_note(&self.observer, &self.uncopied))?;
        Ok((Some(readers.0), Some(readers.1)))
    }

    /// Commits what is queued, ends the writer thread and lets go of the directory. Idempotent. Blocks.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Readers first: the last connection to close folds the WAL into the database file.
        hold(&self.reader).take();
        hold(&self.quick_reader).take();
        if let Some(long_read) = hold(&self.long_read).take() {
            long_read.interrupt();
        }
        drop(hold(&self.reading_all));
        self.writer.close();
        self.forget_told();
        self.directory.unlock();
        if let Some(refused) = &self.refused {
            self.directory.remove_all();
            refused.original.unlock();
        }
    }

    /// Why there is none.
    fn no_database(&self) -> Error {
        match self.closed.load(Ordering::Acquire) {
            true => Error::Closed,
            false => Error::CorruptDatabase("it could not be recovered yet".to_owned()),
        }
    }

    fn own_reader(&self) -> Result<Connection> {
        if hold(&self.reader).is_none() {
            return Err(self.no_database());
        }
        let connection = schema::connect_reader(&self.directory.file(DATABASE_FILE), *hold(&self.id))?;
        *hold(&self.long_read) = Some(connection.get_interrupt_handle());
        Ok(connection)
    }
}

impl Drop for Store {
    /// The lock goes last: nobody else opens what is still being written.
    fn drop(&mut self) {
        self.close();
    }
}

fn open_or_recover(directory: &Directory) -> Result<(Connection, DatabaseId, Option<Recovered>)> {
    let interrupted = recovery::finish(directory)?.then(Recovered::default);
    let untold = report::untold(directory).or(interrupted);
    let path = directory.file(DATABASE_FILE);
    let held = directory.read_id();
    let log = directory.file(log::FILE);
    let is_blank = is_empty(&path);
    if is_blank && is_empty(&log) && copies::copies(directory).is_empty() {
        // Where an id is, a database was.
        let lost = directory.has_id().then(|| {
            let mut lost = Recovered::default();
            untold.iter().for_each(|untold| lost.add(untold));
            lost
        });
        if lost.is_some() {
            report::note(directory, lost.as_ref())?;
        }
        let id = recovery::begin(directory)?;
        return Ok((schema::open(&path, id)?, id, lost.or(untold)));
    }
    let opened = if is_blank {
        Err(Error::CorruptDatabase("it is not there, and a copy or a log of it is".to_owned()))
    } else if recovery::is_log_damaged(directory, held)? {
        Err(Error::CorruptDatabase("commits of its log are damaged".to_owned()))
    } else {
        open_known(directory, held)
    };
    match opened {
        Ok((connection, id)) => Ok((connection, id, untold)),
        Err(Error::CorruptDatabase(why)) => {
            tracing::error!(%why, "the database is damaged");
            let (id, recovered) = recovery::recover(directory, held)?;
            Ok((schema::open(&path, id)?, id, Some(recovered)))
        }
        Err(error) => Err(error),
    }
}

fn is_empty(file: &std::path::Path) -> bool {
    file.metadata().map_or(true, |metadata| metadata.len() == 0)
}

fn open_known(directory: &Directory, held: Option<DatabaseId>) -> Result<(Connection, DatabaseId)> {
    let path = directory.file(DATABASE_FILE);
    // Without the id beside it the database's own is believed, if its rows bear it out. With one that is none's, a newer database is
    // still told from a damaged one.
    let carried = || sums::carried_id(&schema::look(&path).ok()?);
    let id = held.or_else(carried).map_or_else(DatabaseId::random, Ok)?;
    let connection = schema::open(&path, id)?;
    let in_file = schema::has_log(&path).then(|| schema::commits_in_file(&path, id)).flatten();
    let known = copies::newest_commit(directory, id).max(commits::noted(directory, id)).max(in_file);
    if known > schema::commits(&connection) {
        return Err(Error::CorruptDatabase("commits that were made are missing".to_owned()));
    }
    if held.is_none() {
        if !schema::is_sound(&connection)? {
            return Err(Error::CorruptDatabase("its rows are of another database".to_owned()));
        }
        directory.write_id(id)?;
    }
    Ok((connection, id))
}

fn tell_and_note(observer: &Observer, uncopied: &Arc<AtomicBool>) -> Observer {
    let (observer, uncopied) = (Arc::clone(observer), Arc::clone(uncopied));
    Arc::new(move |changes: Vec<Change>| {
        if !changes.is_empty() {
            uncopied.store(true, Ordering::Release);
        }
        observer(changes);
    })
}

/// A panic while one of these is held leaves nothing half done.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
