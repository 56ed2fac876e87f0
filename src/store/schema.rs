//! Schema 1, the settings of a connection, and whether a database is sound.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use super::sums::{self, DatabaseId};
use crate::error::{Error, Result};

/// `PRAGMA user_version` of this schema.
pub const SCHEMA_VERSION: i64 = 1;
/// The oldest schema whose code may write to this one: a version that only adds is written by older code after a rollback.
const OLDEST_WRITER: i64 = 1;
/// A number beyond them is a damaged one.
const NEWER: std::ops::RangeInclusive<i64> = SCHEMA_VERSION + 1..=1_000;
/// Bytes in a page of a database file: SQLite's own choice.
pub const PAGE: usize = 4_096;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// `PRAGMA application_id`: "EOSs".
const APPLICATION_ID: i64 = 0x454f_5373;

const SCHEMA_1: &str = "
-- One row: the database's id, which is held beside the file too, the oldest schema whose code may write here, and how many
-- commits there were: SQLite takes a damaged log for a shorter one, and a copy then knows of more.
CREATE TABLE meta (
    id             TEXT NOT NULL,
    oldest_writer  INTEGER NOT NULL,
    commits        INTEGER NOT NULL,
    checksum       INTEGER
);
CREATE TABLE launch (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    platform  TEXT NOT NULL,
    changes   TEXT NOT NULL,
    -- The update that was prepared for in it.
    expected  TEXT,
    checksum  INTEGER
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
    witness_found      INTEGER NOT NULL DEFAULT 0,
    writing            INTEGER NOT NULL DEFAULT 0,
    capability         TEXT,
    capability_launch  INTEGER,
    checksum           INTEGER,
    UNIQUE (origin, partition, key_system)
);
CREATE TABLE session (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    lane                INTEGER NOT NULL REFERENCES lane,
    -- The lane in words, from which a damaged one is rebuilt.
    lane_key            TEXT NOT NULL,
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
    missing_launch      INTEGER,
    requests_day        INTEGER NOT NULL DEFAULT 0,
    requests            INTEGER NOT NULL DEFAULT 0,
    -- Ids that the row once had, as JSON.
    past_ids            TEXT NOT NULL DEFAULT '[]',
    checksum            INTEGER
);
CREATE INDEX session_by_content ON session (content_id);
CREATE INDEX session_by_session_id ON session (lane, session_id);
-- What a launch counts: the suspects of a lane, without touching the proven.
CREATE INDEX session_by_proof ON session (lane, state, proven_generation);
CREATE TABLE session_key (
    key_id   TEXT NOT NULL,
    session  INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    checksum INTEGER,
    PRIMARY KEY (key_id, session)
) WITHOUT ROWID;
CREATE INDEX session_key_by_session ON session_key (session);
-- The journal of pending licences: at most one a row.
CREATE TABLE pending (
    session             INTEGER PRIMARY KEY REFERENCES session ON DELETE CASCADE,
    session_id          TEXT NOT NULL,
    generation          INTEGER NOT NULL,
    stage               TEXT NOT NULL,
    proven_generation   INTEGER,
    proven_launch       INTEGER,
    proven_at_ms        INTEGER,
    key_ids             TEXT NOT NULL,
    expiration_ms       INTEGER,
    delay               TEXT,
    attempts            INTEGER NOT NULL,
    next_attempt_at_ms  INTEGER,
    checksum            INTEGER
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
    bad_in              INTEGER,
    launch              INTEGER NOT NULL,
    attempts            INTEGER NOT NULL,
    next_attempt_at_ms  INTEGER,
    checksum            INTEGER,
    UNIQUE (lane, session_id)
);
CREATE TABLE server (
    origin         TEXT PRIMARY KEY,
    rate_per_s     REAL NOT NULL,
    ceiling_per_s  REAL,
    tokens         REAL NOT NULL,
    at_ms          INTEGER NOT NULL,
    not_before_ms  INTEGER,
    asked_until_ms INTEGER,
    throttles      INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    checksum       INTEGER
);
-- One row: this install's licence requests in the hour under way.
CREATE TABLE budget (
    id        INTEGER PRIMARY KEY,
    hour      INTEGER NOT NULL,
    requests  INTEGER NOT NULL,
    checksum  INTEGER
);
-- What one change of a lane's binding did to its stored sessions.
CREATE TABLE evidence (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    launch         INTEGER NOT NULL,
    lane           INTEGER NOT NULL REFERENCES lane ON DELETE CASCADE,
    generation     INTEGER NOT NULL,
    old_binding    TEXT NOT NULL,
    new_binding    TEXT NOT NULL,
    kept           INTEGER NOT NULL DEFAULT 0,
    lost           INTEGER NOT NULL DEFAULT 0,
    unsupported    INTEGER NOT NULL DEFAULT 0,
    checksum       INTEGER,
    UNIQUE (lane, generation)
);
CREATE INDEX evidence_by_launch ON evidence (launch);
";

/// The tables with the columns that their rows are known by. Rows of later ones belong to rows of earlier ones.
pub const TABLES: [(&str, &str); 10] = [
    ("meta", "id"),
    ("launch", "id"),
    ("lane", "id"),
    ("session", "id"),
    ("session_key", "key_id, session"),
    ("pending", "session"),
    ("debt", "id"),
    ("server", "origin"),
    ("budget", "id"),
    ("evidence", "id"),
];

/// Opens a database that is ours and looks as it should; its rows are looked at when they are read. Another's or a newer one is
/// refused before anything of it is changed.
///
/// Fails with `ERR_CORRUPT_DATABASE` also when the file, or what its write-ahead log brings, is not of the database `id`.
pub fn open(path: &Path, id: DatabaseId) -> Result<Connection> {
    if has_log(path) {
        match expect_ours(&look(path)?, id) {
            // Somebody else is reading it.
            Ok(()) | Err(Error::Storage(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    fold_at_close(&connection, !has_log(path))?;
    expect_ours(&connection, id)?;
    sums::register(&connection, id)?;
    if connection.is_readonly(rusqlite::MAIN_DB)? && OpenOptions::new().write(true).open(path).is_ok() {
        return Err(Error::CorruptDatabase("its header says that it cannot be written".to_owned()));
    }
    configure(&connection)?;
    sums::show(&connection)?;
    Ok(connection)
}

fn expect_ours(connection: &Connection, id: DatabaseId) -> Result<()> {
    let is_ours = schema_of(connection)? == expected_schema()?;
    let found = version(connection)?;
    // A version that is newer by its number alone is a damaged number.
    let is_newer = NEWER.contains(&found) && !is_ours;
    if is_newer && oldest_writer(connection).is_none_or(|oldest| oldest > SCHEMA_VERSION) {
        return Err(Error::NewerDatabase { found, known: SCHEMA_VERSION });
    }
    let is_current = is_ours && found == SCHEMA_VERSION;
    if !is_newer && !is_current {
        return Err(Error::CorruptDatabase("its schema is not ours".to_owned()));
    }
    if sums::carried_id(connection) != Some(id) {
        return Err(Error::CorruptDatabase("it is not the database that was here".to_owned()));
    }
    Ok(())
}

/// The version of the schema of a newer database of ours, as its first page says.
/// (Format: <https://www.sqlite.org/fileformat2.html#the_database_header>)
fn newer_version(first_page: &[u8; PAGE]) -> Option<i64> {
    let number = |at: usize| first_page[at..].first_chunk().map(|four| i64::from(u32::from_be_bytes(*four)));
    number(60).filter(|found| NEWER.contains(found) && number(68) == Some(APPLICATION_ID))
}

/// Whether a newer schema has tables and columns that this code does not know.
pub fn has_more(first_page: &[u8; PAGE]) -> bool {
    newer_version(first_page).is_some()
}

/// The error of a database that only newer code may write, however damaged it is otherwise: its header and its first row agree.
pub fn newer(first_page: &[u8; PAGE], oldest_writer: i64) -> Option<Error> {
    let found = newer_version(first_page).filter(|_| NEWER.contains(&oldest_writer))?;
    Some(Error::NewerDatabase { found, known: SCHEMA_VERSION })
}

pub fn has_log(path: &Path) -> bool {
    path.with_extension("sqlite3-wal").metadata().is_ok_and(|log| log.len() > 0)
}

/// Whether the last connection to close folds the log into the database. One whose log may be another's, or newer code's, does not.
pub fn fold_at_close(connection: &Connection, fold: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !fold)?;
    Ok(())
}

/// How many commits there were; `None`: the row that says so is damaged. The connection knows the id.
pub fn commits(connection: &Connection) -> Option<i64> {
    let sql = "SELECT commits FROM meta WHERE row_sum('meta', id, oldest_writer, commits) IS checksum";
    connection.query_row(sql, [], |row| row.get(0)).ok()
}

/// The same of the file without its log, which may be an older one than is folded into it.
pub fn commits_in_file(path: &Path, id: DatabaseId) -> Option<i64> {
    let url = format!("{}?immutable=1", url::Url::from_file_path(path).ok()?);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(url, flags).ok()?;
    sums::register(&connection, id).ok()?;
    commits(&connection)
}

fn oldest_writer(connection: &Connection) -> Option<i64> {
    connection.query_row("SELECT oldest_writer FROM meta", [], |row| row.get(0)).ok()
}

/// Opens a private copy of a database that newer code made.
pub fn open_newer(path: &Path) -> Result<(Connection, DatabaseId)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let carried = sums::carried_id(&connection);
    let id = carried.ok_or_else(|| Error::CorruptDatabase("it has no id".to_owned()))?;
    sums::register(&connection, id)?;
    configure(&connection)?;
    sums::show(&connection)?;
    Ok((connection, id))
}

/// A look at a database file that is not trusted yet: nothing of it and beside it changes, not even what SQLite shares of its log.
pub fn look(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    fold_at_close(&connection, !has_log(path))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    Ok(connection)
}

/// Creates a database in a file that is empty or not there.
pub fn create(path: &Path, id: DatabaseId) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    sums::register(&connection, id)?;
    configure(&connection)?;
    define(&mut connection, id)?;
    sums::show(&connection)?;
    Ok(connection)
}

/// The version of the schema of a database that is ours.
fn version(connection: &Connection) -> Result<i64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION_ID || found < 1 {
        return Err(Error::CorruptDatabase("another application's database".to_owned()));
    }
    Ok(found)
}

fn configure(connection: &Connection) -> Result<()> {
    // No file of SQLite's own choice has rows of ours.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS a plain fsync leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten: a title that somebody removed cannot be read from the file.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(())
}

fn define(connection: &mut Connection, id: DatabaseId) -> Result<()> {
    let tx = connection.transaction()?;
    tx.execute_batch(SCHEMA_1)?;
    for (table, key) in TABLES {
        sums::keep(&tx, table, key)?;
    }
    tx.execute(
        "INSERT INTO meta (id, oldest_writer, commits) VALUES (?1, ?2, 0)",
        params![id.as_hex(), OLDEST_WRITER],
    )?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    tx.commit()?;
    Ok(())
}

/// All definitions of a database, as SQLite keeps them.
fn schema_of(connection: &Connection) -> Result<Vec<String>> {
    // SQLite makes its own tables, for statistics among others, as it needs them.
    let sql =
        "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let definitions = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(definitions)
}

/// A database like any other of ours, in memory and empty.
pub fn example() -> Result<Connection> {
    let id = DatabaseId::random()?;
    let mut connection = Connection::open_in_memory()?;
    sums::register(&connection, id)?;
    define(&mut connection, id)?;
    Ok(connection)
}

/// What `schema_of` says of a database that was just created; made once in each process.
fn expected_schema() -> Result<&'static [String]> {
    static EXPECTED: OnceLock<Vec<String>> = OnceLock::new();
    if let Some(expected) = EXPECTED.get() {
        return Ok(expected);
    }
    let schema = schema_of(&example()?)?;
    Ok(EXPECTED.get_or_init(|| schema))
}

/// Folds the write-ahead log into the database file and truncates it, waiting for readers and the writer.
pub fn empty_wal(path: &Path) -> Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy { Err(Error::Storage("the write-ahead log is in use".to_owned())) } else { Ok(()) }
}

pub fn connect_reader(path: &Path, id: DatabaseId) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    sums::register(&connection, id)?;
    sums::show(&connection)?;
    Ok(connection)
}

/// Looks at every page, every index and every row. Slow for large databases; not on a thread that anybody waits for.
pub fn is_sound(connection: &Connection) -> Result<bool> {
    let says: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if says != "ok" {
        tracing::error!(%says, "the database is damaged");
        return Ok(false);
    }
    for (table, _) in TABLES {
        let sql = format!("SELECT count(*) FROM {table}_row WHERE NOT intact");
        let damaged: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if damaged > 0 {
            tracing::error!(table, damaged, "rows are damaged");
            return Ok(false);
        }
    }
    Ok(true)
}
