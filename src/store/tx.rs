//! Writing: values to rows, inside the writer's transaction. Remembers what it touched.

use std::collections::BTreeSet;
use std::ops::Deref;

use rusqlite::{Connection, params};

use super::codec::to_json;
use super::rows::Rows;
use crate::clock::Millis;
use crate::error::Result;
use crate::model::{
    Binding, Change as PlatformChange, Debt, DebtId, ExpectedUpdate, Generation, KeyId, Lane, LaneId, LaunchId, RowId,
    Server, Session, SessionSummary, Snapshot,
};

/// What a commit changed.
#[derive(Debug, Clone)]
pub enum Change {
    Session(SessionSummary),
    SessionRemoved(RowId),
    Lane(Lane),
    LaneRemoved(LaneId),
    Debt(Debt),
    DebtRemoved(DebtId),
}

/// A transaction under way. Reads like [`Rows`].
pub struct Tx<'c> {
    connection: &'c Connection,
    rows: Rows<'c>,
    sessions: BTreeSet<RowId>,
    lanes: BTreeSet<LaneId>,
    debts: BTreeSet<DebtId>,
}

impl<'c> Deref for Tx<'c> {
    type Target = Rows<'c>;

    fn deref(&self) -> &Rows<'c> {
        &self.rows
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            rows: Rows::new(connection),
            sessions: BTreeSet::new(),
            lanes: BTreeSet::new(),
            debts: BTreeSet::new(),
        }
    }

    /// Whether a job of this transaction has written or deleted the row.
    pub fn has_touched(&self, id: RowId) -> bool {
        self.sessions.contains(&id)
    }

    /// What was touched, as it stands now: right also when a job in between was rolled back.
    pub(super) fn changes(&self) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        // Lanes first: a session's change may be read with its lane's.
        for id in &self.lanes {
            changes.push(self.lane(*id)?.map_or(Change::LaneRemoved(*id), Change::Lane));
        }
        for id in &self.sessions {
            changes.push(self.summary(*id)?.map_or(Change::SessionRemoved(*id), Change::Session));
        }
        for id in &self.debts {
            changes.push(self.debt(*id)?.map_or(Change::DebtRemoved(*id), Change::Debt));
        }
        Ok(changes)
    }

    /// Inserts a session (its `id` is ignored) and gives its new id.
    pub fn insert_session(&mut self, session: &Session) -> Result<RowId> {
        let sql = "INSERT INTO session (lane, lane_key, content_id, session_id, key_ids, capabilities, rules, canary,
            ever_proven, state, attempts)
            SELECT id, json_array(origin, partition, key_system), ?2, ?3, '[]', '{}', '{}', 0, 0, 'active', 0
            FROM lane WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let id = statement.insert(params![session.lane, session.content_id, session.session_id])?;
        drop(statement);
        let session = Session { id, ..session.clone() };
        self.write_session(&session)?;
        if session.pending.is_some() {
            self.save_pending(&session)?;
        }
        Ok(id)
    }

    /// Writes every column of a session and its pending licence. An id that it gives up is remembered, and so is that of a pending
    /// licence which the player's catalogue may have been given.
    pub fn save_session(&mut self, session: &Session) -> Result<()> {
        let sql = "UPDATE session SET past_ids = json_insert(past_ids, '$[#]', pending.session_id) FROM pending
            WHERE session.id = ?1 AND pending.session = ?1 AND stage = 'verified'
                AND pending.session_id <> ?2 AND pending.session_id IS NOT ?3";
        let pending = session.pending.as_ref().map(|pending| &pending.session_id);
        self.connection.prepare_cached(sql)?.execute(params![session.id, session.session_id, pending])?;
        let sql = "UPDATE session SET past_ids = json_insert(past_ids, '$[#]', session_id)
            WHERE id = ?1 AND session_id <> ?2";
        self.connection.prepare_cached(sql)?.execute(params![session.id, session.session_id])?;
        self.write_session(session)?;
        self.save_pending(session)
    }

    fn write_session(&mut self, session: &Session) -> Result<()> {
        self.sessions.insert(session.id);
        let standing = &session.standing;
        let sql = "UPDATE session SET session_id = ?2, account = ?3, init_data_type = ?4, init_data = ?5, key_ids = ?6,
            license_url = ?7, capabilities = ?8, last_played_at_ms = ?9, rules = ?10, canary = ?11, metadata = ?12,
            ever_proven = ?13, request_id = ?14, state = ?15, reason = ?16, delay = ?17, proven_generation = ?18,
            proven_launch = ?19, proven_at_ms = ?20, expiration_ms = ?21, strike_run = ?22, strike_at_ms = ?23,
            attempts = ?24, next_attempt_at_ms = ?25, checked_generation = ?26, stale_id = ?27, missing_launch = ?28,
            requests_day = ?29, requests = ?30
            WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![
            session.id,
            session.session_id,
            session.account,
            session.init_data_type,
            session.init_data,
            to_json(&session.key_ids),
            session.license_url,
            to_json(&session.capabilities),
            session.last_played_at_ms,
            to_json(&session.rules),
            session.canary,
            session.metadata.as_ref().map(to_json),
            session.ever_proven,
            session.request_id,
            standing.state.as_str(),
            standing.reason.map(|reason| reason.as_str()),
            standing.delay.map(|reason| reason.as_str()),
            standing.proof.map(|proof| proof.generation),
            standing.proof.map(|proof| proof.launch),
            standing.proof.map(|proof| proof.at_ms),
            standing.expiration_ms,
            standing.strike.map(|strike| strike.run),
            standing.strike.map(|strike| strike.at_ms),
            standing.attempts,
            standing.next_attempt_at_ms,
            standing.checked_generation,
            standing.stale_id,
            session.missing_launch,
            session.requests.0,
            session.requests.1,
        ])?;
        Ok(())
    }

    fn save_pending(&mut self, session: &Session) -> Result<()> {
        let Some(pending) = &session.pending else {
            self.connection.prepare_cached("DELETE FROM pending WHERE session = ?1")?.execute([session.id])?;
            return Ok(());
        };
        let sql =
            "INSERT OR REPLACE INTO pending (session, session_id, generation, stage, proven_generation, proven_launch,
            proven_at_ms, key_ids, expiration_ms, delay, attempts, next_attempt_at_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        self.connection.prepare_cached(sql)?.execute(params![
            session.id,
            pending.session_id,
            pending.generation,
            pending.stage.as_str(),
            pending.proof.map(|proof| proof.generation),
            pending.proof.map(|proof| proof.launch),
            pending.proof.map(|proof| proof.at_ms),
            to_json(&pending.key_ids),
            pending.expiration_ms,
            pending.delay.map(|reason| reason.as_str()),
            pending.attempts,
            pending.next_attempt_at_ms,
        ])?;
        Ok(())
    }

    /// Adds key ids by which `find` knows the session.
    pub fn index_keys(&mut self, id: RowId, key_ids: &[KeyId]) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO session_key (key_id, session) VALUES (?1, ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        for key_id in key_ids {
            statement.execute(params![key_id.to_string(), id])?;
        }
        Ok(())
    }

    pub fn delete_session(&mut self, id: RowId) -> Result<()> {
        self.sessions.insert(id);
        self.connection.prepare_cached("DELETE FROM session WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    /// Inserts a lane (its `id` is ignored) and gives its new id.
    pub fn insert_lane(&mut self, lane: &Lane) -> Result<LaneId> {
        let sql = "INSERT INTO lane (origin, partition, key_system, generation, binding, binding_launch)
            VALUES (?1, ?2, ?3, 0, '', 0)";
        let key = &lane.key;
        let id = self.connection.prepare_cached(sql)?.insert(params![key.origin, key.partition, key.key_system])?;
        self.save_lane(&Lane { id, ..lane.clone() })?;
        Ok(id)
    }

    pub fn save_lane(&mut self, lane: &Lane) -> Result<()> {
        self.lanes.insert(lane.id);
        let sql = "UPDATE lane SET generation = ?2, binding = ?3, binding_launch = ?4, witness = ?5, capability = ?6,
            capability_launch = ?7, writing = ?8, witness_found = ?9 WHERE id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![
            lane.id,
            lane.generation,
            to_json(&lane.binding),
            lane.binding_launch,
            lane.witness,
            lane.capability.map(|capability| capability.as_str()),
            lane.capability_launch,
            lane.writing,
            lane.witness_found,
        ])?;
        Ok(())
    }

    /// Notes that `session_id`, a licence made for `session`, is to be removed from the CDM. One that is already owed
    /// stays as it is.
    pub fn owe(&mut self, session: &Session, session_id: &str, bad_in: Option<Generation>) -> Result<()> {
        let sql =
            "INSERT INTO debt (lane, content_id, session_id, capabilities, init_data_type, key_ids, bad_in, launch, attempts)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce((SELECT max(id) FROM launch), 0), 0) ON CONFLICT DO NOTHING";
        let key_ids = session.shown_key_ids();
        let inserted = self.connection.prepare_cached(sql)?.execute(params![
            session.lane,
            session.content_id,
            session_id,
            to_json(&session.capabilities),
            session.init_data_type,
            to_json(&key_ids),
            bad_in,
        ])?;
        if inserted > 0 {
            self.debts.insert(self.connection.last_insert_rowid());
        }
        Ok(())
    }

    pub fn save_debt(&mut self, debt: &Debt) -> Result<()> {
        self.debts.insert(debt.id);
        let sql = "UPDATE debt SET content_id = ?2, attempts = ?3, next_attempt_at_ms = ?4 WHERE id = ?1";
        let values = params![debt.id, debt.content_id, debt.attempts, debt.next_attempt_at_ms];
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    pub fn delete_debt(&mut self, id: DebtId) -> Result<()> {
        self.debts.insert(id);
        self.connection.prepare_cached("DELETE FROM debt WHERE id = ?1")?.execute([id])?;
        Ok(())
    }

    pub fn save_budget(&mut self, hour: i64, requests: u32) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO budget (id, hour, requests) VALUES (1, ?1, ?2)";
        self.connection.prepare_cached(sql)?.execute(params![hour, requests])?;
        Ok(())
    }

    /// A lane's new generation begins with a change of its binding.
    pub fn insert_evidence(&mut self, launch: LaunchId, lane: &Lane, old: &Binding) -> Result<()> {
        let sql = "INSERT OR IGNORE INTO evidence (launch, lane, generation, old_binding, new_binding) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![launch, lane.id, lane.generation, to_json(old), to_json(&lane.binding)];
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// One stored session was kept or lost in a lane's generation.
    pub fn count_evidence(&mut self, lane: LaneId, generation: Generation, kept: bool) -> Result<()> {
        let sql = match kept {
            true => "UPDATE evidence SET kept = kept + 1 WHERE lane = ?1 AND generation = ?2",
            false => "UPDATE evidence SET lost = lost + 1 WHERE lane = ?1 AND generation = ?2",
        };
        self.connection.prepare_cached(sql)?.execute([lane, generation])?;
        Ok(())
    }

    /// A lane's stored sessions cannot be asked for any more.
    pub fn count_unsupported(&mut self, lane: LaneId, generation: Generation) -> Result<()> {
        let sql = "UPDATE evidence SET unsupported = (SELECT count(*) FROM session WHERE lane = ?1) WHERE lane = ?1 AND generation = ?2";
        self.connection.prepare_cached(sql)?.execute([lane, generation])?;
        Ok(())
    }

    pub fn save_server(&mut self, server: &Server) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO server (origin, rate_per_s, ceiling_per_s, tokens, at_ms, not_before_ms, asked_until_ms,
            throttles, failures) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.connection.prepare_cached(sql)?.execute(params![
            &*server.origin,
            server.rate_per_s,
            server.ceiling_per_s,
            server.tokens,
            server.at_ms,
            server.not_before_ms,
            server.asked_until_ms,
            server.throttles,
            server.failures,
        ])?;
        Ok(())
    }

    /// Deletes everything but one launch.
    pub fn erase_all(&mut self, except: LaunchId) -> Result<()> {
        self.sessions.extend(self.ids("session")?);
        self.debts.extend(self.ids("debt")?);
        self.lanes.extend(self.ids("lane")?);
        self.connection.execute_batch(
            "DELETE FROM session; DELETE FROM debt; DELETE FROM lane; DELETE FROM server;
            DELETE FROM evidence;",
        )?;
        self.connection.execute("DELETE FROM launch WHERE id <> ?1", [except])?;
        Ok(())
    }

    fn ids(&self, table: &str) -> Result<Vec<i64>> {
        let mut statement = self.connection.prepare(&format!("SELECT id FROM {table}"))?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    }

    /// Inserts a launch and gives its id.
    pub fn insert_launch(
        &mut self,
        at_ms: Millis,
        platform: &Snapshot,
        changes: &[PlatformChange],
    ) -> Result<LaunchId> {
        let sql = "INSERT INTO launch (at_ms, platform, changes) VALUES (?1, ?2, ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.insert(params![at_ms, to_json(platform), to_json(&changes)])?)
    }

    /// Inserts a launch under its id, if it is not there.
    pub fn keep_launch(&mut self, id: LaunchId, at_ms: Millis, platform: &Snapshot) -> Result<()> {
        let sql = "INSERT INTO launch (id, at_ms, platform, changes) VALUES (?1, ?2, ?3, '[]') ON CONFLICT DO NOTHING";
        self.connection.prepare_cached(sql)?.execute(params![id, at_ms, to_json(platform)])?;
        Ok(())
    }

    pub fn save_launch(&mut self, id: LaunchId, platform: &Snapshot, changes: &[PlatformChange]) -> Result<()> {
        let sql = "UPDATE launch SET platform = ?2, changes = ?3 WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![id, to_json(platform), to_json(&changes)])?;
        Ok(())
    }

    /// Notes the update that is installed after this launch.
    pub fn save_expected(&mut self, id: LaunchId, expected: &ExpectedUpdate) -> Result<()> {
        let mut statement = self.connection.prepare_cached("UPDATE launch SET expected = ?2 WHERE id = ?1")?;
        statement.execute(params![id, to_json(expected)])?;
        Ok(())
    }
}
