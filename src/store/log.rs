//! The write-ahead log as a file. SQLite takes a log with a damaged frame for one that ends there, so that commits behind it vanish
//! without an error. (Format: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>)

use std::collections::HashMap;

use super::schema::PAGE;

pub const FILE: &str = "offline-sessions.sqlite3-wal";
/// What its name has behind that of its database.
pub const SUFFIX: &str = "-wal";

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + PAGE;

struct Frame<'a> {
    page: u32,
    /// How many pages the file has after the commit that this frame ends; 0: it ends none.
    size: u32,
    /// Its checksum goes on from that of the frame before it.
    is_whole: bool,
    /// SQLite reads it: so does that of all frames before it.
    is_valid: bool,
    data: &'a [u8; PAGE],
}

pub struct Commit<'a> {
    /// Each page with its number, which is 0 where it cannot be right.
    pub pages: Vec<(u32, &'a [u8; PAGE])>,
    /// SQLite reads it. Of another one, or before it, a frame is damaged, or it is what a commit that failed has left.
    pub is_valid: bool,
}

/// What stands in the log of a file of so many pages, commit by commit. A kill leaves an unfinished end, which is none.
pub fn commits(bytes: &[u8], pages: usize) -> Vec<Commit<'_>> {
    let frames = frames(bytes);
    // A number that was damaged must not make a file of terabytes.
    let sizes = frames.iter().filter(|frame| frame.is_whole).map(|frame| frame.size as usize);
    let most = sizes.max().unwrap_or_default().max(pages + frames.len());
    let (mut commits, mut pages) = (Vec::new(), Vec::new());
    for Frame { page, size, is_valid, data, .. } in frames {
        pages.push((if page as usize <= most { page } else { 0 }, data));
        if size > 0 {
            commits.push(Commit { pages: std::mem::take(&mut pages), is_valid });
        }
    }
    commits
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
    let sum = (number(bytes, 24), number(bytes, 28));
    let mut is_valid = sum == checksum(&bytes[..24], (0, 0), big_endian);
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
    let (mut before, mut follows_whole) = (Some(sum), is_valid);
    for frame in &all {
        let Some(data) = frame.last_chunk() else { continue };
        let sum = (number(*frame, 16), number(*frame, 20));
        let Some(mut head) = frame.first_chunk().copied() else { continue };
        let fits = |head: &[u8; 8]| {
            before.is_some_and(|before| checksum(data, checksum(head, before, big_endian), big_endian) == sum)
        };
        let is_whole = fits(&head);
        // One bit of its page's number, or of the mark of a commit. Behind a damaged checksum another one may fit by chance.
        if !is_whole
            && follows_whole
            && let Some(mended) = (0..64).map(|bit| flipped(head, bit)).find(fits)
        {
            head = mended;
        }
        follows_whole = fits(&head);
        let has_salts = frame[8..16] == *salts;
        is_valid &= is_whole && has_salts;
        // No checksum covers the salts.
        before = (has_salts || is_whole).then_some(sum);
        if before.is_some() {
            frames.push(Frame { page: number(&head, 0), size: number(&head, 4), is_whole, is_valid, data });
        }
    }
    frames
}

fn flipped(mut head: [u8; 8], bit: usize) -> [u8; 8] {
    head[bit / 8] ^= 1 << (bit % 8);
    head
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
