//! Copies of the database, two generations, and damaged files that were set aside.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::directory::{DATABASE_FILE, Directory, FILE_PREFIX, replace, sync};
use super::schema;
use super::sums::DatabaseId;
use crate::clock::Millis;
use crate::error::{Error, Result};

const NEWEST: &str = "offline-sessions.copy-1.sqlite3";
const OLDER: &str = "offline-sessions.copy-2.sqlite3";
const UNFINISHED: &str = "offline-sessions.copy-0.sqlite3";
const DAMAGED: &str = "damaged-";
/// What was set aside may be somebody's only trace of a title; after this long nobody asks any more.
pub const KEEP_DAMAGED_MS: Millis = 90 * 86_400_000;
const PAGES_AT_A_TIME: i32 = 1_000;

/// The copies that are there, newest first.
pub fn copies(directory: &Directory) -> Vec<PathBuf> {
    [NEWEST, OLDER].map(|name| directory.file(name)).into_iter().filter(|path| path.is_file()).collect()
}

/// How many commits the copies know of.
pub fn newest_commit(directory: &Directory, id: DatabaseId) -> Option<i64> {
    copies(directory).iter().filter_map(|copy| schema::commits(&schema::connect_reader(copy, id).ok()?)).max()
}

/// Makes a copy that is known to be sound; the one before it becomes the older one. Blocks on the disk.
pub fn make(directory: &Directory, id: DatabaseId, go_on: impl Fn() -> bool) -> Result<()> {
    let unfinished = directory.file(UNFINISHED);
    directory.create_private(&unfinished)?;
    {
        let from = schema::connect_reader(&directory.file(DATABASE_FILE), id)?;
        let mut to = Connection::open(&unfinished)?;
        {
            // One state of it, however long this takes and whatever is written meanwhile.
            from.execute_batch("BEGIN; SELECT commits FROM meta;")?;
            let backup = Backup::new(&from, &mut to)?;
            while backup.step(PAGES_AT_A_TIME)? != StepResult::Done {
                if !go_on() {
                    return Err(Error::Closed);
                }
            }
        }
        // One file, without a log beside it.
        to.pragma_update(None, "journal_mode", "DELETE")?;
        super::sums::register(&to, id)?;
        super::sums::show(&to)?;
        if !schema::is_sound(&to)? {
            return Err(Error::CorruptDatabase("a copy of it is damaged".to_owned()));
        }
    }
    sync(&unfinished)?;
    if directory.file(NEWEST).is_file() {
        replace(&directory.file(NEWEST), &directory.file(OLDER))?;
    }
    replace(&unfinished, &directory.file(NEWEST))
}

/// The name under which a damaged database is set aside now. No other has it, whatever the clock says.
pub fn damaged_name(directory: &Directory) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut names = (now..).map(|at| format!("{FILE_PREFIX}{DAMAGED}{at}.sqlite3"));
    let is_free =
        |name: &String| !["", "-wal"].iter().any(|suffix| directory.file(&format!("{name}{suffix}")).exists());
    names.find(is_free).expect("there are more numbers than files")
}

/// Removes what was set aside at a time of which `is_meant`.
pub fn remove_damaged(directory: &Directory, is_meant: impl Fn(Millis) -> Result<bool>) -> Result<()> {
    for name in directory.own_files()? {
        let stamp = name.trim_start_matches(FILE_PREFIX).strip_prefix(DAMAGED).and_then(|rest| rest.split('.').next());
        if let Some(at) = stamp.and_then(|stamp| stamp.parse().ok())
            && is_meant(at)?
        {
            directory.remove(&name)?;
        }
    }
    Ok(())
}

/// Removes the copies, and one that is unfinished.
pub fn remove_copies(directory: &Directory) -> Result<()> {
    for name in directory.own_files()?.iter().filter(|name| name.trim_start_matches(FILE_PREFIX).starts_with("copy-")) {
        directory.remove(name)?;
    }
    Ok(())
}

/// When a copy was made, in milliseconds since 1970.
pub fn made_at(copy: &Path) -> Option<i64> {
    let modified = copy.metadata().and_then(|metadata| metadata.modified()).ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
