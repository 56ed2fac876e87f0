//! The player's catalogue against what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::debts::{forgive, remove};
use super::library::{lane_for, matching_row, put_one, rows_of_content};
use super::memory::Memory;
use crate::error::{Error, Result};
use crate::lifecycle::Context;
use crate::model::{
    CatalogueContent, CatalogueEntry, LaneId, LaneKey, LaunchId, Pending, Reason, RowId, Session, Stage, checked_lane,
};
use crate::plan::{CataloguePlan, Listed, compare_with_catalogue};
use crate::store::Tx;

const MAX_ENTRIES: usize = 100_000;

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcileOptions {
    #[serde(default)]
    pub allow_mass_removal: bool,
}

/// What a comparison with the catalogue did. Counts stored sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconcileReport {
    pub added: usize,
    /// Removed because their content was downloaded again.
    pub replaced: usize,
    /// Not in the catalogue, for the first launch: removed when it lacks them in a later launch too.
    pub missing: usize,
    /// Not in the catalogue, for the second launch.
    pub removed: usize,
    /// Contents that could not be licensed again: nothing of what that needs is known.
    pub not_renewable: Vec<String>,
}

impl Engine {
    /// Stores what the player's catalogue of a lane lists and is not on record, and forgets what it no longer lists: at once
    /// where a content was downloaded again, else when it is missing in a second launch. Nothing is proven by it.
    ///
    /// Fails with `ERR_CATALOGUE_SHRANK` when the catalogue is empty or lacks more than 20 % (and more than 3) of the contents,
    /// unless that is allowed: additions are stored then, and nothing is removed.
    pub async fn reconcile(
        &self,
        lane: LaneKey,
        catalogue: Vec<CatalogueEntry>,
        options: ReconcileOptions,
    ) -> Result<ReconcileReport> {
        let key = checked_lane(lane).map_err(|error| error.within("lane"))?;
        if catalogue.len() > MAX_ENTRIES {
            return Err(Error::invalid("catalogue", format!("at most {MAX_ENTRIES} entries")));
        }
        let mut contents = Vec::with_capacity(catalogue.len());
        let policy = self.policy();
        for (at, entry) in catalogue.into_iter().enumerate() {
            contents.push(entry.check(&key, &policy).map_err(|error| error.within(&format!("[{at}]")))?);
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
            let lane = lane_for(tx, &key, &snapshot, launch)?.id;
            let on_record = tx.contents_of_lane(lane, false)?;
            let (listed, present) = compare(tx, &memory, lane, &contents)?;
            let plan = compare_with_catalogue(&on_record, &listed, &present);
            let refused = plan.shrank(contents.is_empty()) && !options.allow_mass_removal;
            let stored: BTreeSet<&str> = on_record.iter().map(|(_, content_id)| content_id.as_str()).collect();
            let mut report = ReconcileReport::default();
            for content in contents.iter().filter(|content| !content.incomplete) {
                // A catalogue that is not believed brings new contents, and nothing for those that are there.
                if refused && stored.contains(content.content_id.as_str()) {
                    continue;
                }
                for session in &content.sessions {
                    let is_new = matching_row(tx, &memory, session, lane)?.is_none();
                    let row = put_one(tx, &memory, session, &snapshot, cx)?;
                    report.added += usize::from(is_new);
                    adopt_again(tx, row, content)?;
                }
            }
            if !refused {
                for row in &plan.replaced {
                    report.replaced += usize::from(remove_row(tx, *row)?);
                }
                miss(tx, &memory, &plan, &present, launch, &mut report)?;
            }
            // Whatever was just forgotten: a download under way holds its ids.
            for session in contents.iter().filter(|content| content.incomplete).flat_map(|content| &content.sessions) {
                forgive(tx, lane, &session.session_id)?;
            }
            for content in contents.iter().filter(|content| !content.incomplete) {
                let rows = rows_of_content(tx, &memory, &content.content_id)?;
                if rows.iter().any(|row| row.lane == lane && !row.renewable()) {
                    report.not_renewable.push(content.content_id.clone());
                }
            }
            let CataloguePlan { vanished, known, .. } = plan;
            Ok(if refused { Err(Error::CatalogueShrank { vanished, known }) } else { Ok(report) })
        };
        // The additions stand, so the refusal is no failure of the transaction.
        self.store.write(job).await?
    }
}

/// How each content stands in the catalogue, and the rows that it lists by a session id.
fn compare<'a>(
    tx: &Tx<'_>,
    memory: &Mutex<Memory>,
    lane: LaneId,
    contents: &'a [CatalogueContent],
) -> Result<(BTreeMap<&'a str, Listed>, BTreeSet<RowId>)> {
    let mut listed = BTreeMap::new();
    let mut present = BTreeSet::new();
    for content in contents {
        let mut how = if content.incomplete { Listed::Incomplete } else { Listed::Known };
        for session in &content.sessions {
            if content.incomplete {
                present.extend(tx.holders(lane, &session.session_id)?.iter().map(|row| row.id));
            } else if let Some(row) = matching_row(tx, memory, session, lane)? {
                present.insert(row.id);
            } else {
                how = Listed::Replaced;
            }
        }
        listed.insert(content.content_id.as_str(), how);
    }
    Ok((listed, present))
}

/// The catalogue may have lost what adoption wrote, in a power cut for one: it then lists an id that the row once had. The licence that
/// the row has now is verified and adopted again, and until then nothing is proven: the player cannot find it.
fn adopt_again(tx: &mut Tx<'_>, row: RowId, content: &CatalogueContent) -> Result<()> {
    let Some(mut session) = tx.session(row)? else { return Ok(()) };
    let lists = |id: &str| content.sessions.iter().any(|listed| listed.session_id == id);
    if session.pending.is_some() || lists(&session.session_id) {
        return Ok(());
    }
    let mut listed = None;
    for id in content.sessions.iter().map(|session| &session.session_id) {
        if tx.had_id(row, id)? {
            listed = Some(id.clone());
        }
    }
    let Some(listed) = listed else { return Ok(()) };
    let current = std::mem::replace(&mut session.session_id, listed);
    let generation = tx.lane(session.lane)?.map_or(0, |lane| lane.generation);
    session.pending = Some(Pending { stage: Stage::Licensed, ..Pending::journalled(current, generation) });
    session.standing.proof = None;
    session.standing.reason = Some(Reason::CatalogueChanged);
    session.standing.stale_id = true;
    tx.save_session(&session)
}

/// What is missing twice is gone. A row whose keys another one has that the catalogue lists was downloaded again, and put already.
fn miss(
    tx: &mut Tx<'_>,
    memory: &Mutex<Memory>,
    plan: &CataloguePlan,
    present: &BTreeSet<RowId>,
    launch: LaunchId,
    report: &mut ReconcileReport,
) -> Result<()> {
    for row in &plan.missing {
        let Some(mut session) = tx.session(*row)? else { continue };
        let has_its_keys = |other: &Session| session.key_ids.iter().all(|key_id| other.key_ids.contains(key_id));
        let mut others = rows_of_content(tx, memory, &session.content_id)?;
        others.retain(|other| present.contains(&other.id) && has_its_keys(other));
        if !session.key_ids.is_empty() && !others.is_empty() {
            report.replaced += usize::from(remove_row(tx, *row)?);
            continue;
        }
        match session.missing_launch {
            Some(first) if first < launch => report.removed += usize::from(remove_row(tx, *row)?),
            Some(_) => report.missing += 1,
            None => {
                session.missing_launch = Some(launch);
                tx.save_session(&session)?;
                report.missing += 1;
            }
        }
    }
    Ok(())
}

fn remove_row(tx: &mut Tx<'_>, row: RowId) -> Result<bool> {
    let Some(session) = tx.session(row)? else { return Ok(false) };
    remove(tx, &session)?;
    Ok(true)
}
