//! The write-ahead log as a file. SQLite takes a log with a damaged frame for one that ends there, so that commits behind it vanish
//! without an error. (Format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>)

use std::collections::HashMap;
use std::fs;

use super::directory::Directory;
use super::error::from_io;
use super::schema::PAGE;
use crate::error::Result;

pub const FILE: &str = "offline-sessions.sqlite3-wal";
/// What its name has behind that of its database.
pub const SUFFIX: &str = "-wal";

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + PAGE;

struct Frame<'a> {
    page: u32,
    /// It ends a commit.
    commits: bool,
    /// Its checksum goes on from those of all frames before it.
    is_valid: bool,
    data: &'a [u8; PAGE],
}

/// What stands in a log, commit by commit.
#[derive(Default)]
pub struct Log<'a> {
    /// Each page with its number, which is 0 where it cannot be right.
    pub commits: Vec<Vec<(u32, &'a [u8; PAGE])>>,
    /// Commits stand behind a frame that is damaged. A kill leaves an unfinished end, which is none.
    pub is_damaged: bool,
}

impl<'a> Log<'a> {
    /// Reads the log of a file of so many pages.
    pub fn read(bytes: &'a [u8], pages: usize) -> Self {
        let frames = frames(bytes);
        let mut log = Self::default();
        let most = pages + frames.len();
        let valid = frames.iter().take_while(|frame| frame.is_valid).count();
        log.is_damaged = frames[valid..].iter().any(|frame| frame.commits);
        let mut commit = Vec::new();
        for frame in frames {
            let number = if frame.page as usize <= most { frame.page } else { 0 };
            commit.push((number, frame.data));
            if frame.commits {
                log.commits.push(std::mem::take(&mut commit));
            }
        }
        log
    }
}

/// Whether commits of the directory's log are damaged.
pub fn is_damaged(directory: &Directory) -> Result<bool> {
    match fs::read(directory.file(FILE)) {
        Ok(bytes) => Ok(Log::read(&bytes, 0).is_damaged),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(from_io(&error)),
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

/// The frames of the log's present life. What an earlier one left behind them has other salts.
fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
    if bytes.len() <= HEADER {
        return Vec::new();
    }
    let big_endian = number(bytes, 0) & 1 == 1;
    let mut sum = checksum(&bytes[..24], (0, 0), big_endian);
    let mut is_valid = sum == (number(bytes, 24), number(bytes, 28));
    let all: Vec<&[u8; FRAME]> = bytes[HEADER..].as_chunks().0.iter().collect();
    let Some(first) = all.first() else { return Vec::new() };
    let mut counts: HashMap<&[u8], u32> = HashMap::new();
    all.iter().for_each(|frame| *counts.entry(&frame[8..16]).or_default() += 1);
    // A damaged header may not say which salts are meant, nor may the first frame.
    let salts = if is_valid || counts.contains_key(&bytes[16..24]) {
        &bytes[16..24]
    } else {
        all.iter().map(|frame| &frame[8..16]).find(|salts| counts[salts] > 1).unwrap_or(&first[8..16])
    };
    let mut frames = Vec::new();
    for frame in &all {
        if frame[8..16] != *salts {
            is_valid = false;
            continue;
        }
        let Some(data) = frame.last_chunk() else { continue };
        sum = checksum(data, checksum(&frame[..8], sum, big_endian), big_endian);
        is_valid = is_valid && sum == (number(*frame, 16), number(*frame, 20));
        frames.push(Frame { page: number(*frame, 0), commits: number(*frame, 4) != 0, is_valid, data });
    }
    frames
}

fn checksum(bytes: &[u8], (mut a, mut b): (u32, u32), big_endian: bool) -> (u32, u32) {
    let word = |four: &[u8]| {
        let four = four.try_into().expect("four bytes");
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for eight in bytes.chunks_exact(8) {
        a = a.wrapping_add(word(&eight[..4])).wrapping_add(b);
        b = b.wrapping_add(word(&eight[4..])).wrapping_add(a);
    }
    (a, b)
}
