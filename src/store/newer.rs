//! A database that only newer code may write: its verdicts are read from a private copy, and nothing of it changes.

use std::fs;

use rusqlite::Connection;

use super::directory::{DATABASE_FILE, Directory};
use super::error::from_io;
use super::schema;
use super::sums::DatabaseId;
use crate::error::Result;

const PREFIX: &str = "electron-offline-sessions-";

/// What processes that were killed have left behind: nobody holds its lock.
fn remove_leftovers() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let is_ours = |name: &str| name.strip_prefix(PREFIX).and_then(DatabaseId::parse).is_some();
    for entry in entries.filter(|entry| is_ours(&entry.file_name().to_string_lossy())) {
        if let Ok(leftover) = Directory::open(&entry.path(), std::time::Duration::ZERO) {
            leftover.remove_all();
        }
    }
}

/// Copies a database to a folder of its own. `None`: it could not be read all the same.
pub fn copy(directory: &Directory) -> Result<Option<(Directory, Connection, DatabaseId)>> {
    remove_leftovers();
    let name = format!("{PREFIX}{}", DatabaseId::random()?.as_hex());
    let private = Directory::open(&std::env::temp_dir().join(name), std::time::Duration::ZERO)?;
    match fill(directory, &private) {
        Ok((connection, id)) => Ok(Some((private, connection, id))),
        Err(error) => {
            tracing::warn!(%error, "a newer database cannot be read");
            private.remove_all();
            Ok(None)
        }
    }
}

fn fill(directory: &Directory, private: &Directory) -> Result<(Connection, DatabaseId)> {
    for name in [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")] {
        let from = directory.file(&name);
        if from.is_file() {
            private.create_private(&private.file(&name))?;
            fs::copy(from, private.file(&name)).map_err(|error| from_io(&error))?;
        }
    }
    schema::open_newer(&private.file(DATABASE_FILE))
}
