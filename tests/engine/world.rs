//! A random life of an app, and a model of what may be believed in it. The model knows what was put, what the CDM was
//! asked and what it answered; it never looks at the engine's own fields.

use std::collections::{BTreeMap, HashMap};

use electron_offline_sessions::engine::{PhaseOrder, TaskOrder};
use electron_offline_sessions::model::Connectivity;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::app::{App, KEY_SYSTEM, content_of, id_of, input, licensed, proven};
use crate::cdm::{key_of, loaded};

pub const CONTENTS: [&str; 4] = ["a", "b", "c", "d"];

/// What happens next. `usize`s choose among what is there.
#[derive(Debug, Clone)]
pub enum Op {
    Put {
        content: usize,
        proven: bool,
    },
    Remove(usize),
    /// The CDM loses one session, keeps it without its keys, or loses all.
    Lose(usize),
    Hollow(usize),
    Invalidate,
    /// The origin's storage goes while the app is not running.
    Wipe,
    Reopen,
    Update,
    /// An update, and back in the CDM is what it had at the last `Keep`.
    Rollback,
    Keep,
    Crash,
    CdmVersion(Option<u8>),
    Capability(&'static str),
    Connect(Connectivity),
    Want(usize),
    NewRun,
    Wait(i64),
    /// One poll; the tasks' fates, 0 being honest and well.
    Serve(Vec<u8>),
}

pub fn op(lies: bool) -> impl Strategy<Value = Op> {
    let index = 0..CONTENTS.len();
    let fates = prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => any::<u8>()], 1..8);
    let capability = prop_oneof![4 => Just("supported"), 1 => Just("unsupported"), 1 => Just("unavailable")];
    let connectivity = prop::sample::select(Connectivity::ALL);
    let honest = prop_oneof![
        3 => (index.clone(), prop::bool::weighted(0.8)).prop_map(|(content, proven)| Op::Put { content, proven }),
        1 => index.clone().prop_map(Op::Remove),
        2 => index.clone().prop_map(Op::Lose),
        1 => index.clone().prop_map(Op::Hollow),
        1 => Just(Op::Invalidate),
        1 => Just(Op::Wipe),
        1 => Just(Op::Reopen),
        3 => Just(Op::Update),
        1 => Just(Op::Crash),
        1 => index.prop_map(Op::Want),
        1 => Just(Op::NewRun),
        2 => prop_oneof![Just(5_000_i64), Just(60_000), Just(86_400_000)].prop_map(Op::Wait),
        18 => fates.prop_map(Op::Serve),
    ];
    if !lies {
        return honest.boxed();
    }
    let wild = prop_oneof![
        1 => Just(Op::Rollback),
        1 => Just(Op::Keep),
        2 => prop::option::of(0..3_u8).prop_map(Op::CdmVersion),
        1 => capability.prop_map(Op::Capability),
        1 => connectivity.prop_map(Op::Connect),
    ];
    prop_oneof![5 => honest, 1 => wild].boxed()
}

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
        self.app
            .engine
            .remove_content(content.to_owned())
            .await
            .expect("an open store");
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
        let electron = self.app.platform["electron"].clone();
        let cdm_changed = self.cdm_version.is_some() && self.cdm_version != self.seen.0;
        self.epoch += u32::from(cdm_changed || electron != self.seen.1);
        self.seen = (self.cdm_version.or(self.seen.0), electron);
    }

    // Work.

    async fn serve(&mut self, fates: &[u8]) -> Checked {
        let phases = self.app.poll().await.phases;
        prop_assert!(phases.len() <= 1, "one phase at a time in a lane");
        for order in phases {
            prop_assert!(
                !self.unsupported || order.phase == "probe",
                "{} in an unsupported lane",
                order.phase
            );
            self.may_go_out(&order)?;
            let proof = (self.epoch, self.launch);
            let mut fates = fates.iter().cycle();
            for task in &order.tasks {
                let fate = *fates.next().unwrap_or(&0);
                // The driver's window dies with the rest of the phase.
                if fate == 255 {
                    break;
                }
                self.run_task(&order, task, fate, proof).await?;
                self.check_verdicts()?;
            }
            self.app.end(&order);
        }
        Ok(())
    }

    fn may_go_out(&self, order: &PhaseOrder) -> Checked {
        for task in &order.tasks {
            let (content, id) = (content_of(task), id_of(task));
            if order.phase == "release" {
                // A row that is lost may still name an id that is somebody else's by now.
                let live = |row: &Row| row.active && row.id == id || row.pending.as_deref() == Some(&id);
                let held = self.rows.values().any(live);
                prop_assert!(!held, "session {id} is released while a live row holds it");
            }
            if order.phase != "license" {
                continue;
            }
            let row = self.row_of(&content).map(|id| &self.rows[&id]);
            let Some(row) = row else { continue };
            for id in [Some(&row.id), row.pending.as_ref()].into_iter().flatten() {
                let good = self.app.cdm.sessions.get(id) == Some(&vec![key_of(&content)]);
                let found_bad = row
                    .bad
                    .get(id)
                    .is_some_and(|when| when.is_none_or(|epoch| epoch == self.epoch));
                prop_assert!(
                    !good || found_bad,
                    "{content} is paid for again though session {id} is good"
                );
            }
        }
        Ok(())
    }

    fn row_of(&self, content: &str) -> Option<i64> {
        self.rows
            .iter()
            .find(|(_, row)| row.content == content)
            .map(|(id, _)| *id)
    }

    async fn run_task(&mut self, order: &PhaseOrder, task: &TaskOrder, fate: u8, proof: (u32, u32)) -> Checked {
        let content = content_of(task);
        match order.phase {
            "probe" => self.probe(task).await,
            "check" | "verify" => {
                let outcome = self.cdm_answer(&content, &id_of(task), fate);
                self.tell(task, &outcome).await;
                if let Some(row) = self.row_of(&content) {
                    let alone = order.tasks.len() == 1;
                    if order.phase == "check" {
                        self.was_checked(row, &outcome, alone, proof);
                    } else {
                        self.was_verified(row, &outcome, alone, proof);
                    }
                }
            }
            "license" => self.license(task, &content, fate).await,
            "adopt" => self.adopt(task, &content, fate).await,
            _ => {
                let failed = fate % 4 == 1;
                if !failed {
                    self.app.cdm.lose(&id_of(task));
                }
                let kind = if failed { "failed" } else { "released" };
                self.tell(task, &json!({ "kind": kind, "message": "" })).await;
            }
        }
        Ok(())
    }

    async fn tell(&mut self, task: &TaskOrder, outcome: &Value) {
        let done = self
            .app
            .report(task, outcome.clone())
            .await
            .expect("a readable outcome");
        if let Some(witness) = done.plant_witness {
            self.witness = Some(witness.clone());
            self.app.cdm.witness = Some(witness);
        }
    }

    async fn probe(&mut self, task: &TaskOrder) {
        let cdm = &self.app.cdm;
        let outcome = json!({ "persistentLicense": cdm.capability, "witness": cdm.witness });
        if cdm.capability == "supported" && self.witness.is_some() && self.witness != cdm.witness {
            self.epoch += 1;
        }
        self.unsupported = cdm.capability == "unsupported";
        self.tell(task, &outcome).await;
    }

    /// What the CDM says of a session; with lies, anything.
    fn cdm_answer(&self, content: &str, id: &str, fate: u8) -> Value {
        let honest = self.app.cdm.check(id);
        let status =
            |status: &str| json!({ "kind": "loaded", "keyStatuses": { key_of(content): status }, "expiration": null });
        let rejected = |code: u8| json!({ "kind": "rejected", "name": "X", "message": "", "systemCode": code });
        match fate % 16 {
            1 => json!({ "kind": "timeout" }),
            2 => rejected(70),
            3 => status("status-pending"),
            4 if self.lies => json!({ "kind": "gone" }),
            5 if self.lies => rejected(72),
            6 if self.lies => rejected(75),
            7 if self.lies => status("expired"),
            8 if self.lies => status("released"),
            9 if self.lies => loaded(&[key_of("foreign")]),
            _ => honest,
        }
    }

    fn was_checked(&mut self, row: i64, outcome: &Value, alone: bool, proof: (u32, u32)) {
        let (run, now) = (self.run, self.app.now());
        let Some(row) = self.rows.get_mut(&row) else { return };
        let answer = meaning(&row.content, outcome);
        let lost = match answer {
            "loaded" => {
                row.active = true;
                row.proven = Some(proof);
                row.strike = None;
                return;
            }
            "failed" if row.active => match row.strike {
                Some((struck, at)) => struck != run && now - at >= 60_000,
                None => {
                    row.strike = Some((run, now));
                    false
                }
            },
            // Anything but loaded confirms what is known to be broken.
            _ if !row.active => true,
            "absent" => alone,
            word => word == "expired" || word == "released",
        };
        if lost {
            row.bad.insert(row.id.clone(), (answer != "expired").then_some(proof.0));
            row.active = false;
            row.proven = None;
            row.strike = None;
        }
    }

    fn was_verified(&mut self, row: i64, outcome: &Value, alone: bool, proof: (u32, u32)) {
        let Some(row) = self.rows.get_mut(&row) else { return };
        match meaning(&row.content, outcome) {
            "loaded" => row.pending_proven = Some(proof),
            "absent" | "failed" if !alone => {}
            "later" => {}
            _ => {
                if let Some(id) = row.pending.take() {
                    row.bad.insert(id, None);
                }
            }
        }
    }

    async fn license(&mut self, task: &TaskOrder, content: &str, fate: u8) {
        let created = self.app.cdm.create(&[]);
        if self.app.journal(task, &created).await.is_err() {
            self.app.cdm.lose(&created);
            return;
        }
        let row = self.row_of(content).expect("the engine journals for live rows only");
        self.claim(row, &created);
        if let Some(row) = self.rows.get_mut(&row) {
            row.bad.remove(&created);
            row.pending = Some(created.clone());
            row.pending_proven = None;
        }
        let arrived = vec![key_of(content)];
        let refused = |reason: &str| json!({ "kind": "refused", "status": 403, "reason": reason });
        let outcome = match fate % 16 {
            // A time-out, and an app that is killed: the licence may have come or not.
            1 => json!({ "kind": "timeout" }),
            2 | 3 => {
                self.app.cdm.sessions.insert(created, arrived);
                if fate % 16 == 2 {
                    self.tell(task, &json!({ "kind": "timeout" })).await;
                }
                return;
            }
            4 => return,
            5 => json!({ "kind": "unreachable" }),
            6 => json!({ "kind": "throttled", "status": 429, "retryAfterMs": 60_000 }),
            7 => refused("geo"),
            8 => refused("auth"),
            9 => json!({ "kind": "rejected", "name": "TypeError", "message": "", "systemCode": null }),
            10 => {
                self.app.cdm.sessions.insert(created.clone(), vec![key_of("foreign")]);
                licensed(&created)
            }
            _ => {
                self.app.cdm.sessions.insert(created.clone(), arrived);
                licensed(&created)
            }
        };
        let failed = !["licensed", "timeout"].contains(&outcome["kind"].as_str().unwrap_or_default());
        if failed {
            self.app.cdm.lose(&created);
            if let Some(row) = self.rows.get_mut(&row) {
                row.pending = None;
            }
        }
        self.tell(task, &outcome).await;
    }

    async fn adopt(&mut self, task: &TaskOrder, content: &str, fate: u8) {
        let outcome = match fate % 8 {
            1 => "open-in-player",
            2 => "catalogue-changed",
            3 => "content-gone",
            _ => "adopted",
        };
        self.tell(task, &json!(outcome)).await;
        let Some(id) = self.row_of(content) else { return };
        if outcome == "content-gone" {
            self.rows.remove(&id);
        } else if let (Some(row), "adopted") = (self.rows.get_mut(&id), outcome) {
            let new = task.new_session_id.clone().expect("an adoption has a new id");
            row.id = new;
            row.pending = None;
            row.active = true;
            row.strike = None;
            row.proven = row.pending_proven.take();
        }
    }

    // What must hold.

    async fn check_rows(&self) -> Checked {
        let stored: Vec<(i64, String)> = self
            .app
            .list()
            .await
            .into_iter()
            .map(|row| (row.id, row.content_id))
            .collect();
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
            prop_assert!(
                in_launch || self.cdm_version.is_some(),
                "{content} is offline on a CDM that nobody saw"
            );
        }
        Ok(())
    }
}

/// What an answer means for a content, in the words of the state table.
fn meaning(content: &str, outcome: &Value) -> &'static str {
    match (outcome["kind"].as_str(), outcome["systemCode"].as_i64()) {
        (Some("gone" | "hollow"), _) | (Some("rejected"), Some(75)) => "absent",
        (Some("timeout"), _) | (Some("rejected"), Some(70)) => "later",
        (Some("rejected"), _) => "failed",
        _ => match outcome["keyStatuses"][key_of(content)].as_str() {
            Some("usable") => "loaded",
            Some("expired") => "expired",
            Some("released") => "released",
            Some(_) => "later",
            None => "absent",
        },
    }
}

fn cdms(version: Option<u8>) -> Value {
    let version = version.map(|version| format!("4.10.{version}.0"));
    json!([{ "keySystem": KEY_SYSTEM, "version": version }])
}
