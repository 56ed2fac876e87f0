//! The store's own folder: 0700, its files 0600, and a lock that dies with its process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::commits::Note;
use super::error::from_io;
use super::hold;
use super::log;
use super::sums::DatabaseId;
use crate::error::{Error, Result};

pub const DATABASE_FILE: &str = "offline-sessions.sqlite3";
pub const FILE_PREFIX: &str = "offline-sessions.";
const LOCK_FILE: &str = "offline-sessions.lock";
/// Beside the lock, because a locked file cannot be read by others on Windows.
const HOLDER_FILE: &str = "offline-sessions.pid";
const ID_FILE: &str = "offline-sessions.id";
const LOCK_POLL: Duration = Duration::from_millis(25);

pub struct Directory {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Directory {
    pub fn open(path: &Path, lock_wait: Duration) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| from_io(&error))?;
        if is_our_own(path)? {
            restrict(path, 0o700)?;
        }
        let lock = lock(path, lock_wait)?;
        let directory = Self { path: path.to_owned(), lock: Mutex::new(Some(lock)) };
        for name in directory.own_files()? {
            restrict(&directory.file(&name), 0o600)?;
        }
        Ok(directory)
    }

    /// The id of the database that belongs here; `None`: none is noted, or it cannot be read.
    pub fn read_id(&self) -> Option<DatabaseId> {
        DatabaseId::from_file(&fs::read_to_string(self.file(ID_FILE)).ok()?)
    }

    /// Whether an id was ever noted, be it legible or not: then a database was here.
    pub fn has_id(&self) -> bool {
        self.file(ID_FILE).exists()
    }

    pub fn write_id(&self, id: DatabaseId) -> Result<()> {
        let unfinished = self.file("offline-sessions.id-0");
        self.create_private(&unfinished)?;
        fs::write(&unfinished, id.to_file()).map_err(|error| from_io(&error))?;
        sync(&unfinished)?;
        replace(&unfinished, &self.file(ID_FILE))
    }

    /// An empty file of ours. SQLite gives its log and shared-memory files the mode of the database file.
    pub fn create_private(&self, path: &Path) -> Result<()> {
        let file = open_private(path)?;
        file.set_len(0).map_err(|error| from_io(&error))
    }

    /// The names of our files.
    pub fn own_files(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.path).map_err(|error| from_io(&error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| name.starts_with(FILE_PREFIX)).collect())
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(from_io(&error)),
            _ => Ok(()),
        }
    }

    /// The database `id` as it is now, and the lock that is held.
    pub fn place(&self, id: DatabaseId) -> Place {
        let held = hold(&self.lock).as_ref().and_then(|lock| lock.metadata().ok());
        Place {
            database: Kept::of(self.file(DATABASE_FILE)),
            lock: Kept { path: self.file(LOCK_FILE), identity: held.as_ref().and_then(identity) },
            log: Kept::of(self.file(log::FILE)),
            commits: Note::open(self, id),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes a folder that was made for this process alone.
    pub fn remove_all(&self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(%error, "a private folder is left behind");
        }
    }

    pub fn unlock(&self) {
        hold(&self.lock).take();
    }
}

/// What is written to a file is on the disk.
pub fn sync(path: &Path) -> Result<()> {
    let file = OpenOptions::new().write(true).open(path).map_err(|error| from_io(&error))?;
    file.sync_all().map_err(|error| from_io(&error))
}

/// What was there when it was opened. SQLite goes on writing into a file that was removed since, and whoever removes a lock lets another
/// process in.
pub struct Place {
    database: Kept,
    lock: Kept,
    log: Kept,
    pub commits: Note,
}

impl Place {
    /// Fails when what stands there is not those files any more.
    pub fn is_kept(&self) -> Result<()> {
        if self.database.is_there() && self.lock.is_there() {
            Ok(())
        } else {
            Err(Error::Storage("its file, or its lock, was removed".to_owned()))
        }
    }

    /// Whether the log that SQLite writes into is the one that the next process will read.
    pub fn has_log(&self) -> bool {
        self.log.is_there()
    }
}

struct Kept {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Kept {
    fn of(path: PathBuf) -> Self {
        Self { identity: path.metadata().ok().as_ref().and_then(identity), path }
    }

    fn is_there(&self) -> bool {
        self.path.metadata().ok().as_ref().and_then(identity) == self.identity
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Windows removes no file that is open.
#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

/// Renames within the folder, durably.
pub fn replace(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| from_io(&error))?;
    // Windows has no handle to sync a folder with, and writes names through.
    #[cfg(unix)]
    if let Some(folder) = to.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| from_io(&error))?;
    }
    Ok(())
}

/// Whether nothing but our files is in the folder. One that the app shares with others keeps its mode.
fn is_our_own(path: &Path) -> Result<bool> {
    let entries = fs::read_dir(path).map_err(|error| from_io(&error))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
    let names = names.map_err(|error| from_io(&error))?;
    Ok(names.iter().all(|name| name.to_string_lossy().starts_with(FILE_PREFIX)))
}

fn lock(path: &Path, lock_wait: Duration) -> Result<File> {
    let file = open_private(&path.join(LOCK_FILE))?;
    let deadline = Instant::now() + lock_wait;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { pid: holder(path) }),
            Err(TryLockError::Error(error)) => return Err(from_io(&error)),
        }
    }
    let mut holder = open_private(&path.join(HOLDER_FILE))?;
    let written =
        holder.set_len(0).and_then(|()| holder.rewind()).and_then(|()| write!(holder, "{}", std::process::id()));
    written.map_err(|error| from_io(&error))?;
    Ok(file)
}

fn holder(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path.join(HOLDER_FILE)).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

pub fn open_private(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| from_io(&error))?;
    restrict(path, 0o600)?;
    Ok(file)
}

/// Windows keeps a user's application data private by its folder's inherited rights.
#[cfg_attr(not(unix), allow(unused_variables))]
fn restrict(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        match fs::set_permissions(path, permissions) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(from_io(&error)),
            _ => {}
        }
    }
    Ok(())
}
