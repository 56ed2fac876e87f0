//! The licence server: a capacity, and a count of what it was asked in each second.

use std::collections::VecDeque;

use crate::fleet::{Ms, SECOND, WEEK};

/// How long an answer takes, a refusal too.
pub const ANSWER: Ms = 80;
pub const RETRY_AFTER: Ms = SECOND;

pub struct Server {
    capacity: usize,
    /// When those of the last second were accepted.
    accepted: VecDeque<Ms>,
    pub per_second: Vec<u32>,
    pub requests: u64,
    pub rejected: u64,
}

impl Server {
    pub fn new(capacity: usize) -> Self {
        let per_second = vec![0; (WEEK / SECOND) as usize];
        Self { capacity, accepted: VecDeque::with_capacity(capacity), per_second, requests: 0, rejected: 0 }
    }

    /// Whether a request is answered with a licence; otherwise with 503 and `Retry-After`.
    pub fn take(&mut self, now: Ms) -> bool {
        self.requests += 1;
        if let Some(second) = self.per_second.get_mut((now / SECOND) as usize) {
            *second += 1;
        }
        while self.accepted.front().is_some_and(|at| now - at >= SECOND) {
            self.accepted.pop_front();
        }
        let fits = self.accepted.len() < self.capacity;
        if fits {
            self.accepted.push_back(now);
        } else {
            self.rejected += 1;
        }
        fits
    }

    pub fn peak(&self) -> u32 {
        self.per_second.iter().copied().max().unwrap_or(0)
    }
}
