//! The player's catalogue against what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::debts::{forgive, remove};
use super::library::{lane_for, put_one};
use crate::error::{Error, Result};
use crate::lifecycle::Context;
use crate::model::{CatalogueContent, CatalogueEntry, LaneId, LaneKey, LaunchId, RowId, checked_lane};
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
        for (at, entry) in catalogue.into_iter().enumerate() {
            contents.push(entry.check(&key, &self.policy).map_err(|error| error.within(&format!("[{at}]")))?);
        }
        let (launch, run, snapshot) = {
            let memory = self.memory();
            (memory.launch, memory.run, memory.snapshot.clone())
        };
        let policy = Arc::clone(&self.policy);
        let now = self.clock.now_ms();
        let job = move |tx: &mut Tx<'_>| {
            let cx = Context { now, launch, run, policy: &policy };
            let lane = lane_for(tx, &key, &snapshot, launch)?.id;
            let on_record = tx.contents_of_lane(lane, false)?;
            let canaries = tx.contents_of_lane(lane, true)?;
            let known: BTreeSet<RowId> = on_record.iter().chain(&canaries).map(|(row, _)| *row).collect();
            let mut report = ReconcileReport::default();
            let mut listed = BTreeMap::new();
            let mut present = BTreeSet::new();
            for content in &contents {
                let how = if content.incomplete {
                    present.extend(in_use(tx, lane, content)?);
                    Listed::Incomplete
                } else {
                    let rows = content.sessions.iter().map(|session| put_one(tx, session, &snapshot, cx));
                    let rows = rows.collect::<Result<BTreeSet<_>>>()?;
                    let added = rows.difference(&known).count();
                    report.added += added;
                    present.extend(rows);
                    if added > 0 { Listed::Replaced } else { Listed::Known }
                };
                listed.insert(content.content_id.as_str(), how);
            }
            let plan = compare_with_catalogue(&on_record, &listed, &present);
            for row in &plan.replaced {
                report.replaced += usize::from(remove_row(tx, *row)?);
            }
            let refused = plan.shrank(contents.is_empty()) && !options.allow_mass_removal;
            if !refused {
                miss(tx, &plan, launch, &mut report)?;
            }
            // Whatever was just forgotten: a download under way holds its ids.
            for session in contents.iter().filter(|content| content.incomplete).flat_map(|content| &content.sessions) {
                forgive(tx, lane, &session.session_id)?;
            }
            for content in contents.iter().filter(|content| !content.incomplete) {
                let rows = tx.sessions_of_content(&content.content_id)?;
                if rows.iter().any(|row| row.lane == lane && !row.renewable()) {
                    report.not_renewable.push(content.content_id.clone());
                }
            }
            Ok(if refused {
                Err(Error::CatalogueShrank { vanished: plan.vanished, known: plan.known })
            } else {
                Ok(report)
            })
        };
        // The additions stand, so the refusal is no failure of the transaction.
        self.store.write(job).await?
    }
}

/// The rows that a download under way has the session ids of.
fn in_use(tx: &Tx<'_>, lane: LaneId, content: &CatalogueContent) -> Result<Vec<RowId>> {
    let mut rows = Vec::new();
    for session in &content.sessions {
        rows.extend(tx.holders(lane, &session.session_id)?.iter().map(|row| row.id));
    }
    Ok(rows)
}

fn miss(tx: &mut Tx<'_>, plan: &CataloguePlan, launch: LaunchId, report: &mut ReconcileReport) -> Result<()> {
    for row in &plan.missing {
        let Some(mut session) = tx.session(*row)? else { continue };
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
