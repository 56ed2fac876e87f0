//! One piece of work that is out with a driver.

use super::wire::{PhaseId, TaskId};
use crate::model::{Capabilities, DebtId, Generation, LaneId, RowId};
use crate::plan::Urge;

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

/// That somebody wants a row.
#[derive(Debug, Clone, Copy)]
pub struct Urged {
    pub urge: Urge,
    /// The last task when the app said that something is different.
    pub anew_after: Option<TaskId>,
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
