//! Decisions as values: which generation a lane is in, what is due, what a verdict says. Pure; takes `now`.

mod binding;
mod catalogue;
mod due;
mod verdict;

pub use binding::{Observed, observe, observes_cdm};
pub use catalogue::{CataloguePlan, Listed, compare_with_catalogue};
pub use due::{Account, Due, LaneFacts, Scope, Urge, Work, due, is_trusted, still_to_come};
pub use verdict::verdict;

#[cfg(test)]
mod tests;
