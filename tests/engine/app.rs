//! An app around the engine: it puts contents, serves phases with its [`Cdm`], dies and comes back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use electron_offline_sessions::clock::{Clock, ManualClock};
use electron_offline_sessions::engine::{Completed, Engine, LaunchReport, OpenOptions, PhaseOrder, Poll, TaskOrder};
use electron_offline_sessions::error::Result;
use electron_offline_sessions::model::{Connectivity, SessionInput, StoredSession, Verdict, parse_json};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cdm::{Cdm, key_of};

pub const ORIGIN: &str = "app://bundle";
pub const KEY_SYSTEM: &str = "org.w3.clearkey";
pub const START_MS: i64 = 1_700_000_000_000;

pub struct App {
    directory: TempDir,
    pub clock: Arc<ManualClock>,
    pub platform: Value,
    policy: Value,
    pub engine: Engine,
    pub report: LaunchReport,
    pub cdm: Cdm,
    /// Outcomes to report instead of what the CDM says, by phase and content.
    script: HashMap<(String, String), VecDeque<Value>>,
    /// The request ids that were used, by content.
    pub requests: Vec<(String, String)>,
}

pub fn platform() -> Value {
    json!({
        "app": "1.0.0", "electron": "29.1.6", "chromium": "122.0.6261.139", "node": "20.9.0",
        "cdms": [{ "keySystem": KEY_SYSTEM, "version": "4.10.2891.0" }],
        "os": { "name": "Linux", "version": "12" }, "arch": "x64", "profile": "default", "machine": "machine",
    })
}

/// What an app gives `put` for a content that can be licensed again.
pub fn input(content: &str, session_id: &str) -> Value {
    let kid = hex::decode(key_of(content)).expect("a key id");
    let init_data = json!({ "kids": [URL_SAFE_NO_PAD.encode(kid)] }).to_string();
    json!({
        "contentId": content, "origin": ORIGIN, "keySystem": KEY_SYSTEM, "sessionId": session_id,
        "initDataType": "keyids", "initData": STANDARD.encode(init_data), "keyIds": [key_of(content)],
    })
}

pub fn proven(mut input: Value) -> Value {
    let statuses: HashMap<String, &str> = input["keyIds"]
        .as_array()
        .expect("key ids")
        .iter()
        .map(|key| (key.as_str().expect("text").to_owned(), "usable"))
        .collect();
    input["proven"] = json!({ "keyStatuses": statuses });
    input
}

pub fn with(mut input: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        input[name] = value.clone();
    }
    input
}

pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n:02}")).collect()
}

/// That many suspects, after an update; probed.
pub async fn suspects(count: usize) -> App {
    let mut app = App::new().await;
    let names = names(count);
    app.download(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    app.update().await;
    let probe = app.next("probe").await;
    app.serve(&probe).await;
    app
}

impl App {
    pub async fn new() -> Self {
        Self::with_policy(json!({})).await
    }

    pub async fn with_policy(policy: Value) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Arc::new(ManualClock::at(START_MS));
        let (engine, report) = open(&directory, &platform(), &policy, &clock).await;
        Self {
            directory,
            clock,
            platform: platform(),
            policy,
            engine,
            report,
            cdm: Cdm::new(),
            script: HashMap::new(),
            requests: Vec::new(),
        }
    }

    /// Contents with a good licence each, proven as they are put; probed and at rest.
    pub async fn with_contents(contents: &[&str]) -> Self {
        let mut app = Self::new().await;
        app.download(contents).await;
        assert_eq!(app.run().await, ["probe"]);
        app
    }

    /// Makes a licence for each content and puts it as proven.
    pub async fn download(&mut self, contents: &[&str]) -> Vec<StoredSession> {
        let inputs =
            contents.iter().map(|content| proven(input(content, &self.cdm.create(&[key_of(content)])))).collect();
        self.put(inputs).await
    }

    pub async fn put(&mut self, inputs: Vec<Value>) -> Vec<StoredSession> {
        self.try_put(inputs, false).await.expect("good input")
    }

    pub async fn try_put(&self, inputs: Vec<Value>, replace: bool) -> Result<Vec<StoredSession>> {
        let inputs: Vec<SessionInput> = parse_json(&Value::Array(inputs).to_string())?;
        self.engine.put(inputs, replace).await
    }

    // Lives of the process.

    /// Quits and starts again, on `self.platform`.
    pub async fn reopen(&mut self) {
        self.engine.close().await.expect("close never fails");
        (self.engine, self.report) = open(&self.directory, &self.platform, &self.policy, &self.clock).await;
    }

    /// Starts again after an update of Electron.
    pub async fn update(&mut self) {
        let before = self.platform["electron"].as_str().expect("text").to_owned();
        self.platform["electron"] = if before == "29.1.6" { "35.1.4" } else { "29.1.6" }.into();
        self.reopen().await;
    }

    /// Killed: what is on the disk now is all that is left, and nobody tidied up.
    pub async fn crash(&mut self) {
        let left = tempfile::tempdir().expect("a temporary directory");
        for entry in std::fs::read_dir(self.directory.path()).expect("our directory") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), left.path().join(entry.file_name())).expect("copied");
        }
        self.engine.close().await.expect("close never fails");
        self.directory = left;
        (self.engine, self.report) = open(&self.directory, &self.platform, &self.policy, &self.clock).await;
    }

    /// Changes the file of a store that was closed.
    pub fn change_database(&self, sql: &str) {
        let file = rusqlite::Connection::open(self.directory.path().join("offline-sessions.sqlite3"));
        file.and_then(|file| file.execute_batch(sql)).expect("changed");
    }

    pub fn wait(&self, ms: i64) {
        self.clock.advance(ms);
    }

    pub fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    pub fn connect(&self, connectivity: Connectivity) {
        self.engine.set_connectivity(connectivity, false);
    }

    // What the engine says.

    pub fn verdict(&self, content: &str) -> Verdict {
        self.engine.verdict(content.to_owned()).expect("a content id")
    }

    /// playable, state, reason, action: in words.
    pub fn says(&self, content: &str) -> [String; 4] {
        let verdict = serde_json::to_value(self.verdict(content)).expect("plain values");
        ["playable", "state", "reason", "action"].map(|field| verdict[field].as_str().unwrap_or("—").to_owned())
    }

    pub fn playable(&self, content: &str) -> String {
        self.says(content)[0].clone()
    }

    pub async fn list(&self) -> Vec<StoredSession> {
        let everything = parse_json("{}").expect("a filter");
        self.engine.list(everything).await.expect("the list is read")
    }

    /// The one stored session of a content.
    pub async fn stored(&self, content: &str) -> StoredSession {
        let mut found = self.list().await;
        found.retain(|session| session.content_id == content);
        assert_eq!(found.len(), 1, "stored sessions of {content}");
        found.remove(0)
    }

    // Phases.

    pub fn script(&mut self, phase: &str, content: &str, outcome: Value) {
        let key = (phase.to_owned(), content.to_owned());
        self.script.entry(key).or_default().push_back(outcome);
    }

    pub async fn poll(&self) -> Poll {
        self.engine.poll().await.expect("an open store answers")
    }

    /// The one phase that is handed out, and it is this one.
    pub async fn next(&self, phase: &str) -> PhaseOrder {
        let mut phases = self.poll().await.phases;
        let names: Vec<&str> = phases.iter().map(|order| order.phase).collect();
        assert_eq!(names, [phase]);
        phases.remove(0)
    }

    /// Serves whatever is handed out until nothing is; what it was.
    pub async fn run(&mut self) -> Vec<String> {
        let mut trace = Vec::new();
        for _ in 0..200 {
            let phases = self.poll().await.phases;
            if phases.is_empty() {
                return trace;
            }
            for order in phases {
                trace.push(describe(&order));
                self.serve(&order).await;
            }
        }
        assert!(trace.is_empty(), "the work never ends: {trace:?}");
        trace
    }

    /// Serves phases until one of this name is handed out, and gives it.
    pub async fn run_until(&mut self, phase: &str) -> PhaseOrder {
        for _ in 0..200 {
            let mut phases = self.poll().await.phases;
            assert_eq!(phases.len(), 1, "waiting for {phase}");
            let order = phases.remove(0);
            if order.phase == phase {
                return order;
            }
            self.serve(&order).await;
        }
        self.next(phase).await
    }

    pub async fn serve(&mut self, order: &PhaseOrder) {
        for task in &order.tasks {
            self.serve_task(order.phase, task).await;
        }
        self.engine.end_phase(order.phase_id, None);
    }

    async fn serve_task(&mut self, phase: &'static str, task: &TaskOrder) {
        let content = content_of(task);
        let id = id_of(task);
        let scripted = self.script.get_mut(&(phase.to_owned(), content.clone())).and_then(VecDeque::pop_front);
        let outcome = match phase {
            "probe" => json!({ "persistentLicense": self.cdm.capability, "witness": self.cdm.witness }),
            "check" | "verify" => self.cdm.check(&id),
            "license" => {
                let request = task.request_id.clone().expect("a licence has a request id");
                self.requests.push((content.clone(), request));
                let created = self.cdm.create(&[]);
                if self.engine.journal(task.task_id, created.clone()).await.is_err() {
                    self.cdm.lose(&created);
                    return;
                }
                match &scripted {
                    None => {
                        self.cdm.sessions.insert(created.clone(), vec![key_of(&content)]);
                        licensed(&created)
                    }
                    Some(outcome) => {
                        // A failed licence is removed, but for one that may still come.
                        if outcome["kind"] != "timeout" {
                            self.cdm.lose(&created);
                        }
                        Value::Null
                    }
                }
            }
            "adopt" => json!("adopted"),
            _ => {
                self.cdm.lose(&id);
                json!({ "kind": "released" })
            }
        };
        let done = self.report(task, scripted.unwrap_or(outcome)).await.expect("recorded");
        if let Some(witness) = done.plant_witness {
            self.cdm.witness = Some(witness);
        }
    }

    pub async fn report(&self, task: &TaskOrder, outcome: Value) -> Result<Completed> {
        self.engine.complete(task.task_id, &outcome.to_string()).await
    }

    pub async fn journal(&self, task: &TaskOrder, created: &str) -> Result<()> {
        self.engine.journal(task.task_id, created.to_owned()).await.map(drop)
    }

    pub fn end(&self, order: &PhaseOrder) {
        self.engine.end_phase(order.phase_id, None);
    }
}

async fn open(
    directory: &TempDir,
    platform: &Value,
    policy: &Value,
    clock: &Arc<ManualClock>,
) -> (Engine, LaunchReport) {
    let options =
        json!({ "directory": directory.path(), "platform": platform, "policy": policy, "lockWaitMs": 10_000 });
    let options: OpenOptions = parse_json(&options.to_string()).expect("options");
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Engine::open(options, clock).await.expect("the directory opens")
}

pub fn licensed(session_id: &str) -> Value {
    json!({ "kind": "licensed", "sessionId": session_id, "keyStatuses": {}, "expiration": null })
}

/// What a task is on: its content, or for a release the session id.
pub fn content_of(task: &TaskOrder) -> String {
    let session = task.session.as_ref();
    let content = session.and_then(|session| session.content_id.clone());
    content.unwrap_or_else(|| id_of(task))
}

pub fn id_of(task: &TaskOrder) -> String {
    task.session.as_ref().map(|session| session.session_id.clone()).unwrap_or_default()
}

/// A phase in words: `check: a b`, `release: 7`.
pub fn describe(order: &PhaseOrder) -> String {
    let on: Vec<String> = order.tasks.iter().map(content_of).filter(|on| !on.is_empty()).collect();
    match on.len() {
        0 => order.phase.to_owned(),
        _ => format!("{}: {}", order.phase, on.join(" ")),
    }
}
