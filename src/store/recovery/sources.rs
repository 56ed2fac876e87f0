//! Where a recovery takes rows from: the damaged database with its log, what its log and its file had before, and its copies.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use rusqlite::types::Value;

use super::pages::{Node, Page, Pages, Record};
use super::tables::{Found, Table};
use crate::error::{Error, Result};
use crate::store::copies;
use crate::store::directory::{DATABASE_FILE, Directory};
use crate::store::error::from_io;
use crate::store::log::{self, Log};
use crate::store::schema;
use crate::store::sums::DatabaseId;

/// What is in the folder.
pub struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
    /// With when they were made.
    copies: Vec<(i64, Vec<u8>)>,
}

/// Pages that rows may be taken from.
pub struct Source<'a> {
    pub own: Vec<&'a Page>,
    /// The state of the database that they are of.
    pub pages: Rc<Pages<'a>>,
    /// After which commit it was like this.
    pub state: Option<i64>,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The database as it is. Its log may be damaged, or the only one of its files that `is_own`.
    Damaged { is_sure: bool, is_own: bool },
    /// What it had before, in pages that are replaced.
    Before,
    /// A copy, and when it was made.
    Copy { at: i64 },
}

impl Source<'_> {
    pub fn is_now(&self) -> bool {
        matches!(self.kind, Kind::Damaged { .. })
    }

    /// Whether these are all pages of a state, which hang together in trees.
    pub fn has_trees(&self) -> bool {
        self.kind != Kind::Before
    }

    /// Whether a table lacks nothing that was there in this state. In another database's file one may be empty, and whole.
    pub fn has_all_of(&self, found: &Found) -> bool {
        found.is_whole
            && match self.kind {
                Kind::Damaged { is_sure, is_own } => is_sure && (is_own || !found.is_empty),
                Kind::Before => false,
                Kind::Copy { .. } => self.state.is_some(),
            }
    }
}

impl Files {
    pub fn read(directory: &Directory) -> Result<Self> {
        let copies = copies::copies(directory).into_iter();
        Ok(Self {
            database: read(&directory.file(DATABASE_FILE))?,
            log: read(&directory.file(log::FILE))?,
            copies: copies
                .map(|copy| Ok((copies::made_at(&copy).unwrap_or_default(), read(&copy)?)))
                .collect::<Result<_>>()?,
        })
    }

    fn database(&self) -> Pages<'_> {
        Pages::of(&self.database)
    }

    fn log(&self) -> Log<'_> {
        Log::read(&self.log, self.database().len())
    }

    fn copies(&self) -> impl Iterator<Item = Pages<'_>> {
        self.copies.iter().map(|(_, copy)| Pages::of(copy))
    }

    /// The id that is held beside the database, unless no row anywhere is of it and the database and a copy agree on another. Where the
    /// id's file is damaged, the one under which most rows are intact. (What was put in the place of one file of ours is not believed.)
    pub fn trusted_id(&self, tables: &[Table], held: Option<DatabaseId>) -> Option<DatabaseId> {
        let is_row = |record: &Record, id| tables.iter().any(|table| table.row(record, id).is_some());
        let count = |id| self.every_page().map(move |page| records(page).filter(|record| is_row(record, id)).count());
        if held.is_some_and(|id| count(id).any(|rows| rows > 0)) {
            return held;
        }
        let carried = |pages: Pages<'_>| match tables[0].first(&pages)?.values.first()? {
            Value::Text(id) => DatabaseId::parse(id),
            _ => None,
        };
        let own: HashSet<_> = [self.database(), self.with_log()].into_iter().filter_map(carried).collect();
        let copied: HashSet<_> = self.copies().filter_map(carried).collect();
        let candidates = if held.is_some() { &own & &copied } else { &own | &copied };
        let counted = candidates.into_iter().map(|id| (count(id).sum::<usize>(), id)).filter(|(rows, _)| *rows > 0);
        counted.max_by_key(|(rows, _)| *rows).map(|(_, id)| id).or(held)
    }

    fn every_page(&self) -> impl Iterator<Item = &Page> {
        let files = self
            .copies()
            .chain([self.database()])
            .flat_map(|pages| pages.each().map(|(_, page)| page).collect::<Vec<_>>());
        files.chain(self.log().commits.into_iter().flatten().map(|(_, page)| page))
    }

    fn with_log(&self) -> Pages<'_> {
        let mut pages = self.database();
        self.log().commits.into_iter().flatten().for_each(|(number, page)| pages.put(number, page));
        pages
    }

    /// The error of a database that only newer code may write, however damaged it is otherwise: its header and its first row agree.
    pub fn newer(&self, tables: &[Table]) -> Option<Error> {
        let newer = |pages: Pages<'_>| schema::newer(pages.get(1)?, number(&tables[0].first(&pages)?.values, 1)?);
        [self.database(), self.with_log()].into_iter().chain(self.copies()).find_map(newer)
    }

    /// All sources of the database `id`, the latest first. So many commits are `noted` beside it.
    pub fn sources(&self, tables: &[Table], id: DatabaseId, noted: Option<i64>) -> Vec<Source<'_>> {
        let count = Count { meta: &tables[0], id };
        let copies = self.copies.iter().map(|(at, copy)| {
            let pages = Pages::of(copy);
            let kind = Kind::Copy { at: *at };
            Source { own: own(&pages), state: count.of(&pages), pages: Rc::new(pages), kind }
        });
        let mut sources: Vec<Source<'_>> = copies.collect();
        let (file, log) = (self.database(), self.log());
        let in_log = count.of_each(&log);
        // A log of the past, or of another database, counts less than the file, or nothing. Where the file itself does not say, others do.
        let latest = in_log.iter().max().copied().flatten();
        let known = sources.iter().map(|copy| copy.state).max().flatten().max(noted);
        let is_applied = latest.is_some() && latest >= count.of(&file).or(known);
        let now = Rc::new(if is_applied { self.with_log() } else { self.database() });
        let places: HashSet<*const Page> = now.each().map(|(_, page)| std::ptr::from_ref(page)).collect();
        let is_replaced = |page: &&Page| !places.contains(&std::ptr::from_ref(*page));
        let state = count.of(&now);
        let kind = Kind::Damaged { is_sure: !log.is_damaged && state.is_some(), is_own: count.of(&file).is_some() };
        sources.insert(0, Source { own: own(&now), pages: Rc::clone(&now), state, kind });
        for (commit, state) in log.commits.iter().zip(&in_log).rev() {
            let own = commit.iter().map(|(_, page)| *page).filter(is_replaced).collect();
            sources.push(Source { own, pages: Rc::clone(&now), state: *state, kind: Kind::Before });
        }
        let state = count.of(&file).or(in_log.iter().flatten().next().map(|first| first - 1));
        let replaced = own(&file).into_iter().filter(is_replaced).collect();
        sources.push(Source { own: replaced, pages: Rc::new(file), state, kind: Kind::Before });
        // Where that cannot be told of the damaged one, none is later.
        sources.sort_by_key(|source| Reverse(source.state.or(source.is_now().then_some(i64::MAX))));
        sources
    }
}

/// How many commits there were, as the row that counts them says.
struct Count<'a> {
    meta: &'a Table,
    id: DatabaseId,
}

impl Count<'_> {
    fn of(&self, pages: &Pages<'_>) -> Option<i64> {
        // Its page may be in another's place.
        let anywhere = || pages.each().find_map(|(_, page)| self.on(page));
        pages.get(self.meta.root).and_then(|page| self.on(page)).or_else(anywhere)
    }

    /// Of each commit of a log.
    fn of_each(&self, log: &Log<'_>) -> Vec<Option<i64>> {
        let mut counts: Vec<Option<i64>> = Vec::new();
        for commit in &log.commits {
            let next = counts.last().copied().flatten().map(|last| last + 1);
            counts.push(commit.iter().find_map(|(_, page)| self.on(page)).or(next));
        }
        counts
    }

    fn on(&self, page: &Page) -> Option<i64> {
        records(page).find_map(|record| number(&self.meta.row(&record, self.id)?, 2))
    }
}

fn own<'a>(pages: &Pages<'a>) -> Vec<&'a Page> {
    pages.each().map(|(_, page)| page).collect()
}

/// What stands on a page, as far as it does not go on in others.
fn records(page: &Page) -> impl Iterator<Item = Record> {
    let records = Node::read(page).map(|node| node.records(&Pages::default()).flatten().collect::<Vec<_>>());
    records.into_iter().flatten()
}

fn number(values: &[Value], at: usize) -> Option<i64> {
    match values.get(at)? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.is_file() { fs::read(file).map_err(|error| from_io(&error)) } else { Ok(Vec::new()) }
}
