//! Where a recovery takes rows from: the damaged database with its log, what its log and its file had before, and its copies.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use rusqlite::types::Value;

use super::counts::{CountedLog, Counts, number, records};
use super::pages::{Page, Pages};
use super::tables::{self, Found, Table};
use crate::error::{Error, Result};
use crate::store::copies;
use crate::store::directory::{DATABASE_FILE, Directory};
use crate::store::error::from_io;
use crate::store::log::{self, Commit};
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
    /// The database as it is. Sure is what no damaged log has a part in; `is_own`: its file is, and not only its log.
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
        // One that cannot be read has nothing to give.
        let copies = copies::copies(directory).into_iter().filter_map(|copy| {
            let bytes = read(&copy).inspect_err(|error| tracing::warn!(%error, "a copy cannot be read")).ok()?;
            Some((copies::made_at(&copy).unwrap_or_default(), bytes))
        });
        Ok(Self {
            database: read(&directory.file(DATABASE_FILE))?,
            log: read(&directory.file(log::FILE))?,
            copies: copies.collect(),
        })
    }

    fn database(&self) -> Pages<'_> {
        Pages::of(&self.database)
    }

    fn log(&self) -> Vec<Commit<'_>> {
        log::commits(&self.log, self.database().len())
    }

    fn copies(&self) -> impl Iterator<Item = Pages<'_>> {
        self.copies.iter().map(|(_, copy)| Pages::of(copy))
    }

    /// The id that is held beside the database, unless no row anywhere is of it and the database and a copy agree on another. Where the
    /// id's file is damaged, the one under which most rows are intact. (What was put in the place of one file of ours is not believed.)
    pub fn trusted_id(&self, tables: &[Table], held: Option<DatabaseId>) -> Option<DatabaseId> {
        let count = |id| {
            let counts = Counts { tables, id };
            self.every_page().map(move |page| records(page).filter(|record| counts.is_row(record)).count())
        };
        if held.is_some_and(|id| count(id).any(|rows| rows > 0)) {
            return held;
        }
        let carried = |pages: Pages<'_>| match tables[0].first(&pages)?.values.first()? {
            Value::Text(id) => DatabaseId::parse(id),
            _ => None,
        };
        let own: HashSet<_> = [self.database(), self.with_log(&self.log())].into_iter().filter_map(carried).collect();
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
        files.chain(self.log().into_iter().flat_map(|commit| commit.pages).map(|(_, page)| page))
    }

    fn with_log<'a: 'c, 'c>(&'a self, log: impl IntoIterator<Item = &'c Commit<'a>>) -> Pages<'a> {
        let mut pages = self.database();
        for (number, page) in log.into_iter().flat_map(|commit| &commit.pages) {
            pages.put(*number, page);
        }
        pages
    }

    /// The error of a database that only newer code may write, however damaged it is otherwise: its header and its first row agree.
    pub fn newer(&self, tables: &[Table]) -> Option<Error> {
        let newer = |pages: Pages<'_>| schema::newer(pages.get(1)?, number(&tables[0].first(&pages)?.values, 1)?);
        [self.database(), self.with_log(&self.log())].into_iter().chain(self.copies()).find_map(newer)
    }

    /// All sources of the database `id`, the latest first. So many commits are `noted` beside it.
    pub fn sources(&self, tables: &[Table], id: DatabaseId, noted: Option<i64>) -> Vec<Source<'_>> {
        let counts = Counts { tables, id };
        let copies = self.copies.iter().map(|(at, copy)| {
            let pages = Pages::of(copy);
            let kind = Kind::Copy { at: *at };
            Source { own: own(&pages), state: counts.of(&pages), pages: Rc::new(pages), kind }
        });
        let mut sources: Vec<Source<'_>> = copies.collect();
        let file = Rc::new(self.database());
        let in_file = counts.of(&file);
        let CountedLog { commits, is_damaged } = counts.of_log(self.log(), in_file);
        let with_log = Rc::new(self.with_log(commits.iter().map(|(commit, _)| commit)));
        // A log of the past, or of another database, counts less than the file, or nothing. Where the file itself does not say, others do.
        let latest = commits.iter().filter_map(|(_, count)| *count).max();
        let known = sources.iter().map(|copy| copy.state).max().flatten().max(noted);
        let is_applied = latest.is_some() && latest >= in_file.or(known);
        let now = if is_applied { &with_log } else { &file };
        let places: HashSet<*const Page> = now.each().map(|(_, page)| std::ptr::from_ref(page)).collect();
        let is_replaced = |page: &&Page| !places.contains(&std::ptr::from_ref(*page));
        let state = counts.of(now);
        let kind = Kind::Damaged { is_sure: !(is_applied && is_damaged) && state.is_some(), is_own: in_file.is_some() };
        sources.insert(0, Source { own: own(now), pages: Rc::clone(now), state, kind });
        for (commit, state) in commits.iter().rev() {
            let own = commit.pages.iter().map(|(_, page)| *page).filter(is_replaced).collect();
            sources.push(Source { own, pages: Rc::clone(&with_log), state: *state, kind: Kind::Before });
        }
        let state = in_file.or(commits.iter().find_map(|(_, count)| *count).map(|first| first - 1));
        let own = own(&file).into_iter().filter(is_replaced).collect();
        sources.push(Source { own, pages: file, state, kind: Kind::Before });
        // Where that cannot be told of the damaged one, none is later.
        sources.sort_by_key(|source| Reverse(source.state.or(source.is_now().then_some(i64::MAX))));
        sources
    }
}

/// Whether commits of the directory's log are damaged. Without an id all that stands behind damage counts as one.
pub fn is_log_damaged(directory: &Directory, held: Option<DatabaseId>) -> Result<bool> {
    let bytes = read(&directory.file(log::FILE))?;
    let commits = log::commits(&bytes, 0);
    match held {
        _ if commits.iter().all(|commit| commit.is_valid) => Ok(false),
        Some(id) => {
            let tables = tables::all(&schema::example()?)?;
            Ok(Counts { tables: &tables, id }.of_log(commits, Some(0)).is_damaged)
        }
        None => Ok(true),
    }
}

fn own<'a>(pages: &Pages<'a>) -> Vec<&'a Page> {
    pages.each().map(|(_, page)| page).collect()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.is_file() { fs::read(file).map_err(|error| from_io(&error)) } else { Ok(Vec::new()) }
}
