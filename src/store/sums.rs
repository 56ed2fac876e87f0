//! A checksum in every row, keyed with the database's id. SQLite's own checks do not see most flipped bits, nor pages of another
//! database: both leave a well-formed file with wrong rows.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use super::schema::TABLES;
use crate::error::{Error, Result};

/// What a database is known by, inside the file and beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatabaseId([u8; 16]);

impl DatabaseId {
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self(bytes))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub fn as_hex(self) -> String {
        hex::encode(self.0)
    }

    /// With a checksum of its own: what stands in the id's file is believed, or it is none.
    pub fn to_file(self) -> String {
        format!("{} {}\n", self.as_hex(), self.check())
    }

    pub fn from_file(text: &str) -> Option<Self> {
        let (id, check) = text.trim().split_once(' ')?;
        Self::parse(id).filter(|id| id.check() == check)
    }

    fn check(self) -> String {
        self.sum("")
    }

    /// The checksum of a table's row.
    pub fn row_sum<'a>(self, table: &'a str, values: impl Iterator<Item = ValueRef<'a>>) -> i64 {
        let mut hash = Sha256::new();
        hash.update(self.0);
        for value in std::iter::once(ValueRef::Text(table.as_bytes())).chain(values) {
            let (tag, bytes): (u8, &[u8]) = match value {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(number) => (1, &number.to_le_bytes()),
                ValueRef::Real(number) => (2, &number.to_le_bytes()),
                ValueRef::Text(text) => (3, text),
                ValueRef::Blob(blob) => (4, blob),
            };
            hash.update([tag]);
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
        let digest = hash.finalize();
        let (sum, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        i64::from_le_bytes(*sum)
    }

    /// The checksum of a text that stands beside the database.
    pub fn sum(self, text: &str) -> String {
        hex::encode(&Sha256::new().chain_update(self.0).chain_update(text).finalize()[..4])
    }
}

/// Gives a connection `row_sum(table, columns…)`, which the schema's triggers call.
pub fn register(connection: &Connection, id: DatabaseId) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("row_sum", -1, flags, move |context| {
        let ValueRef::Text(table) = context.get_raw(0) else { return Ok(None) };
        let values = (1..context.len()).map(|at| context.get_raw(at));
        Ok(std::str::from_utf8(table).ok().map(|table| id.row_sum(table, values)))
    })?;
    Ok(())
}

/// The triggers that keep a table's checksums.
pub fn keep(connection: &Connection, table: &str, key: &str) -> Result<()> {
    let columns = columns(connection, table)?;
    let listed = columns.join(", ");
    let of = |row: &str| columns.iter().map(|column| format!("{row}{column}")).collect::<Vec<_>>().join(", ");
    let is_it = key.split(", ").map(|column| format!("{column} = NEW.{column}")).collect::<Vec<_>>().join(" AND ");
    let update = format!("UPDATE {table} SET checksum = row_sum('{table}', {}) WHERE {is_it};", of("NEW."));
    connection.execute_batch(&format!(
        "CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {update} END;
         CREATE TRIGGER {table}_updated AFTER UPDATE OF {listed} ON {table} BEGIN {update} END;"
    ))?;
    Ok(())
}

/// A view `…_row` of each table, which says of each row whether it is intact. The connection's own: of a database with views of its
/// own, `PRAGMA integrity_check` looks at no free page and no page that is used twice.
pub fn show(connection: &Connection) -> Result<()> {
    for (table, _) in TABLES {
        let listed = columns(connection, table)?.join(", ");
        connection.execute_batch(&format!(
            "CREATE TEMP VIEW {table}_row AS SELECT *, row_sum('{table}', {listed}) IS checksum AS intact FROM {table};"
        ))?;
    }
    Ok(())
}

/// The columns that a checksum covers.
pub fn columns(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE name <> 'checksum'")?;
    let names = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(names)
}

/// The id that a database file carries, whether or not it is to be believed.
pub fn carried_id(connection: &Connection) -> Option<DatabaseId> {
    let text: Option<String> = connection.query_row("SELECT id FROM meta", [], |row| row.get(0)).optional().ok()?;
    DatabaseId::parse(&text?)
}
