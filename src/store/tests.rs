//! The store: group commit, the directory and its lock, what it refuses to open, and rows that come back as they went.

mod commit;
mod commits;
mod damage;
mod directory;
mod fixtures;
mod log;
mod losses;
mod pages;
mod recovery;
mod round_trip;
