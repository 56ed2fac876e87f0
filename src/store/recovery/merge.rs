//! Which of the rows that are found make the new database.

use std::collections::{HashMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::pages::{Node, Record};
use super::sources::{Kind, Source};
use super::tables::Table;
use crate::error::Result;
use crate::store::report::Recovered;
use crate::store::sums::DatabaseId;

/// What of other sessions a source had that may be owed a release by now, where debts or pending licences are damaged.
const PAST: &str = "
CREATE TEMP TABLE past_session AS SELECT * FROM session WHERE false;
CREATE TEMP TABLE past_pending AS SELECT * FROM pending WHERE false;
";
/// Those that are on record are not owed: what makes the rows one database sees to that.
const OWE_PAST: &str = "
INSERT OR IGNORE INTO debt (lane, content_id, session_id, capabilities, init_data_type, key_ids, launch, attempts)
    WITH past AS (
        SELECT id, lane, content_id, session_id, capabilities, init_data_type, key_ids FROM past_session
        UNION ALL SELECT id, lane, content_id, past_pending.session_id, capabilities, init_data_type, past_session.key_ids
        FROM past_pending JOIN past_session ON past_session.id = past_pending.session)
    SELECT lane, content_id, session_id, capabilities, init_data_type, key_ids, (SELECT coalesce(max(id), 0) FROM launch), 0
    FROM past WHERE ?1 OR id IN (SELECT id FROM session);
";

/// Takes each row from the first source that has it intact. A table that is whole in one source says which rows there are: what older
/// ones have was removed since.
pub fn merge(new: &Connection, tables: &[Table], sources: &[Source<'_>], id: DatabaseId) -> Result<Recovered> {
    new.execute_batch(PAST)?;
    let open = tables.iter().map(|table| table.name).filter(|name| *name != "meta").collect();
    let mut merge = Merge { new, tables, id, open, titles: HashMap::new(), recovered: Recovered::default() };
    for (at, source) in sources.iter().enumerate() {
        merge.take(at, source)?;
    }
    // A session that is not on record any more may be lost, and not removed.
    new.execute(OWE_PAST, [!merge.open.contains("session")])?;
    new.execute_batch("DROP TABLE past_session; DROP TABLE past_pending;")?;
    Ok(merge.recovered)
}

struct Merge<'a> {
    new: &'a Connection,
    tables: &'a [Table],
    id: DatabaseId,
    /// The tables of which older sources may have what is lacking yet.
    open: HashSet<&'static str>,
    /// From which source a title is.
    titles: HashMap<String, usize>,
    recovered: Recovered,
}

impl Merge<'_> {
    fn take(&mut self, at: usize, source: &Source<'_>) -> Result<()> {
        let is_past = ["debt", "pending"].iter().any(|name| self.open.contains(name)) && !source.is_now();
        for table in self.tables {
            if source.has_trees() && self.open.contains(table.name) {
                let found = table.tree(&source.pages, self.id, |row| self.insert(at, source, table, &row))?;
                if source.has_all_of(&found) {
                    self.open.remove(table.name);
                }
            }
        }
        if self.open.is_empty() && !is_past {
            return Ok(());
        }
        for page in &source.own {
            let node = Node::read(page);
            let mut is_read = node.as_ref().is_some_and(Node::is_plausible);
            for record in node.iter().flat_map(|node| node.records(&source.pages)) {
                is_read &= record.is_some();
                if let Some(record) = record {
                    self.take_record(at, source, &record, is_past)?;
                }
            }
            // An empty page, or one that a row goes on in, begins with a zero.
            if !is_read && page[0] != 0 {
                for record in Node::anywhere(page).records(&source.pages).flatten() {
                    self.take_record(at, source, &record, is_past)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a row wherever it stands.
    fn take_record(&mut self, at: usize, source: &Source<'_>, record: &Record, is_past: bool) -> Result<()> {
        for table in self.tables {
            let is_past = is_past && ["session", "pending"].contains(&table.name);
            let is_open = self.open.contains(table.name);
            let Some(row) = (is_past || is_open).then(|| table.row(record, self.id)).flatten() else { continue };
            if is_past {
                insert(self.new, &format!("past_{}", table.name), table, &row)?;
            }
            return if is_open { self.insert(at, source, table, &row) } else { Ok(()) };
        }
        Ok(())
    }

    fn insert(&mut self, at: usize, source: &Source<'_>, table: &Table, row: &[Value]) -> Result<()> {
        let title = table.title(row);
        // What an older source has under another number was removed since, and stored again.
        if title.as_ref().is_some_and(|title| self.titles.get(title).is_some_and(|later| *later < at))
            || !insert(self.new, table.name, table, row)?
        {
            return Ok(());
        }
        self.titles.extend(title.map(|title| (title, at)));
        if table.name == "session" {
            let copy_at = if let Kind::Copy { at } = source.kind { Some(at) } else { None };
            self.recovered.restored += usize::from(copy_at.is_some());
            self.recovered.kept += usize::from(copy_at.is_none());
            self.recovered.copy_at = self.recovered.copy_at.max(copy_at);
        }
        Ok(())
    }
}

/// Whether there was no such row.
fn insert(new: &Connection, name: &str, table: &Table, row: &[Value]) -> Result<bool> {
    let marks = vec!["?"; row.len()].join(", ");
    let sql = format!("INSERT OR IGNORE INTO {name} ({}) VALUES ({marks})", table.columns.join(", "));
    Ok(new.prepare_cached(&sql)?.execute(params_from_iter(row))? > 0)
}
