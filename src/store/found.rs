//! What of a damaged table can be read and is intact.

use std::collections::{BTreeMap, HashSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::sources::Source;
use super::sums;

/// The intact rows of a table by their key.
#[derive(Default)]
pub struct Found {
    pub columns: Vec<String>,
    pub rows: BTreeMap<String, Vec<Value>>,
    /// The keys of rows that are not intact, as they stand there.
    pub damaged: HashSet<String>,
    /// No other rows were there: the table's pages hang together, and none of its rows is damaged, its key among the rest.
    pub whole: bool,
}

/// Reads what is intact. A damaged page ends SQLite's walk through a table, so rows behind it are asked for one by one.
pub fn read(source: &Source, table: &str, key: &str, known: &[String]) -> Found {
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
