//! Decisions as values: generations, what is due, verdicts. Tables of cases from design sections 4 to 6.

mod due;
mod fixtures;
mod observe;
mod server;
mod verdict;
