//! What follows from the player's catalogue for the rows that it does not list.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::RowId;

/// How a content stands in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// With these rows' session ids, and with some that were not on record.
    Replaced,
    /// With these rows' session ids only.
    Known,
    /// Still being downloaded.
    Incomplete,
}

/// What is to become of rows; a row in none of these lists stays as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CataloguePlan {
    /// Their content was downloaded again under other session ids.
    pub replaced: Vec<RowId>,
    /// Not in the catalogue.
    pub missing: Vec<RowId>,
    /// How many contents have rows that are missing or replaced, and how many contents there are.
    pub vanished: usize,
    pub known: usize,
}

impl CataloguePlan {
    /// More is missing than viewers delete: a catalogue that was read badly, or wiped. Design, section 6.
    pub fn shrank(&self, catalogue_is_empty: bool) -> bool {
        self.vanished > 0 && (catalogue_is_empty || (self.vanished > 3 && self.vanished * 5 > self.known))
    }
}

/// `on_record`: the rows of a lane with their contents, before anything of the catalogue was stored. `present`: rows that the
/// catalogue lists by a session id, complete or not.
pub fn compare_with_catalogue(
    on_record: &[(RowId, String)],
    listed: &BTreeMap<&str, Listed>,
    present: &BTreeSet<RowId>,
) -> CataloguePlan {
    let mut plan = CataloguePlan::default();
    let mut vanished = BTreeSet::new();
    let mut known = BTreeSet::new();
    for (row, content_id) in on_record {
        known.insert(content_id);
        match listed.get(content_id.as_str()) {
            _ if present.contains(row) => {}
            Some(Listed::Incomplete) => {}
            Some(Listed::Replaced) => {
                plan.replaced.push(*row);
                vanished.insert(content_id);
            }
            Some(Listed::Known) | None => {
                plan.missing.push(*row);
                vanished.insert(content_id);
            }
        }
    }
    (plan.vanished, plan.known) = (vanished.len(), known.len());
    plan
}
