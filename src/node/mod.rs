//! The binding: convert, call, convert. Values cross as JSON text, errors as JSON in an error's message (`js/native.js`
//! turns them into `OfflineSessionsError`s). No decisions, no threadsafe functions.

mod log;

use std::future::Future;
use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;
use serde::Serialize;

use crate::clock::SystemClock;
use crate::engine::Engine;
use crate::error::Error;
use crate::model::{Connectivity, Policy, Reason, parse_json};

/// Node takes an addon that does not say so for one of Node-API 8
/// (<https://nodejs.org/api/n-api.html#module-registration>).
#[allow(unsafe_code, reason = "the name is fixed by Node-API; nothing unsafe is done")]
#[unsafe(no_mangle)]
pub extern "C" fn node_api_module_get_api_version_v1() -> i32 {
    9
}

#[napi_derive::module_init]
fn init() {
    log::init();
}

/// The engine of one open store.
#[napi]
pub struct NativeEngine {
    engine: Arc<Engine>,
    launch: String,
}

#[napi]
impl NativeEngine {
    /// Opens a store and records a launch. `options`: JSON of `OpenOptions`.
    #[napi(factory)]
    pub async fn open(options: String) -> napi::Result<NativeEngine> {
        let options = parse_json(&options).map_err(coded)?;
        let (engine, report) = Engine::open(options, Arc::new(SystemClock)).await.map_err(coded)?;
        Ok(Self { engine: Arc::new(engine), launch: json(&report)? })
    }

    /// The `LaunchReport` of `open`, as JSON.
    #[napi(getter, catch_unwind)]
    pub fn launch(&self) -> String {
        self.launch.clone()
    }

    /// The policy in force, as JSON.
    #[napi(getter, catch_unwind)]
    pub fn policy(&self) -> napi::Result<String> {
        json(&*self.engine.policy())
    }

    /// Changes some fields of it; the policy in force then, as JSON.
    #[napi(catch_unwind)]
    pub fn set_policy(&self, changes: String) -> napi::Result<String> {
        reply(self.engine.set_policy(&changes).map(|policy| Policy::clone(&policy)))
    }

    /// JSON of content ids, each with why the app's server would refuse it.
    #[napi(catch_unwind)]
    pub fn set_refused(&self, refused: String) -> napi::Result<()> {
        self.engine.set_refused(parse_json(&refused).map_err(coded)?);
        Ok(())
    }

    /// JSON of the lanes that are known.
    #[napi(catch_unwind)]
    pub fn lanes(&self) -> napi::Result<String> {
        reply(Ok(self.engine.lanes()))
    }

    /// Whether licences that nobody waits for begin after a random delay.
    #[napi(catch_unwind)]
    pub fn spread(&self, spread: bool) {
        self.engine.spread(spread);
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn update_platform<'env>(&self, env: &'env Env, platform: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let platform = parse_json(&platform)?;
            engine.update_platform(platform).await
        })
    }

    /// `refused`: contents that the app's server would refuse.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn assess_update<'env>(&self, env: &'env Env, target: String, refused: Vec<String>) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let target = parse_json(&target)?;
            engine.assess_update(target, refused.into_iter().collect()).await
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn prepare_for_update<'env>(&self, env: &'env Env, target: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.prepare_for_update(parse_json(&target)?).await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn put<'env>(&self, env: &'env Env, sessions: String, replace: bool) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let sessions = parse_json(&sessions)?;
            engine.put(sessions, replace).await
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn list<'env>(&self, env: &'env Env, filter: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let filter = parse_json(&filter)?;
            engine.list(filter).await
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn find<'env>(&self, env: &'env Env, query: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let query = parse_json(&query)?;
            engine.find(query).await
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn remove_content<'env>(&self, env: &'env Env, content_id: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.remove_content(content_id).await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn reconcile<'env>(&self, env: &'env Env, lane: String, catalogue: String, options: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let lane = parse_json(&lane).map_err(|error| error.within("lane"))?;
            engine.reconcile(lane, parse_json(&catalogue)?, parse_json(&options)?).await
        })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn erase<'env>(&self, env: &'env Env, account: Option<String>) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.erase(account).await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn history<'env>(&self, env: &'env Env, options: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.history(&options).await })
    }

    #[napi(catch_unwind)]
    pub fn verdict(&self, content_id: String) -> napi::Result<String> {
        reply(self.engine.verdict(content_id))
    }

    #[napi(catch_unwind)]
    pub fn unready(&self) -> napi::Result<String> {
        reply(self.engine.unready())
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn want<'env>(&self, env: &'env Env, content_id: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.want(content_id).await })
    }

    #[napi(catch_unwind)]
    pub fn unwant(&self, content_id: String) {
        self.engine.unwant(&content_id);
    }

    #[napi(catch_unwind)]
    pub fn settled(&self, content_id: String) -> bool {
        self.engine.settled(&content_id)
    }

    #[napi(catch_unwind)]
    pub fn set_connectivity(&self, connectivity: String, changed_location: bool) -> napi::Result<()> {
        let refused = || coded(Error::invalid("connectivity", "online, offline or unknown"));
        let connectivity = Connectivity::parse(&connectivity).ok_or_else(refused)?;
        self.engine.set_connectivity(connectivity, changed_location);
        Ok(())
    }

    #[napi(catch_unwind)]
    pub fn set_account(&self, account: Option<String>) -> napi::Result<()> {
        self.engine.set_account(account).map_err(coded)
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn retry<'env>(&self, env: &'env Env, content_id: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.retry(content_id).await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn report_playback<'env>(&self, env: &'env Env, content_id: String, report: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move {
            let report = parse_json(&report)?;
            engine.report_playback(content_id, report).await
        })
    }

    #[napi(catch_unwind)]
    pub fn hold(&self, hold: String) -> napi::Result<u32> {
        let id = parse_json(&hold).and_then(|hold| self.engine.hold(hold)).map_err(coded)?;
        u32::try_from(id).map_err(|error| coded(Error::Internal(error.to_string())))
    }

    #[napi(catch_unwind)]
    pub fn release_hold(&self, id: u32) {
        self.engine.release_hold(id.into());
    }

    #[napi(catch_unwind)]
    pub fn begin_run(&self) {
        self.engine.begin_run();
    }

    #[napi(catch_unwind)]
    pub fn resume(&self) {
        self.engine.resume();
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn poll<'env>(&self, env: &'env Env) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.poll().await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn journal<'env>(&self, env: &'env Env, task_id: u32, session_id: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.journal(task_id.into(), session_id).await })
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn complete<'env>(&self, env: &'env Env, task_id: u32, outcome: String) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.complete(task_id.into(), &outcome).await })
    }

    #[napi(catch_unwind)]
    pub fn still_due(&self, task_id: u32) -> bool {
        self.engine.still_due(task_id.into())
    }

    #[napi(catch_unwind)]
    pub fn may_request(&self, task_id: u32) -> bool {
        self.engine.may_request(task_id.into())
    }

    #[napi(catch_unwind)]
    pub fn end_phase(&self, phase_id: u32, failure: Option<String>) -> napi::Result<()> {
        let refused = || coded(Error::invalid("failure", "an unknown reason"));
        let failure = failure.map(|word| Reason::parse(&word).ok_or_else(refused)).transpose()?;
        self.engine.end_phase(phase_id.into(), failure);
        Ok(())
    }

    /// After a call that failed with `ERR_CORRUPT_DATABASE`; JSON of what was regained, or null.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn recover<'env>(&self, env: &'env Env) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.recover().await })
    }

    /// Makes a copy of the database in the background.
    #[napi(catch_unwind)]
    pub fn copy(&self) {
        napi::bindgen_prelude::within_runtime_if_available(|| self.engine.copy());
    }

    #[napi(catch_unwind)]
    pub fn cut_off(&self, phase_id: u32) {
        self.engine.cut_off(phase_id.into());
    }

    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn close<'env>(&self, env: &'env Env) -> Reply<'env> {
        let engine = Arc::clone(&self.engine);
        promise(env, async move { engine.close().await })
    }
}

type Reply<'env> = napi::Result<PromiseRaw<'env, String>>;

/// Runs on napi's runtime. The work owns what it needs: a `&self` held over an await outlives its object when a worker's
/// environment is torn down.
fn promise<'env, T: Serialize + 'static>(
    env: &'env Env,
    work: impl Future<Output = crate::error::Result<T>> + Send + 'static,
) -> Reply<'env> {
    env.spawn_future(async move { reply(work.await) })
}

#[derive(Serialize)]
struct CodedError<'a> {
    code: &'a str,
    message: String,
    field: Option<&'a str>,
}

/// The one place where our errors become napi's.
fn coded(error: Error) -> napi::Error {
    let coded = CodedError { code: error.code(), message: error.to_string(), field: error.field() };
    napi::Error::from_reason(serde_json::to_string(&coded).unwrap_or_else(|_| error.to_string()))
}

fn json(value: &impl Serialize) -> napi::Result<String> {
    serde_json::to_string(value).map_err(|error| coded(Error::Internal(error.to_string())))
}

fn reply(result: crate::error::Result<impl Serialize>) -> napi::Result<String> {
    json(&result.map_err(coded)?)
}
