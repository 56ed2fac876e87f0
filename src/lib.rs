//! Keeps offline DRM licences playable across Electron, Chromium and CDM updates.
//!
//! | room | its one rule |
//! |---|---|
//! | [`model`] | values only |
//! | [`lifecycle`] | (session, event, now, policy) → transition, pure |
//! | [`plan`] | what is due, which generation, which verdict; pure |
//! | [`probe`] | facts about this machine; the only user of sysinfo |
//! | [`store`] | the only user of rusqlite; answers after the commit is durable |
//! | [`engine`] | brings the above together; no EME, no network |
//! | `node` | feature `node`: the binding; convert, call, convert |
//!
//! `model ← lifecycle, plan ← engine ← node`, never upward.

pub mod clock;
pub mod engine;
pub mod error;
pub mod lifecycle;
pub mod model;
#[cfg(feature = "node")]
mod node;
pub mod plan;
pub mod probe;
pub mod store;
