//! What a recovery could not bring back, as far as that can be known.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::sources::Source;
use super::tables::Table;
use crate::error::Result;
use crate::store::report::{Lost, Recovered};
use crate::store::sums::DatabaseId;

/// Says of what was recovered whether it is everything that the damaged database had after so many commits, and of which rows no more
/// than a trace is left.
pub fn note(
    recovered: &mut Recovered,
    new: &Connection,
    tables: &[Table],
    sources: &[Source<'_>],
    id: DatabaseId,
    commits: i64,
) -> Result<()> {
    let Some(now) = sources.iter().find(|source| source.is_now()) else { return Ok(()) };
    recovered.complete = now.state >= Some(commits);
    let mut traces: HashMap<&str, HashSet<i64>> = HashMap::new();
    let (mut is_ours, mut in_keys) = (false, HashSet::new());
    for table in tables {
        let found = table.tree(&now.pages, id, |row| {
            is_ours = true;
            if let ("session_key", Some(Value::Integer(session))) = (table.name, row.get(1)) {
                in_keys.insert(*session);
            }
            Ok(())
        })?;
        recovered.complete &= now.has_all_of(&found) || !COUNTED.contains(&table.name);
        traces.insert(table.name, found.damaged);
    }
    traces.entry("session").or_default().extend(in_keys);
    // Rows of another database are no loss.
    if is_ours {
        let [sessions, pending, releases] = COUNTED.map(|table| missing(new, table, &traces));
        recovered.lost = Lost { sessions: sessions?, pending_licenses: pending?, releases: releases? };
    }
    Ok(())
}

const COUNTED: [&str; 3] = ["session", "pending", "debt"];

fn missing(new: &Connection, table: &str, traces: &HashMap<&str, HashSet<i64>>) -> Result<usize> {
    let mut statement = new.prepare(&format!("SELECT 1 FROM {table} WHERE rowid = ?1"))?;
    let mut missing = 0;
    for number in traces.get(table).into_iter().flatten() {
        missing += usize::from(!statement.exists([number])?);
    }
    Ok(missing)
}
