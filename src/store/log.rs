//! The write-ahead log as a file. SQLite takes a log with a damaged frame for one that ends there, so that commits behind it vanish
//! without an error. (Format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>)

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::from_io;
use crate::error::Result;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

struct Frame<'a> {
    page: u32,
    /// It ends a commit.
    commits: bool,
    /// Its checksum goes on from those of all frames before it.
    is_valid: bool,
    data: &'a [u8],
}

/// Whether commits stand behind a frame that is damaged. A kill leaves an unfinished end, which is none.
pub fn is_damaged(log: &Path) -> Result<bool> {
    let Some(bytes) = read(log)? else { return Ok(false) };
    let frames = frames(&bytes);
    let valid = frames.iter().take_while(|frame| frame.is_valid).count();
    Ok(frames[valid..].iter().any(|frame| frame.commits))
}

/// Writes the pages of all commits of a log into a database file, those behind a damaged frame too. Which rows are intact is for their
/// checksums to tell.
pub fn apply(log: &Path, database: &Path) -> Result<()> {
    let Some(bytes) = read(log)? else { return Ok(()) };
    let frames = frames(&bytes);
    let committed = frames.iter().rposition(|frame| frame.commits).map_or(0, |last| last + 1);
    let mut file = OpenOptions::new().read(true).write(true).open(database).map_err(|error| from_io(&error))?;
    // A page number that was damaged must not make a file of terabytes.
    let pages = u64::from(pages_of(&mut file)?) + frames.len() as u64;
    let is_page = |frame: &&Frame<'_>| frame.page > 0 && (frame.is_valid || u64::from(frame.page) <= pages);
    for frame in frames.iter().take(committed).filter(is_page) {
        let at = u64::from(frame.page - 1) * frame.data.len() as u64;
        let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(frame.data));
        written.map_err(|error| from_io(&error))?;
    }
    // As a file without a log, whose size its own header need not know.
    let versions = [1, 1];
    let written = file.seek(SeekFrom::Start(18)).and_then(|_| file.write_all(&versions));
    written.map_err(|error| from_io(&error))
}

fn pages_of(file: &mut fs::File) -> Result<u32> {
    let mut header = [0; 32];
    match file.read_exact(&mut header) {
        Ok(()) => Ok(u32::from_be_bytes(header[28..32].try_into().expect("four bytes")).min(1 << 24)),
        Err(_) => Ok(0),
    }
}

/// `None`: there is no log, or nothing in it.
fn read(log: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(log) {
        Ok(bytes) => Ok((bytes.len() > HEADER).then_some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(from_io(&error)),
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().expect("four bytes")))
}

/// The frames of the log's present life. What an earlier one left behind them has other salts.
fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
    let page_size = match number(bytes, 8) as usize {
        size @ 512..=65_536 if size.is_power_of_two() => size,
        _ => 4_096,
    };
    let big_endian = number(bytes, 0) & 1 == 1;
    let mut sum = checksum(&bytes[..24], (0, 0), big_endian);
    let mut is_valid = sum == (number(bytes, 24), number(bytes, 28));
    let all: Vec<&[u8]> = bytes[HEADER..].chunks_exact(FRAME_HEADER + page_size).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let salts_of = |salts: &[u8]| all.iter().filter(|frame| frame[8..16] == *salts).count();
    // A damaged header may not say which salts are meant, nor may the first frame.
    let salts = if is_valid || salts_of(&bytes[16..24]) > 0 {
        &bytes[16..24]
    } else {
        all.iter().map(|frame| &frame[8..16]).find(|salts| salts_of(salts) > 1).unwrap_or(&first[8..16])
    };
    let mut frames = Vec::new();
    for frame in &all {
        if frame[8..16] != *salts {
            is_valid = false;
            continue;
        }
        let data = &frame[FRAME_HEADER..];
        sum = checksum(data, checksum(&frame[..8], sum, big_endian), big_endian);
        is_valid = is_valid && sum == (number(frame, 16), number(frame, 20));
        frames.push(Frame { page: number(frame, 0), commits: number(frame, 4) != 0, is_valid, data });
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
