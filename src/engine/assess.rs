//! Before an update.

use std::collections::BTreeSet;

use super::launch::merge;
use super::{Engine, blocking};
use crate::error::Result;
use crate::model::{ExpectedUpdate, PartialPlatform};
use crate::plan::{LaneStock, UpdateAssessment, assess_update, public_knowledge};
use crate::store::Rows;

impl Engine {
    /// What an update to `target` would do to what is stored. `refused`: contents that the app's server would refuse.
    pub async fn assess_update(&self, target: PartialPlatform, refused: BTreeSet<String>) -> Result<UpdateAssessment> {
        let target = target.check()?;
        let is_known = target.electron.is_some() || target.chromium.is_some();
        self.wait_until_filled().await?;
        let evidence = self.read(|rows: &Rows<'_>| rows.all_evidence()).await?;
        let mut knowledge = self.knowledge.clone();
        knowledge.extend(public_knowledge()?);
        let (policy, now) = (self.policy(), self.clock.now_ms());
        let memory = self.memory();
        let target = merge(memory.snapshot.clone(), target);
        let stock: Vec<LaneStock<'_>> = memory
            .lanes
            .values()
            .map(|state| LaneStock {
                lane: &state.lane,
                facts: memory.facts(state),
                sessions: memory.sessions.values().filter(|session| session.lane == state.lane.id).collect(),
                evidence: evidence.iter().filter(|seen| seen.lane == state.lane.key).collect(),
            })
            .collect();
        let found = assess_update(&stock, &target, is_known, &knowledge, &refused, &memory.scope(&policy, now));
        Ok(match policy.update_advice {
            Some(advice) => found.overruled(advice),
            None => found,
        })
    }

    /// Before an update is installed: a note of it for the next launch, and a copy of what is stored. False: the last one is as new.
    pub async fn prepare_for_update(&self, target: Option<PartialPlatform>) -> Result<bool> {
        if let Some(target) = target {
            // Of a machine only a hash is kept, and an update does not change it.
            let target = PartialPlatform { machine: None, ..target.check()? };
            let expected = ExpectedUpdate { at_ms: self.clock.now_ms(), target };
            let launch = self.memory().launch;
            self.store.write(move |tx| tx.save_expected(launch, &expected)).await?;
        }
        let store = std::sync::Arc::clone(&self.store);
        blocking(move || store.copy()).await?
    }
}
