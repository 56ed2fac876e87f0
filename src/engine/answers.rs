//! Answers from memory. Only before memory is filled do they wait for the disk.

use super::Engine;
use super::lane_state::LaneState;
use super::memory::Memory;
use crate::error::Result;
use crate::model::{LaneKey, Mode, Playable, Reason, RowId, SessionSummary, Verdict, content_id};
use crate::plan::{self, Urge};

impl Engine {
    /// Those that have stored sessions, or had.
    pub fn lanes(&self) -> Vec<LaneKey> {
        self.memory().lanes.values().map(|state| state.lane.key.clone()).collect()
    }

    /// May the renderer play this now? Until memory is filled this is one indexed read.
    pub fn verdict(&self, content: String) -> Result<Verdict> {
        let content = content_id(content)?;
        let now = self.clock.now_ms();
        {
            let memory = self.memory();
            if memory.is_filled() {
                return Ok(memory.verdict(&content, &self.policy(), now));
            }
        }
        match self.store.read_quickly(|rows| rows.summaries_of_content(&content))? {
            Some(sessions) => Ok(self.memory().verdict_on(&content, sessions.iter(), &self.policy(), now)),
            // While a damaged database is exchanged there is only what was known before.
            None => Ok(self.memory().verdict(&content, &self.policy(), now)),
        }
    }

    /// The verdicts of everything stored that would not play offline now, by content id, but for other accounts' titles. Fills memory first if the
    /// background has not got there yet.
    pub fn unready(&self) -> Result<Vec<Verdict>> {
        let now = self.clock.now_ms();
        if !self.memory().is_filled() {
            self.store.read_all_summaries(|chunk| self.memory().fill(chunk))?;
        }
        let policy = self.policy();
        let memory = self.memory();
        let mut unready: Vec<Verdict> = memory
            .content_ids()
            .map(|content| memory.verdict(content, &policy, now))
            .filter(|verdict| verdict.playable != Playable::Offline && verdict.reason != Some(Reason::OtherAccount))
            .collect();
        unready.sort_by(|a, b| a.content_id.cmp(&b.content_id));
        Ok(unready)
    }

    /// Somebody waits for this content: its sessions go first, and waits that no server asked for are skipped, once.
    pub async fn want(&self, content: String) -> Result<()> {
        self.urge(content, Urge::Clicked).await
    }

    /// Nobody waits any more.
    pub fn unwant(&self, content: &str) {
        let mut memory = self.memory();
        for row in memory.rows_of_content(content).to_vec() {
            memory.forget_click(row);
        }
    }

    /// The app says that a content's waits are over: those that no server asked for are skipped, once.
    pub async fn retry(&self, content: String) -> Result<()> {
        self.urge(content, Urge::Retry).await
    }

    async fn urge(&self, content: String, urge: Urge) -> Result<()> {
        let content = content_id(content)?;
        self.wait_until_filled().await?;
        let mut memory = self.memory();
        for row in memory.rows_of_content(&content).to_vec() {
            memory.set_urge(row, urge);
            let Some(lane) = memory.sessions.get(&row).map(|session| session.lane) else {
                continue;
            };
            if let Some(lane) = memory.lanes.get_mut(&lane) {
                lane.not_before_ms = 0;
            }
        }
        Ok(())
    }

    /// Whether nothing more can be done for a content now. If so, that it was wanted is forgotten.
    pub fn settled(&self, content: &str) -> bool {
        let now = self.clock.now_ms();
        let mut memory = self.memory();
        if !memory.is_filled() {
            return false;
        }
        let rows = memory.rows_of_content(content).to_vec();
        let policy = self.policy();
        let scope = memory.scope(&policy, now);
        let is_trusted = |session: &SessionSummary, lane| plan::is_trusted(session, &memory.facts(lane), &scope);
        let outstanding = |row: &RowId| {
            let Some((session, lane)) = memory.session_and_lane(*row) else { return false };
            if memory.tasks.values().any(|task| task.kind.row() == Some(*row)) {
                return true;
            }
            let can_run = can_run(lane, policy.mode) && lane.waits_until(&policy, now).is_none();
            // Nobody waits for a renewal ahead.
            let has_work = || !is_trusted(session, lane) && memory.has_work(*row, &policy, now);
            can_run && (Memory::awaits_probe(lane) || has_work())
        };
        if rows.iter().any(outstanding) {
            return false;
        }
        // What is wanted of a server that asked for patience comes first when that is over.
        let waits_for_server = |row: &RowId| {
            let Some((session, lane)) = memory.session_and_lane(*row) else { return false };
            !is_trusted(session, lane) && plan::server_closed(session, &scope, true).is_some()
        };
        let done: Vec<RowId> = rows.into_iter().filter(|row| !waits_for_server(row)).collect();
        for row in done {
            memory.forget_click(row);
        }
        true
    }
}

fn can_run(lane: &LaneState, mode: Mode) -> bool {
    mode == Mode::Repair && lane.deferred != Some(Reason::NoDriver)
}
