//! The pages of a database file as its format has them. What stands on a page is read whether or not a tree leads to it, and whatever the
//! file's header or its schema say. (Format: <https://www.sqlite.org/fileformat2.html#b_tree_pages>)

use std::borrow::Cow;
use std::collections::HashSet;

use rusqlite::types::Value;

use crate::store::schema::PAGE;

pub type Page = [u8; PAGE];

/// The pages of one state of a database by their numbers, which begin with 1.
#[derive(Default, Clone)]
pub struct Pages<'a>(Vec<Option<&'a Page>>);

impl<'a> Pages<'a> {
    pub fn of(file: &'a [u8]) -> Self {
        Self(file.as_chunks().0.iter().map(Some).collect())
    }

    pub fn get(&self, number: u32) -> Option<&'a Page> {
        *self.0.get(usize::try_from(number).ok()?.checked_sub(1)?)?
    }

    /// At 0 is none.
    pub fn put(&mut self, number: u32, page: &'a Page) {
        let Some(at) = (number as usize).checked_sub(1) else { return };
        if at >= self.0.len() {
            self.0.resize(at + 1, None);
        }
        self.0[at] = Some(page);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn each(&self) -> impl Iterator<Item = (u32, &'a Page)> {
        (1..).zip(&self.0).filter_map(|(number, page)| Some((number, (*page)?)))
    }

    /// The nodes of the tree that begins at a page, its leaves in the order of their rows; and whether these are all.
    pub fn tree(&self, root: u32, kind: Tree) -> (Vec<Node<'a>>, bool) {
        let (mut nodes, mut hangs_together) = (Vec::new(), true);
        let (mut seen, mut next) = (HashSet::new(), vec![root]);
        while let Some(number) = next.pop() {
            let node = self.get(number).and_then(Node::read).filter(|node| node.kind == kind && seen.insert(number));
            let Some(node) = node else {
                hangs_together = false;
                continue;
            };
            next.extend(node.children().into_iter().rev());
            nodes.push(node);
        }
        (nodes, hangs_together)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    Table,
    Index,
}

/// What stands in one place of a page.
pub struct Record {
    /// The row's number; 0 in an index.
    pub number: i64,
    pub values: Vec<Value>,
}

/// A page of a tree.
pub struct Node<'a> {
    page: &'a Page,
    pub kind: Tree,
    pub is_leaf: bool,
    /// Where its records begin, as it says.
    cells: Vec<usize>,
    /// They are guessed: none of them is followed to other pages.
    are_guessed: bool,
}

impl<'a> Node<'a> {
    /// `None`: it is none. Nor is a file's first page, on which nothing but the schema stands.
    pub fn read(page: &'a Page) -> Option<Self> {
        let (kind, is_leaf) = match page[0] {
            2 => (Tree::Index, false),
            5 => (Tree::Table, false),
            10 => (Tree::Index, true),
            13 => (Tree::Table, true),
            _ => return None,
        };
        let header = if is_leaf { 8 } else { 12 };
        let places = page[header..].as_chunks().0.iter().map(|place| usize::from(u16::from_be_bytes(*place)));
        Some(Self {
            page,
            kind,
            is_leaf,
            cells: places.take(usize::from(u16::from_be_bytes([page[3], page[4]]))).collect(),
            are_guessed: false,
        })
    }

    /// A page on which a row of a table may begin at any place.
    pub fn anywhere(page: &'a Page) -> Self {
        Self { page, kind: Tree::Table, is_leaf: true, cells: (8..PAGE).collect(), are_guessed: true }
    }

    /// Whether its records are all that stand there, as far as its header tells.
    pub fn is_plausible(&self) -> bool {
        let content = usize::from(u16::from_be_bytes([self.page[5], self.page[6]]));
        self.cells.iter().min().copied().unwrap_or(PAGE) == content
    }

    /// The pages below it; 0, which is none, for one that cannot be read.
    fn children(&self) -> Vec<u32> {
        let read = |at: usize| Some(u32::from_be_bytes(*self.page.get(at..)?.first_chunk()?));
        let places = self.cells.iter().copied().chain([8]).filter(|_| !self.is_leaf);
        places.map(|at| read(at).unwrap_or_default()).collect()
    }

    /// Its records; `None` for one that cannot be read. Long ones go on in other pages.
    pub fn records(&self, pages: &Pages<'_>) -> impl Iterator<Item = Option<Record>> {
        self.cells.iter().map(move |at| self.record(*at, pages))
    }

    fn record(&self, at: usize, pages: &Pages<'_>) -> Option<Record> {
        let mut cell = Bytes(self.page.get(at..)?);
        if !self.is_leaf {
            cell.take(4)?;
            // A table has its rows on its leaves.
            if self.kind == Tree::Table {
                return None;
            }
        }
        let length = usize::try_from(cell.varint()?).ok()?;
        let number = if self.kind == Tree::Table { cell.varint()? } else { 0 };
        let payload = self.payload(cell, length, pages)?;
        Some(Record { number, values: values(&payload)? })
    }

    fn payload<'b>(&self, mut cell: Bytes<'b>, length: usize, pages: &Pages<'_>) -> Option<Cow<'b, [u8]>> {
        const ON_NEXT: usize = PAGE - 4;
        const LEAST: usize = (PAGE - 12) * 32 / 255 - 23;
        let most = match self.kind {
            Tree::Table => PAGE - 35,
            Tree::Index => (PAGE - 12) * 64 / 255 - 23,
        };
        if length <= most {
            // How long it is says the record itself, too.
            return Some(Cow::Borrowed(cell.0));
        }
        if self.are_guessed || length > pages.len() * PAGE {
            return None;
        }
        let fitting = LEAST + (length - LEAST) % ON_NEXT;
        let mut payload = cell.take(if fitting <= most { fitting } else { LEAST })?.to_vec();
        let mut next = cell.big_endian(4)?;
        while payload.len() < length {
            let mut page = Bytes(pages.get(u32::try_from(next).ok()?)?);
            next = page.big_endian(4)?;
            payload.extend_from_slice(page.take(ON_NEXT.min(length - payload.len()))?);
        }
        Some(payload.into())
    }
}

/// More than any table of ours has columns.
const MOST_VALUES: usize = 200;

/// The values of a record. (<https://www.sqlite.org/fileformat2.html#record_format>)
fn values(payload: &[u8]) -> Option<Vec<Value>> {
    let mut head = Bytes(payload);
    let length = usize::try_from(head.varint()?).ok()?;
    let read = payload.len() - head.0.len();
    let mut body = Bytes(payload.get(length..)?);
    let mut head = Bytes(payload.get(read..length)?);
    let mut values = Vec::new();
    while !head.0.is_empty() {
        if values.len() == MOST_VALUES {
            return None;
        }
        values.push(match head.varint()? {
            0 => Value::Null,
            kind @ 1..=4 => Value::Integer(body.big_endian(usize::try_from(kind).ok()?)?),
            5 => Value::Integer(body.big_endian(6)?),
            6 => Value::Integer(body.big_endian(8)?),
            7 => Value::Real(f64::from_bits(body.big_endian(8)?.cast_unsigned())),
            kind @ 8..=9 => Value::Integer(kind - 8),
            kind @ 12.. => {
                let bytes = body.take(usize::try_from((kind - 12) / 2).ok()?)?.to_vec();
                if kind % 2 == 0 { Value::Blob(bytes) } else { Value::Text(String::from_utf8(bytes).ok()?) }
            }
            _ => return None,
        });
    }
    Some(values)
}

/// What is left to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A signed number of so many bytes.
    fn big_endian(&mut self, length: usize) -> Option<i64> {
        let bytes = self.take(length)?;
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        Some(bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn varint(&mut self) -> Option<i64> {
        let mut number = 0_i64;
        for at in 0..9 {
            let [byte] = *self.take(1)? else { return None };
            if at == 8 {
                return Some(number << 8 | i64::from(byte));
            }
            number = number << 7 | i64::from(byte & 0x7f);
            if byte < 0x80 {
                break;
            }
        }
        Some(number)
    }
}
