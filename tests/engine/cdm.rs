//! A CDM: a map of session ids to key ids. Ids start at "1" and start over after its storage is gone, as Firefox's
//! ClearKey does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub struct Cdm {
    pub sessions: BTreeMap<String, Vec<String>>,
    /// What lies in the lane's web storage.
    pub witness: Option<String>,
    pub capability: &'static str,
    last: u32,
}

impl Cdm {
    pub fn new() -> Self {
        Self { sessions: BTreeMap::new(), witness: None, capability: "supported", last: 0 }
    }

    /// A new session with these keys; none: no licence came yet.
    pub fn create(&mut self, keys: &[String]) -> String {
        self.last += 1;
        let id = self.last.to_string();
        self.sessions.insert(id.clone(), keys.to_vec());
        id
    }

    /// The CDM's storage is gone, as after an update: sessions too, and ids start over.
    pub fn invalidate(&mut self) {
        self.sessions.clear();
        self.last = 0;
    }

    /// All of the origin's storage is gone.
    pub fn wipe(&mut self) {
        self.invalidate();
        self.witness = None;
    }

    pub fn lose(&mut self, id: &str) {
        self.sessions.remove(id);
    }

    /// `load()`, and its statuses.
    pub fn check(&self, id: &str) -> Value {
        match self.sessions.get(id) {
            None => json!({ "kind": "gone" }),
            Some(keys) if keys.is_empty() => json!({ "kind": "hollow" }),
            Some(keys) => loaded(keys),
        }
    }
}

pub fn loaded(keys: &[String]) -> Value {
    let statuses: BTreeMap<&String, &str> = keys.iter().map(|key| (key, "usable")).collect();
    json!({ "kind": "loaded", "keyStatuses": statuses, "expiration": null })
}

/// The one key of a content whose name has at most 16 bytes.
pub fn key_of(content: &str) -> String {
    format!("{:0>32}", hex::encode(content))
}
