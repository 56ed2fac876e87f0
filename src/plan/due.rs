//! What a stored session needs next, and when.

use std::sync::Arc;

use super::gate::{Gate, closed_until};
use crate::clock::Millis;
use crate::model::{
    Capability, Connectivity, Generation, LaneId, LaneKey, LaunchId, Mode, Policy, Reason, SessionSummary, Stage, State,
};

/// Work on one stored session, in the order in which a lane does it: what was paid for first, then checks, which
/// cost nothing, then licences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    Adopt,
    Verify,
    Check,
    License,
}

/// What a session's lane is known to be like now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneFacts {
    pub id: LaneId,
    pub key: LaneKey,
    pub generation: Generation,
    pub cdm_observed: bool,
    /// The last answer, from this launch or an earlier one.
    pub capability: Option<Capability>,
    /// Why nothing of this lane can run now: no driver, no CDM yet, or a window that does not answer.
    pub deferred: Option<Reason>,
    /// When it is tried again.
    pub retry_at_ms: Option<Millis>,
}

/// Whose titles may be worked on and played.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Account {
    /// The app has not said: everybody's.
    #[default]
    Any,
    SignedOut,
    Of(String),
}

impl Account {
    /// A session without an account belongs to whoever is there.
    pub fn owns(&self, session: &SessionSummary) -> bool {
        match (self, session.account.as_deref()) {
            (Self::Any, _) | (_, None) => true,
            (Self::SignedOut, Some(_)) => false,
            (Self::Of(account), Some(owner)) => account == owner,
        }
    }
}

/// What holds for every session alike.
#[derive(Debug, Clone)]
pub struct Scope {
    pub now: Millis,
    pub launch: LaunchId,
    pub connectivity: Connectivity,
    pub mode: Mode,
    pub account: Account,
    pub relicense_expired: bool,
    /// The longest wait there is: a moment beyond it was dated by a clock that has been set since.
    pub longest_wait_ms: Millis,
    /// Licence requests for one session in a day, and of this install in an hour.
    pub requests_per_day: u32,
    pub requests_per_hour: u32,
    pub gate: Arc<Gate>,
}

impl Scope {
    /// What the policy says; nothing is known yet of the network, of accounts or of licence servers.
    pub fn of(policy: &Policy, now: Millis, launch: LaunchId) -> Self {
        Self {
            now,
            launch,
            connectivity: Connectivity::Unknown,
            mode: policy.mode,
            account: Account::Any,
            relicense_expired: policy.relicense_expired,
            longest_wait_ms: policy.backoff_max_ms,
            requests_per_day: policy.licenses_per_session_per_day,
            requests_per_hour: policy.licenses_per_hour,
            gate: Arc::default(),
        }
    }
}

/// That somebody wants this session now: waits that no server asked for are skipped, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urge {
    None,
    /// A viewer clicked: goes first, and is checked offline too, where nothing is left to lose.
    Clicked,
    /// The location changed or the app said so.
    Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Trusted, or nothing can be done without somebody's help; `Some` says whose.
    Nothing(Option<Reason>),
    Now(Work),
    /// Not before this moment.
    At(Millis, Work),
    /// As soon as the network is there.
    WhenOnline(Work),
}

/// Proven in its lane's current generation and, by our clock, not past its expiration. A check that loaded in this
/// launch is proof whatever the clock or an unobserved CDM version say.
pub fn is_trusted(session: &SessionSummary, lane: &LaneFacts, scope: &Scope) -> bool {
    let standing = &session.standing;
    standing.state == State::Active
        && standing.proof.is_some_and(|proof| {
            proof.generation == lane.generation
                && (proof.launch == scope.launch
                    || lane.cdm_observed && standing.expiration_ms.is_none_or(|end| scope.now < end))
        })
}

pub fn due(session: &SessionSummary, lane: &LaneFacts, scope: &Scope, urge: Urge) -> Due {
    if scope.mode == Mode::Observe {
        return Due::Nothing(None);
    }
    if lane.capability == Some(Capability::Unsupported) {
        return Due::Nothing(Some(Reason::Unsupported));
    }
    if !scope.account.owns(session) {
        return Due::Nothing(Some(Reason::OtherAccount));
    }
    let offline = scope.connectivity == Connectivity::Offline;
    let clicked = urge == Urge::Clicked;
    // No licence is bought, and none is risked, for what the player may have deleted.
    if session.missing && !clicked && !is_trusted(session, lane, scope) {
        return Due::Nothing(Some(Reason::NotInCatalogue));
    }

    if let Some(pending) = session.pending {
        let verified_now = pending.stage == Stage::Verified
            && pending.proof.is_some_and(|proof| proof.generation == lane.generation && proof.launch == scope.launch);
        let work = if verified_now { Work::Adopt } else { Work::Verify };
        if work == Work::Verify && offline && !clicked {
            return Due::WhenOnline(work);
        }
        return at(pending.next_attempt_at_ms, pending.delay, work, scope, urge);
    }

    let standing = &session.standing;
    let unchecked_here = standing.checked_generation.is_none_or(|checked| checked < lane.generation);
    let work = match standing.state {
        State::Active if is_trusted(session, lane, scope) => return renewal(session, scope),
        State::Active => {
            // A check can destroy: it needs the means to repair, or somebody who wants to play now.
            if !clicked && !session.renewable {
                return Due::Nothing(Some(Reason::NoLicenseData));
            }
            // One that could not be licensed again is not risked.
            if let Some(refusal) = scope.gate.refused.get(&*session.content_id).filter(|_| urge == Urge::None) {
                return Due::Nothing(Some(refusal.reason()));
            }
            if !clicked && offline {
                return Due::WhenOnline(Work::Check);
            }
            Work::Check
        }
        State::Lost | State::Blocked if unchecked_here => Work::Check,
        // Only a check makes expired, so one that is not checked was reported broken since.
        State::Expired if standing.checked_generation.is_none() => Work::Check,
        State::Lost | State::Blocked | State::Expired if !session.renewable => {
            return Due::Nothing(Some(Reason::NoLicenseData));
        }
        State::Expired if !scope.relicense_expired && !clicked => return Due::Nothing(Some(Reason::Expired)),
        State::Blocked if standing.next_attempt_at_ms.is_none() && urge == Urge::None => {
            return Due::Nothing(standing.reason);
        }
        State::Lost | State::Blocked | State::Expired if offline => return Due::WhenOnline(Work::License),
        State::Lost | State::Blocked | State::Expired => Work::License,
    };
    if work == Work::License && urge == Urge::None {
        if scope.gate.unauthorized.contains(&session.account) {
            return Due::Nothing(Some(Reason::Auth));
        }
        if let Some(refusal) = scope.gate.refused.get(&*session.content_id) {
            return Due::Nothing(Some(refusal.reason()));
        }
    }
    match at(standing.next_attempt_at_ms, standing.delay, work, scope, urge) {
        Due::Now(Work::License) => gated(session, scope, urge),
        Due::At(at, Work::License) => {
            Due::At(at.max(closed_until(session, scope, clicked).unwrap_or(at)), Work::License)
        }
        due => due,
    }
}

fn gated(session: &SessionSummary, scope: &Scope, urge: Urge) -> Due {
    closed_until(session, scope, urge != Urge::None)
        .map_or(Due::Now(Work::License), |until| Due::At(until, Work::License))
}

/// A licence that is good is renewed ahead only where the app has said so with the session: it costs downloads and device slots.
fn renewal(session: &SessionSummary, scope: &Scope) -> Due {
    let standing = &session.standing;
    let begins_at = standing.expiration_ms.zip(session.renew_ahead_ms).map(|(end, ahead)| end.saturating_sub(ahead));
    let Some(begins_at) = begins_at.filter(|_| session.renewable && !session.is_over(scope.now)) else {
        return Due::Nothing(None);
    };
    if scope.connectivity == Connectivity::Offline {
        return Due::Nothing(None);
    }
    // The wait after one that failed, or that brought no longer licence.
    let not_before = still_to_come(standing.next_attempt_at_ms, scope.now, scope.longest_wait_ms);
    match not_before.max(Some(begins_at).filter(|at| *at > scope.now)) {
        Some(at) => Due::At(at, Work::License),
        None => gated(session, scope, Urge::None),
    }
}

fn at(next_attempt_at_ms: Option<Millis>, delay: Option<Reason>, work: Work, scope: &Scope, urge: Urge) -> Due {
    // A server that asked for patience gets it, whoever clicks.
    let skips_wait = urge != Urge::None && delay != Some(Reason::Throttled);
    match still_to_come(next_attempt_at_ms, scope.now, scope.longest_wait_ms) {
        Some(at) if !skips_wait => Due::At(at, work),
        _ => Due::Now(work),
    }
}

/// A moment that is still to be waited for. One beyond the longest wait was dated by a clock that has been set since.
pub fn still_to_come(at: Option<Millis>, now: Millis, longest_wait_ms: Millis) -> Option<Millis> {
    at.filter(|at| *at > now && at.saturating_sub(now) <= longest_wait_ms)
}
