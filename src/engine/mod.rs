//! Brings the rooms together: launch, poll, complete, verdict. A state machine that does no EME and no network: the
//! host asks [`Engine::poll`] what may run now, runs it with a driver, and reports with [`Engine::complete`].
//!
//! Truth is in the store. [`memory`] holds a compact copy for verdicts and scheduling, which the store's writer
//! updates after each commit and before the answer to whoever made it, and what lives only as long as the process:
//! phases and tasks that are out, lanes that are deferred, whom somebody waits for.

mod answers;
mod assess;
mod choose;
mod complete;
mod debts;
mod erase;
mod holds;
mod lane_state;
mod launch;
mod library;
mod memory;
mod order;
mod playback;
mod poll;
mod random_id;
mod reconcile;
mod record;
mod recover;
mod task;
mod turns;
mod view;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, watch};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{Mode, Policy, Refusal};
use crate::plan::{self, Knowledge};
use crate::store::{Rows, Store, Tx};
use memory::Memory;

pub use crate::store::Recovered;
pub use holds::{Hold, HoldId};
pub use launch::{LaunchReport, OpenOptions};
pub use reconcile::{ReconcileOptions, ReconcileReport};
pub use wire::{Completed, Counters, PhaseOrder, Poll, TaskOrder};

pub struct Engine {
    store: Arc<Store>,
    memory: Arc<Mutex<Memory>>,
    clock: Arc<dyn Clock>,
    policy: Mutex<Arc<Policy>>,
    /// What the app's fleet has seen of updates.
    knowledge: Vec<Knowledge>,
    /// Set when every stored session is in memory, or when they cannot be read.
    filled: watch::Sender<Option<Result<()>>>,
    /// Held for reading by the app's changes under way, which `close` waits for.
    changes: RwLock<()>,
}

impl Engine {
    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what `changes`, JSON of some of its fields, names. What is out already goes on by the old one.
    pub fn set_policy(&self, changes: &str) -> Result<Arc<Policy>> {
        let mut policy = self.policy().changed_by(crate::model::parse_json(changes)?)?;
        if self.store.is_newer() {
            policy.mode = Mode::Observe;
        }
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        Ok(self.policy())
    }

    /// Contents that the app's server says it would refuse: they are neither asked for nor risked, unless somebody wants them.
    pub fn set_refused(&self, refused: HashMap<String, Refusal>) {
        Arc::make_mut(&mut self.memory().gate).refused = refused;
    }

    /// `true`: the next licences begin after a random delay, because nobody waits for them and every install is at the same. Those of the
    /// titles that were played last, and what somebody asks for, do not wait. `false`: such a delay is over.
    pub fn spread(&self, spread: bool) {
        let (now, delay_ms) = (self.clock.now_ms(), plan::spread_delay_ms(&self.policy(), self.clock.chance()));
        self.memory().spread(spread.then(|| now..now.saturating_add(delay_ms)));
    }

    /// Ends the writer thread after what is queued, and lets go of the directory. Every later call fails with
    /// `ERR_CLOSED`; verdicts go on from memory. Idempotent.
    pub async fn close(&self) -> Result<()> {
        drop(self.changes.write().await);
        let writing = {
            let memory = self.memory();
            memory
                .lanes
                .values()
                .filter(|state| state.lane.writing && !state.cut_off)
                .map(|state| state.lane.id)
                .collect::<Vec<_>>()
        };
        if !writing.is_empty() {
            // The host has ended its phases. Where that cannot be written down, the next launch checks once more than it had to.
            let job = move |tx: &mut Tx<'_>| writing.iter().try_for_each(|lane| poll::set_writing(tx, *lane, false));
            let _ = self.store.write(job).await;
        }
        let store = Arc::clone(&self.store);
        blocking(move || store.close()).await
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// Reads what is committed, off the calling thread.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        self.assert_sound()?;
        let store = Arc::clone(&self.store);
        blocking(move || store.read(read)).await?
    }

    fn assert_sound(&self) -> Result<()> {
        match self.memory().damaged {
            true => Err(Error::CorruptDatabase("found by a look at all of it".to_owned())),
            false => Ok(()),
        }
    }

    /// For changes that have to find every row of a content: memory then knows of those that a damaged index does not find.
    async fn begin_change(&self) -> Result<RwLockReadGuard<'_, ()>> {
        let change = self.changes.read().await;
        self.wait_until_filled().await?;
        Ok(change)
    }

    async fn wait_until_filled(&self) -> Result<()> {
        // One that failed for a passing reason is tried again by whoever asks next.
        if matches!(&*self.filled.borrow(), Some(Err(error)) if !matches!(error, Error::Closed | Error::CorruptDatabase(_)))
        {
            self.filled.send_replace(None);
            self.fill();
        }
        let mut filled = self.filled.subscribe();
        let filled = filled.wait_for(Option::is_some).await.map_err(|_| Error::Closed)?;
        filled.clone().unwrap_or(Err(Error::Closed))
    }
}

/// Nothing that holds this lock can leave the memory half changed, so a panic elsewhere does not forbid its use.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs blocking work off the calling thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))
}

/// Where and how to open a store.
struct Place {
    directory: PathBuf,
    lock_wait: Duration,
}
