//! Decisions as values: which generation a lane is in, what is due, what a verdict says. Pure; takes `now`.

mod assess;
mod binding;
mod catalogue;
mod due;
mod gate;
mod server;
mod verdict;

pub use assess::{Knowledge, LaneStock, UpdateAssessment, assess_update, public_knowledge};
pub use binding::{Observed, observe, observes_cdm};
pub use catalogue::{CataloguePlan, Listed, compare_with_catalogue};
pub use due::{Account, Due, LaneFacts, Scope, Urge, Work, due, is_trusted, still_to_come};
pub use gate::{Budget, EXEMPT_TITLES, Gate, Spread, day_of, held_back_until, server_closed, spread_delay_ms};
pub use server::Answer;
pub use verdict::verdict;

#[cfg(test)]
mod tests;
