//! Damage done to a store on purpose, page by page, and what is left of it.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::fixtures::{directory, lane, session};
use crate::model::Session;
use crate::store::directory::DATABASE_FILE;
use crate::store::schema::PAGE;
use crate::store::{Recovered, Store, Tx, log};

/// The page at which a table begins, from 0.
pub fn root(path: &Path, table: &str) -> usize {
    let file = Connection::open(path.join(DATABASE_FILE)).expect("a database");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    file.query_row(sql, [table], |row| row.get::<_, u32>(0)).expect("a table") as usize - 1
}

/// The leaves of a table that has several, but for the last.
pub fn leaves(path: &Path, table: &str) -> Vec<usize> {
    let bytes = fs::read(path.join(DATABASE_FILE)).expect("a file");
    let interior = &bytes[root(path, table) * PAGE..][..PAGE];
    assert_eq!(interior[0], 5, "it has several pages");
    let cells = (0..usize::from(u16::from_be_bytes([interior[3], interior[4]]))).map(|n| &interior[12 + 2 * n..]);
    let cells = cells.map(|at| usize::from(u16::from_be_bytes([at[0], at[1]])));
    cells.map(|at| u32::from_be_bytes(*interior[at..].first_chunk().expect("four bytes")) as usize - 1).collect()
}

/// Changes the database as if it were a list of pages.
pub fn damage(path: &Path, change: impl FnOnce(&mut Vec<[u8; PAGE]>)) {
    let file = path.join(DATABASE_FILE);
    let bytes = fs::read(&file).expect("a file");
    let mut pages: Vec<[u8; PAGE]> = bytes.chunks_exact(PAGE).map(|page| page.try_into().expect("a page")).collect();
    change(&mut pages);
    fs::write(file, pages.concat()).expect("damaged");
}

/// On a thread that may block.
pub fn recover(store: &Store) -> Option<Recovered> {
    let recovered = std::thread::scope(|scope| scope.spawn(|| store.recover()).join());
    recovered.expect("no panic").expect("it recovers")
}

/// The folder as a kill leaves it, without copies.
pub fn killed(path: &Path) -> tempfile::TempDir {
    let left = directory();
    for entry in fs::read_dir(path).expect("our directory").map(|entry| entry.expect("an entry")) {
        let name = entry.file_name();
        if !["-shm", ".copy-"].iter().any(|part| name.to_string_lossy().contains(part)) {
            fs::copy(entry.path(), left.path().join(name)).expect("copied");
        }
    }
    left
}

/// Changes the log as if it were a list of frames; the first bytes are its header.
pub fn damage_log(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let file = path.join(log::FILE);
    let mut bytes = fs::read(&file).expect("a log");
    change(&mut bytes);
    fs::write(file, bytes).expect("damaged");
}

/// Where the frames of a log begin.
pub fn frames(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    (32..bytes.len()).step_by(24 + PAGE)
}

/// Titles of one lane, each with so long a note.
pub async fn put_titles(store: &Store, numbers: std::ops::Range<usize>, note: usize) -> Vec<Session> {
    let job = move |tx: &mut Tx<'_>| {
        let lane = match tx.lanes()?.first() {
            Some(lane) => lane.id,
            None => tx.insert_lane(&lane())?,
        };
        let put = |n| {
            let mut session = session(lane, &format!("title {n}"));
            session.metadata = Some(serde_json::json!({ "note": "x".repeat(note) }));
            session.id = tx.insert_session(&session)?;
            Ok(session)
        };
        numbers.map(put).collect()
    };
    store.write(job).await.expect("written")
}

pub fn sessions(store: &Store) -> Vec<Session> {
    store.read(|rows| rows.all_sessions()).expect("read")
}

/// The sessions that are owed a release.
pub fn owed(store: &Store) -> Vec<String> {
    store.read(|rows| rows.debts()).expect("read").into_iter().map(|debt| debt.session_id).collect()
}
