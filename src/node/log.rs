//! Traces go to standard error when `ELECTRON_OFFLINE_SESSIONS_LOG` names a level or filter, as `debug`.

use tracing_subscriber::EnvFilter;

const VARIABLE: &str = "ELECTRON_OFFLINE_SESSIONS_LOG";

pub fn init() {
    let Ok(filter) = EnvFilter::try_from_env(VARIABLE) else {
        return;
    };
    // A second environment (a worker thread) finds it set already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
