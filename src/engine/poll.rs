//! The host's side of work: ask, end a phase, and say what it knows of drivers and the network.

use std::collections::HashSet;

use super::Engine;
use super::choose::{Choice, choose};
use super::lane_state::LaneState;
use super::wire::{PhaseId, PhaseOrder, Poll, TaskId};
use crate::error::Result;
use crate::model::{self, Connectivity, Lane, LaneId, Reason};
use crate::plan::Account;
use crate::store::Tx;

impl Engine {
    /// Hands out what may run now and counts the rest. Answers at once: waiting is the host's.
    pub async fn poll(&self) -> Result<Poll> {
        self.wait_until_filled().await?;
        self.assert_sound()?;
        self.distrust_cut_off().await?;
        let now = self.clock.now_ms();
        let (mut poll, choices) = choose(&mut self.memory(), &self.policy(), now);
        let begun: Vec<PhaseId> = choices.iter().map(|choice| choice.phase).collect();
        poll.phases = self.hand_out(choices).await.inspect_err(|_| {
            for phase in begun {
                self.end_phase(phase, None);
            }
        })?;
        poll.running = self.memory().lanes.values().filter(|lane| lane.phase.is_some()).count();
        Ok(poll)
    }

    async fn hand_out(&self, choices: Vec<Choice>) -> Result<Vec<PhaseOrder>> {
        self.mark_writers(&choices).await?;
        let mut orders = Vec::with_capacity(choices.len());
        for choice in choices {
            let phase = choice.phase;
            match self.order(choice).await? {
                Some(order) => orders.push(order),
                None => self.end_phase(phase, None),
            }
        }
        Ok(orders)
    }

    /// A window that went while licences were written may have taken the CDM's list of all of them along.
    async fn distrust_cut_off(&self) -> Result<()> {
        let lanes: Vec<LaneId> = {
            let memory = self.memory();
            memory.lanes.values().filter(|state| state.cut_off).map(|state| state.lane.id).collect()
        };
        if lanes.is_empty() {
            return Ok(());
        }
        let distrusted = lanes.clone();
        let job = move |tx: &mut Tx<'_>| {
            for lane in distrusted {
                if let Some(lane) = tx.lane(lane)? {
                    tx.save_lane(&Lane { writing: false, generation: lane.generation + 1, ..lane })?;
                }
            }
            Ok(())
        };
        self.store.write(job).await?;
        let mut memory = self.memory();
        for lane in lanes {
            if let Some(state) = memory.lanes.get_mut(&lane) {
                state.cut_off = false;
            }
        }
        Ok(())
    }

    /// Writes down in which lanes licences are about to be written, and where that is over.
    async fn mark_writers(&self, choices: &[Choice]) -> Result<()> {
        let begin: HashSet<LaneId> =
            choices.iter().filter(|choice| choice.kind.writes()).map(|choice| choice.lane).collect();
        let changed: Vec<LaneId> = {
            let memory = self.memory();
            let over = |state: &LaneState| {
                let chosen = choices.iter().any(|choice| choice.lane == state.lane.id);
                state.lane.writing && !begin.contains(&state.lane.id) && (state.phase.is_none() || chosen)
            };
            let begins = |state: &LaneState| !state.lane.writing && begin.contains(&state.lane.id);
            memory.lanes.values().filter(|state| over(state) || begins(state)).map(|state| state.lane.id).collect()
        };
        if changed.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |tx| changed.iter().try_for_each(|lane| set_writing(tx, *lane, begin.contains(lane))))
            .await
    }

    /// Whether a task that was handed out is still what is needed: since then the app may have removed or held the content,
    /// signed out, or learnt of another platform. If not, the task goes back.
    pub fn still_due(&self, task_id: TaskId) -> bool {
        let now = self.clock.now_ms();
        let mut memory = self.memory();
        let stands = memory.tasks.get(&task_id).is_some_and(|task| memory.still_needs(task, &self.policy(), now));
        if !stands {
            memory.tasks.remove(&task_id);
        }
        stands
    }

    /// Whether the licence of a task may be asked for now: its content was not removed meanwhile, and is not another account's.
    pub fn may_request(&self, task_id: TaskId) -> bool {
        let memory = self.memory();
        let row = memory.tasks.get(&task_id).and_then(|task| task.kind.row());
        row.and_then(|row| memory.sessions.get(&row)).is_some_and(|session| memory.account.owns(session))
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
        lane.asks = None;
        // Of a window that another one has taken the place of, it says nothing that it did not answer.
        let is_outdated = std::mem::take(&mut lane.has_new_driver);
        match failure.filter(|_| !is_outdated) {
            None if lane.deferred.is_none() => lane.attempts = 0,
            None => {}
            Some(Reason::NoDriver) => {
                lane.deferred = Some(Reason::NoDriver);
                lane.not_before_ms = 0;
            }
            Some(_) => {
                lane.deferred = Some(Reason::Timeout);
                lane.attempts += 1;
                lane.not_before_ms = self.policy().retry_at(now, lane.attempts, None);
            }
        }
    }

    /// The window of a phase goes before the phase has ended. Called before `end_phase`.
    pub fn cut_off(&self, phase: PhaseId) {
        let mut memory = self.memory();
        if let Some(lane) = memory.lanes.values_mut().find(|lane| lane.phase == Some(phase)) {
            lane.cut_off |= lane.lane.writing;
        }
    }

    /// There is another driver: lanes that waited for one, or for a window that did not answer, are due again.
    pub fn resume(&self) {
        for lane in self.memory().lanes.values_mut() {
            lane.has_new_driver = lane.phase.is_some();
            if matches!(lane.deferred, Some(Reason::NoDriver | Reason::Timeout)) {
                lane.deferred = None;
                lane.not_before_ms = 0;
            }
        }
    }

    /// Starts the next run: strikes are counted once in each.
    pub fn begin_run(&self) {
        self.memory().run += 1;
    }

    /// Another network, or one at last: what could not be reached is tried again. What a server asked for still holds. After `offline`
    /// `unknown` is such news, too: a host may know for certain only that there is none.
    pub fn set_connectivity(&self, connectivity: Connectivity, changed_location: bool) {
        let mut memory = self.memory();
        let before = std::mem::replace(&mut memory.connectivity, connectivity);
        let is_back =
            connectivity != before && (connectivity == Connectivity::Online || before == Connectivity::Offline);
        if is_back || changed_location {
            memory.reconnected();
        }
        if changed_location {
            memory.retry_blocked(Reason::Geo);
        }
    }

    /// Who is signed in; `None`: nobody. Other accounts' titles are neither worked on nor played; what was blocked for want
    /// of a sign-in is tried again.
    pub fn set_account(&self, account: Option<String>) -> Result<()> {
        let account = account.map(model::account).transpose()?;
        let mut memory = self.memory();
        memory.account = account.map_or(Account::SignedOut, Account::Of);
        if memory.account != Account::SignedOut {
            memory.signed_in();
        }
        Ok(())
    }
}

pub(super) fn set_writing(tx: &mut Tx<'_>, lane: LaneId, writing: bool) -> Result<()> {
    match tx.lane(lane)? {
        Some(lane) if lane.writing != writing => tx.save_lane(&Lane { writing, ..lane }),
        _ => Ok(()),
    }
}
