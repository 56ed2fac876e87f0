//! What an install does about its lost licences. A title is its place in the order of playing: 0 was played last.

use crate::fleet::Ms;
use crate::random::Random;

/// A set of titles of one install.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Titles(u64);

impl Titles {
    /// The first `count`, at most 63.
    pub fn first(count: u8) -> Self {
        Self((1 << count) - 1)
    }

    pub fn insert(&mut self, title: u8) {
        self.0 |= 1 << title;
    }

    pub fn remove(&mut self, title: u8) {
        self.0 &= !(1 << title);
    }

    pub fn contains(self, title: u8) -> bool {
        self.0 & (1 << title) != 0
    }

    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The one that was played last.
    pub fn lowest(self) -> Option<u8> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as u8)
    }
}

pub enum Step {
    Request(u8),
    WakeAt(Ms),
    Rest,
}

/// An install's memory of its licences, over its launches.
pub trait Client {
    fn new(sessions: u8) -> Self;
    /// The app opens, for the first time on the new version or again.
    fn opened(&mut self, now: Ms, random: &mut Random);
    /// What is out is not recorded any more.
    fn closed(&mut self);
    fn clicked(&mut self, now: Ms, title: u8);
    fn answered(&mut self, now: Ms, title: u8, licensed: bool, random: &mut Random);
    /// Asked until there is nothing to request now.
    fn step(&mut self, now: Ms, random: &mut Random) -> Step;
    /// What is not licensed yet.
    fn lost(&self) -> Titles;
}
