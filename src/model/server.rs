//! A licence server: how quickly it is asked, and since when it is not.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Millis;

/// The origin of a licence URL; empty where only the app's hook knows whom it asks.
pub type ServerOrigin = Arc<str>;

/// How one licence server fares. Kept across launches: what a server has said holds for the next one too.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub origin: ServerOrigin,
    /// Requests that it is given a second.
    pub rate_per_s: f64,
    /// The rate at which it last asked for patience; `None`: it never has.
    pub ceiling_per_s: Option<f64>,
    /// Requests that may begin at once, as of `at_ms`. Below zero after what somebody waited for.
    pub tokens: f64,
    pub at_ms: Millis,
    /// Until then it is not asked.
    pub not_before_ms: Option<Millis>,
    /// Until when it has itself asked for patience: its own word, which a click does not override.
    pub asked_until_ms: Option<Millis>,
    /// Pauses in a row that it asked for, without an answer in between.
    pub throttles: u32,
    /// Requests in a row that it did not answer, or answered with an error of its own.
    pub failures: u32,
    /// When it last answered, as far as that is a second ago at most. Not kept.
    pub answered_at_ms: VecDeque<Millis>,
}

/// The origin of a licence URL as it is stored: scheme, host and port.
pub fn server_origin(license_url: Option<&str>) -> &str {
    let Some(url) = license_url else { return "" };
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?']).map_or(url.len(), |at| host + at);
    &url[..end]
}
