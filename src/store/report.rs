//! What is told of a recovery, noted until somebody was told: a kill in the middle of it, or after it, leaves no loss untold.

use std::fs;

use serde::{Deserialize, Serialize};

use super::directory::{Directory, replace, sync};
use super::error::from_io;
use crate::error::Result;

/// Counts only beside a new database that is finished.
const PREPARED: &str = "offline-sessions.new-0.json";
const NOTED: &str = "offline-sessions.recovered.json";

/// What a recovery regained, and what it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recovered {
    /// What was set aside, by name, the last first; it stays for at least 90 days.
    pub damaged_files: Vec<String>,
    /// When the copy was made from which sessions were restored, in milliseconds since 1970; null: none was.
    pub copy_at: Option<i64>,
    /// Stored sessions that were intact in the damaged file or its log.
    pub kept: usize,
    /// Stored sessions that only a copy had; they are as they were then.
    pub restored: usize,
    /// Every stored session, pending licence and debt of the damaged file is there. What was pending is verified anew.
    pub complete: bool,
    /// At least these rows are gone: their traces were seen, and no copy has them. Pages that cannot be read have no trace of theirs.
    pub lost: Lost,
}

impl Recovered {
    /// What an earlier one says that nobody has heard.
    pub fn add(&mut self, earlier: &Self) {
        self.damaged_files.extend(earlier.damaged_files.iter().cloned());
        self.copy_at = self.copy_at.max(earlier.copy_at);
        self.complete &= earlier.complete;
        self.lost.sessions += earlier.lost.sessions;
        self.lost.pending_licenses += earlier.lost.pending_licenses;
        self.lost.releases += earlier.lost.releases;
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lost {
    pub sessions: usize,
    pub pending_licenses: usize,
    pub releases: usize,
}

/// Notes what is to be told when the new database has its place.
pub fn prepare(directory: &Directory, recovered: &Recovered) -> Result<()> {
    let file = directory.file(PREPARED);
    directory.create_private(&file)?;
    fs::write(&file, serde_json::json!(recovered).to_string()).map_err(|error| from_io(&error))?;
    sync(&file)
}

/// The new database is finished.
pub fn confirm(directory: &Directory) -> Result<()> {
    let prepared = directory.file(PREPARED);
    if prepared.is_file() { replace(&prepared, &directory.file(NOTED)) } else { Ok(()) }
}

/// What is to be told is this again, or nothing.
pub fn note(directory: &Directory, untold: Option<&Recovered>) -> Result<()> {
    match untold {
        Some(untold) => prepare(directory, untold).and_then(|()| confirm(directory)),
        None => forget(directory),
    }
}

/// What nobody was told yet.
pub fn untold(directory: &Directory) -> Option<Recovered> {
    let text = fs::read(directory.file(NOTED)).ok()?;
    Some(serde_json::from_slice(&text).unwrap_or_default())
}

pub fn remove_prepared(directory: &Directory) -> Result<()> {
    directory.remove(PREPARED)
}

/// Somebody was told, or it has come to nothing.
pub fn forget(directory: &Directory) -> Result<()> {
    directory.remove(NOTED)
}
