//! The state machine of a stored session: (session, event, now, policy) → transition. Pure; no I/O, no clock.
//!
//! The table is design section 5; `README.md` beside this file draws it and a test holds it against the code.

mod judge;
mod transition;

pub use judge::{Expected, Judgement, judge, proof_of_new_row};
pub use transition::{Context, Event, Next, Transition, UnknownEvent, transition};

#[cfg(test)]
mod tests;
