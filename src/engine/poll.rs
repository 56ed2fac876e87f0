//! The host's side of work: ask, end a phase, and say what it knows of drivers and the network.

use super::Engine;
use super::choose::choose;
use super::wire::{PhaseId, Poll, TaskId};
use crate::error::{Error, Result};
use crate::model::{self, Connectivity, Reason};
use crate::plan::Account;

impl Engine {
    /// Hands out what may run now and counts the rest. Answers at once: waiting is the host's.
    pub async fn poll(&self) -> Result<Poll> {
        self.wait_until_filled().await?;
        if self.memory().damaged {
            return Err(Error::CorruptDatabase("found by a look at all of it".to_owned()));
        }
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

    /// Whether a task that was handed out is still what is needed: since then the app may have removed or held the content,
    /// signed out, or learnt of another platform. If not, the task goes back.
    pub fn still_due(&self, task_id: TaskId) -> bool {
        let now = self.clock.now_ms();
        let mut memory = self.memory();
        let stands = memory.tasks.get(&task_id).is_some_and(|task| memory.still_needs(task, &self.policy, now));
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
        match failure {
            None if lane.deferred.is_none() => lane.attempts = 0,
            None => {}
            Some(Reason::NoDriver) => {
                lane.deferred = failure;
                lane.not_before_ms = 0;
            }
            Some(_) => {
                lane.deferred = Some(Reason::Timeout);
                lane.attempts += 1;
                lane.not_before_ms = self.policy.retry_at(now, lane.attempts, None);
            }
        }
    }

    /// There is another driver: lanes that waited for one, or for a window that did not answer, are due again.
    pub fn resume(&self) {
        for lane in self.memory().lanes.values_mut() {
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

    pub fn set_connectivity(&self, connectivity: Connectivity, changed_location: bool) {
        let mut memory = self.memory();
        memory.connectivity = connectivity;
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
            memory.retry_blocked(Reason::Auth);
        }
        Ok(())
    }
}
