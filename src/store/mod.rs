//! The only user of rusqlite: one database file, one writer thread, one reader.
//!
//! A write is a job that runs on the writer thread inside a transaction. The writer commits what has queued up in
//! one transaction and answers each job after that commit is durable; what changed is handed to the observer before
//! any answer. A job that fails is rolled back alone.

mod codec;
mod directory;
mod error;
mod rows;
mod schema;
mod tx;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

pub use rows::Rows;
pub use tx::{Change, Tx};

use crate::error::{Error, Result};
use crate::model::SessionSummary;
use directory::{DATABASE_FILE, Directory};
use writer::Writer;

/// Told of every committed change, in order, before the job that made it is answered.
pub type Observer = Box<dyn Fn(Vec<Change>) + Send>;

pub struct Store {
    writer: Writer,
    /// `None` once closed. Writing never waits for it: WAL readers and the writer do not block each other.
    reader: Mutex<Option<Connection>>,
    /// For single rows that the main thread waits for: no long read is ever in its way.
    quick_reader: Mutex<Option<Connection>>,
    /// Held while everything is read, so that `close` can wait for the end of it.
    reading_all: Mutex<()>,
    directory: Directory,
}

impl Store {
    /// Opens or creates the database in `directory`. Blocks: on the disk, and up to `lock_wait` for the lock.
    pub fn open(directory: &std::path::Path, lock_wait: Duration, observer: Observer) -> Result<Self> {
        let directory = Directory::open(directory, lock_wait)?;
        let path = directory.file(DATABASE_FILE);
        let connection = schema::open(&path)?;
        let readers = (schema::connect_reader(&path)?, schema::connect_reader(&path)?);
        Ok(Self {
            writer: Writer::start(connection, observer)?,
            reader: Mutex::new(Some(readers.0)),
            quick_reader: Mutex::new(Some(readers.1)),
            reading_all: Mutex::new(()),
            directory,
        })
    }

    /// Runs `job` in a transaction on the writer thread; resolves when its commit is durable.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(job).await
    }

    /// Reads what is committed. Blocks on the disk, and on other reads.
    pub fn read<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
        read_with(&self.reader, read)
    }

    /// The same for one indexed read that somebody waits for.
    pub fn read_quickly<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
        read_with(&self.quick_reader, read)
    }

    /// Every session's summary, in chunks and over a connection of its own, so that nobody waits for it. `close` ends
    /// it early.
    pub fn read_all_summaries(&self, mut chunk: impl FnMut(Vec<SessionSummary>)) -> Result<()> {
        const CHUNK: usize = 2_000;
        let _reading = hold(&self.reading_all);
        if hold(&self.reader).is_none() {
            return Err(Error::Closed);
        }
        let connection = schema::connect_reader(&self.directory.file(DATABASE_FILE))?;
        let rows = Rows::new(&connection);
        let mut after = 0;
        while hold(&self.reader).is_some() {
            let summaries = rows.summaries_after(after, CHUNK)?;
            let Some(last) = summaries.last() else { return Ok(()) };
            after = last.id;
            chunk(summaries);
        }
        Err(Error::Closed)
    }

    /// Leaves nothing of what was deleted in the folder. Blocks on the disk.
    pub fn scrub(&self) -> Result<()> {
        if hold(&self.reader).is_none() {
            return Err(Error::Closed);
        }
        schema::empty_wal(&self.directory.file(DATABASE_FILE))
    }

    /// Commits what is queued, ends the writer thread and lets go of the directory. Idempotent. Blocks.
    pub fn close(&self) {
        // Readers first: the last connection to close folds the WAL into the database file.
        hold(&self.reader).take();
        hold(&self.quick_reader).take();
        drop(hold(&self.reading_all));
        self.writer.close();
        self.directory.unlock();
    }
}

fn read_with<T>(reader: &Mutex<Option<Connection>>, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
    let reader = hold(reader);
    read(&Rows::new(reader.as_ref().ok_or(Error::Closed)?))
}

/// A panic while one of these is held leaves nothing half done.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
