//! What the engine knows without asking the disk. Every stored session has a compact entry.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::holds::{Hold, HoldId};
use super::wire::{Counters, PhaseId, TaskId};
use crate::clock::Millis;
use crate::model::{
    Capabilities, Capability, Connectivity, Debt, DebtId, Generation, Lane, LaneId, LaunchId, Policy, Reason, Refusal,
    RowId, Server, ServerOrigin, SessionSummary, Snapshot, Verdict,
};
use crate::plan::{self, Account, Budget, LaneFacts, Scope, Servers, Spread, Urge, Work};
use crate::store::Change;

/// One piece of work that is out with a driver.
#[derive(Debug, Clone)]
pub struct Task {
    pub phase: PhaseId,
    pub lane: LaneId,
    /// The lane's generation when the task went out: what it proves, it proves for this one.
    pub generation: Generation,
    pub kind: TaskKind,
    /// An outcome is being recorded; a second one is stale.
    pub completing: bool,
}

#[derive(Debug, Clone)]
pub enum TaskKind {
    Probe,
    Check {
        row: RowId,
        session_id: String,
        alone: bool,
        variant: Variant,
    },
    /// `first`: the CDM has not refused this row's request for its changed system id in this launch.
    License {
        row: RowId,
        request_id: String,
        first: bool,
    },
    Verify {
        row: RowId,
        session_id: String,
        alone: bool,
    },
    Adopt {
        row: RowId,
        session_id: String,
        content_id: String,
        replaces: String,
    },
    Release {
        debt: DebtId,
        session_id: String,
    },
}

/// What a session that was stored without capabilities is looked for with: those asked for can decide which CDM answers.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// Those of other sessions of its lane; `None`: its own, or the driver's default.
    pub borrowed: Option<Capabilities>,
    /// There are others that have not been tried.
    pub more: bool,
}

impl TaskKind {
    pub fn row(&self) -> Option<RowId> {
        match self {
            Self::Check { row, .. }
            | Self::License { row, .. }
            | Self::Verify { row, .. }
            | Self::Adopt { row, .. } => Some(*row),
            Self::Probe | Self::Release { .. } => None,
        }
    }
}

/// A lane, and how it fares in this process.
#[derive(Debug)]
pub struct LaneState {
    pub lane: Lane,
    /// The generation in which this launch has probed the lane.
    pub probed: Option<Generation>,
    pub deferred: Option<Reason>,
    /// After a phase that could not start, or a CDM that is not there yet.
    pub not_before_ms: Millis,
    pub attempts: u32,
    pub phase: Option<PhaseId>,
    /// The licence server that the phase asks, and how many requests it makes at a time.
    pub asks: Option<(ServerOrigin, u32)>,
    /// The window went while licences were being written.
    pub cut_off: bool,
    /// What checks have found in this generation, so far as this process knows.
    pub seen: Seen,
}

/// Checks of a lane that found what was stored, or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub generation: Generation,
    pub kept: u64,
    pub lost: u64,
}

impl Seen {
    /// Nothing was kept yet: what is not checked is probably lost too, and a check may cost it.
    pub fn expects_loss(&self) -> bool {
        self.lost > 0 && self.kept == 0
    }

    /// How many of `checks` will need a licence, as far as can be told.
    pub fn expected_lost(&self, checks: usize) -> usize {
        let share = self.lost as f64 / (self.lost + self.kept).max(1) as f64;
        (checks as f64 * share).ceil() as usize
    }
}

impl LaneState {
    /// A window that did not answer is tried again when its wait is over.
    pub fn end_wait(&mut self, policy: &Policy, now: Millis) {
        if self.deferred == Some(Reason::Timeout) && self.waits_until(policy, now).is_none() {
            self.deferred = None;
        }
    }

    /// Until when nothing of the lane is tried.
    pub fn waits_until(&self, policy: &Policy, now: Millis) -> Option<Millis> {
        plan::still_to_come(Some(self.not_before_ms), now, policy.backoff_max_ms)
    }
}

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
    pub urges: HashMap<RowId, Urge>,
    /// Sessions whose "not there" has to be seen once more, alone; and how often it has been, with different capabilities.
    pub alone: HashMap<RowId, usize>,
    /// Sessions whose licence request the CDM has refused once for its changed system id.
    pub repeated: HashSet<RowId>,
    pub tasks: HashMap<TaskId, Task>,
    /// What is known of licence servers; written down with each request and its answer.
    pub servers: Arc<Servers>,
    pub spread: Option<Arc<Spread>>,
    pub refused: Arc<HashMap<String, Refusal>>,
    pub unauthorized: Arc<HashSet<Option<Box<str>>>>,
    pub budget: Budget,
    pub counters: Counters,
    last_id: u64,
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
            servers: Arc::default(),
            spread: None,
            refused: Arc::default(),
            unauthorized: Arc::default(),
            budget: Budget::default(),
            counters: Counters::default(),
            last_id: 0,
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
            now,
            launch: self.launch,
            connectivity: self.connectivity,
            mode: policy.mode,
            account: self.account.clone(),
            relicense_expired: policy.relicense_expired,
            longest_wait_ms: policy.backoff_max_ms,
            servers: Arc::clone(&self.servers),
            spread: self.spread.clone(),
            refused: Arc::clone(&self.refused),
            unauthorized: Arc::clone(&self.unauthorized),
            budget: self.budget,
            requests_per_day: policy.licenses_per_session_per_day,
            requests_per_hour: policy.licenses_per_hour,
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
        self.urges.get(&row).copied().unwrap_or(Urge::None)
    }

    /// A click is never weakened to a retry.
    pub fn set_urge(&mut self, row: RowId, urge: Urge) {
        let known = self.urges.entry(row).or_insert(urge);
        if urge == Urge::Clicked {
            *known = urge;
        }
    }

    /// What could not be reached may be reached now.
    pub fn reconnected(&mut self) {
        for server in Arc::make_mut(&mut self.servers).values_mut() {
            server.reconnected();
        }
        let is_unreachable = |delay: Option<Reason>| matches!(delay, Some(Reason::Unreachable | Reason::Timeout));
        let waits = |session: &&SessionSummary| is_unreachable(session.standing.delay);
        for row in self.sessions.values().filter(waits).map(|session| session.id).collect::<Vec<_>>() {
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
        for reason in std::mem::take(&mut self.retry_when_filled) {
            self.retry_blocked(reason);
        }
    }

    pub fn set_lane(&mut self, lane: Lane) {
        match self.lanes.get_mut(&lane.id) {
            Some(state) => state.lane = lane,
            None => {
                let state = LaneState {
                    lane,
                    probed: None,
                    deferred: None,
                    not_before_ms: 0,
                    attempts: 0,
                    phase: None,
                    asks: None,
                    seen: Seen::default(),
                    cut_off: false,
                };
                self.lanes.insert(state.lane.id, state);
            }
        }
    }

    /// Licences that nobody waits for begin at `until_ms`, but for those of the titles that were played last.
    pub fn spread(&mut self, until_ms: Millis) {
        let mut played: Vec<(Millis, &Arc<str>)> = self
            .sessions
            .values()
            .filter_map(|session| Some((session.last_played_at_ms?, &session.content_id)))
            .collect();
        played.sort_unstable_by(|a, b| b.cmp(a));
        let mut exempt = HashSet::new();
        for (_, content) in played {
            if exempt.len() == plan::EXEMPT_TITLES {
                break;
            }
            exempt.insert(Arc::clone(content));
        }
        self.spread = Some(Arc::new(Spread { until_ms, exempt }));
    }

    /// A session's licence server, known from now on.
    pub fn server(&mut self, row: RowId, policy: &Policy, now: Millis) -> Option<&mut Server> {
        let origin = Arc::clone(&self.sessions.get(&row)?.server);
        let new = || Server::new(Arc::clone(&origin), policy, now);
        Some(Arc::make_mut(&mut self.servers).entry(Arc::clone(&origin)).or_insert_with(new))
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
        if let Some((origin, _)) = self.servers.get_key_value(&session.server) {
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
