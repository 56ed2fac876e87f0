//! Values that the tests of this room share.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::Result;
use crate::model::{Binding, Capabilities, Lane, LaneKey, Rules, Session, Standing};
use crate::store::{Change, Recovered, Store};

/// What the observer was told: one entry a commit.
pub type Told = Arc<Mutex<Vec<Vec<Change>>>>;

pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub fn open(path: &Path) -> Result<Store> {
    Store::open(path, Duration::ZERO, Arc::new(|_| {})).map(|(store, _)| store)
}

/// Opens whatever is there, and gives what was recovered.
pub fn open_damaged(path: &Path) -> (Store, Option<Recovered>) {
    Store::open(path, Duration::ZERO, Arc::new(|_| {})).expect("it opens, whatever is in it")
}

pub fn open_told(path: &Path) -> (Store, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let observer = Arc::new(move |changes| tell.lock().expect("no test panics while it listens").push(changes));
    let (store, _) = Store::open(path, Duration::ZERO, observer).expect("an empty directory opens");
    (store, told)
}

pub fn lane() -> Lane {
    Lane {
        id: 0,
        key: LaneKey {
            origin: "app://bundle".to_owned(),
            partition: "persist:a".to_owned(),
            key_system: "com.widevine.alpha".to_owned(),
        },
        generation: 1,
        binding: Binding {
            electron: "29.1.6".to_owned(),
            chromium: "122.0.6261.139".to_owned(),
            cdm: None,
            os_name: Some("Linux".to_owned()),
            arch: None,
            profile: None,
            machine_hash: None,
        },
        binding_launch: 1,
        witness: None,
        witness_found: false,
        writing: false,
        capability: None,
        capability_launch: None,
    }
}

pub fn session(lane: i64, content_id: &str) -> Session {
    Session {
        id: 0,
        lane,
        content_id: content_id.to_owned(),
        session_id: format!("id of {content_id}"),
        account: None,
        init_data_type: None,
        init_data: None,
        key_ids: Vec::new(),
        license_url: None,
        capabilities: Capabilities::default(),
        last_played_at_ms: None,
        rules: Rules::default(),
        canary: false,
        metadata: None,
        ever_proven: false,
        request_id: None,
        requests: (0, 0),
        missing_launch: None,
        standing: Standing::unproven(None),
        pending: None,
    }
}

/// A lane in the store, and its id.
pub async fn stored_lane(store: &Store) -> i64 {
    store.write(|tx| tx.insert_lane(&lane())).await.expect("a lane is stored")
}

pub async fn put(store: &Store, lane: i64, content_id: &'static str) -> Result<i64> {
    store.write(move |tx| tx.insert_session(&session(lane, content_id))).await
}

/// The contents that are committed.
pub fn contents(store: &Store) -> Vec<String> {
    let sessions = store.read(|rows| rows.all_sessions()).expect("sessions are read");
    sessions.into_iter().map(|session| session.content_id).collect()
}
