//! Rows of ours among the records of a file: their checksums tell what they are.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::pages::{Node, Pages, Record, Tree};
use crate::error::Result;
use crate::store::schema::TABLES;
use crate::store::sums::{self, DatabaseId};

/// A table in the pages in which every database of ours has it: all are made alike.
pub struct Table {
    pub name: &'static str,
    /// Those that its checksum covers.
    pub columns: Vec<String>,
    /// Which of them hold numbers that SQLite writes down as integers where it can.
    are_real: Vec<bool>,
    pub root: u32,
    /// One without row numbers is kept as an index.
    kind: Tree,
    indexes: Vec<u32>,
}

/// The tables of a database that was just made, in the order of the schema.
pub fn all(new: &Connection) -> Result<Vec<Table>> {
    let list = |sql: &str, table: &str| -> Result<Vec<u32>> {
        let mut statement = new.prepare(sql)?;
        let found = statement.query_map([table], |row: &Row<'_>| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(found)
    };
    let table = |name| {
        let columns = sums::columns(new, name)?;
        let real = "SELECT cid FROM pragma_table_info(?1) WHERE type = 'REAL'";
        let real: HashSet<u32> = list(real, name)?.into_iter().collect();
        let roots = list(
            "SELECT rootpage FROM sqlite_schema WHERE tbl_name = ?1 AND rootpage > 0 ORDER BY type = 'index'",
            name,
        )?;
        let is_index = list("SELECT wr FROM pragma_table_list WHERE name = ?1", name)? == [1];
        let (root, indexes) = roots.split_first().expect("a table has a page");
        let are_real = (0..).zip(&columns).map(|(at, _)| real.contains(&at)).collect();
        Ok(Table {
            name,
            columns,
            are_real,
            root: *root,
            kind: if is_index { Tree::Index } else { Tree::Table },
            indexes: indexes.to_vec(),
        })
    };
    TABLES.into_iter().map(|(name, _)| table(name)).collect()
}

impl Table {
    /// The values of a record, if it is an intact row of this table.
    pub fn row(&self, record: &Record, id: DatabaseId) -> Option<Vec<Value>> {
        // Newer code adds columns behind it.
        let &Value::Integer(sum) = record.values.get(self.columns.len())? else { return None };
        let mut values = record.values.clone();
        values.remove(self.columns.len());
        // A key that is a number is the row's number.
        if values[0] == Value::Null {
            values[0] = Value::Integer(record.number);
        }
        for (value, is_real) in values.iter_mut().zip(&self.are_real) {
            if let (Value::Integer(number), true) = (&value, is_real) {
                *value = Value::Real(*number as f64);
            }
        }
        if id.row_sum(self.name, values.iter().map(Into::into)) != sum {
            return None;
        }
        values.truncate(self.columns.len());
        Some(values)
    }

    /// The first record of the page at which this table begins, intact or not.
    pub fn first(&self, pages: &Pages<'_>) -> Option<Record> {
        Node::read(pages.get(self.root)?)?.records(pages).flatten().next()
    }

    /// Takes the intact rows from the pages that belong to this table.
    pub fn tree(
        &self,
        pages: &Pages<'_>,
        id: DatabaseId,
        mut take: impl FnMut(Vec<Value>) -> Result<()>,
    ) -> Result<Found> {
        let (nodes, hangs_together) = pages.tree(self.root, self.kind);
        let mut found = Found { damaged: Vec::new(), is_whole: hangs_together, is_empty: false };
        let mut numbers = HashSet::new();
        for node in nodes.iter().filter(|node| node.is_leaf || self.kind == Tree::Index) {
            for record in node.records(pages) {
                let row = record.as_ref().and_then(|record| self.row(record, id));
                found.is_whole &= row.is_some();
                match row {
                    Some(row) => {
                        numbers.extend(record.map(|record| record.number));
                        take(row)?;
                    }
                    None => found.damaged.extend(record),
                }
            }
        }
        // One of whose pages another one has taken the place hangs together, too.
        let is_listed = |index: &u32| indexed(*index, pages).is_some_and(|indexed| indexed == numbers);
        found.is_whole &= self.kind == Tree::Index || self.indexes.is_empty() || self.indexes.iter().any(is_listed);
        found.is_empty = numbers.is_empty();
        Ok(found)
    }

    /// What a session is known to a viewer by, so that one has it once only; `None`: it is none, or one whose keys are not known.
    pub fn title(&self, row: &[Value]) -> Option<String> {
        let at = |name: &str| row.get(self.columns.iter().position(|column| column == name)?);
        let keys = at("key_ids").filter(|keys| **keys != Value::Text("[]".to_owned()))?;
        Some(format!(
            "{:?}",
            (at("lane_key")?, at("content_id")?, at("account")?, at("init_data")?, at("canary")?, keys)
        ))
    }
}

/// The numbers of the rows that an index leads to; `None`: it is damaged.
fn indexed(root: u32, pages: &Pages<'_>) -> Option<HashSet<i64>> {
    let (nodes, hangs_together) = pages.tree(root, Tree::Index);
    let number = |record: Option<Record>| match record?.values.last()? {
        Value::Integer(number) => Some(*number),
        _ => None,
    };
    let numbers = nodes.iter().flat_map(|node| node.records(pages)).map(number).collect::<Option<_>>();
    numbers.filter(|_| hangs_together)
}

/// What there is of a table in its own pages.
pub struct Found {
    /// What is no intact row of it.
    pub damaged: Vec<Record>,
    /// No other rows were there.
    pub is_whole: bool,
    pub is_empty: bool,
}
