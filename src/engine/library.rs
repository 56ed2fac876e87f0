//! The app's own calls: put, list, find, remove.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::debts::{claim_id, forgive_of, owe, remove};
use super::memory::Memory;
use super::view::stored_session;
use super::{Engine, lock};
use crate::error::{Error, Result};
use crate::lifecycle::{Context, proof_of_new_row};
use crate::model::{
    Binding, Filter, FindQuery, Lane, LaneId, LaneKey, LaunchId, NewSession, Proof, RowId, Session, SessionInput,
    Snapshot, Standing, StoredSession, content_id,
};
use crate::store::Tx;

const MAX_PUT: usize = 100_000;

impl Engine {
    /// Stores sessions. One that matches (lane, contentId, sessionId) is updated. The id of a row's pending licence matches that
    /// row too, and so does, without `proven`, an id that it once had. `replace`: the contents' other sessions are removed and become debt.
    pub async fn put(&self, inputs: Vec<SessionInput>, replace: bool) -> Result<Vec<StoredSession>> {
        if inputs.len() > MAX_PUT {
            return Err(Error::invalid("sessions", format!("at most {MAX_PUT} at a time")));
        }
        let mut checked = Vec::with_capacity(inputs.len());
        let policy = self.policy();
        for (at, input) in inputs.into_iter().enumerate() {
            checked.push(input.check(&policy).map_err(|error| error.within(&format!("[{at}]")))?);
        }
        let (launch, run, snapshot) = {
            let memory = self.memory();
            (memory.launch, memory.run, memory.snapshot.clone())
        };
        let _change = self.begin_change().await?;
        let memory = Arc::clone(&self.memory);
        let now = self.clock.now_ms();
        let job = move |tx: &mut Tx<'_>| {
            let cx = Context { now, launch, run, chance: 1.0, policy: &policy };
            let mut ids = Vec::with_capacity(checked.len());
            for input in &checked {
                ids.push(put_one(tx, &memory, input, &snapshot, cx)?);
            }
            if replace {
                remove_replaced(tx, &memory, &checked, &ids)?;
            }
            ids.into_iter().map(|id| tx.session(id)).collect::<Result<Vec<_>>>()
        };
        let sessions = self.store.write(job).await?;
        Ok(self.view(sessions.into_iter().flatten()))
    }

    pub async fn list(&self, filter: Filter) -> Result<Vec<StoredSession>> {
        let filter = filter.check()?;
        let sessions = match &filter.content_id {
            Some(content_id) => {
                let content_id = content_id.clone();
                self.read(move |rows| rows.sessions_of_content(&content_id)).await?
            }
            None => self.read(|rows| rows.all_sessions()).await?,
        };
        let matches = |session: &StoredSession| {
            let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
            is(&filter.origin, &session.lane.origin)
                && is(&filter.partition, &session.lane.partition)
                && is(&filter.key_system, &session.lane.key_system)
                && filter.account.as_ref().is_none_or(|account| session.account.as_ref() == Some(account))
                && filter.state.is_none_or(|state| session.state == state)
                && filter.suspect.is_none_or(|suspect| session.suspect == suspect)
        };
        let mut found = self.view(sessions.into_iter());
        found.retain(matches);
        Ok(found)
    }

    /// The sessions of a content, or those that share a key id with `keyIds` or `initData`; of both, if both are given.
    pub async fn find(&self, query: FindQuery) -> Result<Vec<StoredSession>> {
        let (content_id, key_ids) = query.check()?;
        let read = move |rows: &crate::store::Rows<'_>| {
            let Some(key_ids) = key_ids else {
                return rows.sessions_of_content(content_id.as_deref().unwrap_or_default());
            };
            let mut found = BTreeMap::new();
            for key_id in key_ids {
                found.extend(rows.sessions_with_key(key_id)?.into_iter().map(|session| (session.id, session)));
            }
            let of_content = |session: &Session| content_id.as_ref().is_none_or(|id| session.content_id == *id);
            Ok(found.into_values().filter(of_content).collect())
        };
        let sessions = self.read(read).await?;
        Ok(self.view(sessions.into_iter()))
    }

    /// Forgets a content. Its sessions become release debt in the same transaction. Unknown contents are fine.
    pub async fn remove_content(&self, content: String) -> Result<()> {
        let content = content_id(content)?;
        let _change = self.begin_change().await?;
        let memory = Arc::clone(&self.memory);
        let job = move |tx: &mut Tx<'_>| {
            rows_of_content(tx, &memory, &content)?.iter().try_for_each(|session| remove(tx, session))
        };
        self.store.write(job).await
    }

    pub(super) fn view(&self, sessions: impl Iterator<Item = Session>) -> Vec<StoredSession> {
        let now = self.clock.now_ms();
        let policy = self.policy();
        let (scope, lanes): (_, HashMap<_, _>) = {
            let memory = self.memory();
            (memory.scope(&policy, now), memory.lanes.iter().map(|(id, lane)| (*id, memory.facts(lane))).collect())
        };
        // A lane that is not known (yet): neither is whether the session may be trusted.
        sessions.filter_map(|session| Some(stored_session(&session, lanes.get(&session.lane)?, &scope))).collect()
    }
}

/// The rows of a content. A damaged index may not find what is there: a row that memory has, which follows each commit, and that this
/// transaction has not touched is damage where it is not found.
pub(super) fn rows_of_content(tx: &Tx<'_>, memory: &Mutex<Memory>, content_id: &str) -> Result<Vec<Session>> {
    let rows = tx.sessions_of_content(content_id)?;
    let is_found = |id: &RowId| tx.has_touched(*id) || rows.iter().any(|row| row.id == *id);
    if lock(memory).rows_of_content(content_id).iter().all(is_found) {
        Ok(rows)
    } else {
        Err(Error::CorruptDatabase("an index lacks a row".to_owned()))
    }
}

pub(super) fn put_one(
    tx: &mut Tx<'_>,
    memory: &Mutex<Memory>,
    input: &NewSession,
    snapshot: &Snapshot,
    cx: Context<'_>,
) -> Result<RowId> {
    let lane = lane_for(tx, &input.lane, snapshot, cx.launch)?;
    let known = matching_row(tx, memory, input, lane.id)?;
    // An id that the row only once had stays owed.
    // Nor does a row hold an id that is known to be no longer its own.
    if known.as_ref().is_none_or(|row| row.session_id == input.session_id && !row.standing.stale_id) {
        let named = input.named_key_ids();
        let key_ids = if input.key_ids.is_empty() { &named } else { &input.key_ids };
        forgive_of(tx, lane.id, &input.session_id, key_ids)?;
    }
    let mut session = match &known {
        Some(session) => update(session.clone(), input),
        None => new_session(input, lane.id),
    };
    if known.as_ref() == Some(&session) && input.proven.is_none() {
        tx.index_keys(session.id, &input.key_ids)?;
        return Ok(session.id);
    }
    let mut given_up = None;
    let given_up_with = known.as_ref().filter(|known| is_another_download(known, input));
    let given_up_licence =
        given_up_with.and_then(|known| known.pending.as_ref()).map(|pending| pending.session_id.clone());
    if given_up_with.is_some() {
        (session.pending, session.request_id) = (None, None);
    }
    if let Some(key_ids) = proof_of_new_row(input) {
        if session.session_id != input.session_id {
            // The app has adopted the pending licence itself.
            let old = std::mem::replace(&mut session.session_id, input.session_id.clone());
            given_up = (!session.standing.stale_id).then_some(old);
            (session.pending, session.request_id) = (None, None);
        }
        claim_id(tx, known.as_ref().map(|row| row.id), lane.id, &input.session_id, cx)?;
        let lane = tx.lane(lane.id)?.unwrap_or(lane);
        session.key_ids = key_ids;
        session.ever_proven = true;
        session.standing = Standing {
            reason: None,
            proof: Some(Proof { generation: lane.generation, launch: cx.launch, at_ms: cx.now }),
            checked_generation: Some(lane.generation),
            ..Standing::unproven(input.expiration_ms)
        };
    }
    if session.id == 0 {
        session.id = tx.insert_session(&session)?;
    } else {
        tx.save_session(&session)?;
    }
    if let Some(old) = given_up {
        owe(tx, &session, &old)?;
    }
    if let (Some(earlier), Some(old)) = (&known, given_up_licence) {
        owe(tx, earlier, &old)?;
    }
    tx.index_keys(session.id, &session.key_ids)?;
    tx.index_keys(session.id, &input.key_ids)?;
    tx.index_keys(session.id, &session.named_key_ids())?;
    Ok(session.id)
}

pub(super) fn matching_row(
    tx: &Tx<'_>,
    memory: &Mutex<Memory>,
    input: &NewSession,
    lane: LaneId,
) -> Result<Option<Session>> {
    let mut rows = rows_of_content(tx, memory, &input.content_id)?;
    rows.retain(|row| row.lane == lane);
    // After a wipe two sessions of a title may stand under one id: the one with these keys is meant, or else one whose id is its own.
    let has_keys = |row: &Session| row.key_ids.iter().any(|key_id| input.key_ids.contains(key_id));
    let meant = rows.iter().enumerate().filter(|(_, row)| row.session_id == input.session_id);
    if let Some((at, _)) = meant.max_by_key(|(at, row)| (has_keys(row), !row.standing.stale_id, std::cmp::Reverse(*at)))
    {
        return Ok(Some(rows.swap_remove(at)));
    }
    // Downloaded again under an id that the CDM has handed out anew: that is none of the row's.
    for row in rows.into_iter().filter(|row| !is_another_download(row, input)) {
        let is_pending = row.pending.as_ref().is_some_and(|pending| pending.session_id == input.session_id);
        if is_pending || (input.proven.is_none() && tx.had_id(row.id, &input.session_id)?) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn new_session(input: &NewSession, lane: LaneId) -> Session {
    let blank = Session {
        id: 0,
        lane,
        content_id: input.content_id.clone(),
        session_id: input.session_id.clone(),
        account: None,
        init_data_type: None,
        init_data: None,
        key_ids: Vec::new(),
        license_url: None,
        capabilities: input.capabilities.clone(),
        last_played_at_ms: None,
        rules: input.rules.clone(),
        canary: false,
        metadata: None,
        ever_proven: false,
        request_id: None,
        requests: (0, 0),
        missing_launch: None,
        standing: Standing::unproven(input.expiration_ms),
        pending: None,
    };
    update(blank, input)
}

/// Downloaded again with other keys, under the id that the CDM hands out anew after a wipe.
fn is_another_download(known: &Session, input: &NewSession) -> bool {
    let is_other_data = input.init_data.is_some() && known.init_data.is_some() && known.init_data != input.init_data;
    let has_other_keys = if input.key_ids.is_empty() {
        let named = input.named_key_ids();
        !named.is_empty() && known.key_ids.iter().all(|key_id| !named.contains(key_id))
    } else {
        known.key_ids != input.key_ids
    };
    is_other_data && !known.key_ids.is_empty() && has_other_keys
}

/// What an app puts again replaces what it put before; what it leaves out stays.
fn update(known: Session, input: &NewSession) -> Session {
    let mut session = known;
    if is_another_download(&session, input) {
        session.ever_proven = false;
        session.key_ids = Vec::new();
        session.standing = Standing::unproven(input.expiration_ms);
        // What the app said of the other one, and of its licence.
        (session.metadata, session.rules) = (None, crate::model::Rules::default());
    }
    session.account = input.account.clone().or(session.account);
    if input.init_data.is_some() {
        session.init_data_type = input.init_data_type.clone();
        session.init_data = input.init_data.clone();
    }
    if !session.ever_proven && !input.key_ids.is_empty() {
        session.key_ids = input.key_ids.clone();
    }
    session.license_url = input.license_url.clone().or(session.license_url);
    if !input.capabilities.audio.is_empty() || !input.capabilities.video.is_empty() {
        session.capabilities = input.capabilities.clone();
    }
    session.last_played_at_ms = input.last_played_at_ms.or(session.last_played_at_ms);
    if input.rules != crate::model::Rules::default() {
        session.rules = input.rules.clone();
    }
    session.canary = input.canary.unwrap_or(session.canary);
    // What the CDM said stands until it says something else.
    if !session.ever_proven || input.proven.is_some() {
        session.standing.expiration_ms = input.expiration_ms.or(session.standing.expiration_ms);
    }
    session.missing_launch = None;
    session.metadata = input.metadata.clone().or(session.metadata);
    session
}

pub(super) fn lane_for(tx: &mut Tx<'_>, key: &LaneKey, snapshot: &Snapshot, launch: LaunchId) -> Result<Lane> {
    if let Some(lane) = tx.lane_by_key(key)? {
        return Ok(lane);
    }
    let mut lane = Lane {
        id: 0,
        key: key.clone(),
        generation: 1,
        binding: Binding::of(snapshot, &key.key_system),
        binding_launch: launch,
        witness: None,
        witness_found: false,
        writing: false,
        capability: None,
        capability_launch: None,
    };
    lane.id = tx.insert_lane(&lane)?;
    Ok(lane)
}

fn remove_replaced(tx: &mut Tx<'_>, memory: &Mutex<Memory>, inputs: &[NewSession], kept: &[RowId]) -> Result<()> {
    let kept: HashSet<&RowId> = kept.iter().collect();
    for input in inputs {
        for row in rows_of_content(tx, memory, &input.content_id)? {
            if !kept.contains(&row.id) {
                remove(tx, &row)?;
            }
        }
    }
    Ok(())
}
