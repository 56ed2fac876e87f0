//! How many commits there were, noted beside the database too: SQLite takes a log that was cut off, or removed, for a shorter one.

use std::fs::{self, File};
use std::io::{Seek, Write};

use super::directory::{Directory, open_private};
use super::sums::DatabaseId;

const FILE: &str = "offline-sessions.commits";

/// Never ahead of what is durable, so that a database with fewer commits has lost some. It may be behind, and may be missing.
pub struct Note {
    file: Option<File>,
    id: DatabaseId,
}

impl Note {
    pub fn open(directory: &Directory, id: DatabaseId) -> Self {
        let file =
            open_private(&directory.file(FILE)).inspect_err(|error| tracing::debug!(%error, "no count of commits"));
        Self { file: file.ok(), id }
    }

    /// Called when that many commits are durable. Not synced: a kill loses nothing that was written, and after a power cut an older
    /// count stands here, or none. No write fails for it.
    pub fn write(&self, commits: i64) {
        let Some(mut file) = self.file.as_ref() else { return };
        let count = format!("{commits:020}");
        let line = format!("{count} {}\n", self.id.sum(&count));
        if let Err(error) = file.rewind().and_then(|()| file.write_all(line.as_bytes())) {
            tracing::debug!(%error, "a commit was not counted");
        }
    }
}

/// How many commits the database `id` has had; `None`: that is not known, or what stands there is another's.
pub fn noted(directory: &Directory, id: DatabaseId) -> Option<i64> {
    let text = fs::read_to_string(directory.file(FILE)).ok()?;
    let (count, sum) = text.trim_end().split_once(' ')?;
    if id.sum(count) == sum { count.parse().ok() } else { None }
}
