//! What crosses to the host, as JSON.

use serde::Serialize;

use crate::clock::Millis;
use crate::model::{Capabilities, KeyId, LaneKey, MediaCapability, Rules, StoredSession};

pub type TaskId = u64;
pub type PhaseId = u64;

/// What may run now.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    pub phases: Vec<PhaseOrder>,
    /// When to ask again though nothing else happens; null: never by itself.
    pub next_poll_at: Option<Millis>,
    /// Phases that are out, these included.
    pub running: usize,
    /// Sessions with work that is out or could run now.
    pub remaining: usize,
    /// Of these, those that only wait for their turn at a licence server.
    pub paced: usize,
    /// Licence requests still to come, as far as what checks have found so far tells.
    pub expected_license_requests: usize,
    /// How long these will take their servers.
    pub remaining_ms: Millis,
    /// Sessions that are not trusted and cannot be worked on now.
    pub deferred: usize,
    /// Of these, those whose share of licence requests is spent.
    pub held_back: usize,
    /// Sessions in unsupported lanes.
    pub unsupported: usize,
    pub counters: Counters,
}

/// One phase of one lane: start it, run its tasks, end it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhaseOrder {
    pub phase_id: PhaseId,
    pub lane: LaneKey,
    pub phase: &'static str,
    /// The MediaKeys that this phase needs; null for probe and adopt.
    pub configuration: Option<Configuration>,
    /// It is another session's: what these were stored with is not known.
    pub is_borrowed: bool,
    /// What a probe asks for.
    pub configurations: Vec<Configuration>,
    pub tasks: Vec<TaskOrder>,
    /// How many tasks may run at a time.
    pub concurrency: usize,
    pub start_timeout_ms: Millis,
    pub task_timeout_ms: Millis,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskOrder {
    pub task_id: TaskId,
    /// License: the id under which a server may bill once.
    pub request_id: Option<String>,
    /// Adopt: the id to write into the player's catalogue.
    pub new_session_id: Option<String>,
    pub session: Option<DriverSession>,
}

/// A stored session (or release debt) as a driver needs it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriverSession {
    pub content_id: Option<String>,
    pub lane: LaneKey,
    pub session_id: String,
    /// Adopt: what the player's catalogue may call it still, the latest first: after a crash, or an update that was undone.
    pub previous_session_ids: Vec<String>,
    pub account: Option<String>,
    pub init_data_type: Option<String>,
    /// Base64.
    pub init_data: Option<String>,
    pub key_ids: Vec<KeyId>,
    pub license_url: Option<String>,
    pub capabilities: Capabilities,
    pub rules: Rules,
    pub metadata: Option<serde_json::Value>,
    pub key_status_wait_ms: Millis,
}

/// A MediaKeySystemConfiguration, less what is the driver's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    pub init_data_types: Vec<String>,
    pub audio_capabilities: Vec<MediaCapability>,
    pub video_capabilities: Vec<MediaCapability>,
}

impl Configuration {
    pub fn of(capabilities: &Capabilities, init_data_type: Option<&str>) -> Self {
        Self {
            init_data_types: init_data_type.map(str::to_owned).into_iter().collect(),
            audio_capabilities: capabilities.audio.clone(),
            video_capabilities: capabilities.video.clone(),
        }
    }
}

/// What recording an outcome led to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    /// The task was unknown, done or taken back: nothing changed.
    pub stale: bool,
    /// After a probe: the witness to plant now.
    pub plant_witness: Option<String>,
    pub changed: Vec<StoredSession>,
    /// How many of these have no more work that could run now.
    pub settled: usize,
    pub counters: Counters,
}

/// What this process has done so far; a run reports the difference.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Sessions whose check answered (a lone recheck is not counted again).
    pub checked: u64,
    /// Sessions that a check proved.
    pub proven: u64,
    pub lost: u64,
    pub licensed: u64,
    pub adopted: u64,
    pub blocked: u64,
    pub released: u64,
}

impl Counters {
    pub fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.proven += other.proven;
        self.lost += other.lost;
        self.licensed += other.licensed;
        self.adopted += other.adopted;
        self.blocked += other.blocked;
        self.released += other.released;
    }
}
