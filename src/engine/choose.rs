//! What may run now: one phase per lane, in batches, what somebody waits for first. Looks at memory only.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::lane_state::LaneState;
use super::memory::Memory;
use super::turns::Turns;
use super::wire::{PhaseId, Poll};
use crate::clock::Millis;
use crate::model::{Capability, DebtId, Generation, LaneId, LaneKey, Mode, Policy, Reason, RowId, ServerOrigin};
use crate::plan::{Due, LaneFacts, Scope, Urge, Work, due, held_back_until, is_trusted, still_to_come};

/// What a lane does next, before its rows are read.
pub struct Choice {
    pub phase: PhaseId,
    pub lane: LaneId,
    pub key: LaneKey,
    pub generation: Generation,
    pub kind: PhaseKind,
}

pub enum PhaseKind {
    Probe,
    Sessions { work: Work, alone: bool, rows: Vec<RowId> },
    Release(Vec<DebtId>),
}

impl PhaseKind {
    /// Whether it makes or removes licences.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Sessions { work: Work::License, .. } | Self::Release(_))
    }
}

/// One session's claim to be worked on. Sorts most urgent first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    unclicked: bool,
    /// Nobody has asked for it to be tried.
    unwanted: bool,
    /// A renewal, of what plays as it is.
    ahead: bool,
    /// A check of what is probably lost: first what is known to be lost is licensed again.
    in_vain: bool,
    work: Work,
    not_canary: bool,
    alone: bool,
    last_played: Reverse<Option<Millis>>,
    /// Soonest to expire first; never is last.
    expiration: Millis,
    row: RowId,
    /// For a licence: who is asked.
    server: Option<ServerOrigin>,
}

/// Looks at every lane and session once; marks the lanes that get a phase.
pub fn choose(memory: &mut Memory, policy: &Policy, now: Millis) -> (Poll, Vec<Choice>) {
    let scope = memory.scope(policy, now);
    let mut poll = Poll { counters: memory.counters, ..Poll::default() };
    let out: HashSet<RowId> = memory.tasks.values().filter_map(|task| task.kind.row()).collect();
    let mut choices = Vec::new();
    let mut wake = Wake { now, at: None };
    let lanes: Vec<LaneId> = memory.lanes.keys().copied().collect();
    for id in lanes {
        if let Some(lane) = memory.lanes.get_mut(&id) {
            lane.end_wait(policy, now);
        }
        let lane = &memory.lanes[&id];
        let facts = memory.facts(lane);
        let turns = Turns { memory, scope: &scope, policy };
        let candidates = candidates(memory, &facts, &scope, &out, &turns, &mut poll, &mut wake);
        let has_debts = memory.debts.values().any(|debt| debt.lane == id);
        if scope.mode == Mode::Observe || lane.phase.is_some() || lane.deferred == Some(Reason::NoDriver) {
            continue;
        }
        let in_use = has_debts || memory.sessions.values().any(|session| session.lane == id);
        let kind = if !in_use {
            None
        } else if let Some(at) = lane.waits_until(policy, now) {
            wake.at(at);
            None
        } else if Memory::awaits_probe(lane) {
            Some(PhaseKind::Probe)
        } else {
            next_sessions(&candidates, policy, &turns).or_else(|| next_release(memory, lane, policy, &mut wake))
        };
        if let Some(kind) = kind {
            let (key, generation) = (facts.key, facts.generation);
            let phase = memory.next_id();
            let asks = memory.asks(&kind, policy);
            if let Some(lane) = memory.lanes.get_mut(&id) {
                lane.phase = Some(phase);
                lane.asks = asks;
            }
            choices.push(Choice { phase, lane: id, key, generation, kind });
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
    turns: &Turns<'_>,
    poll: &mut Poll,
    wake: &mut Wake,
) -> Vec<Candidate> {
    let blocked_lane = lane.deferred.is_some();
    let seen = memory.lanes.get(&lane.id).map(|state| state.seen).unwrap_or_default();
    let mut asked: HashMap<&ServerOrigin, usize> = HashMap::new();
    let mut checks: HashMap<&ServerOrigin, usize> = HashMap::new();
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
            Due::Now(work) if !blocked_lane && !memory.is_held(lane.id, &session.content_id, work) => {
                poll.remaining += 1;
                match work {
                    Work::License => *asked.entry(&session.server).or_default() += 1,
                    Work::Check => *checks.entry(&session.server).or_default() += 1,
                    Work::Verify | Work::Adopt => {}
                }
                let wanted = urge != Urge::None;
                if work == Work::License && urge != Urge::Clicked && turns.of(&session.server, wanted) == 0 {
                    if turns.come_soon(&session.server, wanted) {
                        poll.paced += 1;
                    } else {
                        poll.remaining -= 1;
                        poll.deferred += 1;
                    }
                    turns.wake(&session.server, wanted, wake);
                    continue;
                }
                candidates.push(Candidate {
                    unclicked: urge != Urge::Clicked,
                    unwanted: urge == Urge::None,
                    ahead: is_trusted(session, lane, scope),
                    in_vain: work == Work::Check && seen.expects_loss() && !memory.alone.contains_key(&session.id),
                    work,
                    not_canary: !session.canary,
                    alone: matches!(work, Work::Check | Work::Verify) && memory.alone.contains_key(&session.id),
                    last_played: Reverse(session.last_played_at_ms),
                    expiration: session.standing.expiration_ms.unwrap_or(Millis::MAX),
                    row: session.id,
                    server: (work == Work::License).then(|| Arc::clone(&session.server)),
                });
            }
            Due::At(at, _) => {
                poll.deferred += usize::from(!is_trusted(session, lane, scope));
                poll.held_back += usize::from(held_back_until(session, scope) == Some(at));
                wake.at(at);
            }
            Due::Now(_) | Due::WhenOnline(_) => poll.deferred += usize::from(!is_trusted(session, lane, scope)),
            Due::Nothing(_) if is_trusted(session, lane, scope) => {}
            Due::Nothing(_) => poll.deferred += 1,
        }
    }
    for (server, checks) in checks {
        *asked.entry(server).or_default() += seen.expected_lost(checks);
    }
    for (server, requests) in asked {
        poll.expected_license_requests += requests;
        poll.remaining_ms = poll.remaining_ms.max(turns.duration_ms(server, requests));
    }
    candidates
}

/// The most urgent session decides what the phase does; others that need the same ride along.
fn next_sessions(candidates: &[Candidate], policy: &Policy, turns: &Turns<'_>) -> Option<PhaseKind> {
    let first = candidates.iter().min()?;
    let (work, alone, not_canary) = (first.work, first.alone, first.not_canary);
    let mut size = if alone { 1 } else { usize::try_from(policy.batch_size).unwrap_or(1) };
    let server = first.server.clone();
    if let Some(server) = &server {
        // What somebody waits for does not wait for its turn.
        let clicked =
            candidates.iter().filter(|candidate| !candidate.unclicked && candidate.server == first.server).count();
        size = size.min(turns.of(server, !first.unwanted).max(clicked));
    }
    let mut alike: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.work == work && candidate.alone == alone && candidate.server == server)
        // A sacrificial licence is checked in a phase before any other is risked.
        .filter(|candidate| work != Work::Check || candidate.not_canary == not_canary)
        .collect();
    // There may be a hundred thousand.
    if size < alike.len() {
        alike.select_nth_unstable(size);
        alike.truncate(size);
    }
    alike.sort_unstable();
    Some(PhaseKind::Sessions { work, alone, rows: alike.iter().map(|candidate| candidate.row).collect() })
}

fn next_release(memory: &Memory, lane: &LaneState, policy: &Policy, wake: &mut Wake) -> Option<PhaseKind> {
    if lane.lane.capability != Some(Capability::Supported) {
        return None;
    }
    let mut due = Vec::new();
    for debt in memory.debts.values().filter(|debt| debt.lane == lane.lane.id) {
        match still_to_come(debt.next_attempt_at_ms, wake.now, policy.backoff_max_ms) {
            Some(at) => wake.at(at),
            None if memory.is_release_held(debt.lane, &debt.content_id) => {}
            None => due.push(debt.id),
        }
    }
    due.truncate(usize::try_from(policy.batch_size).unwrap_or(1));
    (!due.is_empty()).then_some(PhaseKind::Release(due))
}

/// The earliest of several moments.
pub struct Wake {
    pub now: Millis,
    at: Option<Millis>,
}

impl Wake {
    pub fn at(&mut self, at: Millis) {
        self.at = Some(self.at.map_or(at, |earlier| earlier.min(at)));
    }
}
