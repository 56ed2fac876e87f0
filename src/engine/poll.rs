//! What may run now: one phase per lane, in batches, what somebody waits for first.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::Engine;
use super::memory::{LaneState, Memory, PhaseId, Task, TaskKind};
use super::view::{debt_session, driver_session};
use super::wire::{Configuration, PhaseOrder, Poll, TaskOrder};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::model::{
    Capability, Connectivity, DebtId, Generation, LaneId, LaneKey, Mode, Policy, Reason, RowId, Session, SessionSummary,
};
use crate::plan::{Due, LaneFacts, Scope, Urge, Work, due, is_trusted};
use crate::store::Rows;

/// What a lane does next, before its rows are read.
struct Choice {
    phase: PhaseId,
    lane: LaneId,
    key: LaneKey,
    generation: Generation,
    kind: PhaseKind,
}

enum PhaseKind {
    Probe,
    Sessions { work: Work, alone: bool, rows: Vec<RowId> },
    Release(Vec<DebtId>),
}

/// One session's claim to be worked on. Sorts most urgent first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    unclicked: bool,
    work: Work,
    alone: bool,
    last_played: Reverse<Option<Millis>>,
    /// Soonest to expire first; never is last.
    expiration: Millis,
    row: RowId,
}

impl Engine {
    /// Hands out what may run now and counts the rest. Answers at once: waiting is the host's.
    pub async fn poll(&self) -> Result<Poll> {
        self.wait_until_filled().await?;
        let now = self.clock.now_ms();
        let (mut poll, choices) = choose(&mut self.memory(), &self.policy, now);
        for choice in choices {
            let phase = choice.phase;
            match self.order(choice).await {
                Ok(Some(order)) => poll.phases.push(order),
                Ok(None) => self.end_phase(phase, None),
                Err(error) => {
                    for order in poll.phases {
                        self.end_phase(order.phase_id, None);
                    }
                    self.end_phase(phase, None);
                    return Err(error);
                }
            }
        }
        poll.running = self.memory().lanes.values().filter(|lane| lane.phase.is_some()).count();
        Ok(poll)
    }

    /// Ends a phase; its tasks that were not completed go back. `failure`: why it could not run, `no-driver` until the
    /// next `resume`, anything else for a while.
    pub fn end_phase(&self, phase: PhaseId, failure: Option<Reason>) {
        let now = self.clock.now_ms();
        let mut memory = self.memory();
        memory.tasks.retain(|_, task| task.phase != phase || task.completing);
        let Some(lane) = memory.lanes.values_mut().find(|lane| lane.phase == Some(phase)) else {
            return;
        };
        lane.phase = None;
        match failure {
            None if lane.deferred.is_none() => lane.attempts = 0,
            None => {}
            Some(Reason::NoDriver) => lane.deferred = failure,
            Some(_) => {
                lane.attempts += 1;
                lane.not_before_ms = self.policy.retry_at(now, lane.attempts, None);
            }
        }
    }

    /// A driver may be there now: lanes that were deferred for want of one are due again.
    pub fn resume(&self) {
        let mut memory = self.memory();
        for lane in memory
            .lanes
            .values_mut()
            .filter(|lane| lane.deferred == Some(Reason::NoDriver))
        {
            lane.deferred = None;
        }
    }

    /// Starts the next run: strikes are counted once in each.
    pub fn begin_run(&self) {
        self.memory().run += 1;
    }

    pub fn set_connectivity(&self, connectivity: Connectivity, changed_location: bool) {
        let mut memory = self.memory();
        memory.connectivity = connectivity;
        if changed_location {
            let geo_blocked = |session: &&SessionSummary| session.standing.reason == Some(Reason::Geo);
            let rows: Vec<RowId> = memory
                .sessions
                .values()
                .filter(geo_blocked)
                .map(|session| session.id)
                .collect();
            for row in rows {
                memory.urges.entry(row).or_insert(Urge::Retry);
            }
        }
    }

    /// Reads what a choice needs and hands its tasks out. `None`: nothing of it is left.
    async fn order(&self, choice: Choice) -> Result<Option<PhaseOrder>> {
        let policy = Arc::clone(&self.policy);
        let Choice {
            phase,
            lane,
            key,
            generation,
            kind,
        } = choice;
        let mut order = PhaseOrder {
            phase_id: phase,
            lane: key.clone(),
            phase: "",
            configuration: None,
            configurations: Vec::new(),
            tasks: Vec::new(),
            concurrency: 1,
            start_timeout_ms: policy.start_phase_timeout_ms,
            task_timeout_ms: policy.task_timeout_ms,
        };
        let kinds = match kind {
            PhaseKind::Probe => {
                order.phase = "probe";
                let found = self.read(move |rows| rows.lane_configurations(lane)).await?;
                order.configurations = found.iter().map(|(c, t)| Configuration::of(c, t.as_deref())).collect();
                vec![(TaskKind::Probe, TaskOrder::default())]
            }
            PhaseKind::Sessions { work, alone, rows } => {
                let sessions = self.read(move |reader| read_alike(reader, &rows, work)).await?;
                let Some(first) = sessions.first() else { return Ok(None) };
                order.phase = phase_name(work);
                order.concurrency = match work {
                    Work::License => usize::try_from(policy.license_concurrency).unwrap_or(1),
                    Work::Check | Work::Verify => sessions.len(),
                    Work::Adopt => 1,
                };
                if work == Work::License {
                    order.task_timeout_ms = policy.license_timeout_ms;
                }
                if work != Work::Adopt {
                    order.configuration = Some(configuration(first));
                }
                let out = sessions
                    .into_iter()
                    .filter_map(|session| task(session, work, alone, &key, &policy));
                out.collect::<Result<Vec<_>>>()?
            }
            PhaseKind::Release(debts) => {
                order.phase = "release";
                let read = move |rows: &Rows<'_>| debts.iter().map(|id| rows.debt(*id)).collect::<Result<Vec<_>>>();
                let mut debts: Vec<_> = self.read(read).await?.into_iter().flatten().collect();
                let Some(first) = debts.first() else { return Ok(None) };
                let config = Configuration::of(&first.capabilities, first.init_data_type.as_deref());
                debts.retain(|debt| Configuration::of(&debt.capabilities, debt.init_data_type.as_deref()) == config);
                order.configuration = Some(config);
                let out = debts.iter().map(|debt| {
                    let session = Some(debt_session(debt, &key, &policy));
                    (
                        TaskKind::Release { debt: debt.id },
                        TaskOrder {
                            session,
                            ..TaskOrder::default()
                        },
                    )
                });
                out.collect()
            }
        };
        let mut memory = self.memory();
        for (kind, task) in kinds {
            let task_id = memory.next_id();
            memory.tasks.insert(
                task_id,
                Task {
                    phase,
                    lane,
                    generation,
                    kind,
                    completing: false,
                },
            );
            order.tasks.push(TaskOrder { task_id, ..task });
        }
        Ok((!order.tasks.is_empty()).then_some(order))
    }
}

/// Looks at every lane and session once; marks the lanes that get a phase.
fn choose(memory: &mut Memory, policy: &Policy, now: Millis) -> (Poll, Vec<Choice>) {
    let scope = memory.scope(policy, now);
    let mut poll = Poll {
        counters: memory.counters,
        ..Poll::default()
    };
    let out: HashSet<RowId> = memory.tasks.values().filter_map(|task| task.kind.row()).collect();
    let mut choices = Vec::new();
    let mut wake = Wake { now, at: None };
    let lanes: Vec<LaneId> = memory.lanes.keys().copied().collect();
    for id in lanes {
        let lane = &memory.lanes[&id];
        let facts = memory.facts(lane);
        let candidates = candidates(memory, &facts, &scope, &out, &mut poll, &mut wake);
        let has_debts = memory.debts.values().any(|debt| debt.lane == id);
        if scope.mode == Mode::Observe || lane.phase.is_some() || lane.deferred == Some(Reason::NoDriver) {
            continue;
        }
        let in_use = has_debts || memory.sessions.values().any(|session| session.lane == id);
        let kind = if !in_use {
            None
        } else if lane.not_before_ms > now {
            wake.at(lane.not_before_ms);
            None
        } else if Memory::awaits_probe(lane) {
            Some(PhaseKind::Probe)
        } else {
            next_sessions(candidates, policy).or_else(|| next_release(memory, lane, policy, &mut wake))
        };
        if let Some(kind) = kind {
            let (key, generation) = (facts.key, facts.generation);
            let phase = memory.next_id();
            if let Some(lane) = memory.lanes.get_mut(&id) {
                lane.phase = Some(phase);
            }
            choices.push(Choice {
                phase,
                lane: id,
                key,
                generation,
                kind,
            });
        }
    }
    poll.next_poll_at = wake.at;
    (poll, choices)
}

/// The sessions of a lane that could be worked on now; counts the others.
fn candidates(
    memory: &Memory,
    lane: &LaneFacts,
    scope: &Scope,
    out: &HashSet<RowId>,
    poll: &mut Poll,
    wake: &mut Wake,
) -> Vec<Candidate> {
    let blocked_lane = lane.deferred.is_some();
    let mut candidates = Vec::new();
    for session in memory.sessions.values().filter(|session| session.lane == lane.id) {
        if lane.capability == Some(Capability::Unsupported) {
            poll.unsupported += 1;
            continue;
        }
        if out.contains(&session.id) {
            poll.remaining += 1;
            continue;
        }
        let urge = memory.urge(session.id);
        match due(session, lane, scope, urge) {
            Due::Now(work) if !blocked_lane => {
                poll.remaining += 1;
                candidates.push(Candidate {
                    unclicked: urge != Urge::Clicked,
                    work,
                    alone: matches!(work, Work::Check | Work::Verify) && memory.alone.contains(&session.id),
                    last_played: Reverse(session.last_played_at_ms),
                    expiration: session.standing.expiration_ms.unwrap_or(Millis::MAX),
                    row: session.id,
                });
            }
            Due::At(at, _) => {
                poll.deferred += 1;
                wake.at(at);
            }
            Due::Now(_) | Due::WhenOnline(_) => poll.deferred += 1,
            Due::Nothing(_) if is_trusted(session, lane, scope) => {}
            Due::Nothing(_) => poll.deferred += 1,
        }
    }
    candidates
}

/// The most urgent session decides what the phase does; others that need the same ride along.
fn next_sessions(mut candidates: Vec<Candidate>, policy: &Policy) -> Option<PhaseKind> {
    candidates.sort_unstable();
    let first = candidates.first()?;
    let (work, alone) = (first.work, first.alone);
    let size = if alone {
        1
    } else {
        usize::try_from(policy.batch_size).unwrap_or(1)
    };
    let rows = candidates
        .iter()
        .filter(|candidate| candidate.work == work && candidate.alone == alone)
        .map(|candidate| candidate.row)
        .take(size)
        .collect();
    Some(PhaseKind::Sessions { work, alone, rows })
}

fn next_release(memory: &Memory, lane: &LaneState, policy: &Policy, wake: &mut Wake) -> Option<PhaseKind> {
    if lane.lane.capability != Some(Capability::Supported) {
        return None;
    }
    let mut due = Vec::new();
    for debt in memory.debts.values().filter(|debt| debt.lane == lane.lane.id) {
        match debt.next_attempt_at_ms {
            Some(at) if at > wake.now => wake.at(at),
            _ => due.push(debt.id),
        }
    }
    due.truncate(usize::try_from(policy.batch_size).unwrap_or(1));
    (!due.is_empty()).then_some(PhaseKind::Release(due))
}

/// The rows that still are what they were chosen for and share the first one's configuration: one MediaKeys serves one
/// configuration. The others wait for the next phase.
fn read_alike(reader: &Rows<'_>, rows: &[RowId], work: Work) -> Result<Vec<Session>> {
    let mut sessions: Vec<Session> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(session) = reader.session(*row)? else { continue };
        let alike = sessions
            .first()
            .is_none_or(|first| configuration(first) == configuration(&session));
        if alike || work == Work::Adopt {
            sessions.push(session);
        }
    }
    Ok(sessions)
}

fn configuration(session: &Session) -> Configuration {
    Configuration::of(&session.capabilities, session.init_data_type.as_deref())
}

/// `None`: the row has changed since it was chosen.
fn task(
    session: Session,
    work: Work,
    alone: bool,
    lane: &LaneKey,
    policy: &Policy,
) -> Option<Result<(TaskKind, TaskOrder)>> {
    let row = session.id;
    let pending = session.pending.as_ref().map(|pending| pending.session_id.clone());
    let on = |session_id: &str| Some(driver_session(&session, session_id, lane, policy));
    let (kind, order) = match work {
        Work::Check => {
            let session_id = session.session_id.clone();
            let order = TaskOrder {
                session: on(&session_id),
                ..TaskOrder::default()
            };
            (TaskKind::Check { row, session_id, alone }, order)
        }
        Work::License => {
            let request_id = match session.request_id.clone().map_or_else(random_id, Ok) {
                Ok(request_id) => request_id,
                Err(error) => return Some(Err(error)),
            };
            let order = TaskOrder {
                request_id: Some(request_id.clone()),
                session: on(&session.session_id),
                ..TaskOrder::default()
            };
            (TaskKind::License { row, request_id }, order)
        }
        Work::Verify => {
            let session_id = pending?;
            let order = TaskOrder {
                session: on(&session_id),
                ..TaskOrder::default()
            };
            (TaskKind::Verify { row, session_id, alone }, order)
        }
        Work::Adopt => {
            let session_id = pending?;
            let order = TaskOrder {
                new_session_id: Some(session_id.clone()),
                session: on(&session.session_id),
                ..TaskOrder::default()
            };
            (TaskKind::Adopt { row, session_id }, order)
        }
    };
    Some(Ok((kind, order)))
}

fn phase_name(work: Work) -> &'static str {
    match work {
        Work::Check => "check",
        Work::License => "license",
        Work::Verify => "verify",
        Work::Adopt => "adopt",
    }
}

/// 128 random bits as hex: a request id, or a witness.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// The earliest of several moments.
struct Wake {
    now: Millis,
    at: Option<Millis>,
}

impl Wake {
    fn at(&mut self, at: Millis) {
        self.at = Some(self.at.map_or(at, |earlier| earlier.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_long_and_never_the_same() {
        let ids: HashSet<String> = (0..100)
            .map(|_| random_id().expect("this machine has randomness"))
            .collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
