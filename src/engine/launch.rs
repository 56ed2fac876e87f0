//! Opening a store is a launch: observe, compare, and start new generations where a binding changed. Costs one commit
//! and a look at each lane, whatever the number of stored sessions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, watch};

use super::memory::Memory;
use super::{Engine, Place, blocking, lock};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{
    Cdm, Change, Debt, ExpectedUpdate, Lane, LaneId, Launch, LaunchId, Mode, PartialPlatform, PlatformInfo, Policy,
    Snapshot,
};
use crate::plan::{self, Budget, Gate, Knowledge};
use crate::probe::{self, Machine};
use crate::store::{Recovered, Rows, Store, Tx};

const MAX_LOCK_WAIT_MS: u64 = 600_000;
const HISTORY_LIMIT: u32 = 1_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenOptions {
    pub directory: String,
    pub platform: PlatformInfo,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub lock_wait_ms: u64,
    #[serde(default)]
    pub knowledge: Vec<Knowledge>,
}

/// What a launch found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchReport {
    pub launch_id: LaunchId,
    /// No launch was recorded before this one.
    pub first_run: bool,
    pub changes: Vec<Change>,
    /// The update that the launch before this one prepared for; null: none was announced.
    pub expected: Option<ExpectedUpdate>,
    /// Active sessions that are not proven in their lane's current generation.
    pub suspects: i64,
    /// Sessions that an earlier launch left suspect or lost, and that could be licensed again. Those of a lane whose CDM is not observed are
    /// suspect in every launch, and not counted.
    pub unfinished: i64,
    /// What was regained from a damaged database; null: nothing was damaged.
    pub recovered: Option<Recovered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HistoryOptions {
    limit: Option<u32>,
}

impl Engine {
    /// Opens the store in its directory and records a launch.
    ///
    /// A database that only newer code may write gives verdicts, in mode `observe`; writes to it fail with `ERR_NEWER_DATABASE`.
    ///
    /// Fails with `ERR_INVALID_ARGUMENT`, `ERR_IN_USE`, `ERR_READ_ONLY`, `ERR_DISK_FULL`, `ERR_NEWER_DATABASE` (it cannot even be
    /// read), `ERR_CORRUPT_DATABASE` or `ERR_STORAGE`.
    pub async fn open(options: OpenOptions, clock: Arc<dyn Clock>) -> Result<(Self, LaunchReport)> {
        if options.directory.is_empty() || options.directory.contains('\0') {
            return Err(Error::invalid("directory", "must be a path"));
        }
        let mut policy = options.policy.validate().map_err(|error| error.within("policy"))?;
        let platform = options.platform.check().map_err(|error| error.within("platform"))?;
        for (at, known) in options.knowledge.iter().enumerate() {
            known.check().map_err(|error| error.within(&format!("knowledge[{at}]")))?;
        }
        let place = Place {
            directory: options.directory.into(),
            lock_wait: Duration::from_millis(options.lock_wait_ms.min(MAX_LOCK_WAIT_MS)),
        };

        let opened = blocking(move || {
            let snapshot = snapshot(platform, probe::probe());
            let memory = Arc::new(Mutex::new(Memory::new(snapshot)));
            let observed = Arc::clone(&memory);
            let observer = Arc::new(move |changes| lock(&observed).apply(changes));
            let (store, recovered) = Store::open(&place.directory, place.lock_wait, observer)?;
            Ok::<_, Error>((Arc::new(store), memory, recovered))
        });
        let (store, memory, recovered) = opened.await??;

        let is_newer = store.is_newer();
        if is_newer {
            // What this code did could not be written down.
            policy.mode = Mode::Observe;
        }
        let engine = Self {
            store,
            memory,
            clock,
            policy: Mutex::new(Arc::new(policy)),
            knowledge: options.knowledge,
            filled: watch::Sender::new(None),
            changes: RwLock::default(),
        };
        // The rows that a launch looks at may be damaged too: those of lanes, and what happened before.
        let (report, recovered) = match engine.launch().await {
            Err(Error::CorruptDatabase(_)) => {
                let later = engine.exchange().await?;
                (engine.launch().await?, later.or(recovered))
            }
            launched => (launched?, recovered),
        };
        if recovered.is_some() {
            engine.store.told();
        }
        engine.fill();
        Ok((engine, LaunchReport { recovered, ..report }))
    }

    async fn launch(&self) -> Result<LaunchReport> {
        let now = self.clock.now_ms();
        let snapshot = self.memory().snapshot.clone();
        let job = move |tx: &mut Tx<'_>| {
            let launch = tx.insert_launch(now, &snapshot, &[])?;
            let report = observe(tx, launch, &snapshot, true)?;
            Ok((report, tx.lanes()?, tx.debts()?, tx.servers()?, tx.budget()?))
        };
        let (report, lanes, debts, servers, (hour, requests)) = self.store.write_of_launch(job).await?;
        let mut memory = self.memory();
        memory.launch = report.launch_id;
        memory.run = report.launch_id << 20;
        for lane in lanes {
            memory.set_lane(lane);
        }
        let servers = servers.into_iter().map(|server| (Arc::clone(&server.origin), server)).collect();
        memory.gate = Arc::new(Gate { servers, budget: Budget { hour, requests }, ..Gate::default() });
        memory.debts.extend(debts.into_iter().map(|debt| (debt.id, debt)));
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(
            version,
            launch = report.launch_id,
            changes = report.changes.len(),
            suspects = report.suspects,
            "launch"
        );
        Ok(report)
    }

    /// Reads every session into memory, and then looks whether the database is sound, in the background.
    pub(super) fn fill(&self) {
        let store = Arc::clone(&self.store);
        let memory = Arc::clone(&self.memory);
        let filled = self.filled.clone();
        let now = self.clock.now_ms();
        tokio::task::spawn_blocking(move || {
            let read = store.read_all_summaries(|chunk| lock(&memory).fill(chunk));
            match &read {
                Ok(()) => lock(&memory).filled(),
                Err(Error::Closed) => {}
                Err(error) => tracing::error!(%error, "stored sessions could not be read into memory"),
            }
            filled.send_replace(Some(read.clone()));
            if read.is_err() || store.is_newer() {
                return;
            }
            if let Err(error) = store.remove_old(now) {
                tracing::debug!(%error, "what was set aside is not removed yet");
            }
            if matches!(store.is_sound(), Ok(false) | Err(Error::CorruptDatabase(_))) {
                lock(&memory).damaged = true;
            }
        });
    }

    /// Facts that come late, such as a CDM's version. Compares again with the launch before this one.
    pub async fn update_platform(&self, partial: PartialPlatform) -> Result<LaunchReport> {
        let partial = partial.check()?;
        let (launch, snapshot) = {
            let mut memory = self.memory();
            // At once, so that two calls side by side do not lose each other's facts.
            memory.snapshot = merge(memory.snapshot.clone(), partial);
            (memory.launch, memory.snapshot.clone())
        };
        self.store.write_of_launch(move |tx| observe(tx, launch, &snapshot, false)).await
    }

    /// Launches, newest first.
    pub async fn history(&self, options: &str) -> Result<Vec<Launch>> {
        let options: HistoryOptions = crate::model::parse_json(options)?;
        let limit = options.limit.unwrap_or(50);
        if !(1..=HISTORY_LIMIT).contains(&limit) {
            return Err(Error::invalid("limit", format!("a whole number from 1 to {HISTORY_LIMIT}")));
        }
        let read = move |rows: &Rows<'_>| {
            let mut launches = rows.launches(limit)?;
            for launch in &mut launches {
                launch.evidence = rows.evidence(launch.launch_id)?;
            }
            Ok(launches)
        };
        self.read(read).await
    }
}

/// Records what a launch observed: its changes, and a new generation in every lane whose binding differs, or where the last process
/// was cut off while licences were written.
fn observe(tx: &mut Tx<'_>, launch: LaunchId, snapshot: &Snapshot, at_launch: bool) -> Result<LaunchReport> {
    let before = tx.launch_before(launch)?;
    let changes = before.as_ref().map(|before| snapshot.changes_since(&before.platform)).unwrap_or_default();
    tx.save_launch(launch, snapshot, &changes)?;
    let (mut suspects, mut unfinished) = (0, 0);
    for lane in tx.lanes()? {
        let lane = observe_lane(tx, lane, launch, snapshot, at_launch)?;
        suspects += count_suspects(tx, &lane, snapshot, launch)?;
        if plan::observes_cdm(snapshot, &lane.key.key_system) {
            unfinished += tx.count_unfinished(lane.id, lane.generation)?;
        }
    }
    let first_run = before.is_none();
    let expected = before.and_then(|before| before.expected);
    Ok(LaunchReport { launch_id: launch, first_run, changes, expected, suspects, unfinished, recovered: None })
}

fn observe_lane(
    tx: &mut Tx<'_>,
    mut lane: Lane,
    launch: LaunchId,
    snapshot: &Snapshot,
    at_launch: bool,
) -> Result<Lane> {
    let observed = plan::observe(&lane, snapshot, launch);
    let cut_off = at_launch && lane.writing;
    if cut_off {
        tracing::warn!(lane = lane.id, "licences were being written when the last process ended");
        lane.writing = false;
    }
    if observed.new_generation {
        drop_doubtful_debts(tx, lane.id, launch)?;
    }
    if observed.new_generation || cut_off {
        lane.generation += 1;
        tracing::info!(lane = lane.id, generation = lane.generation, "a lane's binding changed");
    }
    if observed.binding != lane.binding || cut_off {
        let old = std::mem::replace(&mut lane.binding, observed.binding);
        lane.binding_launch = launch;
        tx.save_lane(&lane)?;
        if observed.new_generation {
            tx.insert_evidence(launch, &lane, &old)?;
        }
    }
    Ok(lane)
}

/// Where the CDM may have handed ids out anew, a licence is ours by its keys alone; what has none on record is left to whoever has its
/// id now.
fn drop_doubtful_debts(tx: &mut Tx<'_>, lane: LaneId, launch: LaunchId) -> Result<()> {
    let is_doubtful = |debt: &&Debt| debt.lane == lane && debt.launch < launch && debt.key_ids.is_empty();
    for debt in tx.debts()?.iter().filter(is_doubtful) {
        tx.delete_debt(debt.id)?;
    }
    Ok(())
}

fn count_suspects(rows: &Rows<'_>, lane: &Lane, snapshot: &Snapshot, launch: LaunchId) -> Result<i64> {
    if plan::observes_cdm(snapshot, &lane.key.key_system) {
        rows.count_suspects(lane.id, lane.generation)
    } else {
        rows.count_not_proven_since(lane.id, lane.generation, launch)
    }
}

fn snapshot(platform: PlatformInfo, machine: Machine) -> Snapshot {
    let os = platform.os.unwrap_or_default();
    Snapshot {
        app: platform.app,
        electron: platform.electron,
        chromium: platform.chromium,
        node: platform.node,
        cdms: platform.cdms,
        os_name: os.name.or(machine.os_name),
        os_version: os.version.or(machine.os_version),
        arch: platform.arch.or(Some(machine.arch)),
        profile: platform.profile,
        machine_hash: platform.machine.as_deref().map(probe::hash_machine_id).or(machine.machine_hash),
    }
}

pub(super) fn merge(mut snapshot: Snapshot, partial: PartialPlatform) -> Snapshot {
    let os = partial.os.unwrap_or_default();
    snapshot.app = partial.app.unwrap_or(snapshot.app);
    snapshot.electron = partial.electron.unwrap_or(snapshot.electron);
    snapshot.chromium = partial.chromium.unwrap_or(snapshot.chromium);
    snapshot.node = partial.node.or(snapshot.node);
    snapshot.os_name = os.name.or(snapshot.os_name);
    snapshot.os_version = os.version.or(snapshot.os_version);
    snapshot.arch = partial.arch.or(snapshot.arch);
    snapshot.profile = partial.profile.or(snapshot.profile);
    snapshot.machine_hash = partial.machine.as_deref().map(probe::hash_machine_id).or(snapshot.machine_hash);
    for Cdm { key_system, version } in partial.cdms.into_iter().flatten() {
        snapshot.cdms.retain(|cdm| cdm.key_system != key_system);
        snapshot.cdms.push(Cdm { key_system, version });
    }
    snapshot
}
