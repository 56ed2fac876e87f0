//! Outcomes come in: journalled or recorded on the writer thread, and only then believed in memory.

use std::sync::Arc;

use super::Engine;
use super::debts::{claim_id, owe};
use super::memory::Memory;
use super::record::{Effects, Ground, Outcome, read_outcome, record};
use super::task::TaskKind;
use super::wire::{Completed, TaskId};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::{LaneId, LicenseOutcome, Pending, Policy, Refusal, Server, StoredSession, session_id};
use crate::plan::{self, Answer};
use crate::store::Tx;

impl Engine {
    /// Writes down the id of a session that the CDM has just created for a License task, before its licence is asked
    /// for. Gives the rows that this proves lost. Fails with `ERR_NOT_FOUND` when the row is gone: the driver then removes the
    /// session again.
    pub async fn journal(&self, task_id: TaskId, created: String) -> Result<Vec<StoredSession>> {
        let created = session_id(created)?;
        let ground = self.ground(task_id).ok_or(Error::NotFound)?;
        let TaskKind::License { row, request_id, .. } = ground.task.kind.clone() else {
            return Err(Error::invalid("taskId", "only a licence creates a session"));
        };
        let (server, budget) = {
            let mut memory = self.memory();
            let gate = Arc::make_mut(&mut memory.gate);
            gate.budget = gate.budget.spend(ground.now);
            let budget = gate.budget;
            (memory.server(row, &ground.policy, ground.now).cloned(), budget)
        };
        let job = move |tx: &mut Tx<'_>| {
            let Some(mut session) = tx.session(row)? else {
                return Err(Error::NotFound);
            };
            server.iter().try_for_each(|server| tx.save_server(server))?;
            tx.save_budget(budget.hour, budget.requests)?;
            let today = plan::day_of(ground.now);
            let before = if session.requests.0 == today { session.requests.1 } else { 0 };
            session.requests = (today, before.saturating_add(1));
            let changed = claim_id(tx, Some(row), session.lane, &created, ground.context())?;
            session.request_id = Some(request_id);
            if let Some(earlier) = session.pending.replace(Pending::journalled(created, ground.task.generation)) {
                tx.save_session(&session)?;
                owe(tx, &session, &earlier.session_id)?;
            }
            tx.save_session(&session)?;
            Ok(changed)
        };
        let lost = self.store.write(job).await?;
        self.memory().counters.lost += u64::try_from(lost.len()).unwrap_or(0);
        Ok(self.view(lost.into_iter()))
    }

    /// Records what a driver reports of a task; resolves when it is durable. An outcome for a task that is unknown,
    /// done or taken back changes nothing (`stale`). One that cannot be read fails with `ERR_INVALID_ARGUMENT` and
    /// leaves the task out.
    pub async fn complete(&self, task_id: TaskId, outcome: &str) -> Result<Completed> {
        let Some(ground) = self.ground(task_id) else {
            return Ok(Completed { stale: true, ..Completed::default() });
        };
        let told = outcome;
        let outcome = read_outcome(&ground.task.kind, told).map_err(|error| error.within("outcome"))?;
        log(&ground, told, &outcome);
        if !self.take(task_id) {
            return Ok(Completed { stale: true, ..Completed::default() });
        }
        let lane = ground.task.lane;
        let now = ground.now;
        let policy = Arc::clone(&ground.policy);
        let server = self.answered(task_id, &ground, &outcome);
        let job = move |tx: &mut Tx<'_>| {
            server.iter().try_for_each(|server| tx.save_server(server))?;
            record(tx, &ground, outcome)
        };
        let recorded = self.store.write(job).await;
        let mut memory = self.memory();
        if let (Err(Error::InvalidArgument { .. }), Some(task)) = (&recorded, memory.tasks.get_mut(&task_id)) {
            task.completing = false;
        } else {
            memory.tasks.remove(&task_id);
        }
        let effects = recorded?;
        settle(&mut memory, (task_id, lane), &effects, &policy, now);
        let settled = effects.changed.iter().filter(|session| !memory.has_work(session.id, &policy, now)).count();
        let counters = memory.counters;
        drop(memory);
        Ok(Completed {
            stale: false,
            plant_witness: effects.plant_witness,
            changed: self.view(effects.changed.into_iter()),
            settled,
            counters,
        })
    }

    /// What an outcome says of the licence server.
    fn answered(&self, task: TaskId, ground: &Ground, outcome: &Outcome) -> Option<Server> {
        let (TaskKind::License { row, .. }, Outcome::License(outcome)) = (&ground.task.kind, outcome) else {
            return None;
        };
        let answer = match outcome {
            LicenseOutcome::Throttled { retry_after_ms } => Answer::Throttled { retry_after_ms: *retry_after_ms },
            LicenseOutcome::Unreachable | LicenseOutcome::ServerError | LicenseOutcome::Timeout => Answer::Failed,
            LicenseOutcome::Licensed { .. } | LicenseOutcome::Refused { .. } | LicenseOutcome::Rejected(_) => {
                Answer::Answered
            }
        };
        let mut memory = self.memory();
        let account = memory.sessions.get(row).and_then(|session| session.account.clone());
        // The others of this account would hear the same.
        match outcome {
            LicenseOutcome::Refused { reason: Refusal::Auth } if memory.is_of_account(task) => {
                Arc::make_mut(&mut memory.gate).unauthorized.insert(account);
            }
            LicenseOutcome::Licensed { .. } => {
                Arc::make_mut(&mut memory.gate).unauthorized.remove(&account);
            }
            _ => {}
        }
        let server = memory.server(*row, &ground.policy, ground.now)?;
        server.answered(answer, ground.now, &ground.policy, ground.chance);
        let server = server.clone();
        if let (Answer::Throttled { .. }, Some(spread)) = (answer, &mut Arc::make_mut(&mut memory.gate).spread) {
            // Others like this install are too many at once.
            let until_ms = ground.now + 2 * plan::spread_delay_ms(&ground.policy, ground.chance);
            spread.during.end = spread.during.end.max(until_ms);
        }
        Some(server)
    }

    fn ground(&self, task_id: TaskId) -> Option<Ground> {
        let memory = self.memory();
        let task = memory.tasks.get(&task_id).filter(|task| !task.completing)?.clone();
        Some(Ground {
            task,
            launch: memory.launch,
            run: memory.run,
            now: self.clock.now_ms(),
            chance: self.clock.chance(),
            policy: self.policy(),
        })
    }

    /// False: somebody else completes it already.
    fn take(&self, task_id: TaskId) -> bool {
        let mut memory = self.memory();
        let task = memory.tasks.get_mut(&task_id).filter(|task| !task.completing);
        task.map(|task| task.completing = true).is_some()
    }
}

/// For whoever has nothing but the log. Texts are left out: what a server or a page says may hold a token.
fn log(ground: &Ground, told: &str, outcome: &Outcome) {
    let told: serde_json::Value = serde_json::from_str(told).unwrap_or_default();
    let kind = told["kind"].as_str().or(told.as_str()).unwrap_or_default();
    let (status, system_code) = (told["status"].as_u64(), told["systemCode"].as_i64());
    let reason = if let Outcome::License(LicenseOutcome::Refused { reason }) = outcome { Some(reason) } else { None };
    let (lane, row) = (ground.task.lane, ground.task.kind.row());
    tracing::debug!(lane, row, kind, status, system_code, ?reason, "outcome");
}

fn settle(memory: &mut Memory, (task, lane): (TaskId, LaneId), effects: &Effects, policy: &Policy, now: Millis) {
    memory.counters.add(effects.counters);
    if let Some(state) = memory.lanes.get_mut(&lane) {
        state.seen.add(state.lane.generation, effects.counters.proven, effects.counters.lost);
    }
    if let Some(row) = effects.recheck {
        memory.alone.entry(row).and_modify(|tried| *tried += 1).or_insert(0);
    } else {
        for session in &effects.changed {
            memory.alone.remove(&session.id);
        }
    }
    memory.repeated.extend(effects.repeat);
    if let Some(row) = effects.answered {
        memory.answered(row, task);
    }
    if let Some(capability) = effects.capability {
        memory.probed(lane, capability, now, policy);
    }
}
