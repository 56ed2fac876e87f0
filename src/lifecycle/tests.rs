//! The state machine: what an answer means, where each event leads, and what no sequence of events can do.

mod fixtures;
mod judge;
mod properties;
mod readme;
mod transitions;
