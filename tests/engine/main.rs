//! The engine through its public face, with a clock that stands still and a CDM that is a map.

mod app;
mod cdm;
mod crash;
mod debts;
mod launch;
mod library;
mod licensing;
mod phases;
mod probe;
mod properties;
mod removal;
mod settled;
mod waiting;
mod world;
