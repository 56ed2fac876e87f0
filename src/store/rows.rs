//! Reading: rows to values. Used by the reader and, inside a transaction, by the writer.

use std::collections::{HashSet, VecDeque};

use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};

use super::codec::{Sql, damaged, json, optional_json, optional_word, proof, word};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::{
    Debt, DebtId, Evidence, Generation, KeyId, Lane, LaneId, LaneKey, Launch, LaunchId, Pending, PendingSummary, RowId,
    Rules, Server, Session, SessionSummary, Standing, Strike, server_origin,
};

pub struct Rows<'c> {
    connection: &'c Connection,
}

impl<'c> Rows<'c> {
    pub fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    pub fn session(&self, id: RowId) -> Result<Option<Session>> {
        Ok(self.sessions("id = ?1", [id])?.pop())
    }

    pub fn all_sessions(&self) -> Result<Vec<Session>> {
        self.sessions("TRUE", [])
    }

    pub fn sessions_of_content(&self, content_id: &str) -> Result<Vec<Session>> {
        let sessions = self.sessions("content_id = ?1", [content_id])?;
        trust_index(sessions, |session| session.content_id == content_id)
    }

    pub fn sessions_of_account(&self, account: &str) -> Result<Vec<Session>> {
        self.sessions("account = ?1", [account])
    }

    /// The rows of a lane that hold this session id.
    pub fn holders(&self, lane: LaneId, session_id: &str) -> Result<Vec<Session>> {
        let sessions = self.sessions("lane = ?1 AND session_id = ?2", params![lane, session_id])?;
        trust_index(sessions, |session| session.lane == lane && session.session_id == session_id)
    }

    /// The contents of a lane, by row; `canary`: its sacrificial licences instead, which no content needs.
    pub fn contents_of_lane(&self, lane: LaneId, canary: bool) -> Result<Vec<(RowId, String)>> {
        let sql = "SELECT id, content_id FROM session WHERE lane = ?1 AND canary = ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map(params![lane, canary], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Sql<_>>()?)
    }

    pub fn sessions_with_key(&self, key_id: KeyId) -> Result<Vec<Session>> {
        let key_id = key_id.to_string();
        let sql = "SELECT 1 FROM session_key_row WHERE key_id = ?1 AND NOT intact";
        if self.connection.prepare_cached(sql)?.exists([&key_id])? {
            return Err(damaged("checksum").into());
        }
        self.sessions("id IN (SELECT session FROM session_key WHERE key_id = ?1)", [key_id])
    }

    /// The rows whose pending licence has this session id.
    pub fn pending_holders(&self, lane: LaneId, session_id: &str) -> Result<Vec<Session>> {
        // The plus sign keeps SQLite from walking through all of the lane.
        let condition = "+lane = ?1 AND id IN (SELECT session FROM pending WHERE session_id = ?2)";
        let sessions = self.sessions(condition, params![lane, session_id])?;
        trust_index(sessions, |session| {
            session.pending.as_ref().is_some_and(|pending| pending.session_id == session_id)
        })
    }

    /// Whether the row once had this session id.
    pub fn had_id(&self, id: RowId, session_id: &str) -> Result<bool> {
        Ok(self.past_ids(id)?.iter().any(|past| past == session_id))
    }

    /// The ids that the row once had, the latest first.
    pub fn past_ids(&self, id: RowId) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached("SELECT past_ids, intact FROM session_row WHERE id = ?1")?;
        let read = |row: &Row<'_>| intact(row).and_then(|()| json::<Vec<String>>(row, "past_ids"));
        let mut ids = statement.query_row([id], read).optional()?.unwrap_or_default();
        ids.reverse();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        Ok(ids)
    }

    fn sessions(&self, condition: &str, parameters: impl Params) -> Result<Vec<Session>> {
        let sql = format!("SELECT * FROM session_row WHERE {condition} ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut sessions = statement.query_map(parameters, session)?.collect::<Sql<Vec<_>>>()?;
        for session in &mut sessions {
            session.pending = self.pending(session.id)?;
        }
        in_order(sessions, |session| session.id)
    }

    fn pending(&self, id: RowId) -> Result<Option<Pending>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM pending_row WHERE session = ?1")?;
        Ok(statement.query_row([id], pending).optional()?)
    }

    pub fn summary(&self, id: RowId) -> Result<Option<SessionSummary>> {
        Ok(self.summaries("session.id = :id", named_params! { ":id": id })?.pop())
    }

    pub fn summaries_of_content(&self, content_id: &str) -> Result<Vec<SessionSummary>> {
        let summaries =
            self.summaries("content_id = :content ORDER BY session.id", named_params! { ":content": content_id })?;
        trust_index(summaries, |summary| *summary.content_id == *content_id)
    }

    pub fn summaries_after(&self, after: RowId, limit: usize) -> Result<Vec<SessionSummary>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let condition = "session.id > :after ORDER BY session.id LIMIT :limit";
        self.summaries(condition, named_params! { ":after": after, ":limit": limit })
    }

    fn summaries(&self, condition: &str, parameters: impl Params) -> Result<Vec<SessionSummary>> {
        let sql = format!(
            "SELECT id, lane, content_id, session.session_id, account, canary, last_played_at_ms, license_url, rules, requests_day, requests,
                    init_data IS NOT NULL AND init_data_type IS NOT NULL AS renewable,
                    state, reason, session.delay, session.proven_generation, session.proven_launch,
                    session.proven_at_ms, session.expiration_ms, strike_run, strike_at_ms, session.attempts,
                    session.next_attempt_at_ms, checked_generation, stale_id, missing_launch, session.intact,
                    pending.session AS has_pending
             FROM session_row AS session LEFT JOIN pending ON pending.session = session.id WHERE {condition}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(parameters, |row| {
            let has_pending: Option<RowId> = row.get("has_pending")?;
            Ok((summary(row)?, has_pending.is_some()))
        })?;
        let mut summaries = Vec::new();
        for found in found {
            let (mut summary, has_pending) = found?;
            if has_pending {
                summary.pending = self.pending(summary.id)?.as_ref().map(Pending::summary);
            }
            summaries.push(summary);
        }
        in_order(summaries, |summary| summary.id)
    }

    /// How many active sessions of a lane are not proven in `generation`. Touches only those.
    pub fn count_suspects(&self, lane: LaneId, generation: Generation) -> Result<i64> {
        let sql =
            "SELECT (SELECT count(*) FROM session WHERE lane = ?1 AND state = 'active' AND proven_generation IS NULL)
            + (SELECT count(*) FROM session WHERE lane = ?1 AND state = 'active' AND proven_generation < ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([lane, generation], |row| row.get(0))?)
    }

    /// How many sessions of a lane are suspect, or lost and not licensed again yet, and have what that needs. Touches only those.
    pub fn count_unfinished(&self, lane: LaneId, generation: Generation) -> Result<i64> {
        let of = "SELECT count(*) FROM session WHERE lane = ?1 AND init_data IS NOT NULL AND state =";
        let sql = format!(
            "SELECT ({of} 'lost') + ({of} 'active' AND proven_generation IS NULL) + ({of} 'active' AND proven_generation < ?2)"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row([lane, generation], |row| row.get(0))?)
    }

    /// The same where proof from an earlier launch does not count either.
    pub fn count_not_proven_since(&self, lane: LaneId, generation: Generation, launch: LaunchId) -> Result<i64> {
        let sql = "SELECT count(*) FROM session WHERE lane = ?1 AND state = 'active'
            AND (proven_generation IS NOT ?2 OR proven_launch IS NOT ?3)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([lane, generation, launch], |row| row.get(0))?)
    }

    pub fn lanes(&self) -> Result<Vec<Lane>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM lane_row ORDER BY id")?;
        in_order(statement.query_map([], lane)?.collect::<Sql<_>>()?, |lane: &Lane| lane.id)
    }

    pub fn lane(&self, id: LaneId) -> Result<Option<Lane>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM lane_row WHERE id = ?1")?;
        Ok(statement.query_row([id], lane).optional()?)
    }

    /// Every configuration that the lane's sessions and debts were stored with, once each.
    pub fn lane_configurations(&self, id: LaneId) -> Result<Vec<(crate::model::Capabilities, Option<String>)>> {
        // One row of each stands for all: a damaged one is alone with what it says.
        let sql = "SELECT max(session), max(debt) FROM (
            SELECT capabilities, init_data_type, id AS session, NULL AS debt FROM session WHERE lane = ?1
            UNION ALL SELECT capabilities, init_data_type, NULL, id FROM debt WHERE lane = ?1)
            GROUP BY capabilities, init_data_type ORDER BY capabilities, init_data_type";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut configurations = Vec::new();
        for (session, debt) in found.collect::<Sql<Vec<(Option<RowId>, Option<DebtId>)>>>()? {
            let session = session.map_or(Ok(None), |id| self.session(id))?;
            let debt = debt.map_or(Ok(None), |id| self.debt(id))?;
            configurations.extend(session.map(|row| (row.capabilities, row.init_data_type)));
            configurations.extend(debt.map(|row| (row.capabilities, row.init_data_type)));
        }
        configurations.dedup();
        Ok(configurations)
    }

    pub fn debts(&self) -> Result<Vec<Debt>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM debt_row ORDER BY id")?;
        in_order(statement.query_map([], debt)?.collect::<Sql<_>>()?, |debt: &Debt| debt.id)
    }

    pub fn debt(&self, id: DebtId) -> Result<Option<Debt>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM debt_row WHERE id = ?1")?;
        Ok(statement.query_row([id], debt).optional()?)
    }

    /// The debt for this session id, if it is owed.
    pub fn debt_of(&self, lane: LaneId, session_id: &str) -> Result<Option<Debt>> {
        let sql = "SELECT * FROM debt_row WHERE lane = ?1 AND session_id = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![lane, session_id], debt).optional()?)
    }

    pub fn lane_by_key(&self, key: &LaneKey) -> Result<Option<Lane>> {
        let sql = "SELECT * FROM lane_row WHERE origin = ?1 AND partition = ?2 AND key_system = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([&key.origin, &key.partition, &key.key_system], lane).optional()?)
    }

    /// The hour in which a licence was last asked for, and how many requests it has seen.
    pub fn budget(&self) -> Result<(i64, u32)> {
        let mut statement =
            self.connection.prepare_cached("SELECT hour, requests FROM budget_row WHERE id = 1 AND intact")?;
        Ok(statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?.unwrap_or_default())
    }

    /// What the changes that a launch found have done.
    pub fn evidence(&self, launch: LaunchId) -> Result<Vec<Evidence>> {
        let sql = "SELECT evidence.*, origin, partition, key_system FROM evidence_row AS evidence JOIN lane ON lane.id = evidence.lane
            WHERE launch = ?1 ORDER BY evidence.id";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([launch], evidence)?.collect::<Sql<_>>()?)
    }

    /// The newest first.
    pub fn all_evidence(&self) -> Result<Vec<Evidence>> {
        let sql = "SELECT evidence.*, origin, partition, key_system FROM evidence_row AS evidence JOIN lane ON lane.id = evidence.lane
            ORDER BY evidence.id DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([], evidence)?.collect::<Sql<_>>()?)
    }

    pub fn servers(&self) -> Result<Vec<Server>> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM server_row")?;
        Ok(statement.query_map([], server)?.collect::<Sql<_>>()?)
    }

    /// The newest launches first.
    pub fn launches(&self, limit: u32) -> Result<Vec<Launch>> {
        let sql = "SELECT * FROM launch_row ORDER BY id DESC LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([limit], launch)?.collect::<Sql<_>>()?)
    }

    /// When the first launch was that came later than `at_ms`.
    pub fn first_launch_after(&self, at_ms: Millis) -> Result<Option<Millis>> {
        let sql = "SELECT min(at_ms) FROM launch_row WHERE at_ms > ?1 AND intact";
        Ok(self.connection.prepare_cached(sql)?.query_row([at_ms], |row| row.get(0))?)
    }

    /// The launch before `id`.
    pub fn launch_before(&self, id: LaunchId) -> Result<Option<Launch>> {
        let sql = "SELECT * FROM launch_row WHERE id < ?1 ORDER BY id DESC LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], launch).optional()?)
    }
}

/// A row whose checksum is wrong is damage, whatever it says.
fn intact(row: &Row<'_>) -> Sql<()> {
    if row.get("intact")? { Ok(()) } else { Err(damaged("checksum")) }
}

/// A damaged index finds rows that were not asked for.
fn trust_index<T>(found: Vec<T>, is_meant: impl Fn(&T) -> bool) -> Result<Vec<T>> {
    if found.iter().all(is_meant) { Ok(found) } else { Err(damaged("of an index").into()) }
}

/// SQLite takes a table's pages to be in the order of its rows: one that came to another place may have a row as it was once.
fn in_order<T>(found: Vec<T>, id: impl Fn(&T) -> i64) -> Result<Vec<T>> {
    let is_in_order = found.windows(2).all(|two| id(&two[0]) < id(&two[1]));
    if is_in_order { Ok(found) } else { Err(damaged("of a page's place").into()) }
}

fn standing(row: &Row<'_>) -> Sql<Standing> {
    let strike = match (row.get("strike_run")?, row.get("strike_at_ms")?) {
        (Some(run), Some(at_ms)) => Some(Strike { run, at_ms }),
        _ => None,
    };
    Ok(Standing {
        state: word(row, "state")?,
        reason: optional_word(row, "reason")?,
        delay: optional_word(row, "delay")?,
        proof: proof(row)?,
        expiration_ms: row.get("expiration_ms")?,
        strike,
        attempts: row.get("attempts")?,
        next_attempt_at_ms: row.get("next_attempt_at_ms")?,
        checked_generation: row.get("checked_generation")?,
        stale_id: row.get("stale_id")?,
    })
}

fn session(row: &Row<'_>) -> Sql<Session> {
    intact(row)?;
    Ok(Session {
        id: row.get("id")?,
        lane: row.get("lane")?,
        content_id: row.get("content_id")?,
        session_id: row.get("session_id")?,
        account: row.get("account")?,
        init_data_type: row.get("init_data_type")?,
        init_data: row.get("init_data")?,
        key_ids: json(row, "key_ids")?,
        license_url: row.get("license_url")?,
        capabilities: json(row, "capabilities")?,
        last_played_at_ms: row.get("last_played_at_ms")?,
        rules: json(row, "rules")?,
        canary: row.get("canary")?,
        metadata: optional_json(row, "metadata")?,
        ever_proven: row.get("ever_proven")?,
        request_id: row.get("request_id")?,
        requests: (row.get("requests_day")?, row.get("requests")?),
        missing_launch: row.get("missing_launch")?,
        standing: standing(row)?,
        pending: None,
    })
}

fn pending(row: &Row<'_>) -> Sql<Pending> {
    intact(row)?;
    Ok(Pending {
        session_id: row.get("session_id")?,
        generation: row.get("generation")?,
        stage: word(row, "stage")?,
        proof: proof(row)?,
        key_ids: json(row, "key_ids")?,
        expiration_ms: row.get("expiration_ms")?,
        delay: optional_word(row, "delay")?,
        attempts: row.get("attempts")?,
        next_attempt_at_ms: row.get("next_attempt_at_ms")?,
    })
}

fn summary(row: &Row<'_>) -> Sql<SessionSummary> {
    intact(row)?;
    let rules: Rules = json(row, "rules")?;
    Ok(SessionSummary {
        id: row.get("id")?,
        lane: row.get("lane")?,
        content_id: row.get::<_, String>("content_id")?.into(),
        session_id: row.get::<_, String>("session_id")?.into(),
        account: row.get::<_, Option<String>>("account")?.map(Into::into),
        canary: row.get("canary")?,
        missing: row.get::<_, Option<LaunchId>>("missing_launch")?.is_some(),
        renewable: row.get("renewable")?,
        last_played_at_ms: row.get("last_played_at_ms")?,
        server: server_origin(row.get::<_, Option<String>>("license_url")?.as_deref()).into(),
        requests: (row.get("requests_day")?, row.get("requests")?),
        renew_ahead_ms: rules.renew_ahead_ms,
        playback_ends_at_ms: rules.playback_ends_at_ms(),
        standing: standing(row)?,
        pending: None::<PendingSummary>,
    })
}

fn lane(row: &Row<'_>) -> Sql<Lane> {
    intact(row)?;
    Ok(Lane {
        id: row.get("id")?,
        key: LaneKey {
            origin: row.get("origin")?,
            partition: row.get("partition")?,
            key_system: row.get("key_system")?,
        },
        generation: row.get("generation")?,
        binding: json(row, "binding")?,
        binding_launch: row.get("binding_launch")?,
        witness: row.get("witness")?,
        witness_found: row.get("witness_found")?,
        writing: row.get("writing")?,
        capability: optional_word(row, "capability")?,
        capability_launch: row.get("capability_launch")?,
    })
}

fn debt(row: &Row<'_>) -> Sql<Debt> {
    intact(row)?;
    Ok(Debt {
        id: row.get("id")?,
        lane: row.get("lane")?,
        content_id: row.get("content_id")?,
        session_id: row.get("session_id")?,
        capabilities: json(row, "capabilities")?,
        init_data_type: row.get("init_data_type")?,
        key_ids: json(row, "key_ids")?,
        bad_in: row.get("bad_in")?,
        launch: row.get("launch")?,
        attempts: row.get("attempts")?,
        next_attempt_at_ms: row.get("next_attempt_at_ms")?,
    })
}

fn evidence(row: &Row<'_>) -> Sql<Evidence> {
    intact(row)?;
    Ok(Evidence {
        lane: LaneKey {
            origin: row.get("origin")?,
            partition: row.get("partition")?,
            key_system: row.get("key_system")?,
        },
        from: json(row, "old_binding")?,
        to: json(row, "new_binding")?,
        kept: row.get("kept")?,
        lost: row.get("lost")?,
        unsupported: row.get("unsupported")?,
    })
}

fn server(row: &Row<'_>) -> Sql<Server> {
    intact(row)?;
    Ok(Server {
        origin: row.get::<_, String>("origin")?.into(),
        rate_per_s: row.get("rate_per_s")?,
        ceiling_per_s: row.get("ceiling_per_s")?,
        tokens: row.get("tokens")?,
        at_ms: row.get("at_ms")?,
        not_before_ms: row.get("not_before_ms")?,
        asked_until_ms: row.get("asked_until_ms")?,
        throttles: row.get("throttles")?,
        failures: row.get("failures")?,
        answered_at_ms: VecDeque::new(),
    })
}

fn launch(row: &Row<'_>) -> Sql<Launch> {
    intact(row)?;
    Ok(Launch {
        launch_id: row.get("id")?,
        at_ms: row.get("at_ms")?,
        platform: json(row, "platform")?,
        changes: json(row, "changes")?,
        expected: optional_json(row, "expected")?,
        evidence: Vec::new(),
    })
}
