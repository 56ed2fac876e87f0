//! `is_trusted` and `due`: what a session needs next, and when.

use proptest::prelude::*;

use super::fixtures::{
    GENERATION, LAUNCH, NOW, active, blocked, deferred, expired, expiring, lane, lost, offline, pending, proof, proven,
    scope, suspect, unchecked, unobserved, unrenewable, unsupported, waiting,
};
use crate::model::{Mode, Policy, Proof, Reason, SessionSummary, Stage, State};
use crate::plan::{Due, LaneFacts, Scope, Urge, Work, due, is_trusted};

/// A proof that was made in the launch under way.
fn proof_of_this_launch(generation: i64) -> Proof {
    Proof { launch: LAUNCH, ..proof(generation) }
}

#[test]
fn trusted_is_proven_in_the_lanes_generation_and_not_past_its_expiration() {
    let checked_now = active(Some(proof_of_this_launch(GENERATION)));
    let stale = active(Some(proof_of_this_launch(GENERATION - 1)));
    let cases: Vec<(&str, SessionSummary, LaneFacts, bool)> = vec![
        ("proven in this generation", proven(), lane(), true),
        ("in the one before", suspect(), lane(), false),
        ("in a later one, which cannot be", active(Some(proof(GENERATION + 1))), lane(), false),
        ("never", active(None), lane(), false),
        ("before its expiration", expiring(proven(), NOW + 1), lane(), true),
        ("at its expiration", expiring(proven(), NOW), lane(), false),
        ("past its expiration", expiring(proven(), NOW - 1), lane(), false),
        ("CDM not observed", proven(), unobserved(), false),
        ("checked in this launch, CDM not observed", checked_now.clone(), unobserved(), true),
        ("checked in this launch, expired by our clock", expiring(checked_now, NOW - 1), lane(), true),
        ("checked in this launch, before a new generation", stale, lane(), false),
    ];
    for (what, session, lane, trusted) in cases {
        assert_eq!(is_trusted(&session, &lane, &scope()), trusted, "{what}");
    }
    for state in [State::Lost, State::Expired, State::Blocked] {
        let mut session = proven();
        session.standing.state = state;
        assert!(!is_trusted(&session, &lane(), &scope()), "{}", state.as_str());
    }
}

#[test]
fn what_is_due_follows_the_state_table() {
    let check = Due::Now(Work::Check);
    let license = Due::Now(Work::License);
    let cases: Vec<(&str, SessionSummary, Scope, Urge, Due)> = vec![
        ("trusted", proven(), scope(), Urge::None, Due::Nothing(None)),
        ("trusted, wanted", proven(), scope(), Urge::Clicked, Due::Nothing(None)),
        // A check can destroy.
        ("suspect", suspect(), scope(), Urge::None, check),
        ("suspect, offline", suspect(), offline(), Urge::None, Due::WhenOnline(Work::Check)),
        ("suspect, offline, wanted", suspect(), offline(), Urge::Clicked, check),
        (
            "suspect without licence data",
            unrenewable(suspect()),
            scope(),
            Urge::None,
            Due::Nothing(Some(Reason::NoLicenseData)),
        ),
        ("suspect without licence data, wanted", unrenewable(suspect()), scope(), Urge::Clicked, check),
        ("never proven", active(None), scope(), Urge::None, check),
        // Lost and blocked are checked once in a new generation.
        ("lost", lost(), scope(), Urge::None, license),
        ("lost, new generation", unchecked(lost()), scope(), Urge::None, check),
        ("lost, offline", lost(), offline(), Urge::None, Due::WhenOnline(Work::License)),
        ("lost, offline, wanted", lost(), offline(), Urge::Clicked, Due::WhenOnline(Work::License)),
        (
            "lost without licence data",
            unrenewable(lost()),
            scope(),
            Urge::None,
            Due::Nothing(Some(Reason::NoLicenseData)),
        ),
        (
            "lost without licence data, wanted",
            unrenewable(lost()),
            scope(),
            Urge::Clicked,
            Due::Nothing(Some(Reason::NoLicenseData)),
        ),
        ("lost without licence data, new generation", unchecked(unrenewable(lost())), scope(), Urge::None, check),
        ("blocked, retry due", blocked(Reason::Geo, Some(NOW)), scope(), Urge::None, license),
        (
            "blocked, retry later",
            blocked(Reason::Geo, Some(NOW + 1)),
            scope(),
            Urge::None,
            Due::At(NOW + 1, Work::License),
        ),
        ("blocked, clicked", blocked(Reason::Geo, Some(NOW + 1)), scope(), Urge::Clicked, license),
        ("blocked, location changed", blocked(Reason::Geo, Some(NOW + 1)), scope(), Urge::Retry, license),
        ("blocked for good", blocked(Reason::Auth, None), scope(), Urge::None, Due::Nothing(Some(Reason::Auth))),
        ("blocked for good, clicked", blocked(Reason::Auth, None), scope(), Urge::Clicked, license),
        ("blocked for good, new generation", unchecked(blocked(Reason::Auth, None)), scope(), Urge::None, check),
        ("expired", expired(), scope(), Urge::None, license),
        (
            "expired, policy keeps it",
            expired(),
            Scope { relicense_expired: false, ..scope() },
            Urge::None,
            Due::Nothing(Some(Reason::Expired)),
        ),
        (
            "expired, policy keeps it, clicked",
            expired(),
            Scope { relicense_expired: false, ..scope() },
            Urge::Clicked,
            license,
        ),
        // Observe detects and reports, and does nothing else.
        ("observe", lost(), Scope { mode: Mode::Observe, ..scope() }, Urge::Clicked, Due::Nothing(None)),
    ];
    for (what, session, scope, urge, expected) in cases {
        assert_eq!(due(&session, &lane(), &scope, urge), expected, "{what}");
    }
}

#[test]
fn a_click_skips_every_wait_but_the_one_that_a_server_asked_for() {
    let later = NOW + 5_000;
    let waits = [Reason::Timeout, Reason::InUse, Reason::Unreachable, Reason::ServerError, Reason::LoadFailed];
    for delay in waits {
        let session = waiting(lost(), Some(delay), Some(later));
        assert_eq!(due(&session, &lane(), &scope(), Urge::None), Due::At(later, Work::License));
        assert_eq!(due(&session, &lane(), &scope(), Urge::Clicked), Due::Now(Work::License), "{delay:?}");
    }
    let throttled = waiting(lost(), Some(Reason::Throttled), Some(later));
    for urge in [Urge::None, Urge::Clicked, Urge::Retry] {
        assert_eq!(due(&throttled, &lane(), &scope(), urge), Due::At(later, Work::License));
    }
    let over = Scope { now: later, ..scope() };
    assert_eq!(due(&throttled, &lane(), &over, Urge::None), Due::Now(Work::License));
}

#[test]
fn a_pending_licence_is_verified_before_anything_else_and_adopted_only_where_it_was_verified() {
    let here = Some(proof_of_this_launch(GENERATION));
    let cases = [
        ("journalled", Stage::Journalled, None, Work::Verify),
        ("licensed", Stage::Licensed, None, Work::Verify),
        ("verified in this launch", Stage::Verified, here, Work::Adopt),
        ("verified in an earlier launch", Stage::Verified, Some(proof(GENERATION)), Work::Verify),
        (
            "verified in an earlier generation",
            Stage::Verified,
            Some(proof_of_this_launch(GENERATION - 1)),
            Work::Verify,
        ),
    ];
    for (what, stage, proof, work) in cases {
        for session in [lost(), expired(), blocked(Reason::Auth, None), suspect(), unrenewable(lost())] {
            let session = pending(session, stage, proof);
            assert_eq!(due(&session, &lane(), &scope(), Urge::None), Due::Now(work), "{what}");
        }
        let session = pending(lost(), stage, proof);
        let no_network = due(&session, &lane(), &offline(), Urge::None);
        let expected = match work {
            Work::Verify => Due::WhenOnline(work),
            _ => Due::Now(work),
        };
        assert_eq!(no_network, expected, "{what}, offline");
    }
    let mut waits = pending(lost(), Stage::Verified, here);
    if let Some(pending) = &mut waits.pending {
        pending.delay = Some(Reason::OpenInPlayer);
        pending.next_attempt_at_ms = Some(NOW + 1);
    }
    assert_eq!(due(&waits, &lane(), &scope(), Urge::None), Due::At(NOW + 1, Work::Adopt));
}

#[test]
fn in_an_unsupported_lane_nothing_is_ever_due() {
    let all = [
        suspect(),
        active(None),
        lost(),
        unchecked(lost()),
        expired(),
        blocked(Reason::Geo, Some(NOW)),
        pending(lost(), Stage::Licensed, None),
        pending(lost(), Stage::Verified, Some(proof_of_this_launch(GENERATION))),
    ];
    for session in all {
        for urge in [Urge::None, Urge::Clicked, Urge::Retry] {
            let nothing = Due::Nothing(Some(Reason::Unsupported));
            assert_eq!(due(&session, &unsupported(), &scope(), urge), nothing, "{session:?}");
        }
    }
}

#[test]
fn a_retry_dated_by_a_clock_that_ran_years_ahead_does_not_wait_for_years() {
    let years = NOW + 10 * 365 * 86_400_000;
    let cap = Policy::default().backoff_max_ms;
    for session in [
        waiting(suspect(), Some(Reason::Timeout), Some(years)),
        waiting(lost(), Some(Reason::Throttled), Some(years)),
        blocked(Reason::Geo, Some(years)),
    ] {
        let next = due(&session, &lane(), &scope(), Urge::None);
        let waits_for_years = matches!(next, Due::At(at, _) if at > NOW + cap);
        assert!(!waits_for_years, "{next:?}");
    }
}

#[test]
fn a_deferred_lane_changes_what_can_run_not_what_is_due() {
    for reason in [Reason::NoDriver, Reason::Unavailable] {
        assert_eq!(due(&suspect(), &deferred(reason), &scope(), Urge::None), Due::Now(Work::Check));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trust_needs_an_active_session_and_a_proof_of_the_lanes_generation(
        state in prop::sample::select(State::ALL),
        proven_in in prop::option::of((1..4_i64, 1..4_i64)),
        generation in 1..4_i64,
        launch in 1..4_i64,
        expiration_ms in prop::option::of(NOW - 2..NOW + 2),
        cdm_observed: bool,
    ) {
        let proof = proven_in.map(|(generation, launch)| Proof { generation, launch, at_ms: NOW - 5 });
        let mut session = active(proof);
        session.standing.state = state;
        session.standing.expiration_ms = expiration_ms;
        let lane = LaneFacts { generation, cdm_observed, ..lane() };
        let scope = Scope { launch, ..scope() };
        if is_trusted(&session, &lane, &scope) {
            prop_assert_eq!(state, State::Active);
            prop_assert_eq!(proof.map(|proof| proof.generation), Some(generation));
            let checked_now = proof.is_some_and(|proof| proof.launch == launch);
            prop_assert!(checked_now || cdm_observed);
            prop_assert!(checked_now || expiration_ms.is_none_or(|end| NOW < end));
        }
    }
}
