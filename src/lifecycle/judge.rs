//! What a CDM's answer means for a session whose expected key ids are known.

use crate::model::{CheckOutcome, KeyId, KeyStatus, KeyStatuses, NewSession, Reason};

/// Widevine: the session is open elsewhere.
const SYSTEM_CODE_IN_USE: i64 = 70;

/// A check's outcome, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Every expected key is good. `key_ids` are the expected ids from now on.
    Loaded { key_ids: Vec<KeyId>, expiration_ms: Option<i64> },
    /// The licence is not there: gone, hollow, foreign key ids or system code 75. Counts only when found alone.
    Absent(Reason),
    /// Every key is `released`.
    Released,
    /// An expected key is `expired`.
    Expired { expiration_ms: Option<i64> },
    /// Says nothing about the licence: in use, not ready, timed out. Never a strike.
    Later(Reason),
    /// Could not be loaded, without saying why: a strike.
    Failed,
}

/// Statuses that count as good: the key is there, whatever the screen or the date allow right now.
fn is_good(status: KeyStatus) -> bool {
    matches!(
        status,
        KeyStatus::Usable | KeyStatus::OutputRestricted | KeyStatus::OutputDownscaled | KeyStatus::UsableInFuture
    )
}

/// What a session's licence should hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The expected key ids; none: whatever is seen first.
    pub key_ids: &'a [KeyId],
    /// What the init data names. Of these a licence need not hold all, and may hold others, but one that holds none of them
    /// is another content's.
    pub named: &'a [KeyId],
    /// A fresh licence, or a row that was never proven: it may hold fewer keys than were expected, so ids that it does not
    /// list are dropped. Afterwards every expected id must be there.
    pub first_proof: bool,
}

pub fn judge(outcome: &CheckOutcome, expected: Expected<'_>) -> Judgement {
    match outcome {
        CheckOutcome::Loaded { key_statuses, expiration } => judge_keys(key_statuses, *expiration, expected),
        CheckOutcome::Gone => Judgement::Absent(Reason::Gone),
        CheckOutcome::Hollow => Judgement::Absent(Reason::Hollow),
        CheckOutcome::Timeout => Judgement::Later(Reason::Timeout),
        CheckOutcome::Rejected(rejection) => match rejection.system_code {
            _ if rejection.says_system_id_changed() => Judgement::Absent(Reason::SystemIdChanged),
            Some(SYSTEM_CODE_IN_USE) => Judgement::Later(Reason::InUse),
            _ if rejection.name == "QuotaExceededError" => Judgement::Later(Reason::InUse),
            _ => Judgement::Failed,
        },
    }
}

fn judge_keys(shown: &KeyStatuses, expiration_ms: Option<i64>, expected: Expected<'_>) -> Judgement {
    if shown.is_empty() {
        return Judgement::Absent(Reason::Hollow);
    }
    if shown.values().all(|status| *status == KeyStatus::Released) {
        return Judgement::Released;
    }
    let is_shown = |id: &KeyId| shown.contains_key(id);
    let key_ids: Vec<KeyId> = if expected.key_ids.is_empty() {
        let foreign = !expected.named.is_empty() && !expected.named.iter().any(is_shown);
        if foreign { Vec::new() } else { shown.keys().copied().collect() }
    } else if expected.first_proof {
        expected.key_ids.iter().copied().filter(is_shown).collect()
    } else {
        expected.key_ids.to_vec()
    };
    let statuses: Option<Vec<KeyStatus>> = key_ids.iter().map(|id| shown.get(id).copied()).collect();
    let Some(statuses) = statuses.filter(|statuses| !statuses.is_empty()) else {
        return Judgement::Absent(Reason::ForeignKeys);
    };
    if statuses.contains(&KeyStatus::Expired) {
        Judgement::Expired { expiration_ms }
    } else if statuses.iter().copied().all(is_good) {
        Judgement::Loaded { key_ids, expiration_ms }
    } else {
        Judgement::Later(Reason::KeysNotReady)
    }
}

/// The expected key ids of a row that is `put` with the statuses its licence has just shown; `None` when they prove
/// nothing.
pub fn proof_of_new_row(input: &NewSession) -> Option<Vec<KeyId>> {
    let shown = input.proven.as_ref()?;
    match judge_keys(shown, None, Expected { key_ids: &input.key_ids, named: &[], first_proof: true }) {
        Judgement::Loaded { key_ids, .. } => Some(key_ids),
        _ => None,
    }
}
