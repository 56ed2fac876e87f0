//! What happens when: a list for each second to come, and the second that it is now in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::fleet::{Ms, SECOND, WEEK};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The number of a launch.
    Open(u32),
    Close(u32),
    Click(u32),
    Wake {
        install: u32,
    },
    Answer {
        launch: u32,
        title: u8,
        licensed: bool,
    },
}

/// Things of the same moment come in the order in which they were pushed.
type Entry = Reverse<(Ms, u32, Event)>;

pub struct Queue {
    seconds: Vec<Vec<(Ms, u32, Event)>>,
    now: BinaryHeap<Entry>,
    second: usize,
    pushed: u32,
}

impl Queue {
    pub fn new() -> Self {
        Self { seconds: vec![Vec::new(); (WEEK / SECOND) as usize], now: BinaryHeap::new(), second: 0, pushed: 0 }
    }

    /// What would come after the week is forgotten.
    pub fn push(&mut self, at: Ms, event: Event) {
        let second = (at / SECOND) as usize;
        let entry = (at, self.pushed, event);
        self.pushed = self.pushed.wrapping_add(1);
        if second <= self.second {
            self.now.push(Reverse(entry));
        } else if let Some(list) = self.seconds.get_mut(second) {
            list.push(entry);
        }
    }

    pub fn pop(&mut self) -> Option<(Ms, Event)> {
        while self.now.is_empty() {
            self.second += 1;
            let list = self.seconds.get_mut(self.second)?;
            self.now = std::mem::take(list).into_iter().map(Reverse).collect();
        }
        self.now.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
