//! Rows of leaf pages that no tree leads to: a page above them was zeroed, exchanged or overwritten. Each leaf of a database file is put
//! in turn where a table begins, and SQLite reads it as a small table; whose rows they are, their checksums tell.
//! (Format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>)

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;

use super::error::from_io;
use super::schema::PAGE;
use crate::error::Result;

const TABLE_LEAF: u8 = 13;
/// Where the file says how often it was changed. SQLite forgets what it has read when that is another number.
const CHANGES: u64 = 24;

pub struct Leaves {
    pages: Vec<Vec<u8>>,
    file: File,
    changes: Cell<u32>,
}

/// The leaves of all tables in a file.
pub fn leaves(database: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(database).map_err(|error| from_io(&error))?;
    Ok(bytes.chunks_exact(PAGE).filter(|page| page[0] == TABLE_LEAF).map(<[u8]>::to_vec).collect())
}

impl Leaves {
    /// With a duplicate of their database, whose tables they are read in.
    pub fn new(pages: Vec<Vec<u8>>, duplicate: &Path) -> Result<Self> {
        let file = OpenOptions::new().write(true).open(duplicate).map_err(|error| from_io(&error))?;
        let leaves = Self { pages, file, changes: Cell::new(1 << 31) };
        // A file without a log: SQLite looks at the number of changes.
        leaves.write(18, &[1, 1])?;
        Ok(leaves)
    }

    /// Makes a table of each leaf, in the order of the pages, and hands over the numbers of its rows. Of a row that stands on several of
    /// them, the first that is intact counts: SQLite overwrites here what it removes, so that they are the same, or nobody knows which is later.
    pub fn each(&self, connection: &Connection, table: &str, mut visit: impl FnMut(i64)) -> Result<()> {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        let root: u32 = connection.query_row(sql, [table], |row| row.get(0))?;
        // A table without row numbers has no such leaves.
        let Ok(mut numbers) = connection.prepare(&format!("SELECT rowid FROM {table} NOT INDEXED")) else {
            return Ok(());
        };
        for leaf in &self.pages {
            self.write(u64::from(root - 1) * PAGE as u64, leaf)?;
            self.changes.set(self.changes.get().wrapping_add(1));
            self.write(CHANGES, &self.changes.get().to_be_bytes())?;
            // What cannot be read of a damaged leaf ends the list; no leaf holds more rows than it has bytes.
            let rows = numbers.query_map([], |row| row.get(0))?.map_while(rusqlite::Result::ok).take(PAGE);
            rows.collect::<Vec<i64>>().into_iter().for_each(&mut visit);
        }
        Ok(())
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(bytes)).map_err(|error| from_io(&error))
    }
}
