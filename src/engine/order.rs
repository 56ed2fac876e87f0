//! A choice becomes an order: its rows are read, and its tasks go out.

use super::Engine;
use super::choose::{Choice, PhaseKind};
use super::random_id::random_id;
use super::task::{Task, TaskKind, Variant};
use super::view::{debt_session, driver_session};
use super::wire::{Configuration, PhaseOrder, TaskOrder};
use crate::error::{Error, Result};
use crate::model::{Capabilities, Debt, DebtId, LaneId, LaneKey, Policy, RowId, Session};
use crate::plan::Work;
use crate::store::Rows;

impl Engine {
    /// Reads what a choice needs and hands its tasks out. `None`: nothing of it is left.
    pub(super) async fn order(&self, choice: Choice) -> Result<Option<PhaseOrder>> {
        let policy = self.policy();
        let Choice { phase, lane, key, generation, kind } = choice;
        let mut order = PhaseOrder {
            phase_id: phase,
            lane: key.clone(),
            phase: "",
            configuration: None,
            is_borrowed: false,
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
                let asked_for = rows.clone();
                let tried = rows.first().and_then(|row| self.memory().alone.get(row).copied()).unwrap_or(0);
                let (sessions, previous, variant) = self
                    .read(move |reader| {
                        let sessions = read_alike(reader, &rows, work)?;
                        let previous = match work {
                            Work::Adopt => sessions.iter().map(|session| previous_ids(reader, session)).collect(),
                            _ => Ok(vec![Vec::new(); sessions.len()]),
                        };
                        let variant = match sessions.first() {
                            Some(session) if alone && work == Work::Check => variant(reader, session, tried)?,
                            _ => Variant::default(),
                        };
                        Ok((sessions, previous?, variant))
                    })
                    .await?;
                let Some(first) = sessions.first() else { return self.expect_gone(asked_for).await.map(|()| None) };
                order.phase = phase_name(work);
                order.concurrency = match work {
                    Work::License => self.requests_at_a_time(lane),
                    Work::Check | Work::Verify => sessions.len(),
                    Work::Adopt => 1,
                };
                if work == Work::License {
                    order.task_timeout_ms = policy.license_timeout_ms;
                }
                if work != Work::Adopt {
                    order.is_borrowed = variant.borrowed.is_some();
                    let capabilities = variant.borrowed.as_ref().unwrap_or(&first.capabilities);
                    order.configuration = Some(Configuration::of(capabilities, first.init_data_type.as_deref()));
                }
                let asked = Asked { work, alone, variant };
                let out = sessions.into_iter().zip(previous);
                out.filter_map(|(session, previous)| task(session, previous, &asked, &key, &policy))
                    .collect::<Result<Vec<_>>>()?
            }
            PhaseKind::Release(debts) => {
                order.phase = "release";
                let read =
                    move |rows: &Rows<'_>| debts.iter().map(|id| free_debt(rows, *id)).collect::<Result<Vec<_>>>();
                let mut debts: Vec<_> = self.read(read).await?.into_iter().flatten().collect();
                let Some(first) = debts.first() else { return Ok(None) };
                let config = Configuration::of(&first.capabilities, first.init_data_type.as_deref());
                debts.retain(|debt| Configuration::of(&debt.capabilities, debt.init_data_type.as_deref()) == config);
                order.configuration = Some(config);
                let out = debts.iter().map(|debt| {
                    let session = Some(debt_session(debt, &key, generation, &policy));
                    (
                        TaskKind::Release { debt: debt.id, session_id: debt.session_id.clone() },
                        TaskOrder { session, ..TaskOrder::default() },
                    )
                });
                out.collect()
            }
        };
        let now = self.clock.now_ms();
        let mut memory = self.memory();
        for (mut kind, task) in kinds {
            if let TaskKind::License { row, first, .. } = &mut kind {
                *first = !memory.repeated.contains(row);
                if let Some(server) = memory.server(*row, &policy, now) {
                    server.begin(now, &policy);
                }
            }
            let task_id = memory.next_id();
            memory.tasks.insert(task_id, Task { phase, lane, generation, kind, completing: false });
            order.tasks.push(TaskOrder { task_id, ..task });
        }
        Ok((!order.tasks.is_empty()).then_some(order))
    }

    fn requests_at_a_time(&self, lane: LaneId) -> usize {
        let memory = self.memory();
        let asks = memory.lanes.get(&lane).and_then(|lane| lane.asks.as_ref());
        asks.map_or(1, |(_, requests)| usize::try_from(*requests).unwrap_or(1))
    }

    /// Rows that could not be found are those that were removed just now; if memory has one of them still, the table is damaged.
    async fn expect_gone(&self, rows: Vec<RowId>) -> Result<()> {
        // Memory is told of what is committed before this is answered.
        self.store.write(|_| Ok(())).await?;
        let memory = self.memory();
        match rows.iter().any(|row| memory.sessions.contains_key(row)) {
            true => Err(Error::CorruptDatabase("rows are not found by their number".to_owned())),
            false => Ok(()),
        }
    }
}

/// The rows that still are what they were chosen for and share the first one's configuration: one MediaKeys serves one
/// configuration, and each session id once. The others wait for the next phase.
fn read_alike(reader: &Rows<'_>, rows: &[RowId], work: Work) -> Result<Vec<Session>> {
    let mut sessions: Vec<Session> = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(session) = reader.session(*row)? else { continue };
        let alike = sessions.first().is_none_or(|first| configuration(first) == configuration(&session));
        // Loaded twice on one MediaKeys, a good session is found gone.
        let twice = work == Work::Check && sessions.iter().any(|other| other.session_id == session.session_id);
        if (alike && !twice) || work == Work::Adopt {
            sessions.push(session);
        }
    }
    Ok(sessions)
}

/// The ids that a row once had and no other row of its content has.
fn previous_ids(rows: &Rows<'_>, session: &Session) -> Result<Vec<String>> {
    let content = rows.sessions_of_content(&session.content_id)?;
    let mut previous = rows.past_ids(session.id)?;
    previous.retain(|id| content.iter().all(|other| other.session_id != *id));
    Ok(previous)
}

/// The capabilities to look for a session with whose own are not known, after `tried` of them have found it gone.
fn variant(reader: &Rows<'_>, session: &Session, tried: usize) -> Result<Variant> {
    let is_stated = |capabilities: &Capabilities| *capabilities != Capabilities::default();
    if is_stated(&session.capabilities) {
        return Ok(Variant::default());
    }
    let recorded = reader.lane_configurations(session.lane)?.into_iter().map(|(capabilities, _)| capabilities);
    let mut others: Vec<Capabilities> = recorded.filter(is_stated).collect();
    others.dedup();
    Ok(Variant { more: tried < others.len(), borrowed: tried.checked_sub(1).and_then(|at| others.get(at).cloned()) })
}

fn configuration(session: &Session) -> Configuration {
    Configuration::of(&session.capabilities, session.init_data_type.as_deref())
}

/// What a phase asks of each of its sessions.
struct Asked {
    work: Work,
    alone: bool,
    variant: Variant,
}

/// `None`: the row has changed since it was chosen.
fn task(
    session: Session,
    previous_session_ids: Vec<String>,
    asked: &Asked,
    lane: &LaneKey,
    policy: &Policy,
) -> Option<Result<(TaskKind, TaskOrder)>> {
    let alone = asked.alone;
    let row = session.id;
    let pending = session.pending.as_ref().map(|pending| pending.session_id.clone());
    let on = |session_id: &str| Some(driver_session(&session, session_id, previous_session_ids, lane, policy));
    let (kind, order) = match asked.work {
        Work::Check => {
            let session_id = session.session_id.clone();
            let order = TaskOrder { session: on(&session_id), ..TaskOrder::default() };
            (TaskKind::Check { row, session_id, alone, variant: asked.variant.clone() }, order)
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
            (TaskKind::License { row, request_id, first: true }, order)
        }
        Work::Verify => {
            let session_id = pending?;
            let order = TaskOrder { session: on(&session_id), ..TaskOrder::default() };
            (TaskKind::Verify { row, session_id, alone }, order)
        }
        Work::Adopt => {
            let session_id = pending?;
            let order = TaskOrder {
                new_session_id: Some(session_id.clone()),
                session: on(&session.session_id),
                ..TaskOrder::default()
            };
            let (content_id, replaces) = (session.content_id.clone(), session.session_id.clone());
            (TaskKind::Adopt { row, session_id, content_id, replaces }, order)
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

/// A debt, unless a row holds its id: a CDM shows keys late, and whose licence it is cannot be told before.
fn free_debt(rows: &Rows<'_>, id: DebtId) -> Result<Option<Debt>> {
    let Some(debt) = rows.debt(id)? else { return Ok(None) };
    let is_held = rows.holders(debt.lane, &debt.session_id)?.iter().any(|holder| !holder.standing.stale_id)
        || !rows.pending_holders(debt.lane, &debt.session_id)?.is_empty();
    Ok((!is_held).then_some(debt))
}
