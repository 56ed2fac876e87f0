//! The verdict on a content: the worst of its sessions decides.

use std::cmp::Reverse;

use super::due::{Due, LaneFacts, Scope, Urge, due, is_trusted};
use super::gate::server_closed;
use crate::model::{
    Action, Capability, Connectivity, Playable, PlayableSession, Reason, SessionSummary, State, Verdict, VerdictState,
};

/// `sessions`: all stored sessions of the content, each with its lane. None at all: `unknown`.
pub fn verdict(content_id: &str, sessions: &[(&SessionSummary, &LaneFacts)], scope: &Scope) -> Verdict {
    let judged = sessions.iter().map(|(session, lane)| {
        let next = due(session, lane, scope, Urge::None);
        let stuck = lane.deferred.is_some() || !matches!(next, Due::Now(_));
        (state_of(session, lane, scope), stuck, next, *session, *lane)
    });
    // Among equals, one that can still be worked on is worth waiting for.
    let worst = judged.max_by_key(|(state, stuck, _, session, _)| (rank(*state), !stuck, Reverse(session.id)));
    let Some((state, stuck, next, session, lane)) = worst else {
        return Verdict {
            content_id: content_id.to_owned(),
            playable: Playable::Online,
            state: VerdictState::Unknown,
            reason: Some(Reason::Unknown),
            action: Reason::Unknown.action(),
            retry_at: None,
            sessions: Vec::new(),
        };
    };
    if !sessions.iter().all(|(session, _)| scope.account.owns(session)) {
        return Verdict {
            content_id: content_id.to_owned(),
            playable: Playable::No,
            state,
            reason: Some(Reason::OtherAccount),
            action: Reason::OtherAccount.action(),
            retry_at: None,
            sessions: Vec::new(),
        };
    }
    let reason = reason_of(state, session, lane, scope, next);
    let playable = playable(state, reason, stuck);
    Verdict {
        content_id: content_id.to_owned(),
        playable,
        state,
        reason,
        action: action(state, playable, reason, scope, next),
        retry_at: match next {
            Due::At(at, _) => Some(at),
            Due::Now(_) => lane.retry_at_ms,
            _ => None,
        },
        sessions: sessions
            .iter()
            .map(|(session, lane)| PlayableSession {
                session_id: session.session_id.to_string(),
                key_system: lane.key.key_system.clone(),
                expiration: session.standing.expiration_ms,
            })
            .collect(),
    }
}

fn state_of(session: &SessionSummary, lane: &LaneFacts, scope: &Scope) -> VerdictState {
    if lane.capability == Some(Capability::Unsupported) {
        return VerdictState::Unsupported;
    }
    match session.standing.state {
        State::Active if is_trusted(session, lane, scope) => VerdictState::Proven,
        State::Active => VerdictState::Suspect,
        State::Expired => VerdictState::Expired,
        State::Lost => VerdictState::Lost,
        State::Blocked => VerdictState::Blocked,
    }
}

/// Worst last: blocked, lost, expired, suspect, proven; in an unsupported lane nothing else counts.
fn rank(state: VerdictState) -> u8 {
    match state {
        VerdictState::Unknown | VerdictState::Proven => 0,
        VerdictState::Suspect => 1,
        VerdictState::Expired => 2,
        VerdictState::Lost => 3,
        VerdictState::Blocked => 4,
        VerdictState::Unsupported => 5,
    }
}

fn reason_of(
    state: VerdictState,
    session: &SessionSummary,
    lane: &LaneFacts,
    scope: &Scope,
    next: Due,
) -> Option<Reason> {
    let standing = &session.standing;
    let pending_delay = session.pending.and_then(|pending| pending.delay);
    match (state, next) {
        (VerdictState::Proven | VerdictState::Unknown, _) => None,
        (VerdictState::Unsupported, _) => Some(Reason::Unsupported),
        (VerdictState::Blocked, _) => standing.reason,
        // What it waits for tells a viewer more than why it is here.
        (_, Due::Nothing(Some(reason))) => Some(reason),
        _ if lane.deferred.is_some() => lane.deferred,
        (_, Due::WhenOnline(_)) => Some(Reason::Offline),
        (_, Due::At(..)) => {
            let server = server_closed(session, scope, false).map(|(_, reason)| reason);
            pending_delay.or(standing.delay).or(server).or(standing.reason)
        }
        (VerdictState::Suspect, _) => Some(match (standing.proof, standing.reason) {
            (_, Some(reason)) => reason,
            (Some(proof), _) if proof.generation != lane.generation => Reason::NewGeneration,
            (Some(_), _) if standing.expiration_ms.is_some_and(|end| end <= scope.now) => Reason::ExpirationPassed,
            (Some(_), _) => Reason::CdmNotObserved,
            (None, _) => Reason::NeverProven,
        }),
        (VerdictState::Lost | VerdictState::Expired, _) => standing.reason,
    }
}

fn playable(state: VerdictState, reason: Option<Reason>, stuck: bool) -> Playable {
    match state {
        VerdictState::Proven => Playable::Offline,
        VerdictState::Unsupported | VerdictState::Unknown => Playable::Online,
        // Nothing more can be done for it now, so it may as well be tried.
        VerdictState::Suspect if stuck => Playable::Try,
        VerdictState::Blocked if reason == Some(Reason::OfflineNotAllowed) => Playable::Online,
        VerdictState::Suspect | VerdictState::Lost | VerdictState::Expired | VerdictState::Blocked => Playable::No,
    }
}

fn action(state: VerdictState, playable: Playable, reason: Option<Reason>, scope: &Scope, next: Due) -> Action {
    match playable {
        Playable::Offline => return Action::Play,
        Playable::Try => return Action::Try,
        Playable::Online => return Action::Connect,
        Playable::No => {}
    }
    let is_retried = state == VerdictState::Expired && !matches!(next, Due::Nothing(_));
    match reason.map_or(Action::Wait, Reason::action) {
        Action::Renew if is_retried => wait(scope),
        Action::Wait => wait(scope),
        action => action,
    }
}

/// What is repaired by itself still needs the network.
fn wait(scope: &Scope) -> Action {
    if scope.connectivity == Connectivity::Offline { Action::Connect } else { Action::Wait }
}
