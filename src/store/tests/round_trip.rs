//! What is saved is read as it was saved.

use super::fixtures::{directory, lane, open, put, session, stored_lane};
use crate::error::Error;
use crate::model::{
    Binding, Capabilities, Capability, Change as PlatformChange, ChangeKind, KeyId, Lane, LaneKey, MediaCapability,
    Pending, Proof, Reason, Rules, Session, Snapshot, Stage, Standing, State, Strike,
};

fn capability(content_type: &str, robustness: Option<&str>) -> MediaCapability {
    MediaCapability {
        content_type: content_type.to_owned(),
        robustness: robustness.map(str::to_owned),
        encryption_scheme: robustness.map(|_| "cbcs".to_owned()),
    }
}

/// A session with every field set, each to a value of its own.
fn full(id: i64, lane: i64) -> Session {
    Session {
        id,
        lane,
        content_id: "film \u{1f3ac} 'quoted'".to_owned(),
        session_id: "ksid-1".to_owned(),
        account: Some("account".to_owned()),
        init_data_type: Some("cenc".to_owned()),
        init_data: Some(vec![0, 1, 255]),
        key_ids: vec![KeyId([2; 16]), KeyId([1; 16])],
        license_url: Some("https://license.example.com/v1".to_owned()),
        capabilities: Capabilities {
            audio: vec![capability("audio/mp4; codecs=\"mp4a.40.2\"", None)],
            video: vec![capability("video/mp4; codecs=\"avc1.42E01E\"", Some("SW_SECURE_DECODE"))],
        },
        last_played_at_ms: Some(11),
        rules: Rules {
            license_duration_ms: Some(12),
            rental_duration_ms: Some(13),
            playback_duration_ms: Some(14),
            first_played_at: Some(15),
            renew_ahead_ms: Some(16),
        },
        canary: true,
        metadata: Some(serde_json::json!({ "title": "Film", "list": [1, 2.5, null, "é"] })),
        ever_proven: true,
        request_id: Some("request".to_owned()),
        requests: (20_000, 3),
        missing_launch: Some(4),
        standing: Standing {
            state: State::Blocked,
            reason: Some(Reason::Geo),
            delay: Some(Reason::Throttled),
            proof: Some(Proof { generation: 21, launch: 22, at_ms: 23 }),
            expiration_ms: Some(24),
            strike: Some(Strike { run: 25, at_ms: 26 }),
            attempts: 27,
            next_attempt_at_ms: Some(28),
            checked_generation: Some(29),
            stale_id: true,
        },
        pending: Some(Pending {
            session_id: "ksid-2".to_owned(),
            generation: 30,
            stage: Stage::Verified,
            proof: Some(Proof { generation: 31, launch: 32, at_ms: 33 }),
            key_ids: vec![KeyId([3; 16])],
            expiration_ms: Some(34),
            delay: Some(Reason::OpenInPlayer),
            attempts: 35,
            next_attempt_at_ms: Some(36),
        }),
    }
}

#[tokio::test]
async fn a_session_with_every_field_set_is_read_as_it_was_saved_after_a_reopen_too() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let inserted = full(0, lane);
    let id = store.write(move |tx| tx.insert_session(&inserted)).await.expect("written");
    let expected = full(id, lane);
    let read = store.read(|rows| rows.session(id)).expect("read");
    assert_eq!(read.as_ref(), Some(&expected));
    let summary = store.read(|rows| rows.summary(id)).expect("read");
    assert_eq!(summary, Some(expected.summary()));
    store.close();
    let again = open(directory.path()).expect("a store");
    assert_eq!(again.read(|rows| rows.session(id)).expect("read"), Some(expected));
}

#[tokio::test]
async fn saving_overwrites_every_field_down_to_nothing() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let id = store.write(move |tx| tx.insert_session(&full(0, lane))).await.expect("written");
    let plain = Session { id, content_id: full(id, lane).content_id, ..session(lane, "any") };
    let saved = plain.clone();
    store.write(move |tx| tx.save_session(&saved)).await.expect("saved");
    assert_eq!(store.read(|rows| rows.session(id)).expect("read"), Some(plain.clone()));
    assert_eq!(store.read(|rows| rows.summary(id)).expect("read"), Some(plain.summary()));
}

#[tokio::test]
async fn every_word_that_a_row_may_hold_is_read_back() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let id = put(&store, lane, "film").await.expect("written");
    for (at, reason) in Reason::ALL.iter().enumerate() {
        let mut session = full(id, lane);
        session.content_id = "film".to_owned();
        session.standing.reason = Some(*reason);
        session.standing.delay = Some(*reason);
        session.standing.state = State::ALL[at % State::ALL.len()];
        let pending = session.pending.as_mut().expect("a full session has one");
        pending.delay = Some(*reason);
        pending.stage = Stage::ALL[at % Stage::ALL.len()];
        let expected = session.clone();
        store.write(move |tx| tx.save_session(&session)).await.expect("saved");
        assert_eq!(store.read(|rows| rows.session(id)).expect("read"), Some(expected));
    }
}

#[tokio::test]
async fn a_word_that_nobody_knows_is_a_damaged_database_not_a_guess() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    put(&store, lane, "film").await.expect("written");
    store.close();
    let file = directory.path().join(crate::store::directory::DATABASE_FILE);
    let other = rusqlite::Connection::open(file).expect("a database");
    let trigger = "DROP TRIGGER session_updated";
    other.execute_batch(trigger).expect("the checksum stays as it is");
    other.execute("UPDATE session SET state = 'splendid'", []).expect("damaged");
    other.close().expect("closed");
    let store = open(directory.path()).expect("a store");
    assert!(store.read(|rows| rows.all_sessions()).expect("what is left is read").is_empty());
}

#[tokio::test]
async fn a_lane_with_every_field_set_is_read_as_it_was_saved() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let id = stored_lane(&store).await;
    let full = Lane {
        id,
        generation: 5,
        binding: Binding {
            electron: "35.1.4+wvcus".to_owned(),
            chromium: "134.0.6998.179".to_owned(),
            cdm: Some("4.10.2891.0".to_owned()),
            os_name: Some("Windows".to_owned()),
            arch: Some("arm64".to_owned()),
            profile: Some("profile".to_owned()),
            machine_hash: Some("hash".to_owned()),
        },
        binding_launch: 6,
        witness: Some("witness".to_owned()),
        witness_found: true,
        writing: true,
        capability: Some(Capability::Unavailable),
        capability_launch: Some(7),
        ..lane()
    };
    let saved = full.clone();
    store.write(move |tx| tx.save_lane(&saved)).await.expect("saved");
    let key = LaneKey { ..lane().key };
    assert_eq!(store.read(|rows| rows.lane(id)).expect("read"), Some(full.clone()));
    assert_eq!(store.read(|rows| rows.lane_by_key(&key)).expect("read"), Some(full.clone()));
    assert_eq!(store.read(|rows| rows.lanes()).expect("read"), vec![full]);
    let twice = store.write(|tx| tx.insert_lane(&lane())).await;
    assert_eq!(twice.map_err(|error| error.code()), Err("ERR_CORRUPT_DATABASE"), "one lane per key");
}

#[tokio::test]
async fn debts_and_launches_are_read_as_they_were_saved() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let owed = full(0, lane);
    store.write(move |tx| tx.owe(&owed, "old", Some(3))).await.expect("owed");
    let debts = store.read(|rows| rows.debts()).expect("read");
    let [debt] = &debts[..] else {
        assert_eq!(debts.len(), 1);
        return;
    };
    let source = full(0, lane);
    assert_eq!((debt.lane, debt.session_id.as_str()), (lane, "old"));
    assert_eq!((&debt.capabilities, &debt.init_data_type), (&source.capabilities, &source.init_data_type));
    assert_eq!((&debt.key_ids, debt.attempts, debt.next_attempt_at_ms), (&source.key_ids, 0, None));
    let mut failed = debt.clone();
    failed.attempts = 3;
    failed.next_attempt_at_ms = Some(99);
    let expected = failed.clone();
    let again = full(0, lane);
    let saved = store.write(move |tx| {
        tx.save_debt(&failed)?;
        tx.owe(&again, "old", None)
    });
    saved.await.expect("saved");
    assert_eq!(
        store.read(|rows| rows.debts()).expect("read"),
        vec![expected],
        "owed once, and what is owed already stays as it is"
    );

    let platform: Snapshot = serde_json::from_value(serde_json::json!({
        "app": "1", "electron": "2", "chromium": "3", "node": "4", "cdms": [{ "keySystem": "k", "version": null }],
        "osName": "5", "osVersion": "6", "arch": "7", "profile": "8", "machineHash": "9",
    }))
    .expect("a snapshot");
    let change = PlatformChange {
        component: "cdm".to_owned(),
        key_system: Some("k".to_owned()),
        from: Some("a".to_owned()),
        to: Some("b".to_owned()),
        kind: ChangeKind::Change,
    };
    let (saved, changes) = (platform.clone(), vec![change.clone()]);
    let id = store.write(move |tx| tx.insert_launch(42, &saved, &changes)).await.expect("written");
    let launches = store.read(|rows| rows.launches(10)).expect("read");
    assert_eq!(launches.len(), 1);
    assert_eq!((launches[0].launch_id, launches[0].at_ms), (id, 42));
    assert_eq!((&launches[0].platform, &launches[0].changes), (&platform, &vec![change]));
}

#[tokio::test]
async fn an_id_that_a_row_gave_up_is_remembered_and_goes_with_the_row() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let id = put(&store, lane, "film").await.expect("written");
    let first = session(lane, "film").session_id;
    let had = |session_id: String| store.read(move |rows| rows.had_id(id, &session_id)).expect("read");
    assert!(!had(first.clone()), "it has it still");
    let renamed = store.write(move |tx| {
        let mut session = tx.session(id)?.ok_or(Error::NotFound)?;
        session.session_id = "new".to_owned();
        tx.save_session(&session)
    });
    renamed.await.expect("saved");
    assert!(had(first.clone()));
    assert!(!had("new".to_owned()));
    store.write(move |tx| tx.delete_session(id)).await.expect("deleted");
    assert!(!had(first));
}

#[tokio::test]
async fn a_removed_rows_number_is_never_given_again() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let first = put(&store, lane, "a").await.expect("written");
    store.write(move |tx| tx.delete_session(first)).await.expect("deleted");
    let second = put(&store, lane, "b").await.expect("written");
    assert!(second > first);
}

#[tokio::test]
async fn all_summaries_are_read_in_chunks_until_the_store_is_closed() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let many = store.write(move |tx| {
        for _ in 0..2_001 {
            tx.insert_session(&session(lane, "film"))?;
        }
        Ok(())
    });
    many.await.expect("written");
    let mut chunks = Vec::new();
    let all = store.read_all_summaries(|chunk| chunks.push(chunk.len()));
    assert_eq!((all, chunks), (Ok(()), vec![2_000, 1]));
    store.close();
    let mut calls = 0;
    let closed = store.read_all_summaries(|_| calls += 1);
    assert_eq!((closed, calls), (Err(Error::Closed), 0));
}

#[tokio::test]
async fn damage_that_a_read_meets_is_said_not_passed_over() {
    let directory = directory();
    let store = open(directory.path()).expect("a store");
    let lane = stored_lane(&store).await;
    let job = move |tx: &mut crate::store::Tx<'_>| {
        let session = Session { pending: None, ..full(0, lane) };
        let id = tx.insert_session(&session)?;
        tx.index_keys(id, &session.key_ids)?;
        tx.owe(&Session { init_data_type: None, ..session }, "old", None)?;
        Ok(id)
    };
    let id = store.write(job).await.expect("written");
    type Read<'a> = Box<dyn Fn(&crate::store::Rows<'_>) -> crate::error::Result<usize> + 'a>;
    let reads: [(&str, Read<'_>); 4] = [
        ("session_key", Box::new(|rows| rows.sessions_with_key(KeyId([1; 16])).map(|found| found.len()))),
        ("debt", Box::new(|rows| rows.lane_configurations(lane).map(|found| found.len() - 1))),
        ("session", Box::new(|rows| rows.lane_configurations(lane).map(|found| found.len() - 1))),
        ("session", Box::new(|rows| rows.past_ids(id).map(|found| found.len() + 1))),
    ];
    let other = rusqlite::Connection::open(directory.path().join(crate::store::directory::DATABASE_FILE));
    let other = other.expect("a database");
    for (table, read) in reads {
        assert_eq!(store.read(&read), Ok(1), "{table}");
        let change = |by: &str| other.execute(&format!("UPDATE {table} SET checksum = checksum {by} 1"), []);
        change("+").expect("damaged");
        assert!(matches!(store.read(&read), Err(Error::CorruptDatabase(_))), "{table}");
        change("-").expect("mended");
    }
}
