//! `verdict`: design section 6 as tables of cases.

use super::fixtures::{
    GENERATION, NOW, active, blocked, broken, deferred, expired, expiring, lane, lost, offline, proof, proven, scope,
    suspect, unchecked, unobserved, unrenewable, unsupported, waiting,
};
use crate::model::{Action, Mode, Playable, Reason, SessionSummary, State, Verdict, VerdictState};
use crate::plan::{LaneFacts, Scope, verdict};

fn on(session: &SessionSummary, lane: &LaneFacts, scope: &Scope) -> Verdict {
    verdict("film", &[(session, lane)], scope)
}

type Case = (&'static str, SessionSummary, LaneFacts, Scope, (Playable, VerdictState, Option<Reason>, Action));

fn run(cases: Vec<Case>) {
    for (what, session, lane, scope, expected) in cases {
        let found = on(&session, &lane, &scope);
        assert_eq!((found.playable, found.state, found.reason, found.action), expected, "{what}");
        assert_eq!(found.content_id, "film");
    }
}

#[test]
fn offline_only_when_proven() {
    use Playable::{No, Offline};
    use VerdictState::{Proven, Suspect};
    let good = (Offline, Proven, None, Action::Play);
    let not = |reason| (No, Suspect, Some(reason), Action::Wait);
    run(vec![
        ("proven", proven(), lane(), scope(), good),
        ("proven, offline", proven(), lane(), offline(), good),
        ("proven, no driver", proven(), deferred(Reason::NoDriver), scope(), good),
        ("proven, not renewable", unrenewable(proven()), lane(), scope(), good),
        ("an earlier generation", suspect(), lane(), scope(), not(Reason::NewGeneration)),
        ("never proven", active(None), lane(), scope(), not(Reason::NeverProven)),
        ("past its expiration by our clock", expiring(proven(), NOW), lane(), scope(), not(Reason::ExpirationPassed)),
        ("CDM not observed", proven(), unobserved(), scope(), not(Reason::CdmNotObserved)),
    ]);
}

#[test]
fn try_for_a_suspect_that_nothing_more_can_be_done_for_now() {
    let tries = |reason| (Playable::Try, VerdictState::Suspect, reason, Action::Try);
    let observe = Scope { mode: Mode::Observe, ..scope() };
    run(vec![
        ("offline", suspect(), lane(), offline(), tries(Some(Reason::Offline))),
        ("no driver", suspect(), deferred(Reason::NoDriver), scope(), tries(Some(Reason::NoDriver))),
        ("no CDM yet", suspect(), deferred(Reason::Unavailable), scope(), tries(Some(Reason::Unavailable))),
        ("no licence data", unrenewable(suspect()), lane(), scope(), tries(Some(Reason::NoLicenseData))),
        ("observe only", suspect(), lane(), observe, tries(Some(Reason::NewGeneration))),
    ]);
}

#[test]
fn a_suspect_that_waits_for_its_next_attempt_may_be_tried_meanwhile() {
    let session = waiting(suspect(), Some(Reason::InUse), Some(NOW + 5_000));
    let found = on(&session, &lane(), &scope());
    assert_eq!(found.retry_at, Some(NOW + 5_000));
    assert_eq!(
        (found.playable, found.action),
        (Playable::Try, Action::Try),
        "`try` for a suspect that nothing more can be done for now"
    );
}

#[test]
fn a_suspect_that_waits_says_why_and_until_when() {
    let session = waiting(suspect(), Some(Reason::InUse), Some(NOW + 5_000));
    let found = on(&session, &lane(), &scope());
    assert_eq!((found.state, found.reason), (VerdictState::Suspect, Some(Reason::InUse)));
    assert_eq!(found.retry_at, Some(NOW + 5_000));
    assert_ne!(found.playable, Playable::Offline);
}

#[test]
fn online_for_unsupported_unknown_and_offline_not_allowed() {
    let online = |state, reason| (Playable::Online, state, Some(reason), Action::Connect);
    let cases = [proven(), suspect(), lost(), expired(), blocked(Reason::Geo, None)];
    for session in cases {
        let expected = online(VerdictState::Unsupported, Reason::Unsupported);
        run(vec![("unsupported lane", session, unsupported(), scope(), expected)]);
    }
    let not_allowed = blocked(Reason::OfflineNotAllowed, None);
    let expected = online(VerdictState::Blocked, Reason::OfflineNotAllowed);
    run(vec![
        ("not allowed", not_allowed.clone(), lane(), scope(), expected),
        ("not allowed, offline", not_allowed, lane(), offline(), expected),
    ]);
    let unknown = verdict("film", &[], &scope());
    assert_eq!(
        (unknown.playable, unknown.state, unknown.action),
        (Playable::Online, VerdictState::Unknown, Action::Connect)
    );
    assert_eq!(unknown.sessions, vec![]);
}

#[test]
fn no_says_what_would_help() {
    let no = |state, reason, action| (Playable::No, state, Some(reason), action);
    let lost_because = |reason| broken(State::Lost, reason);
    use Reason::{Auth, Concurrency, DeviceLimit, Entitlement, Expired, Geo, NoLicenseData, Revoked};
    use VerdictState::{Blocked, Lost};
    let keeps_expired = Scope { relicense_expired: false, ..scope() };
    run(vec![
        ("lost", lost(), lane(), scope(), no(Lost, Reason::Gone, Action::Wait)),
        ("lost, hollow", lost_because(Reason::Hollow), lane(), scope(), no(Lost, Reason::Hollow, Action::Wait)),
        ("lost, offline", lost(), lane(), offline(), no(Lost, Reason::Offline, Action::Connect)),
        ("lost, no data", unrenewable(lost()), lane(), scope(), no(Lost, NoLicenseData, Action::DownloadAgain)),
        ("lost, no driver", lost(), deferred(Reason::NoDriver), scope(), no(Lost, Reason::NoDriver, Action::Wait)),
        ("lost, new generation", unchecked(lost()), lane(), scope(), no(Lost, Reason::Gone, Action::Wait)),
        ("expired, being relicensed", expired(), lane(), scope(), no(VerdictState::Expired, Expired, Action::Wait)),
        (
            "expired, policy keeps it",
            expired(),
            lane(),
            keeps_expired,
            no(VerdictState::Expired, Expired, Action::Renew),
        ),
        ("auth", blocked(Auth, None), lane(), scope(), no(Blocked, Auth, Action::SignIn)),
        ("geo", blocked(Geo, Some(NOW + 9)), lane(), scope(), no(Blocked, Geo, Action::ChangeLocation)),
        ("entitlement", blocked(Entitlement, Some(NOW + 9)), lane(), scope(), no(Blocked, Entitlement, Action::Renew)),
        (
            "device limit",
            blocked(DeviceLimit, Some(NOW + 9)),
            lane(),
            scope(),
            no(Blocked, DeviceLimit, Action::FreeDevice),
        ),
        ("concurrency", blocked(Concurrency, Some(NOW + 9)), lane(), scope(), no(Blocked, Concurrency, Action::Wait)),
        ("revoked", blocked(Revoked, None), lane(), scope(), no(Blocked, Revoked, Action::DownloadAgain)),
        (
            "rejected",
            blocked(Reason::Rejected, Some(NOW + 9)),
            lane(),
            scope(),
            no(Blocked, Reason::Rejected, Action::Wait),
        ),
    ]);
}

#[test]
fn every_refusal_has_an_action_that_is_more_than_waiting_but_for_concurrency() {
    for refusal in crate::model::Refusal::ALL {
        let found = on(&blocked(refusal.reason(), None), &lane(), &scope());
        let waits = found.action == Action::Wait;
        assert_eq!(waits, *refusal == crate::model::Refusal::Concurrency, "{refusal:?}: {:?}", found.action);
    }
}

#[test]
fn retry_at_is_when_the_deciding_session_is_tried_again() {
    let at = |session: SessionSummary, scope: &Scope| on(&session, &lane(), scope).retry_at;
    assert_eq!(at(waiting(lost(), Some(Reason::Throttled), Some(NOW + 7)), &scope()), Some(NOW + 7));
    assert_eq!(at(blocked(Reason::Geo, Some(NOW + 8)), &scope()), Some(NOW + 8));
    assert_eq!(at(blocked(Reason::Auth, None), &scope()), None);
    assert_eq!(at(waiting(lost(), None, Some(NOW)), &scope()), None, "it is due");
    assert_eq!(at(proven(), &scope()), None);
    let waits = waiting(lost(), Some(Reason::Throttled), Some(NOW + 7));
    assert_eq!(on(&waits, &lane(), &scope()).reason, Some(Reason::Throttled), "and why it waits");
    assert_eq!(at(waits, &offline()), None, "offline it is not tried at that time");
}

#[test]
fn the_worst_session_decides() {
    let ranked = [
        (VerdictState::Proven, proven()),
        (VerdictState::Suspect, suspect()),
        (VerdictState::Expired, expired()),
        (VerdictState::Lost, lost()),
        (VerdictState::Blocked, blocked(Reason::Geo, Some(NOW + 9))),
    ];
    let lane = lane();
    for (at, (better, good)) in ranked.iter().enumerate() {
        for (worse, bad) in &ranked[at..] {
            let bad = SessionSummary { id: 2, session_id: "2".into(), ..bad.clone() };
            for pair in [[(good, &lane), (&bad, &lane)], [(&bad, &lane), (good, &lane)]] {
                let found = verdict("film", &pair, &scope());
                assert_eq!(found.state, *worse, "{better:?} and {worse:?}");
                let alone = on(&bad, &lane, &scope());
                assert_eq!((found.playable, found.action), (alone.playable, alone.action));
                assert_eq!((found.reason, found.retry_at), (alone.reason, alone.retry_at));
                assert_eq!(found.sessions.len(), 2, "all sessions are named");
            }
        }
    }
}

#[test]
fn one_session_in_an_unsupported_lane_makes_the_content_unsupported() {
    let other = SessionSummary { id: 2, ..lost() };
    let (here, there) = (lane(), unsupported());
    let found = verdict("film", &[(&other, &here), (&proven(), &there)], &scope());
    assert_eq!((found.state, found.playable), (VerdictState::Unsupported, Playable::Online));
}

#[test]
fn a_verdict_names_each_session_with_its_key_system_and_expiration() {
    let session = expiring(active(Some(proof(GENERATION))), NOW + 60_000);
    let found = on(&session, &lane(), &scope());
    let named = serde_json::to_value(&found.sessions).expect("plain values");
    let expected = serde_json::json!([
        { "sessionId": "1", "keySystem": "com.widevine.alpha", "expiration": NOW + 60_000 },
    ]);
    assert_eq!(named, expected);
    let never = serde_json::to_value(on(&proven(), &lane(), &scope())).expect("plain values");
    assert_eq!(never["sessions"][0]["expiration"], serde_json::Value::Null, "null means never");
    assert_eq!(never["retryAt"], serde_json::Value::Null);
}
