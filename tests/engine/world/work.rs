//! Serves what is handed out, and tells the model what was answered.

use electron_offline_sessions::engine::{PhaseOrder, Poll, TaskOrder};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Checked, Row, World};
use crate::app::{content_of, id_of, licensed};
use crate::cdm::{key_of, loaded};

/// `backoffMaxMs` by default, whatever the clock was when something was put off.
const LONGEST_WAIT: i64 = 6 * 3_600_000;

impl World {
    pub(super) async fn serve(&mut self, fates: &[u8]) -> Checked {
        let Poll { phases, next_poll_at, .. } = self.app.poll().await;
        let wait = next_poll_at.map_or(0, |at| at - self.app.now());
        prop_assert!(wait <= LONGEST_WAIT, "nothing is done for {wait} ms");
        prop_assert!(phases.len() <= 1, "one phase at a time in a lane");
        for order in phases {
            prop_assert!(!self.unsupported || order.phase == "probe", "{} in an unsupported lane", order.phase);
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
                let found_bad = row.bad.get(id).is_some_and(|when| when.is_none_or(|epoch| epoch == self.epoch));
                prop_assert!(!good || found_bad, "{content} is paid for again though session {id} is good");
            }
        }
        Ok(())
    }

    pub(super) fn row_of(&self, content: &str) -> Option<i64> {
        self.rows.iter().find(|(_, row)| row.content == content).map(|(id, _)| *id)
    }

    async fn run_task(&mut self, order: &PhaseOrder, task: &TaskOrder, fate: u8, proof: (u32, u32)) -> Checked {
        let content = content_of(task);
        match order.phase {
            "probe" => self.probe(task).await,
            "check" | "verify" => {
                let outcome = self.cdm_answer(&content, &id_of(task), fate);
                self.tell(task, &outcome).await;
                if let Some(row) = self.row_of(&content) {
                    if order.phase == "check" {
                        self.was_checked(row, &outcome, proof);
                    } else {
                        self.was_verified(row, &outcome, proof);
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
        let done = self.app.report(task, outcome.clone()).await.expect("a readable outcome");
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

    fn was_checked(&mut self, row: i64, outcome: &Value, proof: (u32, u32)) {
        let (run, now) = (self.run, self.app.now());
        let Some(known) = self.rows.get(&row) else { return };
        if meaning(&known.content, outcome) == "loaded" {
            let id = known.id.clone();
            self.claim(row, &id);
        }
        let Some(row) = self.rows.get_mut(&row) else { return };
        let answer = meaning(&row.content, outcome);
        let alone = row.absent_once;
        row.absent_once = row.active && answer == "absent" && !alone;
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

    fn was_verified(&mut self, row: i64, outcome: &Value, proof: (u32, u32)) {
        let Some(row) = self.rows.get_mut(&row) else { return };
        let answer = meaning(&row.content, outcome);
        let alone = row.absent_once;
        row.absent_once = ["absent", "failed"].contains(&answer) && !alone;
        match answer {
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
