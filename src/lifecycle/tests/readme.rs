//! Holds `README.md` against the code, line by line, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use super::fixtures::{LAUNCH, NOW, RUN, checked, cx, key, loaded, proof, standing};
use crate::lifecycle::{Event, Judgement, Next, transition};
use crate::model::{Policy, Proof, Reason, Refusal, Standing, State, Strike};

const README: &str = include_str!("../README.md");

/// The cells of the table under `heading`, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = README.split_once(&format!("## {heading}\n")).expect("the README has this heading");
    let section = section.split("\n## ").next().unwrap_or(section);
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// One kind of event, and what a session must have behind it for the event to be of that kind.
struct Kind {
    event: Event,
    strike: Option<Strike>,
    policy: Policy,
    /// The session still stands under the id that the CDM gave it.
    own_id: bool,
}

fn kinds() -> BTreeMap<&'static str, Kind> {
    let plain = |event| Kind { event, strike: None, policy: Policy::default(), own_id: false };
    let failed = |strike: Option<Strike>| Kind { strike, ..plain(checked(Judgement::Failed, false)) };
    let struck = |run, ago| failed(Some(Strike { run, at_ms: NOW - ago }));
    let expired = Judgement::Expired { expiration_ms: Some(5) };
    let adopted = Event::Adopted { proof: proof(4), key_ids: vec![key(1)], expiration_ms: None };
    let delayed = Event::Delayed { reason: Reason::Unreachable, retry_after_ms: None };
    let gone = Judgement::Absent(Reason::Gone);
    [
        ("check: loaded", plain(checked(loaded(), false))),
        ("check: absent, in a batch", plain(checked(gone.clone(), false))),
        ("check: absent, alone", plain(checked(gone, true))),
        ("check: every key released", plain(checked(Judgement::Released, false))),
        ("check: an expected key expired", plain(checked(expired.clone(), false))),
        (
            "check: an expected key expired, policy keeps it",
            Kind { policy: Policy { relicense_expired: false, ..Policy::default() }, ..plain(checked(expired, false)) },
        ),
        ("check: later", plain(checked(Judgement::Later(Reason::Timeout), false))),
        ("check: in use", Kind { own_id: true, ..plain(checked(Judgement::Later(Reason::InUse), false)) }),
        ("check: failed, first strike", failed(None)),
        ("check: failed, too soon", struck(RUN - 1, 59_999)),
        ("check: failed, same run", struck(RUN, 60_000)),
        ("check: failed, second strike", struck(RUN - 1, 60_000)),
        ("adopted", plain(adopted)),
        ("licence refused", plain(Event::Refused(Refusal::Entitlement))),
        ("licence delayed", plain(delayed)),
        ("bad licence", plain(Event::BadLicense(Reason::Rejected))),
        ("id reused", plain(Event::IdReused { generation: 5 })),
        ("playback broken", plain(Event::PlaybackBroken)),
    ]
    .into()
}

/// Every (state, event kind) of the table, with where it leads.
fn rows() -> BTreeMap<(State, &'static str), (&'static str, &'static str)> {
    let mut rows = BTreeMap::new();
    for cells in table("Transitions") {
        let [states, events, to, next] = cells[..] else {
            assert_eq!(cells.len(), 4, "{cells:?}");
            continue;
        };
        for state in states.split(", ") {
            let state = State::parse(state).expect("a persisted state");
            for event in events.split("; ") {
                let double = rows.insert((state, event), (to, next));
                assert_eq!(double, None, "{state:?} and {event} stand in the table twice");
            }
        }
    }
    rows
}

fn next(word: &str) -> Next {
    let words = [
        ("—", Next::Rest),
        ("recheck alone", Next::RecheckAlone),
        ("check", Next::Check),
        ("license", Next::License),
        ("later", Next::Later),
        ("release", Next::Release),
    ];
    let found = words.iter().find(|(known, _)| *known == word);
    found.expect("a word of the last column").1
}

/// A session in `state`, plain and with the traces of earlier failures.
fn starts(state: State, kind: &Kind) -> Vec<Standing> {
    let usual = standing(state);
    let plain = Standing { strike: kind.strike, stale_id: usual.stale_id && !kind.own_id, ..usual };
    let tried =
        Standing { attempts: 3, delay: Some(Reason::Timeout), next_attempt_at_ms: Some(NOW - 1), ..plain.clone() };
    vec![plain, tried]
}

#[test]
fn every_row_of_the_readme_is_what_the_code_does() {
    let kinds = kinds();
    for ((state, name), (to, next_word)) in rows() {
        let kind = kinds.get(name).expect("the README names only events that the code knows");
        for from in starts(state, kind) {
            let what = format!("{} | {name}", state.as_str());
            let done = transition(&from, &kind.event, cx(&kind.policy)).expect("a row of the table is no error");
            let after = &done.standing;
            assert_eq!(done.next, next(next_word), "{what}");
            let words: Vec<&str> = to.split(", ").collect();
            match words[0] {
                "unchanged" => {
                    let kept = |s: &Standing| (s.state, s.reason, s.proof, s.expiration_ms, s.stale_id);
                    assert_eq!(kept(after), kept(&from), "{what}");
                }
                "unproven" => assert_eq!((after.state, after.proof), (state, None), "{what}"),
                "active" => {
                    let generation = after.proof.map(|proof| proof.generation);
                    assert_eq!((after.state, after.reason, generation), (State::Active, None, Some(4)), "{what}");
                    assert_eq!(
                        (after.strike, after.attempts, after.delay, after.next_attempt_at_ms, after.stale_id),
                        (None, 0, None, None, false),
                        "{what}: no trace of earlier failures"
                    );
                }
                word => {
                    assert_eq!(Some(after.state), State::parse(word), "{what}");
                    assert_eq!(after.proof, None, "{what}");
                    assert!(after.reason.is_some() && after.reason != from.reason, "{what}: a reason");
                }
            }
            if words.contains(&"delayed") {
                assert!(after.next_attempt_at_ms.is_some_and(|at| at > NOW), "{what}");
                assert_eq!(after.attempts, from.attempts + 1, "{what}");
                assert!(after.delay.is_some(), "{what}: says why it waits");
            } else if words[0] == "unchanged" {
                assert_eq!(after.next_attempt_at_ms, from.next_attempt_at_ms, "{what}");
            }
            let brings_keys = words[0] == "active";
            assert_eq!(done.key_ids, brings_keys.then(|| vec![key(1)]), "{what}");
        }
    }
}

#[test]
fn a_pair_that_the_readme_does_not_have_is_refused() {
    let rows = rows();
    let mut refused = BTreeSet::new();
    for (name, kind) in kinds() {
        for state in State::ALL {
            if rows.contains_key(&(*state, name)) {
                continue;
            }
            for from in starts(*state, &kind) {
                let before = from.clone();
                let error = transition(&from, &kind.event, cx(&kind.policy)).expect_err("not in the table");
                assert_eq!(error.state, *state);
                assert_eq!(from, before);
                refused.insert((*state, name));
            }
        }
    }
    assert!(!refused.is_empty(), "the table has a gap on purpose: {refused:?}");
    let known = kinds().keys().copied().collect::<BTreeSet<_>>();
    let named = rows.keys().map(|(_, event)| *event).collect::<BTreeSet<_>>();
    assert_eq!(named, known, "every kind of event stands in the table");
}

#[test]
fn the_diagram_has_the_arrows_of_the_table() {
    let (_, diagram) = README.split_once("```mermaid").expect("a diagram");
    let (diagram, _) = diagram.split_once("```").expect("that ends");
    let arrows = diagram.lines().filter_map(|line| {
        let (from, rest) = line.trim().split_once(" --> ")?;
        let (to, _) = rest.split_once(" : ")?;
        Some((State::parse(from)?, State::parse(to)?))
    });
    let drawn: BTreeSet<(State, State)> = arrows.filter(|(from, to)| from != to).collect();
    let kinds = kinds();
    let mut done = BTreeSet::new();
    for kind in kinds.values() {
        for state in State::ALL {
            for from in starts(*state, kind) {
                if let Ok(transition) = transition(&from, &kind.event, cx(&kind.policy)) {
                    done.insert((*state, transition.standing.state));
                }
            }
        }
    }
    done.retain(|(from, to)| from != to);
    assert_eq!(drawn, done);
}

#[test]
fn a_refused_licence_waits_as_the_readme_says() {
    let policy = Policy::default();
    let mut seen = BTreeSet::new();
    for cells in table("When a refused licence is asked for again") {
        let refusal = Refusal::parse(cells[0]).expect("a refusal");
        assert!(seen.insert(refusal));
        let waits = match cells[1] {
            "never" => None,
            "longest wait" => Some(policy.backoff_max_ms),
            word => {
                assert_eq!(word, "backoff");
                Some(policy.backoff_ms(3))
            }
        };
        for state in [State::Lost, State::Expired, State::Blocked] {
            let from = Standing { attempts: 2, ..standing(state) };
            let done = transition(&from, &Event::Refused(refusal), cx(&policy)).expect("in the table");
            assert_eq!(done.standing.next_attempt_at_ms, waits.map(|wait| NOW + wait), "{refusal:?}");
            assert_eq!(done.standing.reason, Some(refusal.reason()));
        }
    }
    assert_eq!(seen.len(), Refusal::ALL.len(), "every refusal stands in the table");
}

#[test]
fn a_loaded_check_proves_for_the_generation_in_which_it_was_handed_out() {
    let policy = Policy::default();
    let done = transition(&standing(State::Lost), &checked(loaded(), true), cx(&policy)).expect("in the table");
    let expected = Proof { generation: 4, launch: LAUNCH, at_ms: NOW };
    assert_eq!(done.standing.proof, Some(expected));
    assert_eq!(done.standing.expiration_ms, Some(NOW + 5));
}
