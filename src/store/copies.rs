//! Copies of the database, two generations, and damaged files that were set aside.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::directory::{DATABASE_FILE, Directory, FILE_PREFIX, replace, sync};
use super::schema;
use super::sums::DatabaseId;
use crate::error::{Error, Result};

const NEWEST: &str = "offline-sessions.copy-1.sqlite3";
const OLDER: &str = "offline-sessions.copy-2.sqlite3";
const UNFINISHED: &str = "offline-sessions.copy-0.sqlite3";
const DAMAGED: &str = "damaged-";
/// What was set aside may be somebody's only trace of a title; after this long nobody asks any more.
const KEEP_DAMAGED: Duration = Duration::from_secs(90 * 86_400);
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

/// Removes what was set aside long before `now`; all of it, and the copies, with `everything`.
pub fn remove(directory: &Directory, now: Duration, everything: bool) -> Result<()> {
    for name in directory.own_files()? {
        let rest = name.trim_start_matches(FILE_PREFIX);
        let set_aside = rest.strip_prefix(DAMAGED).and_then(|rest| rest.split('.').next()?.parse().ok());
        let is_old = set_aside.is_some_and(|at| now.saturating_sub(Duration::from_millis(at)) > KEEP_DAMAGED);
        if is_old || (everything && (set_aside.is_some() || rest.starts_with("copy-"))) {
            directory.remove(&name)?;
        }
    }
    Ok(())
}

/// When a copy was made, in milliseconds since 1970.
pub fn made_at(copy: &Path) -> Option<i64> {
    let modified = copy.metadata().and_then(|metadata| metadata.modified()).ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
