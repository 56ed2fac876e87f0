//! What is done when a database is damaged: it is set aside, and what can be read of it and of its copies, and is intact, becomes a
//! new one. Nothing is deleted, and a kill in between loses nothing: the new database is complete before the old one is renamed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::directory::{DATABASE_FILE, Directory, replace, sync};
use super::error::from_io;
use super::log;
use super::report::{self, Recovered};
use super::salvage::{self, Leaves};
use super::schema::{self, PAGE, TABLES};
use super::sums::{self, DatabaseId};
use super::{commits, copies};
use crate::error::Result;

const UNFINISHED: &str = "offline-sessions.new-0.sqlite3";
const FINISHED: &str = "offline-sessions.new.sqlite3";
const SCRATCH: &str = "offline-sessions.scratch.sqlite3";
const LOG: &str = "-wal";

impl Source {
    fn commits(&self) -> Option<i64> {
        schema::commits(&self.connection)
    }
}

/// A database file that rows may be taken from.
struct Source {
    connection: Connection,
    /// `None`: the damaged one itself.
    copy_at: Option<i64>,
    /// Read with what is in the log.
    with_log: bool,
    /// Nothing of it is known to be left out.
    complete: bool,
    /// After which commit it is like this.
    state: Option<i64>,
    /// Its rows are also those of these.
    leaves: Option<Leaves>,
}

/// Puts a finished new database in the place of the damaged one, also after a kill in the middle of that, and removes what an
/// unfinished recovery left. Whether there was a finished one.
pub fn finish(directory: &Directory) -> Result<bool> {
    let new = directory.file(FINISHED);
    let is_there = new.is_file();
    if is_there {
        report::confirm(directory)?;
        let noted = report::untold(directory).and_then(|recovered| recovered.damaged_files.into_iter().next());
        let name = noted.map_or_else(|| copies::damaged_name(directory), |name| name.trim_end_matches(LOG).to_owned());
        for (from, to) in to_set_aside(directory, &name) {
            replace(&directory.file(&from), &directory.file(&to))?;
        }
        for suffix in ["", LOG, "-shm"] {
            directory.remove(&format!("{DATABASE_FILE}{suffix}"))?;
        }
        replace(&new, &directory.file(DATABASE_FILE))?;
    }
    remove_unfinished(directory)?;
    Ok(is_there)
}

/// Makes a database where none is. Its id is noted when it is there: an id without a database says that it is lost.
pub fn begin(directory: &Directory) -> Result<DatabaseId> {
    let id = DatabaseId::random()?;
    let unfinished = directory.file(UNFINISHED);
    directory.create_private(&unfinished)?;
    drop(schema::create(&unfinished, id)?);
    sync(&unfinished)?;
    replace(&unfinished, &directory.file(DATABASE_FILE))?;
    directory.write_id(id)?;
    Ok(id)
}

/// Replaces a damaged database, or one that is not there, by what is left of it and its copies. Gives the id that its rows are
/// known by, which is `held` unless that is what is damaged.
pub fn recover(directory: &Directory, held: Option<DatabaseId>) -> Result<(DatabaseId, Recovered)> {
    finish(directory)?;
    let recovered = rebuild(directory, held);
    if recovered.is_err() && directory.file(DATABASE_FILE).exists() {
        // Work goes on with the damaged one, so what was rebuilt is out of date with the next commit.
        remove_unfinished(directory)?;
        report::forget(directory)?;
    }
    recovered
}

fn rebuild(directory: &Directory, held: Option<DatabaseId>) -> Result<(DatabaseId, Recovered)> {
    let mut sources = sources(directory)?;
    if let Some(newer) = sources.iter().find_map(|source| schema::newer(&source.connection)) {
        // Newer code knows better what to do with it.
        drop(sources);
        remove_unfinished(directory)?;
        return Err(newer);
    }
    let id = trusted_id(&sources, held)?.map_or_else(DatabaseId::random, Ok)?;
    register(&sources, id)?;
    leave_strange_log(&mut sources);
    // The latest first. Where that cannot be told of the damaged one, what was read of it before says how late it is.
    let mut latest = i64::MAX;
    for source in &mut sources {
        source.state = source.commits();
        if source.copy_at.is_none() {
            latest = source.state.unwrap_or(latest);
            source.state = Some(latest);
        }
    }
    sources.sort_by_key(|source| Reverse(source.state));
    let unfinished = directory.file(UNFINISHED);
    directory.create_private(&unfinished)?;
    let mut recovered = Recovered { complete: true, ..Recovered::default() };
    {
        let mut new = schema::create(&unfinished, id)?;
        new.pragma_update(None, "foreign_keys", false)?;
        let tx = new.transaction()?;
        merge(&tx, &sources, id, &mut recovered)?;
        let known_by_keys = tx.query_row(KNOWN_BY_KEYS, [], |row| row.get::<_, u32>(0))?;
        recovered.lost.sessions = recovered.lost.sessions.max(known_by_keys as usize);
        tx.execute_batch(MEND)?;
        let known =
            sources.iter().filter_map(Source::commits).chain(commits::noted(directory, id)).max().unwrap_or_default()
                + 1;
        tx.execute("UPDATE meta SET commits = ?1", [known])?;
        tx.commit()?;
        new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    drop(sources);
    sync(&unfinished)?;
    directory.write_id(id)?;
    let damaged = to_set_aside(directory, &copies::damaged_name(directory));
    recovered.damaged_files = damaged.into_iter().map(|(_, name)| name).collect();
    report::prepare(directory, &recovered)?;
    replace(&unfinished, &directory.file(FINISHED))?;
    finish(directory)?;
    tracing::error!(?recovered, "the database was damaged and has been recovered");
    Ok((id, recovered))
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

fn remove_unfinished(directory: &Directory) -> Result<()> {
    for name in directory.own_files()? {
        if [SCRATCH, UNFINISHED, FINISHED].iter().any(|start| name.starts_with(start)) {
            directory.remove(&name)?;
        }
    }
    report::remove_prepared(directory)
}

/// The damaged database with its log as SQLite reads it, with all of its log, and without; then the copies, which a leaf of the same state
/// adds nothing to; then the leaves of its pages with all of its log. Duplicates of them, so that reading changes none.
fn sources(directory: &Directory) -> Result<Vec<Source>> {
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
fn trusted_id(sources: &[Source], held: Option<DatabaseId>) -> Result<Option<DatabaseId>> {
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

fn register(sources: &[Source], id: DatabaseId) -> Result<()> {
    sources.iter().try_for_each(|source| sums::register(&source.connection, id))
}

/// How many of a table's first rows are intact.
fn sample(source: &Source, table: &str) -> i64 {
    let Ok(columns) = sums::columns(&source.connection, table) else { return 0 };
    let sum = format!("row_sum('{table}', {}) IS checksum", columns.join(", "));
    let sql = format!("SELECT coalesce(sum(intact), 0) FROM (SELECT {sum} AS intact FROM {table} LIMIT 100)");
    source.connection.query_row(&sql, [], |row| row.get(0)).unwrap_or_default()
}

/// The intact rows of a table by their key.
#[derive(Default)]
struct Found {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<Value>>,
    /// The keys of rows that are not intact, as they stand there.
    damaged: HashSet<String>,
    /// No other rows were there: the table's pages hang together, and none of its rows is damaged, its key among the rest.
    whole: bool,
}

/// Reads what is intact. A damaged page ends SQLite's walk through a table, so rows behind it are asked for one by one.
fn read(source: &Source, table: &str, key: &str, known: &[String]) -> Found {
    let Source { connection, leaves, .. } = source;
    let Ok(mut columns) = sums::columns(connection, table) else { return Found::default() };
    let listed = columns.join(", ");
    // A checksum vouches for values in their order, not for the names of their columns, which may be damaged. Newer code adds columns
    // behind those that are known.
    for (column, known) in columns.iter_mut().zip(known) {
        column.clone_from(known);
    }
    let sql = format!("SELECT {listed}, row_sum('{table}', {listed}) IS checksum FROM {table}");
    let key: Vec<usize> = (0..columns.len()).filter(|at| key.split(", ").any(|name| name == columns[*at])).collect();
    let take = |row: &Row<'_>| -> rusqlite::Result<(String, bool, Vec<Value>)> {
        let values = (0..columns.len()).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>()?;
        let name = key.iter().map(|at| format!("{:?}", values[*at])).collect();
        Ok((name, row.get(columns.len())?, values))
    };
    let mut found = Found { whole: leaves.is_none() && is_whole(connection, table), ..Found::default() };
    let mut keep = |(name, intact, values): (String, bool, Vec<Value>)| {
        let is_right = intact && !found.rows.contains_key(&name);
        if intact {
            found.rows.entry(name).or_insert(values);
        } else {
            found.damaged.insert(name);
        }
        found.whole &= is_right;
        is_right
    };
    let walked = connection.prepare(&sql).and_then(|mut statement| {
        let mut all_right = true;
        for row in statement.query_map([], take)? {
            all_right &= keep(row?);
        }
        Ok(all_right)
    });
    let mut ask = |number: i64| {
        let row = connection.prepare_cached(&format!("{sql} WHERE rowid = ?1"));
        row.and_then(|mut statement| statement.query_row([number], take)).map(&mut keep).ok();
    };
    if let Some(leaves) = leaves {
        leaves.each(connection, table, ask).ok();
        // They are other tables', or stand where the trees have them.
        found.damaged.clear();
    } else if walked != Ok(true) {
        if key.len() == 1 {
            (1..=highest_row(connection, table)).for_each(&mut ask);
        }
        found.whole = false;
    }
    found.whole &= found.rows.len() >= indexed(connection, table);
    found.columns = columns;
    found
}

/// Whether a table's pages hang together, whatever its indexes say.
fn is_whole(connection: &Connection, table: &str) -> bool {
    const AT_MOST: usize = 100;
    let says = || -> rusqlite::Result<Vec<String>> {
        let root: u32 =
            connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))?;
        let mut statement = connection.prepare(&format!("PRAGMA quick_check({table})"))?;
        let said = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        let of_other_tree = |line: &str| line.starts_with("Tree ") && !line.starts_with(&format!("Tree {root} "));
        let is_of_index = |line: &str| line == "ok" || line.contains(" index ") || of_other_tree(line);
        let lines = said.iter().flat_map(|said| said.lines()).filter(|line| !line.starts_with("***"));
        // It says no more than so much.
        let cut_off = (said.len() >= AT_MOST).then_some("more");
        Ok(lines.filter(|line| !is_of_index(line)).chain(cut_off).map(str::to_owned).collect())
    };
    says().is_ok_and(|says| says.is_empty())
}

/// How many rows the indexes of a table know of. One whose first page was exchanged for another of its own hangs together, too.
fn indexed(connection: &Connection, table: &str) -> usize {
    let count = |index: String| {
        let sql = format!("SELECT count(*) FROM {table} INDEXED BY {index}");
        connection.query_row(&sql, [], |row| row.get::<_, u32>(0)).ok()
    };
    let counted = connection.prepare("SELECT name FROM pragma_index_list(?1)").and_then(|mut statement| {
        let names = statement.query_map([table], |row| row.get(0))?;
        Ok(names.filter_map(|name| count(name.ok()?)).max())
    });
    counted.ok().flatten().unwrap_or_default() as usize
}

/// No row of a table that can be found by its number has a higher one than this.
fn highest_row(connection: &Connection, table: &str) -> i64 {
    const AT_LEAST: i64 = 1_000;
    const UNKNOWN: i64 = 100_000;
    const AT_MOST: i64 = 1_000_000;
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten();
    // The last page may be damaged, or one of another place.
    let last = ask(&format!("SELECT max(rowid) FROM {table}"));
    last.or_else(|| ask("SELECT max(seq) FROM sqlite_sequence")).unwrap_or(UNKNOWN).clamp(AT_LEAST, AT_MOST)
}

/// Takes each row from the first source that has it intact. A table that is whole in one source says which rows there are, and what
/// older ones have was removed since.
fn merge(new: &Connection, sources: &[Source], id: DatabaseId, recovered: &mut Recovered) -> Result<()> {
    for (table, key) in TABLES.into_iter().filter(|(table, _)| *table != "meta") {
        let known = sums::columns(new, table)?;
        let (mut taken, mut damaged) = (HashSet::new(), HashSet::new());
        let mut is_complete = false;
        for source in sources {
            let mut found = read(source, table, key, &known);
            // Rows of another database are no loss.
            if source.copy_at.is_none() && sums::carried_id(&source.connection) == Some(id) {
                damaged.extend(std::mem::take(&mut found.damaged));
            }
            // What newer code added is left out: this code could not keep its checksums.
            let columns: Vec<&String> = known.iter().filter(|column| found.columns.contains(column)).collect();
            let at = |column: &String| found.columns.iter().position(|other| other == column);
            let places: Vec<usize> = columns.iter().filter_map(|column| at(column)).collect();
            let names: Vec<&str> = columns.iter().map(|column| column.as_str()).collect();
            let marks = vec!["?"; names.len()].join(", ");
            let sql = format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({marks})", names.join(", "));
            if names.is_empty() {
                continue;
            }
            let mut statement = new.prepare(&sql)?;
            for (name, values) in found.rows {
                if taken.contains(&name)
                    || statement.execute(params_from_iter(places.iter().map(|at| &values[*at])))? == 0
                {
                    continue;
                }
                taken.insert(name);
                if table == "session" {
                    recovered.restored += usize::from(source.copy_at.is_some());
                    recovered.kept += usize::from(source.copy_at.is_none());
                    recovered.copy_at = recovered.copy_at.max(source.copy_at);
                }
            }
            // Else what it lacks may have been removed since the copy was made, or lost by its damage: rather too much than too little.
            if found.whole && source.complete && source.commits().is_some() {
                is_complete = source.copy_at.is_none();
                break;
            }
        }
        let lost = match table {
            "session" => &mut recovered.lost.sessions,
            "pending" => &mut recovered.lost.pending_licenses,
            "debt" => &mut recovered.lost.releases,
            _ => continue,
        };
        *lost = damaged.difference(&taken).count();
        recovered.complete &= is_complete;
    }
    Ok(())
}

/// Sessions of which only their keys are left.
const KNOWN_BY_KEYS: &str =
    "SELECT count(DISTINCT session) FROM session_key WHERE session NOT IN (SELECT id FROM session)";

/// What makes the rows of several sources one database. Nothing that was proven counts any more: every lane starts a generation.
const MEND: &str = "
INSERT OR IGNORE INTO lane (id, origin, partition, key_system, generation, binding, binding_launch)
    SELECT DISTINCT lane, lane_key ->> 0, lane_key ->> 1, lane_key ->> 2, 0, '{\"electron\":\"\",\"chromium\":\"\"}', 0
    FROM session WHERE lane NOT IN (SELECT id FROM lane);
DELETE FROM session WHERE lane NOT IN (SELECT id FROM lane);
DELETE FROM session_key WHERE session NOT IN (SELECT id FROM session);
INSERT OR IGNORE INTO session_key (key_id, session) SELECT value, session.id FROM session, json_each(session.key_ids);
DELETE FROM pending WHERE session NOT IN (SELECT id FROM session);
-- Of an earlier state than its row: adopted since. Of the others it is not known how far they had come.
DELETE FROM pending WHERE session_id = (SELECT session_id FROM session WHERE session.id = pending.session);
UPDATE pending SET stage = 'journalled', proven_generation = NULL, proven_launch = NULL, proven_at_ms = NULL, key_ids = '[]',
    expiration_ms = NULL, delay = NULL, attempts = 0, next_attempt_at_ms = NULL;
DELETE FROM debt WHERE lane NOT IN (SELECT id FROM lane);
DELETE FROM evidence WHERE lane NOT IN (SELECT id FROM lane);
DELETE FROM debt WHERE EXISTS (SELECT 1 FROM session
    WHERE session.lane = debt.lane AND session.session_id = debt.session_id AND NOT session.stale_id);
DELETE FROM debt WHERE EXISTS (SELECT 1 FROM pending JOIN session ON session.id = pending.session
    WHERE session.lane = debt.lane AND pending.session_id = debt.session_id);
UPDATE lane SET generation = 1 + max(generation, coalesce((SELECT max(max(coalesce(proven_generation, 0),
    coalesce(checked_generation, 0))) FROM session WHERE session.lane = lane.id), 0));
";

/// What there is of the damaged database and its log, and their names when they are set aside.
fn to_set_aside(directory: &Directory, name: &str) -> Vec<(String, String)> {
    let names = ["", LOG].map(|suffix| (format!("{DATABASE_FILE}{suffix}"), format!("{name}{suffix}")));
    let is_something = |file: &str| directory.file(file).metadata().is_ok_and(|metadata| metadata.len() > 0);
    names.into_iter().filter(|(from, _)| is_something(from)).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
