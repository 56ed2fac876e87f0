//! Values only: what the other rooms speak about. Nothing here knows a database, a clock or a host.

mod debt;
mod init_data;
mod input;
mod key_ids;
mod lane;
mod outcome;
mod platform;
mod policy;
mod server;
mod session;
mod verdict;
mod version;
mod words;

pub use debt::Debt;
pub use init_data::{content_key_ids, named_key_ids};
pub use input::{
    CatalogueContent, CatalogueEntry, Filter, FindQuery, MAX_KEY_IDS, NewSession, PlaybackReport, SessionInput,
    account, checked_lane, content_id, parse_json, session_id,
};
pub use key_ids::KeyId;
pub use lane::{Binding, Capability, Lane, LaneKey};
pub use outcome::{
    AdoptOutcome, CheckOutcome, KeyStatus, KeyStatuses, LicenseOutcome, ProbeOutcome, Refusal, Rejection,
    ReleaseOutcome,
};
pub use platform::{Cdm, Change, Evidence, ExpectedUpdate, Launch, OsInfo, PartialPlatform, PlatformInfo, Snapshot};
pub use policy::{Advice, Mode, Policy};
pub use server::{Server, ServerOrigin, server_origin};
pub use session::{
    Capabilities, MediaCapability, Pending, PendingSummary, Proof, Rules, Session, SessionSummary, Stage, Standing,
    StoredSession, Strike,
};
pub use verdict::{Playable, PlayableSession, Verdict, VerdictState};
pub use version::{ChangeKind, FourPartVersion};
pub(crate) use words::words;
pub use words::{Action, Connectivity, HoldKind, Reason, State};

pub type RowId = i64;
pub type LaneId = i64;
pub type DebtId = i64;
/// Counts the changes of one lane's binding, from 1.
pub type Generation = i64;
pub type LaunchId = i64;

#[cfg(test)]
mod tests;
