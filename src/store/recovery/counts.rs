//! After how many commits a state was as it is: each commit counts itself.

use rusqlite::types::Value;

use super::pages::{Node, Page, Pages, Record};
use super::tables::Table;
use crate::store::log::Commit;
use crate::store::sums::DatabaseId;

/// Finds the row of a database that counts.
pub struct Counts<'a> {
    pub tables: &'a [Table],
    pub id: DatabaseId,
}

/// The commits of a log with what they count, as far as that is known.
pub struct CountedLog<'a> {
    pub commits: Vec<(Commit<'a>, Option<i64>)>,
    /// A frame of a commit, or of one before it, is damaged.
    pub is_damaged: bool,
}

impl Counts<'_> {
    pub fn of(&self, pages: &Pages<'_>) -> Option<i64> {
        // Its page may be in another's place.
        let anywhere = || pages.each().find_map(|(_, page)| self.on(page));
        pages.get(self.tables[0].root).and_then(|page| self.on(page)).or_else(anywhere)
    }

    /// Of the log of a file of so many commits.
    pub fn of_log<'a>(&self, commits: Vec<Commit<'a>>, in_file: Option<i64>) -> CountedLog<'a> {
        let mut counts: Vec<Option<i64>> =
            commits.iter().map(|commit| commit.pages.iter().find_map(|(_, page)| self.on(page))).collect();
        // One whose count is damaged has its place among the others.
        for at in (1..counts.len()).rev() {
            counts[at - 1] = counts[at - 1].or(counts[at].map(|next| next - 1));
        }
        let are_known: Vec<bool> = counts.iter().map(Option::is_some).collect();
        let is_ours =
            |commit: &Commit<'_>| commit.pages.iter().any(|(_, page)| records(page).any(|record| self.is_row(&record)));
        let mut last = in_file.filter(|_| commits.iter().any(is_ours));
        for count in &mut counts {
            *count = count.or(last.map(|last| last + 1));
            last = *count;
        }
        let mut log = CountedLog { commits: Vec::new(), is_damaged: false };
        let mut last = None;
        for ((commit, count), is_known) in commits.into_iter().zip(counts).zip(are_known) {
            // What a commit that failed has left behind the last one is none: it counts less, or not at all.
            let has_page = || commit.pages.iter().any(|(number, _)| *number == self.tables[0].root);
            let goes_on = || count > last && (is_known || has_page());
            if commit.is_valid || goes_on() {
                log.is_damaged |= !commit.is_valid;
                last = last.max(count);
                log.commits.push((commit, count));
            }
        }
        log
    }

    /// Whether it is an intact row of any table.
    pub fn is_row(&self, record: &Record) -> bool {
        self.tables.iter().any(|table| table.row(record, self.id).is_some())
    }

    fn on(&self, page: &Page) -> Option<i64> {
        records(page).find_map(|record| number(&self.tables[0].row(&record, self.id)?, 2))
    }
}

/// What stands on a page, as far as it does not go on in others.
pub fn records(page: &Page) -> impl Iterator<Item = Record> {
    let records = Node::read(page).map(|node| node.records(&Pages::default()).flatten().collect::<Vec<_>>());
    records.into_iter().flatten()
}

pub fn number(values: &[Value], at: usize) -> Option<i64> {
    match values.get(at)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}
