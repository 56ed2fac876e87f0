//! The store's own folder: 0700, its files 0600, and a lock that dies with its process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::error::from_io;
use super::hold;
use crate::error::{Error, Result};

pub const DATABASE_FILE: &str = "offline-sessions.sqlite3";
const FILE_PREFIX: &str = "offline-sessions.";
const LOCK_FILE: &str = "offline-sessions.lock";
/// Beside the lock, because a locked file cannot be read by others on Windows.
const HOLDER_FILE: &str = "offline-sessions.pid";
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
        // SQLite gives its WAL and shared-memory files the mode of the database file.
        open_private(&path.join(DATABASE_FILE))?;
        Ok(Self { path: path.to_owned(), lock: Mutex::new(Some(lock)) })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn unlock(&self) {
        hold(&self.lock).take();
    }
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

fn open_private(path: &Path) -> Result<File> {
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
        fs::set_permissions(path, permissions).map_err(|error| from_io(&error))?;
    }
    Ok(())
}
