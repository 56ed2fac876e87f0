//! The store: group commit, the directory and its lock, what it refuses to open, and rows that come back as they went.

mod commit;
mod commits;
mod directory;
mod fixtures;
mod pages;
mod recovery;
mod round_trip;
