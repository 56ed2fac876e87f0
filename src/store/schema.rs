//! Schema 1, and the settings of a connection.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, Result};

/// `PRAGMA user_version` of this schema.
pub const SCHEMA_VERSION: i64 = 1;
/// `PRAGMA application_id`: "EOSs".
const APPLICATION_ID: i64 = 0x454f_5373;

const SCHEMA_1: &str = "
CREATE TABLE launch (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    platform  TEXT NOT NULL,
    changes   TEXT NOT NULL
);
CREATE TABLE lane (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    origin             TEXT NOT NULL,
    partition          TEXT NOT NULL,
    key_system         TEXT NOT NULL,
    generation         INTEGER NOT NULL,
    binding            TEXT NOT NULL,
    binding_launch     INTEGER NOT NULL,
    witness            TEXT,
    capability         TEXT,
    capability_launch  INTEGER,
    UNIQUE (origin, partition, key_system)
);
CREATE TABLE session (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    lane                INTEGER NOT NULL REFERENCES lane,
    content_id          TEXT NOT NULL,
    session_id          TEXT NOT NULL,
    account             TEXT,
    init_data_type      TEXT,
    init_data           BLOB,
    key_ids             TEXT NOT NULL,
    license_url         TEXT,
    capabilities        TEXT NOT NULL,
    last_played_at_ms   INTEGER,
    rules               TEXT NOT NULL,
    canary              INTEGER NOT NULL,
    metadata            TEXT,
    ever_proven         INTEGER NOT NULL,
    request_id          TEXT,
    state               TEXT NOT NULL,
    reason              TEXT,
    delay               TEXT,
    proven_generation   INTEGER,
    proven_launch       INTEGER,
    proven_at_ms        INTEGER,
    expiration_ms       INTEGER,
    strike_run          INTEGER,
    strike_at_ms        INTEGER,
    attempts            INTEGER NOT NULL,
    next_attempt_at_ms  INTEGER,
    checked_generation  INTEGER,
    stale_id            INTEGER NOT NULL DEFAULT 0,
    missing_launch      INTEGER
);
CREATE INDEX session_by_content ON session (content_id);
CREATE INDEX session_by_session_id ON session (lane, session_id);
-- What a launch counts: the suspects of a lane, without touching the proven.
CREATE INDEX session_by_proof ON session (lane, state, proven_generation);
-- Ids that a row once had.
CREATE TABLE past_id (
    session     INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    session_id  TEXT NOT NULL,
    PRIMARY KEY (session, session_id)
) WITHOUT ROWID;
CREATE TABLE session_key (
    key_id   TEXT NOT NULL,
    session  INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    PRIMARY KEY (key_id, session)
) WITHOUT ROWID;
CREATE INDEX session_key_by_session ON session_key (session);
-- The journal of pending licences: at most one a row.
CREATE TABLE pending (
    session             INTEGER PRIMARY KEY REFERENCES session ON DELETE CASCADE,
    session_id          TEXT NOT NULL,
    stage               TEXT NOT NULL,
    proven_generation   INTEGER,
    proven_launch       INTEGER,
    proven_at_ms        INTEGER,
    key_ids             TEXT NOT NULL,
    expiration_ms       INTEGER,
    delay               TEXT,
    attempts            INTEGER NOT NULL,
    next_attempt_at_ms  INTEGER
);
CREATE INDEX pending_by_session_id ON pending (session_id);
CREATE TABLE debt (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    lane                INTEGER NOT NULL REFERENCES lane,
    content_id          TEXT NOT NULL,
    session_id          TEXT NOT NULL,
    capabilities        TEXT NOT NULL,
    init_data_type      TEXT,
    key_ids             TEXT NOT NULL,
    attempts            INTEGER NOT NULL,
    next_attempt_at_ms  INTEGER,
    UNIQUE (lane, session_id)
);
";

/// Opens a database that is ours, or an empty file, and creates the schema there. Another's or a newer one is refused
/// before anything of it is changed.
pub fn open(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty = !connection.prepare("SELECT 1 FROM sqlite_schema")?.exists([])?;
    if !is_empty && application != APPLICATION_ID {
        return Err(Error::CorruptDatabase("another application's database".to_owned()));
    }
    if found > SCHEMA_VERSION {
        return Err(Error::NewerDatabase { found, known: SCHEMA_VERSION });
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain fsync leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a title that somebody removed cannot be read from the file.
    connection.pragma_update(None, "secure_delete", true)?;
    if is_empty {
        create(&mut connection)?;
    }
    Ok(connection)
}

fn create(connection: &mut Connection) -> Result<()> {
    let tx = connection.transaction()?;
    tx.execute_batch(SCHEMA_1)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()?;
    Ok(())
}

/// Folds the write-ahead log into the database file and truncates it, waiting for readers and the writer.
pub fn empty_wal(path: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(Error::Storage("the write-ahead log is in use".to_owned())) } else { Ok(()) }
}

pub fn connect_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}
