//! A random life of an app, and a model of what may be believed in it. The model knows what was put, what the CDM was
//! asked and what it answered; it never looks at the engine's own fields.

mod op;
mod work;

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde_json::{Value, json};

pub use op::{Op, op};

use crate::app::{App, KEY_SYSTEM, input, proven};
use crate::cdm::key_of;

pub const CONTENTS: [&str; 4] = ["a", "b", "c", "d"];

/// What the model believes of a stored row.
#[derive(Debug, Clone, Default)]
struct Row {
    content: String,
    id: String,
    active: bool,
    /// The epoch and the launch in which the CDM showed its keys.
    proven: Option<(u32, u32)>,
    pending: Option<String>,
    pending_proven: Option<(u32, u32)>,
    strike: Option<(u32, i64)>,
    /// Seen absent once in this launch: the next check is the lone one.
    absent_once: bool,
    /// Ids under which it was found bad, and when; `None`: whatever comes.
    bad: HashMap<String, Option<u32>>,
}

pub struct World {
    pub app: App,
    lies: bool,
    rows: BTreeMap<i64, Row>,
    /// Counts what would make a licence suspect: changes of the binding, wipes, ids given twice.
    epoch: u32,
    launch: u32,
    run: u32,
    cdm_version: Option<u8>,
    /// The CDM and Electron that were last seen.
    seen: (Option<u8>, Value),
    witness: Option<String>,
    unsupported: bool,
    kept: BTreeMap<String, Vec<String>>,
}

type Checked = Result<(), TestCaseError>;

impl World {
    /// With one content, so that the lane is there.
    pub async fn new(lies: bool) -> Self {
        let app = App::new().await;
        let mut world = Self {
            seen: (Some(0), app.platform["electron"].clone()),
            app,
            lies,
            rows: BTreeMap::new(),
            epoch: 0,
            launch: 0,
            run: 0,
            cdm_version: Some(0),
            witness: None,
            unsupported: false,
            kept: BTreeMap::new(),
        };
        world.app.platform["cdms"] = cdms(Some(0));
        world.app.reopen().await;
        world.put(0, true).await;
        world
    }

    pub async fn act(&mut self, op: &Op) -> Checked {
        match op {
            Op::Put { content, proven } => self.put(*content, *proven || !self.lies).await,
            Op::Remove(content) => self.remove(CONTENTS[*content]).await,
            Op::Lose(which) => {
                if let Some(id) = self.nth_session(*which) {
                    self.app.cdm.lose(&id);
                }
            }
            Op::Hollow(which) => {
                if let Some(id) = self.nth_session(*which) {
                    self.app.cdm.sessions.insert(id, Vec::new());
                }
            }
            Op::Invalidate => self.app.cdm.invalidate(),
            Op::Wipe => {
                self.app.cdm.wipe();
                self.reopen(false).await;
                self.serve(&[0]).await?;
                // A lane with nothing in it is not probed; what it will hold is then younger than the wipe.
                self.app.cdm.witness = self.witness.clone();
            }
            Op::Keep => self.kept = self.app.cdm.sessions.clone(),
            Op::Reopen => self.reopen(false).await,
            Op::Crash => self.reopen(true).await,
            Op::Update | Op::Rollback => {
                if let Op::Rollback = op {
                    self.app.cdm.sessions = self.kept.clone();
                }
                let next = format!("{}.0.0", 30 + self.launch);
                self.app.platform["electron"] = next.into();
                self.reopen(false).await;
            }
            Op::CdmVersion(version) => {
                self.cdm_version = *version;
                self.app.platform["cdms"] = cdms(*version);
                self.reopen(false).await;
            }
            Op::Capability(answer) => self.app.cdm.capability = answer,
            Op::Connect(connectivity) => self.app.connect(*connectivity),
            Op::Want(content) => {
                let wanted = self.app.engine.want(CONTENTS[*content].to_owned()).await;
                wanted.expect("an open store");
            }
            Op::NewRun => {
                self.run += 1;
                self.app.engine.begin_run();
            }
            Op::Wait(ms) => self.app.wait(*ms),
            Op::Serve(fates) => self.serve(fates).await?,
        }
        self.check_rows().await?;
        self.check_verdicts()
    }

    fn nth_session(&self, which: usize) -> Option<String> {
        let sessions = &self.app.cdm.sessions;
        sessions.keys().nth(which % sessions.len().max(1)).cloned()
    }

    async fn put(&mut self, content: usize, is_proven: bool) {
        let content = CONTENTS[content];
        let created = self.app.cdm.create(&[key_of(content)]);
        let plain = input(content, &created);
        let given = if is_proven { proven(plain) } else { plain };
        let stored = self.app.try_put(vec![given], true).await.expect("good input").remove(0);
        let mut row = self.rows.get(&stored.id).cloned().unwrap_or_default();
        if is_proven {
            self.claim(stored.id, &created);
            row.active = true;
            row.strike = None;
            row.proven = Some((self.epoch, self.launch));
        } else if row.content.is_empty() {
            row.active = true;
        }
        row.content = content.to_owned();
        row.id = stored.session_id;
        self.rows.retain(|id, row| *id == stored.id || row.content != content);
        self.rows.insert(stored.id, row);
    }

    pub async fn remove(&mut self, content: &str) {
        self.app.engine.remove_content(content.to_owned()).await.expect("an open store");
        self.rows.retain(|_, row| row.content != content);
    }

    /// The CDM gave this id to `claimant`: whoever else stood under it is lost.
    fn claim(&mut self, claimant: i64, session_id: &str) {
        let epoch = self.epoch;
        let mut wiped = false;
        for (_, row) in self.rows.iter_mut().filter(|(id, _)| **id != claimant) {
            if row.pending.as_deref() == Some(session_id) {
                row.pending = None;
            }
            if row.id == session_id {
                wiped |= row.active && row.proven.is_some_and(|(proven_in, _)| proven_in == epoch);
                row.active = false;
                row.proven = None;
            }
        }
        self.epoch += u32::from(wiped);
    }

    async fn reopen(&mut self, killed: bool) {
        if killed {
            self.app.crash().await;
        } else {
            self.app.reopen().await;
        }
        self.launch += 1;
        self.run += 1;
        self.unsupported = false;
        for row in self.rows.values_mut() {
            row.absent_once = false;
        }
        let electron = self.app.platform["electron"].clone();
        let cdm_changed = self.cdm_version.is_some() && self.cdm_version != self.seen.0;
        self.epoch += u32::from(cdm_changed || electron != self.seen.1);
        self.seen = (self.cdm_version.or(self.seen.0), electron);
    }

    // What must hold.

    async fn check_rows(&self) -> Checked {
        let stored: Vec<(i64, String)> =
            self.app.list().await.into_iter().map(|row| (row.id, row.content_id)).collect();
        let expected: Vec<(i64, String)> = self.rows.iter().map(|(id, row)| (*id, row.content.clone())).collect();
        prop_assert_eq!(stored, expected, "no session disappears but by removal");
        Ok(())
    }

    fn check_verdicts(&self) -> Checked {
        for content in CONTENTS {
            if self.app.playable(content) != "offline" {
                continue;
            }
            let row = self.row_of(content).map(|id| &self.rows[&id]);
            let proven = row.and_then(|row| row.proven);
            let in_epoch = proven.is_some_and(|(epoch, _)| epoch == self.epoch);
            prop_assert!(in_epoch, "{content} is offline in epoch {} with {row:?}", self.epoch);
            let in_launch = proven.is_some_and(|(_, launch)| launch == self.launch);
            prop_assert!(in_launch || self.cdm_version.is_some(), "{content} is offline on a CDM that nobody saw");
        }
        Ok(())
    }
}

fn cdms(version: Option<u8>) -> Value {
    let version = version.map(|version| format!("4.10.{version}.0"));
    json!([{ "keySystem": KEY_SYSTEM, "version": version }])
}
