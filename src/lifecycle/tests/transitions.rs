//! Rules of single transitions that a table does not show.

use super::fixtures::{NOW, RUN, checked, cx, lane, standing, summary};
use crate::lifecycle::{Context, Event, Judgement, transition};
use crate::model::{Connectivity, Policy, Reason, Standing, State, Strike};
use crate::plan::{Due, Scope, Urge, Work, due};

fn after(from: &Standing, event: &Event, cx: Context<'_>) -> Standing {
    transition(from, event, cx).expect("a row of the table").standing
}

fn delayed(reason: Reason, retry_after_ms: Option<i64>) -> Event {
    Event::Delayed { reason, retry_after_ms }
}

fn scope(now: i64) -> Scope {
    Scope { connectivity: Connectivity::Online, ..Scope::of(&Policy::default(), now, 7) }
}

#[test]
fn what_was_absent_is_lost_by_its_reason_and_only_a_hollow_id_stays_ours() {
    let policy = Policy::default();
    for (reason, stale) in
        [(Reason::Gone, true), (Reason::Hollow, false), (Reason::ForeignKeys, true), (Reason::SystemIdChanged, true)]
    {
        let lost = after(&standing(State::Active), &checked(Judgement::Absent(reason), true), cx(&policy));
        assert_eq!((lost.state, lost.reason, lost.stale_id), (State::Lost, Some(reason), stale));
        assert_eq!(lost.checked_generation, Some(4));
    }
}

#[test]
fn an_answer_of_later_is_never_a_strike_and_keeps_the_one_that_is_there() {
    let policy = Policy::default();
    let strike = Some(Strike { run: RUN - 1, at_ms: NOW - 100_000 });
    for reason in [Reason::InUse, Reason::KeysNotReady, Reason::Timeout] {
        for strike in [None, strike] {
            let from = Standing { strike, ..standing(State::Active) };
            let waits = after(&from, &checked(Judgement::Later(reason), true), cx(&policy));
            assert_eq!((waits.state, waits.strike), (State::Active, strike));
        }
    }
}

#[test]
fn a_second_strike_counts_in_another_run_and_sixty_seconds_later() {
    let policy = Policy::default();
    let failed = checked(Judgement::Failed, false);
    let cases = [
        (RUN, 0, State::Active),
        (RUN, 60_000, State::Active),
        (RUN + 1, 59_999, State::Active),
        (RUN + 1, 60_000, State::Lost),
        (RUN + 9, 86_400_000, State::Lost),
    ];
    let first = after(&standing(State::Active), &failed, cx(&policy));
    assert_eq!(first.strike, Some(Strike { run: RUN, at_ms: NOW }));
    for (run, later, state) in cases {
        let cx = Context { run, now: NOW + later, ..cx(&policy) };
        let second = after(&first, &failed, cx);
        assert_eq!(second.state, state, "run {run}, {later} ms later");
        if state == State::Active {
            assert_eq!(second.strike, first.strike, "the first strike is the one that counts");
        } else {
            assert_eq!(second.reason, Some(Reason::LoadFailed));
        }
    }
}

#[test]
fn a_strike_dated_by_a_clock_that_ran_years_ahead_does_not_keep_a_broken_session_for_years() {
    let policy = Policy::default();
    let failed = checked(Judgement::Failed, false);
    let mut session = Standing {
        strike: Some(Strike { run: RUN - 1, at_ms: NOW + 10 * 365 * 86_400_000 }),
        ..standing(State::Active)
    };
    for run in 0..10 {
        let cx = Context { run: RUN + run, now: NOW + run * 86_400_000, ..cx(&policy) };
        session = after(&session, &failed, cx);
        if session.state == State::Lost {
            break;
        }
    }
    assert_eq!(session.state, State::Lost, "ten failures in ten runs on ten days");
}

#[test]
fn a_server_says_when_within_the_cap() {
    let policy = Policy::default();
    let from = standing(State::Lost);
    let asked = |retry_after_ms| {
        after(&from, &delayed(Reason::Throttled, retry_after_ms), cx(&policy)).next_attempt_at_ms.map(|at| at - NOW)
    };
    assert_eq!(asked(None), Some(policy.backoff_base_ms));
    assert_eq!(asked(Some(90_000)), Some(90_000));
    assert_eq!(asked(Some(i64::MAX)), Some(policy.backoff_max_ms));
}

#[test]
fn a_server_that_says_retry_after_nothing_is_not_hammered() {
    let policy = Policy::default();
    let mut session = standing(State::Lost);
    for retry_after_ms in [0, -5, 1, 0, 0] {
        session = after(&session, &delayed(Reason::Throttled, Some(retry_after_ms)), cx(&policy));
    }
    let wait = session.next_attempt_at_ms.map_or(0, |at| at - NOW);
    assert!(wait >= policy.backoff_base_ms, "throttled five times in a row, and asked again after {wait} ms");
}

#[test]
fn a_broken_playback_does_not_forget_that_the_server_asked_for_patience() {
    let policy = Policy::default();
    let hour = 3_600_000;
    let throttled = after(&standing(State::Lost), &delayed(Reason::Throttled, Some(hour)), cx(&policy));
    let broken = after(&throttled, &Event::PlaybackBroken, cx(&policy));
    let checked = after(&broken, &checked(Judgement::Absent(Reason::Gone), true), cx(&policy));
    assert_eq!(due(&summary(&checked), &lane(4), &scope(NOW + 1), Urge::None), Due::At(NOW + hour, Work::License));
}

#[test]
fn a_broken_playback_does_not_take_a_blocked_sessions_retry_away() {
    let policy = Policy::default();
    let rejected = after(&standing(State::Lost), &Event::BadLicense(Reason::Rejected), cx(&policy));
    assert!(rejected.next_attempt_at_ms.is_some());
    let broken = after(&rejected, &Event::PlaybackBroken, cx(&policy));
    let checked = after(&broken, &checked(Judgement::Absent(Reason::Gone), true), cx(&policy));
    let next = due(&summary(&checked), &lane(4), &scope(NOW + 86_400_000), Urge::None);
    assert_eq!(next, Due::Now(Work::License), "`rejected` is retried after its backoff");
}

#[test]
fn whatever_the_state_a_broken_playback_is_checked_next() {
    let policy = Policy::default();
    for state in State::ALL {
        let broken = after(&standing(*state), &Event::PlaybackBroken, cx(&policy));
        let next = due(&summary(&broken), &lane(4), &scope(NOW), Urge::None);
        assert_eq!(next, Due::Now(Work::Check), "{}", state.as_str());
    }
}

#[test]
fn a_bad_licence_is_never_asked_for_again_at_once() {
    let policy = Policy::default();
    for state in State::ALL {
        for reason in [Reason::Rejected, Reason::Unverified] {
            let bad = after(&standing(*state), &Event::BadLicense(reason), cx(&policy));
            assert!(bad.next_attempt_at_ms.is_some_and(|at| at >= NOW + policy.backoff_base_ms));
            if *state != State::Active {
                assert_eq!((bad.state, bad.reason), (State::Blocked, Some(reason)));
            }
        }
    }
}
