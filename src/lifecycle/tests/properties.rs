//! What no sequence of events can do.

use proptest::prelude::*;

use super::fixtures::{NOW, key, lane, summary};
use crate::lifecycle::{Context, Event, Judgement, transition};
use crate::model::{Connectivity, Policy, Proof, Reason, Refusal, Standing};
use crate::plan::{Scope, is_trusted};

#[derive(Debug, Clone)]
enum Step {
    Event(Event),
    NewGeneration,
    NewLaunch,
    NewRun,
    Wait(i64),
}

fn judgement() -> impl Strategy<Value = Judgement> {
    let expiration = prop::option::of(NOW - 1_000..NOW + 200_000);
    let absent = prop::sample::select(vec![Reason::Gone, Reason::Hollow, Reason::ForeignKeys, Reason::SystemIdChanged]);
    let later = prop::sample::select(vec![Reason::InUse, Reason::KeysNotReady, Reason::Timeout]);
    prop_oneof![
        expiration.clone().prop_map(|expiration_ms| Judgement::Loaded { key_ids: vec![key(1)], expiration_ms }),
        absent.prop_map(Judgement::Absent),
        Just(Judgement::Released),
        expiration.prop_map(|expiration_ms| Judgement::Expired { expiration_ms }),
        later.prop_map(Judgement::Later),
        Just(Judgement::Failed),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let generation = 1..5_i64;
    let delay =
        prop::sample::select(vec![Reason::Throttled, Reason::Unreachable, Reason::ServerError, Reason::Timeout]);
    let bad = prop::sample::select(vec![Reason::Rejected, Reason::Unverified]);
    prop_oneof![
        5 => (judgement(), any::<bool>(), generation.clone()).prop_map(|(judgement, alone, generation)| {
            Event::Checked { judgement, alone, generation }
        }),
        2 => (generation.clone(), 1..5_i64).prop_map(|(generation, launch)| Event::Adopted {
            proof: Proof { generation, launch, at_ms: NOW },
            key_ids: vec![key(1)],
            expiration_ms: None,
        }),
        1 => prop::sample::select(Refusal::ALL).prop_map(Event::Refused),
        1 => (delay, any::<Option<i64>>()).prop_map(|(reason, retry_after_ms)| Event::Delayed { reason, retry_after_ms }),
        1 => bad.prop_map(Event::BadLicense),
        1 => generation.prop_map(|generation| Event::IdReused { generation }),
        1 => Just(Event::PlaybackBroken),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => event().prop_map(Step::Event),
        1 => Just(Step::NewGeneration),
        1 => Just(Step::NewLaunch),
        1 => Just(Step::NewRun),
        1 => (0..100_000_i64).prop_map(Step::Wait),
    ]
}

/// The generation that an event proves a session in, if it does; `Some(None)`: it takes the proof away.
fn proof_by(event: &Event) -> Option<Option<i64>> {
    match event {
        Event::Checked { judgement: Judgement::Loaded { .. }, generation, .. } => Some(Some(*generation)),
        Event::Adopted { proof, .. } => Some(Some(proof.generation)),
        Event::Checked { judgement: Judgement::Absent(_), alone: true, .. }
        | Event::Checked { judgement: Judgement::Released | Judgement::Expired { .. }, .. }
        | Event::IdReused { .. }
        | Event::PlaybackBroken => Some(None),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_a_session_trusted_but_a_proof_in_its_lanes_current_generation(
        steps in prop::collection::vec(step(), 1..40),
        cdm_observed: bool,
    ) {
        let policy = Policy::default();
        let mut standing = Standing::unproven(None);
        let (mut generation, mut launch, mut run, mut now) = (1, 1, 1, NOW);
        let mut proven_in: Option<i64> = None;
        for step in steps {
            match step {
                Step::NewGeneration => generation += 1,
                Step::NewLaunch => { launch += 1; run += 1; }
                Step::NewRun => run += 1,
                Step::Wait(ms) => now += ms,
                Step::Event(event) => {
                    if let Ok(done) = transition(&standing, &event, Context { now, launch, run, chance: 1.0, policy: &policy }) {
                        standing = done.standing;
                        proven_in = proof_by(&event).unwrap_or(proven_in);
                    }
                }
            }
            let facts = crate::plan::LaneFacts { cdm_observed, ..lane(generation) };
            let scope = Scope { connectivity: Connectivity::Online, ..Scope::of(&policy, now, launch) };
            if is_trusted(&summary(&standing), &facts, &scope) {
                prop_assert_eq!(proven_in, Some(generation), "{:?}", standing);
            }
        }
    }

    #[test]
    fn every_retry_is_dated_within_the_cap(
        steps in prop::collection::vec(step(), 1..40),
        base in 1..86_400_000_i64,
        max in 1..86_400_000_i64,
    ) {
        let policy = Policy { backoff_base_ms: base, backoff_max_ms: max, ..Policy::default() };
        let mut standing = Standing::unproven(None);
        let (mut run, mut now) = (1, NOW);
        for step in steps {
            match step {
                Step::NewRun | Step::NewLaunch => run += 1,
                Step::Wait(ms) => now += ms,
                Step::NewGeneration => {}
                Step::Event(event) => {
                    if let Ok(done) = transition(&standing, &event, Context { now, launch: 1, run, chance: 1.0, policy: &policy }) {
                        standing = done.standing;
                    }
                    let at = standing.next_attempt_at_ms;
                    prop_assert!(at.is_none_or(|at| at <= now + max), "{:?} at {now}", standing);
                }
            }
        }
    }

    #[test]
    fn an_unknown_event_changes_nothing_and_a_known_one_is_the_same_twice(event in event(), from in event()) {
        let policy = Policy::default();
        let cx = Context { now: NOW, launch: 1, run: 1, chance: 1.0, policy: &policy };
        let start = transition(&Standing::unproven(None), &from, cx).map(|done| done.standing);
        let start = start.unwrap_or_else(|_| Standing::unproven(None));
        let copy = start.clone();
        prop_assert_eq!(transition(&start, &event, cx), transition(&copy, &event, cx));
        prop_assert_eq!(start, copy);
    }
}
