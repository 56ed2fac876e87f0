//! What is done when a database is damaged: it is set aside, and what can be read of it and of its copies, and is intact, becomes a
//! new one. Nothing that has anything in it is deleted, and a kill in between loses nothing: the new database is complete before the old one is renamed.

use rusqlite::{Connection, params};

use super::directory::{DATABASE_FILE, Directory, replace, sync};
use super::report::{self, Recovered};
use super::schema;
use super::sums::DatabaseId;
use super::{commits, copies, log};
use crate::error::Result;
use crate::model::named_key_ids;

mod counts;
mod losses;
mod merge;
mod pages;
mod sources;
mod tables;

use counts::Counts;
use sources::Files;
pub use sources::is_log_damaged;

const UNFINISHED: &str = "offline-sessions.new-0.sqlite3";
const FINISHED: &str = "offline-sessions.new.sqlite3";

/// Puts a finished new database in the place of the damaged one, also after a kill in the middle of that, and removes what an
/// unfinished recovery left. Whether there was a finished one.
pub fn finish(directory: &Directory) -> Result<bool> {
    let new = directory.file(FINISHED);
    let is_there = new.is_file();
    if is_there {
        report::confirm(directory)?;
        let noted = report::untold(directory).and_then(|recovered| recovered.damaged_files.into_iter().next());
        let name =
            noted.map_or_else(|| copies::damaged_name(directory), |name| name.trim_end_matches(log::SUFFIX).to_owned());
        for (from, to) in to_set_aside(directory, &name) {
            replace(&directory.file(&from), &directory.file(&to))?;
        }
        for name in [DATABASE_FILE, log::FILE, "offline-sessions.sqlite3-shm"] {
            directory.remove(name)?;
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
    if finish(directory)?
        && let (Some(recovered), Some(id)) = (report::untold(directory), directory.read_id())
    {
        return Ok((id, recovered));
    }
    let untold = report::untold(directory);
    let recovered = rebuild(directory, held, untold.as_ref());
    if recovered.is_err() && directory.file(DATABASE_FILE).exists() {
        // Work goes on with the damaged one, so what was rebuilt is out of date with the next commit.
        remove_unfinished(directory)?;
        report::note(directory, untold.as_ref())?;
    }
    recovered
}

fn rebuild(
    directory: &Directory,
    held: Option<DatabaseId>,
    untold: Option<&Recovered>,
) -> Result<(DatabaseId, Recovered)> {
    let files = Files::read(directory)?;
    let tables = tables::all(&schema::example()?)?;
    if let Some(newer) = files.newer(&tables) {
        // Newer code knows better what to do with it.
        remove_unfinished(directory)?;
        return Err(newer);
    }
    let id = files.trusted_id(&tables, held).map_or_else(DatabaseId::random, Ok)?;
    let noted = commits::noted(directory, id);
    let sources = files.sources(&tables, id, noted);
    let known = sources.iter().filter_map(|source| source.state).chain(noted).max();
    let known = known.unwrap_or_default();
    let unfinished = directory.file(UNFINISHED);
    directory.create_private(&unfinished)?;
    let mut new = schema::create(&unfinished, id)?;
    new.pragma_update(None, "foreign_keys", false)?;
    let tx = new.transaction()?;
    let mut recovered = merge::merge(&tx, &tables, &sources, id)?;
    tx.execute_batch(MEND)?;
    index_named_keys(&tx)?;
    losses::note(&mut recovered, &tx, &sources, &Counts { tables: &tables, id }, known)?;
    tx.execute("UPDATE meta SET commits = ?1", [known + 1])?;
    tx.commit()?;
    new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(new);
    sync(&unfinished)?;
    directory.write_id(id)?;
    let damaged = to_set_aside(directory, &copies::damaged_name(directory));
    recovered.damaged_files = damaged.into_iter().map(|(_, name)| name).collect();
    if let Some(untold) = untold {
        recovered.add(untold);
    }
    report::prepare(directory, &recovered)?;
    replace(&unfinished, &directory.file(FINISHED))?;
    finish(directory)?;
    tracing::error!(?recovered, "the database was damaged and has been recovered");
    Ok((id, recovered))
}

fn remove_unfinished(directory: &Directory) -> Result<()> {
    for name in directory.own_files()? {
        if [UNFINISHED, FINISHED].iter().any(|start| name.starts_with(start)) {
            directory.remove(&name)?;
        }
    }
    report::remove_prepared(directory)
}

/// What makes the rows of several sources one database. Nothing that was proven counts any more: every lane starts a generation.
const MEND: &str = "
INSERT OR IGNORE INTO lane (id, origin, partition, key_system, generation, binding, binding_launch)
    SELECT DISTINCT lane, lane_key ->> 0, lane_key ->> 1, lane_key ->> 2, 0, '{\"electron\":\"\",\"chromium\":\"\"}', 0
    FROM session WHERE lane NOT IN (SELECT id FROM lane);
-- An older source may have had it under another number.
INSERT OR IGNORE INTO lane (origin, partition, key_system, generation, binding, binding_launch)
    SELECT DISTINCT lane_key ->> 0, lane_key ->> 1, lane_key ->> 2, 0, '{\"electron\":\"\",\"chromium\":\"\"}', 0 FROM session;
CREATE TEMP TABLE renumbered AS SELECT DISTINCT session.lane AS old, lane.id AS new FROM session JOIN lane
    ON lane.origin = lane_key ->> 0 AND lane.partition = lane_key ->> 1 AND lane.key_system = lane_key ->> 2
    WHERE session.lane <> lane.id;
UPDATE session SET lane = new FROM renumbered WHERE lane = old;
UPDATE OR IGNORE debt SET lane = new FROM renumbered WHERE lane = old AND old NOT IN (SELECT id FROM lane);
DROP TABLE renumbered;
-- What was handed out is not handed out again, whether or not it is seen any more.
INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_schema
    WHERE name IN ('launch', 'lane', 'session') AND name NOT IN (SELECT name FROM sqlite_sequence);
UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name IN ('launch', 'lane', 'session');
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
    coalesce(checked_generation, 0))) FROM session WHERE session.lane = lane.id), 0),
    coalesce((SELECT max(generation) FROM evidence WHERE evidence.lane = lane.id), 0),
    coalesce((SELECT max(bad_in) FROM debt WHERE debt.lane = lane.id), 0));
";

/// The keys that init data names lead to a session, too.
fn index_named_keys(new: &Connection) -> Result<()> {
    let mut insert = new.prepare("INSERT OR IGNORE INTO session_key (key_id, session) VALUES (?1, ?2)")?;
    let mut sessions = new.prepare("SELECT id, init_data_type, init_data FROM session WHERE init_data IS NOT NULL")?;
    let mut rows = sessions.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, data): (Option<String>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        for key_id in named_key_ids(kind.as_deref(), Some(&data)) {
            insert.execute(params![key_id.to_string(), row.get::<_, i64>(0)?])?;
        }
    }
    Ok(())
}

/// What there is of the damaged database and its log, and their names when they are set aside.
fn to_set_aside(directory: &Directory, name: &str) -> Vec<(String, String)> {
    let names = ["", log::SUFFIX].map(|suffix| (format!("{DATABASE_FILE}{suffix}"), format!("{name}{suffix}")));
    let is_something = |file: &str| directory.file(file).metadata().is_ok_and(|metadata| metadata.len() > 0);
    names.into_iter().filter(|(from, _)| is_something(from)).collect()
}
