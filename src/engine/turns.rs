//! Licence servers, for the scheduling: whose turn it is, who is asked, what is put off.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::choose::{PhaseKind, Wake};
use super::memory::Memory;
use crate::clock::Millis;
use crate::model::{Policy, Reason, RowId, Server, ServerOrigin, SessionSummary};
use crate::plan::{self, Scope, Spread, Urge, Work};

/// Whose turn it is at the licence servers.
pub struct Turns<'a> {
    pub memory: &'a Memory,
    pub scope: &'a Scope,
    pub policy: &'a Policy,
}

impl Turns<'_> {
    /// How many requests may begin at a server now, beside those of other lanes.
    pub fn of(&self, origin: &ServerOrigin, wanted: bool) -> usize {
        let requests = self.memory.requests_at(origin);
        let server = self.server(origin);
        if requests >= self.policy.license_concurrency || (server.is_doubtful() && requests > 0) {
            return 0;
        }
        let left = self.scope.gate.budget.left(self.scope.now, self.scope.requests_per_hour);
        usize::try_from(server.may_begin(self.scope.now, self.policy, wanted).min(left)).unwrap_or(0)
    }

    /// How long `requests` more will take it.
    pub fn duration_ms(&self, origin: &ServerOrigin, requests: usize) -> Millis {
        self.server(origin).duration_ms(requests, self.scope.now, self.policy)
    }

    /// Whether a run is to wait for its turn: not at a server that asks for patience or fails.
    pub fn come_soon(&self, origin: &ServerOrigin, wanted: bool) -> bool {
        const SOON_MS: Millis = 2_000;
        let server = self.server(origin);
        let next_at = server.next_at(self.scope.now, self.policy, wanted);
        server.throttles == 0 && !server.is_doubtful() && next_at <= self.scope.now + SOON_MS
    }

    /// Comes back when it is the turn of some; where other lanes' requests are in the way, their end does.
    pub fn wake(&self, origin: &ServerOrigin, wanted: bool, wake: &mut Wake) {
        const NOT_BEFORE_MS: Millis = 50;
        let server = self.server(origin);
        if server.may_begin(wake.now, self.policy, wanted) == 0 {
            wake.at(server.next_at(wake.now, self.policy, wanted).max(wake.now + NOT_BEFORE_MS));
        }
    }

    fn server(&self, origin: &ServerOrigin) -> Cow<'_, Server> {
        match self.scope.gate.servers.get(origin) {
            Some(server) => Cow::Borrowed(server),
            None => Cow::Owned(Server::new(Arc::clone(origin), self.policy, self.scope.now)),
        }
    }
}

impl Memory {
    /// Whom a phase asks for licences, and with how many requests at a time.
    pub fn asks(&self, kind: &PhaseKind, policy: &Policy) -> Option<(ServerOrigin, u32)> {
        let PhaseKind::Sessions { work: Work::License, rows, .. } = kind else { return None };
        let origin = &self.sessions.get(rows.first()?)?.server;
        Some((Arc::clone(origin), policy.license_concurrency.saturating_sub(self.requests_at(origin)).max(1)))
    }

    /// Requests at a time that the phases under way make at a server.
    fn requests_at(&self, origin: &ServerOrigin) -> u32 {
        self.lanes
            .values()
            .filter_map(|lane| lane.asks.as_ref())
            .filter(|(other, _)| other == origin)
            .map(|(_, n)| n)
            .sum()
    }

    /// A session's licence server, known from now on.
    pub fn server(&mut self, row: RowId, policy: &Policy, now: Millis) -> Option<&mut Server> {
        let origin = Arc::clone(&self.sessions.get(&row)?.server);
        let new = || Server::new(Arc::clone(&origin), policy, now);
        Some(Arc::make_mut(&mut self.gate).servers.entry(Arc::clone(&origin)).or_insert_with(new))
    }

    /// What could not be reached may be reached now.
    pub fn reconnected(&mut self) {
        for server in Arc::make_mut(&mut self.gate).servers.values_mut() {
            server.reconnected();
        }
        let is_unreachable = |delay: Option<Reason>| matches!(delay, Some(Reason::Unreachable | Reason::Timeout));
        let waits = |session: &&SessionSummary| is_unreachable(session.standing.delay);
        for row in self.sessions.values().filter(waits).map(|session| session.id).collect::<Vec<_>>() {
            self.set_urge(row, Urge::Retry);
        }
    }

    /// In that time no licence is asked for that nobody waits for, but for those of the titles that were played last.
    pub fn spread(&mut self, during: Option<Range<Millis>>) {
        let spread = during.map(|during| Spread { during, exempt: self.played_last() });
        Arc::make_mut(&mut self.gate).spread = spread;
    }

    fn played_last(&self) -> HashSet<Arc<str>> {
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
        exempt
    }
}
