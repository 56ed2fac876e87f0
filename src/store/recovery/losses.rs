//! What a recovery could not bring back, as far as that can be known.

use std::collections::HashSet;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::counts::Counts;
use super::sources::Source;
use crate::error::Result;
use crate::store::report::{Lost, Recovered};
use crate::store::schema;

/// Says of what was recovered whether it is everything that the damaged database had after so many commits, and of which rows no more
/// than a trace is left.
pub fn note(
    recovered: &mut Recovered,
    new: &Connection,
    sources: &[Source<'_>],
    counts: &Counts<'_>,
    commits: i64,
) -> Result<()> {
    let Some(now) = sources.iter().find(|source| source.is_now()) else { return Ok(()) };
    recovered.complete = now.state >= Some(commits) && !now.pages.get(1).is_some_and(schema::has_more);
    let mut is_ours = false;
    let mut traces: [HashSet<i64>; COUNTED.len()] = Default::default();
    for table in counts.tables {
        let at = COUNTED.iter().position(|name| *name == table.name);
        let found = table.tree(&now.pages, counts.id, |row| {
            is_ours = true;
            match (at, table.name, row.as_slice()) {
                (Some(at), _, [Value::Integer(number), ..]) => traces[at].insert(*number),
                (None, "session_key", [_, Value::Integer(session), ..]) => traces[SESSION].insert(*session),
                _ => false,
            };
            Ok(())
        })?;
        if let Some(at) = at {
            recovered.complete &= now.has_all_of(&found);
            let damaged = found.damaged.iter().filter(|record| !counts.is_row(record));
            traces[at].extend(damaged.map(|record| record.number));
        }
    }
    // Rows of another database are no loss.
    if is_ours {
        let [sessions, pending_licenses, releases] = [0, 1, 2].map(|at| missing(new, COUNTED[at], &traces[at]));
        recovered.lost = Lost { sessions: sessions?, pending_licenses: pending_licenses?, releases: releases? };
        recovered.complete &= recovered.lost == Lost::default();
    }
    Ok(())
}

const COUNTED: [&str; 3] = ["session", "pending", "debt"];
const SESSION: usize = 0;

fn missing(new: &Connection, table: &str, traces: &HashSet<i64>) -> Result<usize> {
    let mut statement = new.prepare(&format!("SELECT 1 FROM {table} WHERE rowid = ?1"))?;
    let mut missing = 0;
    for number in traces {
        missing += usize::from(!statement.exists([number])?);
    }
    Ok(missing)
}
