//! Where a recovery takes rows from: the damaged database in every way in which it can be read, and its copies.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::directory::{DATABASE_FILE, Directory};
use super::error::from_io;
use super::salvage::{self, Leaves};
use super::schema::{self, PAGE, TABLES};
use super::sums::{self, DatabaseId};
use super::{copies, log};
use crate::error::Result;

pub const SCRATCH: &str = "offline-sessions.scratch.sqlite3";
pub const LOG: &str = "-wal";

/// A database file that rows may be taken from.
pub struct Source {
    pub connection: Connection,
    /// `None`: the damaged one itself.
    pub copy_at: Option<i64>,
    /// Read with what is in the log.
    with_log: bool,
    /// Nothing of it is known to be left out.
    pub complete: bool,
    /// After which commit it is like this.
    state: Option<i64>,
    /// Its rows are also those of these.
    pub leaves: Option<Leaves>,
}

impl Source {
    pub fn commits(&self) -> Option<i64> {
        schema::commits(&self.connection)
    }
}

/// The damaged database with its log as SQLite reads it, with all of its log, and without; then the copies, which a leaf of the same state
/// adds nothing to; then the leaves of its pages with all of its log. Duplicates of them, so that reading changes none.
pub fn all(directory: &Directory) -> Result<Vec<Source>> {
    let database = directory.file(DATABASE_FILE);
    let log = with_suffix(&database, LOG);
    let mut sources = Vec::new();
    let mut add = |file: &Path, copy_at, with_log, complete, prepare: &dyn Fn(&Path) -> Result<()>| -> Result<()> {
        let scratch = directory.file(&format!("{SCRATCH}{}", sources.len()));
        duplicate(directory, file, &scratch)?;
        prepare(&scratch)?;
        // One that cannot even be opened has nothing to give.
        let opened = Connection::open_with_flags(&scratch, OpenFlags::SQLITE_OPEN_READ_WRITE);
        sources.extend(opened.ok().map(|connection| Source {
            connection,
            copy_at,
            with_log,
            complete,
            state: None,
            leaves: None,
        }));
        Ok(())
    };
    if log.is_file() && database.is_file() {
        add(&database, None, true, !log::is_damaged(&log)?, &|scratch| {
            duplicate(directory, &log, &with_suffix(scratch, LOG))
        })?;
        add(&database, None, true, false, &|scratch| log::apply(&log, scratch))?;
    }
    let base = [&database, &log].into_iter().find(|base| base.is_file());
    let apply_log = |scratch: &Path| {
        if !database.is_file() {
            directory.create_private(scratch)?;
        }
        log::apply(&log, scratch)
    };
    if let Some(base) = base {
        add(base, None, true, false, &|scratch| {
            apply_log(scratch)?;
            renew_schema(directory, scratch)
        })?;
    }
    if database.is_file() {
        add(&database, None, false, !log.is_file(), &|_| Ok(()))?;
    }
    for copy in copies::copies(directory) {
        add(&copy, Some(copies::made_at(&copy).unwrap_or_default()), false, true, &|_| Ok(()))?;
    }
    // What was in the file before the log is another state, and an older one.
    for with_log in [true, false] {
        let Some(base) = base.filter(|_| with_log || (log.is_file() && database.is_file())) else { continue };
        let scratch = directory.file(&format!("{SCRATCH}{}", sources.len()));
        duplicate(directory, base, &scratch)?;
        if with_log {
            apply_log(&scratch)?;
        }
        // Also those that the schema takes the place of.
        let pages = salvage::leaves(&scratch)?;
        renew_schema(directory, &scratch)?;
        let leaves = Some(Leaves::new(pages, &scratch)?);
        let opened = Connection::open_with_flags(&scratch, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let source = |connection| Source { connection, copy_at: None, with_log, complete: false, state: None, leaves };
        sources.extend(opened.ok().map(source));
    }
    Ok(sources)
}

/// Every database of ours has the same schema in the same pages, and its tables begin in the same ones. Its version stays.
fn renew_schema(directory: &Directory, database: &Path) -> Result<()> {
    /// With what the page of a table or an index begins.
    const IS_ROOT: [u8; 4] = [2, 5, 10, 13];
    let fresh = directory.file(&format!("{SCRATCH}-fresh"));
    directory.create_private(&fresh)?;
    let connection = schema::create(&fresh, DatabaseId::random()?)?;
    let roots = schema::roots(&connection)?;
    drop(connection);
    let read = |path| fs::read(path).map_err(|error| from_io(&error));
    let (mut bytes, mut fresh) = (read(database)?, read(&fresh)?);
    if let Some(version) = bytes.get(60..64) {
        fresh[60..64].copy_from_slice(version);
    }
    bytes.truncate(bytes.len() / PAGE * PAGE);
    for (n, page) in (1..).zip(fresh.chunks_exact(PAGE)) {
        let at = (n as usize - 1) * PAGE;
        match bytes.get_mut(at..at + PAGE) {
            None => bytes.extend_from_slice(page),
            Some(damaged) if roots.contains(&n) && IS_ROOT.contains(&damaged[0]) => {}
            Some(damaged) => damaged.copy_from_slice(page),
        }
    }
    let pages = u32::try_from(bytes.len() / PAGE).unwrap_or(u32::MAX);
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    fs::write(database, bytes).map_err(|error| from_io(&error))
}

fn duplicate(directory: &Directory, from: &Path, to: &Path) -> Result<()> {
    directory.create_private(to)?;
    fs::copy(from, to).map_err(|error| from_io(&error))?;
    Ok(())
}

/// The id that is held beside the database, unless no row anywhere is of it and the database and a copy agree on another. Where the
/// id's file is damaged, the one under which most rows are intact. (What was put in the place of one file of ours is not believed.)
pub fn trusted_id(sources: &[Source], held: Option<DatabaseId>) -> Result<Option<DatabaseId>> {
    if held.is_some_and(|id| intact_rows(sources, id).is_ok_and(|rows| rows > 0)) {
        return Ok(held);
    }
    let mut best = held;
    let mut most = 0;
    let carried = |of_copy: bool| {
        let those = sources.iter().filter(move |source| source.copy_at.is_some() == of_copy);
        those.filter_map(|source| sums::carried_id(&source.connection)).collect::<HashSet<_>>()
    };
    let (own, copied) = (carried(false), carried(true));
    let agreed = held.is_some().then(|| own.intersection(&copied).copied().collect::<HashSet<_>>());
    for id in agreed.unwrap_or_else(|| own.union(&copied).copied().collect()) {
        let rows = intact_rows(sources, id)?;
        if rows > most {
            (best, most) = (Some(id), rows);
        }
    }
    Ok(best)
}

/// How many rows are intact under an id, of the first few of each table.
fn intact_rows(sources: &[Source], id: DatabaseId) -> Result<i64> {
    register(sources, id)?;
    let samples = TABLES.iter().flat_map(|(table, _)| sources.iter().map(|source| sample(source, table)));
    Ok(samples.sum())
}

pub fn register(sources: &[Source], id: DatabaseId) -> Result<()> {
    sources.iter().try_for_each(|source| sums::register(&source.connection, id))
}

/// How many of a table's first rows are intact.
fn sample(source: &Source, table: &str) -> i64 {
    let Ok(columns) = sums::columns(&source.connection, table) else { return 0 };
    let sum = format!("row_sum('{table}', {}) IS checksum", columns.join(", "));
    let sql = format!("SELECT coalesce(sum(intact), 0) FROM (SELECT {sum} AS intact FROM {table} LIMIT 100)");
    source.connection.query_row(&sql, [], |row| row.get(0)).unwrap_or_default()
}

/// The latest first. Where that cannot be told of the damaged one, what was read of it before says how late it is.
pub fn latest_first(sources: &mut Vec<Source>) {
    leave_strange_log(sources);
    let mut latest = i64::MAX;
    for source in sources.iter_mut() {
        source.state = source.commits();
        if source.copy_at.is_none() {
            latest = source.state.unwrap_or(latest);
            source.state = Some(latest);
        }
    }
    sources.sort_by_key(|source| Reverse(source.state));
}

/// A log that is whole, and under which the file has fewer commits than without it, or none that can be read, is of the past, or none of the
/// file's.
fn leave_strange_log(sources: &mut Vec<Source>) {
    let with_log = sources.iter().find(|source| source.with_log && source.complete);
    let alone = sources.iter().find(|source| !source.with_log && source.copy_at.is_none());
    if let (Some(with_log), Some(alone)) = (with_log, alone)
        && with_log.commits() < alone.commits()
    {
        sources.retain(|source| !source.with_log);
        sources.iter_mut().for_each(|source| source.complete = true);
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
