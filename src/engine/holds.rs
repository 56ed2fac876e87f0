//! Holds: the app says that a title is playing, or that a download is writing licences. They live as long as the process.

use serde::Deserialize;

use super::Engine;
use super::memory::Memory;
use crate::error::Result;
use crate::model::{HoldKind, LaneId, LaneKey, checked_lane, content_id};
use crate::plan::Work;

pub type HoldId = u64;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    /// Left out: every content of the lane.
    content_id: Option<String>,
    lane: LaneKey,
    kind: HoldKind,
}

impl Engine {
    /// Holds until `release_hold`. Work that is out already goes on: the origin's lock keeps it apart from the app's own.
    pub fn hold(&self, mut hold: Hold) -> Result<HoldId> {
        hold.lane = checked_lane(hold.lane).map_err(|error| error.within("lane"))?;
        hold.content_id = hold.content_id.map(content_id).transpose()?;
        let mut memory = self.memory();
        let id = memory.next_id();
        memory.holds.insert(id, hold);
        Ok(id)
    }

    pub fn release_hold(&self, id: HoldId) {
        self.memory().holds.remove(&id);
    }
}

impl Memory {
    /// Whether a hold forbids this work on this content now.
    pub fn is_held(&self, lane: LaneId, content_id: &str, work: Work) -> bool {
        let Some(lane) = self.lanes.get(&lane) else { return false };
        self.holds.values().filter(|hold| hold.lane == lane.lane.key).any(|hold| match hold.kind {
            HoldKind::Downloading => work == Work::License,
            HoldKind::Playing => {
                work != Work::License && hold.content_id.as_deref().is_none_or(|held| held == content_id)
            }
        })
    }

    /// Whether a hold forbids the release of what a content left behind.
    pub fn is_release_held(&self, lane: LaneId, content_id: &str) -> bool {
        // A release writes, and what it removes may be what plays.
        self.is_held(lane, content_id, Work::License) || self.is_held(lane, content_id, Work::Adopt)
    }
}
