//! What the engine knows without asking the disk. Every stored session has a compact entry.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::holds::{Hold, HoldId};
use super::lane_state::LaneState;
use super::task::{Task, TaskKind, Urged};
use super::wire::{Counters, TaskId};
use crate::clock::Millis;
use crate::model::{
    Capability, Connectivity, Debt, DebtId, Lane, LaneId, LaunchId, Policy, Reason, RowId, SessionSummary, Snapshot,
    State, Verdict,
};
use crate::plan::{self, Account, Gate, LaneFacts, Scope, Urge, Work};
use crate::store::Change;

pub struct Memory {
    pub launch: LaunchId,
    pub snapshot: Snapshot,
    pub connectivity: Connectivity,
    pub account: Account,
    pub holds: HashMap<HoldId, Hold>,
    /// Counts runs across launches.
    pub run: i64,
    pub sessions: HashMap<RowId, SessionSummary>,
    by_content: HashMap<Arc<str>, Vec<RowId>>,
    pub lanes: BTreeMap<LaneId, LaneState>,
    pub debts: BTreeMap<DebtId, Debt>,
    urges: HashMap<RowId, Urged>,
    /// Sessions whose "not there" has to be seen once more, alone; and how often it has been, with different capabilities.
    pub alone: HashMap<RowId, usize>,
    /// Sessions whose licence request the CDM has refused once for its changed system id.
    pub repeated: HashSet<RowId>,
    pub tasks: HashMap<TaskId, Task>,
    /// Of licence servers and the budget the store has a copy, written with each request and its answer.
    pub gate: Arc<Gate>,
    pub counters: Counters,
    last_id: TaskId,
    /// The last task when somebody signed in: what those say that were out then, they say of another one's token.
    signed_in_after: TaskId,
    retry_when_filled: HashSet<Reason>,
    /// While the entries are read in the background: rows that a commit has told us of since.
    fresher: Option<HashSet<RowId>>,
    /// A look at the whole database found damage.
    pub damaged: bool,
}

impl Memory {
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            launch: 0,
            snapshot,
            connectivity: Connectivity::Unknown,
            account: Account::Any,
            holds: HashMap::new(),
            run: 0,
            sessions: HashMap::new(),
            by_content: HashMap::new(),
            lanes: BTreeMap::new(),
            debts: BTreeMap::new(),
            urges: HashMap::new(),
            alone: HashMap::new(),
            repeated: HashSet::new(),
            tasks: HashMap::new(),
            gate: Arc::default(),
            counters: Counters::default(),
            last_id: 0,
            signed_in_after: 0,
            retry_when_filled: HashSet::new(),
            fresher: Some(HashSet::new()),
            damaged: false,
        }
    }

    /// The database was exchanged for what was left of it: nothing that is out counts, and everything is read anew.
    pub fn begin_again(&mut self) {
        self.tasks.clear();
        self.alone.clear();
        self.fresher = Some(HashSet::new());
        self.damaged = false;
    }

    /// What the exchanged database holds.
    pub fn replace_lanes_and_debts(&mut self, lanes: Vec<Lane>, debts: Vec<Debt>) {
        self.lanes.retain(|id, _| lanes.iter().any(|lane| lane.id == *id));
        for lane in lanes {
            self.set_lane(lane);
        }
        self.debts = debts.into_iter().map(|debt| (debt.id, debt)).collect();
    }

    /// What the exchanged database holds. What a commit has told since `begin_again` is fresher.
    pub fn replace_sessions(&mut self, sessions: Vec<SessionSummary>) {
        let known: HashSet<RowId> = sessions.iter().map(|session| session.id).collect();
        let fresher = self.fresher.clone().unwrap_or_default();
        let gone = |id: &RowId| !known.contains(id) && !fresher.contains(id);
        for id in self.sessions.keys().copied().filter(gone).collect::<Vec<_>>() {
            self.remove_session(id);
        }
        self.fill(sessions);
        self.filled();
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn scope(&self, policy: &Policy, now: Millis) -> Scope {
        Scope {
            connectivity: self.connectivity,
            account: self.account.clone(),
            gate: Arc::clone(&self.gate),
            ..Scope::of(policy, now, self.launch)
        }
    }

    pub fn facts(&self, lane: &LaneState) -> LaneFacts {
        LaneFacts {
            id: lane.lane.id,
            key: lane.lane.key.clone(),
            generation: lane.lane.generation,
            cdm_observed: plan::observes_cdm(&self.snapshot, &lane.lane.key.key_system),
            capability: lane.lane.capability,
            deferred: lane.deferred,
            retry_at_ms: lane.deferred.and(Some(lane.not_before_ms)).filter(|at| *at > 0),
        }
    }

    pub fn urge(&self, row: RowId) -> Urge {
        self.urges.get(&row).map_or(Urge::None, |urged| urged.urge)
    }

    /// A click is never weakened to a retry, and joins what is out already.
    pub fn set_urge(&mut self, row: RowId, urge: Urge) {
        let known = self.urges.entry(row).or_insert(Urged { urge, anew_after: None });
        match urge {
            Urge::Clicked => known.urge = urge,
            _ => known.anew_after = Some(self.last_id),
        }
    }

    /// Nobody waits any more. What is to be tried anew still is.
    pub fn forget_click(&mut self, row: RowId) {
        match self.urges.get_mut(&row).filter(|urged| urged.anew_after.is_some()) {
            Some(urged) => urged.urge = Urge::Retry,
            None => drop(self.urges.remove(&row)),
        }
    }

    /// A task of the row has come to an end. What it failed at is tried again where the app has said since it went out that something is
    /// different now.
    pub fn answered(&mut self, row: RowId, task: TaskId) {
        let is_good = self.sessions.get(&row).is_none_or(|session| session.standing.state == State::Active);
        match self.urges.get_mut(&row).filter(|urged| !is_good && urged.anew_after.is_some_and(|after| after >= task)) {
            Some(urged) => urged.urge = Urge::Retry,
            None => drop(self.urges.remove(&row)),
        }
    }

    pub fn signed_in(&mut self) {
        Arc::make_mut(&mut self.gate).unauthorized.clear();
        self.signed_in_after = self.last_id;
        self.retry_blocked(Reason::Auth);
    }

    /// Whether a task speaks of whoever is signed in now.
    pub fn is_of_account(&self, task: TaskId) -> bool {
        task > self.signed_in_after
    }

    /// Licences that are being asked for may be refused for what has been mended by now.
    pub fn retry_what_is_out(&mut self) {
        let licenses = self.tasks.values().filter_map(|task| match task.kind {
            TaskKind::License { row, .. } => Some(row),
            _ => None,
        });
        for row in licenses.collect::<Vec<_>>() {
            self.set_urge(row, Urge::Retry);
        }
    }

    /// Lets every blocked session with this reason be tried again, those too that are still being read.
    pub fn retry_blocked(&mut self, reason: Reason) {
        if !self.is_filled() {
            self.retry_when_filled.insert(reason);
        }
        let blocked = |session: &&SessionSummary| session.standing.reason == Some(reason);
        let rows: Vec<RowId> = self.sessions.values().filter(blocked).map(|session| session.id).collect();
        for row in rows {
            self.set_urge(row, Urge::Retry);
        }
        self.retry_what_is_out();
    }

    pub fn rows_of_content(&self, content_id: &str) -> &[RowId] {
        self.by_content.get(content_id).map_or(&[], Vec::as_slice)
    }

    pub fn content_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_content.keys()
    }

    pub fn is_filled(&self) -> bool {
        self.fresher.is_none()
    }

    /// The verdict on `sessions`, all those of a content.
    pub fn verdict_on<'a>(
        &self,
        content_id: &str,
        sessions: impl Iterator<Item = &'a SessionSummary>,
        policy: &Policy,
        now: Millis,
    ) -> Verdict {
        let sessions: Vec<_> =
            sessions.filter_map(|session| Some((session, self.facts(self.lanes.get(&session.lane)?)))).collect();
        let judged: Vec<_> = sessions.iter().map(|(session, facts)| (*session, facts)).collect();
        plan::verdict(content_id, &judged, &self.scope(policy, now))
    }

    pub fn verdict(&self, content_id: &str, policy: &Policy, now: Millis) -> Verdict {
        let sessions = self.rows_of_content(content_id).iter().filter_map(|row| self.sessions.get(row));
        self.verdict_on(content_id, sessions, policy, now)
    }

    /// Whether something could be done for a session now, if its lane allows.
    pub fn has_work(&self, row: RowId, policy: &Policy, now: Millis) -> bool {
        self.work_of(row, policy, now).is_some()
    }

    pub fn session_and_lane(&self, row: RowId) -> Option<(&SessionSummary, &LaneState)> {
        let session = self.sessions.get(&row)?;
        Some((session, self.lanes.get(&session.lane)?))
    }

    /// What could be done for a session now, if its lane allows.
    fn work_of(&self, row: RowId, policy: &Policy, now: Millis) -> Option<Work> {
        let session = self.sessions.get(&row)?;
        let lane = self.lanes.get(&session.lane)?;
        match plan::due(session, &self.facts(lane), &self.scope(policy, now), self.urge(row)) {
            plan::Due::Now(work) if !self.is_held(session.lane, &session.content_id, work) => Some(work),
            _ => None,
        }
    }

    /// Whether a task that is out is still what its session or debt needs.
    pub fn still_needs(&self, task: &Task, policy: &Policy, now: Millis) -> bool {
        let is_current = self.lanes.get(&task.lane).is_some_and(|lane| lane.lane.generation == task.generation);
        let needs = |row: &RowId, work| is_current && self.work_of(*row, policy, now) == Some(work);
        match &task.kind {
            TaskKind::Probe => true,
            TaskKind::Check { row, .. } => needs(row, Work::Check),
            TaskKind::License { row, .. } => needs(row, Work::License),
            TaskKind::Verify { row, .. } => needs(row, Work::Verify),
            TaskKind::Adopt { row, .. } => needs(row, Work::Adopt),
            TaskKind::Release { debt, .. } => {
                self.debts.get(debt).is_some_and(|debt| !self.is_release_held(debt.lane, &debt.content_id))
            }
        }
    }

    /// Whether this launch still has to ask the renderer what the lane can do.
    pub fn awaits_probe(lane: &LaneState) -> bool {
        lane.probed != Some(lane.lane.generation)
    }

    /// What a commit changed. Called by the store's writer, in order.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Session(session) => {
                    self.mark_fresher(session.id);
                    self.set_session(session);
                }
                Change::SessionRemoved(id) => {
                    self.mark_fresher(id);
                    self.remove_session(id);
                }
                Change::Lane(lane) => self.set_lane(lane),
                Change::LaneRemoved(id) => {
                    self.lanes.remove(&id);
                    self.tasks.retain(|_, task| task.lane != id);
                }
                Change::Debt(debt) => {
                    self.debts.insert(debt.id, debt);
                }
                Change::DebtRemoved(id) => {
                    self.debts.remove(&id);
                }
            }
        }
    }

    /// Entries read in the background; what a commit has told since is fresher.
    pub fn fill(&mut self, sessions: Vec<SessionSummary>) {
        for session in sessions {
            let stale = self.fresher.as_ref().is_none_or(|fresher| fresher.contains(&session.id));
            if !stale {
                self.set_session(session);
            }
        }
    }

    pub fn filled(&mut self) {
        self.fresher = None;
        // What was played last is known only now.
        self.spread(self.gate.spread.as_ref().map(|spread| spread.during.clone()));
        for reason in std::mem::take(&mut self.retry_when_filled) {
            self.retry_blocked(reason);
        }
    }

    pub fn set_lane(&mut self, lane: Lane) {
        match self.lanes.get_mut(&lane.id) {
            Some(state) => state.lane = lane,
            None => {
                self.lanes.insert(lane.id, LaneState::new(lane));
            }
        }
    }

    /// A probe's answer that is now recorded.
    pub fn probed(&mut self, lane: LaneId, capability: Capability, now: Millis, policy: &Policy) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        if capability == Capability::Unavailable {
            state.attempts += 1;
            state.deferred = Some(Reason::Unavailable);
            state.not_before_ms = policy.retry_at(now, state.attempts, None);
        } else {
            state.attempts = 0;
            state.deferred = None;
            state.probed = Some(state.lane.generation);
        }
    }

    fn mark_fresher(&mut self, id: RowId) {
        if let Some(fresher) = &mut self.fresher {
            fresher.insert(id);
        }
    }

    fn set_session(&mut self, mut session: SessionSummary) {
        if let Some((origin, _)) = self.gate.servers.get_key_value(&session.server) {
            // One text for all of a server's sessions.
            session.server = Arc::clone(origin);
        }
        if !self.sessions.contains_key(&session.id) {
            self.by_content.entry(Arc::clone(&session.content_id)).or_default().push(session.id);
        }
        self.sessions.insert(session.id, session);
    }

    fn remove_session(&mut self, id: RowId) {
        self.urges.remove(&id);
        self.alone.remove(&id);
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        if let Some(rows) = self.by_content.get_mut(&session.content_id) {
            rows.retain(|row| *row != id);
            if rows.is_empty() {
                self.by_content.remove(&session.content_id);
            }
        }
    }
}
