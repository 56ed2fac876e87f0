//! How quickly a licence server is asked: a model of one that bears so much and no more, and its words.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::fixtures::NOW;
use crate::clock::Millis;
use crate::model::{Policy, Server};
use crate::plan::Answer;

fn server(policy: &Policy) -> Server {
    Server::new("https://license.example".into(), policy, NOW)
}

#[derive(Default)]
struct Run {
    requests: u32,
    rejected: u32,
    took_ms: Millis,
    clicks: u32,
    clicks_rejected: u32,
}

/// Licenses `sessions` at a server that takes `capacity` requests in any second, asks for a second's patience beyond that, and is heard
/// `ROUND_TRIP_MS` later. Now and then somebody clicks.
fn run(sessions: u32, capacity: usize, first_click_ms: Millis) -> Run {
    const ROUND_TRIP_MS: Millis = 22;
    let policy = Policy::default();
    let mut server = server(&policy);
    let (mut accepted, mut out) = (VecDeque::<Millis>::new(), VecDeque::<(Millis, Answer)>::new());
    let (mut now, mut run, mut left, mut next_click) = (NOW, Run::default(), sessions, NOW + first_click_ms);
    while left > 0 {
        while let Some((at, answer)) = out.pop_front_if(|(at, _)| *at <= now) {
            server.answered(answer, at, &policy, 1.0);
            left = left.saturating_sub(u32::from(answer == Answer::Answered));
        }
        accepted.retain(|at| now - at < 1_000);
        let waiting = u32::try_from(out.len()).expect("a small number");
        let paced =
            server.may_begin(now, &policy, false).min(left).min(policy.license_concurrency.saturating_sub(waiting));
        let is_click = now >= next_click && server.closed_until(now, policy.backoff_max_ms, true).is_none();
        if is_click {
            run.clicks += 1;
            run.clicks_rejected += u32::from(accepted.len() >= capacity);
            next_click = now + 20_000;
        }
        for _ in 0..paced + u32::from(is_click) {
            let is_taken = accepted.len() < capacity;
            if is_taken {
                accepted.push_back(now);
            }
            let answer = if is_taken { Answer::Answered } else { Answer::Throttled { retry_after_ms: Some(1_000) } };
            server.begin(now, &policy);
            out.push_back((now + ROUND_TRIP_MS, answer));
            run.requests += 1;
            run.rejected += u32::from(!is_taken);
        }
        now += 10;
    }
    run.took_ms = now - NOW;
    run
}

#[test]
fn a_server_is_asked_as_much_as_it_bears_and_hardly_more() {
    for capacity in [5, 20, 100] {
        let run = run(1_000, capacity, Millis::MAX / 2);
        let fastest_ms = 1_000_000 / Millis::try_from(capacity).expect("small");
        assert!(run.requests <= 1_050, "{} requests at {capacity}/s", run.requests);
        assert!(run.took_ms * 10 <= fastest_ms * 13, "{} ms at {capacity}/s", run.took_ms);
    }
}

#[test]
fn whoever_clicks_finds_a_place() {
    for capacity in [5, 10, 20] {
        let runs: Vec<Run> = (0..40).map(|n| run(1_000, capacity, 3_000 + 137 * n)).collect();
        let clicks: u32 = runs.iter().map(|run| run.clicks).sum();
        let rejected: u32 = runs.iter().map(|run| run.clicks_rejected).sum();
        assert!(rejected * 10 <= clicks, "{rejected} of {clicks} clicks met the limit of {capacity}/s");
    }
}

#[test]
fn a_library_of_fifty_is_ready_in_seconds() {
    let run = run(50, 1_000, Millis::MAX / 2);
    assert!(run.took_ms < 3_000, "{} ms", run.took_ms);
    assert_eq!(run.rejected, 0);
}

#[test]
fn its_word_holds_for_a_click_and_our_doubt_does_not() {
    let policy = Policy::default();
    let mut asked = server(&policy);
    asked.answered(Answer::Throttled { retry_after_ms: Some(7_000) }, NOW, &policy, 1.0);
    assert_eq!(
        (asked.may_begin(NOW, &policy, false), asked.closed_until(NOW, policy.backoff_max_ms, true)),
        (0, Some(NOW + 7_000))
    );
    asked.answered(Answer::Answered, NOW + 10, &policy, 1.0);
    assert_eq!(asked.may_begin(NOW + 6_999, &policy, false), 0, "an answer that was under way takes nothing back");
    assert!(asked.may_begin(NOW + 7_000, &policy, false) > 0);

    let mut down = server(&policy);
    for _ in 0..5 {
        assert!(down.may_begin(NOW, &policy, false) > 0);
        down.answered(Answer::Failed, NOW, &policy, 1.0);
    }
    assert_eq!((down.may_begin(NOW, &policy, false), down.closed_until(NOW, policy.backoff_max_ms, true)), (0, None));
    let later = NOW + policy.backoff_base_ms;
    assert_eq!(down.may_begin(later, &policy, false), 1, "one request finds out whether it is back");
    down.answered(Answer::Answered, later, &policy, 1.0);
    assert!(!down.is_doubtful());
}

#[test]
fn another_network_ends_our_doubt_and_not_its_word() {
    let policy = Policy::default();
    let mut down = server(&policy);
    (0..9).for_each(|_| down.answered(Answer::Failed, NOW, &policy, 1.0));
    down.reconnected();
    assert!(down.may_begin(NOW, &policy, false) > 0);
    down.answered(Answer::Throttled { retry_after_ms: Some(60_000) }, NOW, &policy, 1.0);
    down.reconnected();
    assert_eq!(down.may_begin(NOW, &policy, false), 0);
}

#[test]
fn what_was_learnt_long_ago_is_forgotten_but_not_what_it_asked_for() {
    let policy = Policy::default();
    let mut known = server(&policy);
    known.answered(Answer::Throttled { retry_after_ms: Some(1_000) }, NOW, &policy, 1.0);
    assert!(known.ceiling_per_s.is_some());
    known.begin(NOW + 2 * 86_400_000, &policy);
    assert_eq!((known.ceiling_per_s, known.rate_per_s), (None, policy.license_rate_per_s));
}

proptest! {
    /// Whatever happens, and wherever clocks are set to: no wait is longer than the longest, and a request may begin after it.
    #[test]
    fn no_server_is_left_alone_for_ever(
        steps in proptest::collection::vec((0..4u8, -100_000_000i64..100_000_000, proptest::option::of(0..i64::MAX / 2), 0.0..=1.0f64), 0..40),
        clock_set_by_ms in -200_000_000_000i64..200_000_000_000,
    ) {
        let policy = Policy::default();
        let mut server = server(&policy);
        let mut now = NOW;
        for (what, later, retry_after_ms, chance) in steps {
            now += later;
            match what {
                0 => server.begin(now, &policy),
                1 => server.answered(Answer::Answered, now, &policy, chance),
                2 => server.answered(Answer::Throttled { retry_after_ms }, now, &policy, chance),
                _ => server.answered(Answer::Failed, now, &policy, chance),
            }
            prop_assert!(server.next_at(now, &policy, false) > now);
            prop_assert!(server.next_at(now, &policy, false) <= now + policy.backoff_max_ms + 3_600_000);
            prop_assert!(server.rate_per_s <= policy.license_rate_max_per_s && server.rate_per_s > 0.0);
        }
        prop_assert!(server.may_begin(server.next_at(now, &policy, false), &policy, false) > 0);
        let now = now + clock_set_by_ms;
        let next_at = server.next_at(now, &policy, false);
        prop_assert!(next_at <= now + policy.backoff_max_ms + 3_600_000);
        prop_assert!(server.may_begin(next_at, &policy, false) > 0);
    }
}

#[test]
fn a_server_that_asks_for_patience_after_its_first_answers_is_not_slow_for_good() {
    let policy = Policy::default();
    let mut early = server(&policy);
    early.answered(Answer::Answered, NOW, &policy, 1.0);
    early.answered(Answer::Throttled { retry_after_ms: Some(1_000) }, NOW + 20, &policy, 1.0);
    assert!(early.rate_per_s >= 0.25 * policy.license_rate_per_s && early.rate_per_s < policy.license_rate_per_s);
}
