//! `judge`: what a CDM's answer means, as a table of cases.

use super::fixtures::key;
use crate::lifecycle::{Expected, Judgement, judge, proof_of_new_row};
use crate::model::{CheckOutcome, KeyId, KeyStatus, Policy, Reason, Rejection, SessionInput, parse_json};
use KeyStatus::{
    Expired, InternalError, OutputDownscaled, OutputRestricted, Released, StatusPending, Usable, UsableInFuture,
};

const FIRST: bool = true;
const AGAIN: bool = false;

fn shown(statuses: &[(u8, KeyStatus)]) -> CheckOutcome {
    CheckOutcome::Loaded {
        key_statuses: statuses.iter().map(|(n, status)| (key(*n), *status)).collect(),
        expiration: Some(99),
    }
}

fn keys(numbers: &[u8]) -> Vec<KeyId> {
    numbers.iter().map(|n| key(*n)).collect()
}

fn loaded(numbers: &[u8]) -> Judgement {
    Judgement::Loaded { key_ids: keys(numbers), expiration_ms: Some(99) }
}

fn rejected(name: &str, system_code: Option<i64>) -> CheckOutcome {
    CheckOutcome::Rejected(Rejection { name: name.to_owned(), message: String::new(), system_code })
}

#[test]
fn an_answer_without_keys_is_judged_by_its_kind() {
    let cases = [
        (CheckOutcome::Gone, Judgement::Absent(Reason::Gone)),
        (CheckOutcome::Hollow, Judgement::Absent(Reason::Hollow)),
        (CheckOutcome::Timeout, Judgement::Later(Reason::Timeout)),
        (rejected("InvalidStateError", Some(75)), Judgement::Absent(Reason::SystemIdChanged)),
        (rejected("InvalidStateError", Some(70)), Judgement::Later(Reason::InUse)),
        (rejected("QuotaExceededError", None), Judgement::Later(Reason::InUse)),
        (rejected("InvalidStateError", Some(72)), Judgement::Failed),
        (rejected("TypeError", None), Judgement::Failed),
        (rejected("", Some(0)), Judgement::Failed),
    ];
    for (outcome, judgement) in cases {
        for first in [FIRST, AGAIN] {
            assert_eq!(
                judge(&outcome, Expected { key_ids: &keys(&[1]), named: &[], first_proof: first }),
                judgement,
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn loaded_means_that_every_expected_key_is_good() {
    let hollow = Judgement::Absent(Reason::Hollow);
    let foreign = Judgement::Absent(Reason::ForeignKeys);
    let not_ready = Judgement::Later(Reason::KeysNotReady);
    let expired = Judgement::Expired { expiration_ms: Some(99) };
    type Case<'a> = (&'a [(u8, KeyStatus)], &'a [u8], bool, Judgement);
    let cases: Vec<Case<'_>> = vec![
        // Good statuses.
        (&[(1, Usable)], &[1], AGAIN, loaded(&[1])),
        (&[(1, OutputRestricted)], &[1], AGAIN, loaded(&[1])),
        (&[(1, OutputDownscaled)], &[1], AGAIN, loaded(&[1])),
        (&[(1, UsableInFuture)], &[1], AGAIN, loaded(&[1])),
        (&[(1, Usable), (2, OutputRestricted)], &[2, 1], AGAIN, loaded(&[2, 1])),
        (&[(1, Usable), (9, InternalError)], &[1], AGAIN, loaded(&[1])),
        (&[(1, Usable), (9, Expired)], &[1], AGAIN, loaded(&[1])),
        // Statuses that say nothing yet.
        (&[(1, StatusPending)], &[1], AGAIN, not_ready.clone()),
        (&[(1, InternalError)], &[1], AGAIN, not_ready.clone()),
        (&[(1, Usable), (2, StatusPending)], &[1, 2], AGAIN, not_ready.clone()),
        (&[(1, Usable), (2, StatusPending)], &[1, 2], FIRST, not_ready.clone()),
        // Expired, whatever the others are.
        (&[(1, Expired)], &[1], AGAIN, expired.clone()),
        (&[(1, Usable), (2, Expired)], &[1, 2], AGAIN, expired.clone()),
        (&[(1, StatusPending), (2, Expired)], &[1, 2], FIRST, expired),
        // Released only when every key is.
        (&[(1, Released), (2, Released)], &[1, 2], AGAIN, Judgement::Released),
        (&[(1, Released)], &[1], FIRST, Judgement::Released),
        (&[(1, Usable), (9, Released)], &[1], AGAIN, loaded(&[1])),
        (&[(1, Usable), (2, Released)], &[1, 2], AGAIN, not_ready),
        // Nothing to see, or somebody else's.
        (&[], &[1], AGAIN, hollow.clone()),
        (&[], &[], FIRST, hollow),
        (&[(9, Usable)], &[1], AGAIN, foreign.clone()),
        (&[(9, Usable)], &[1], FIRST, foreign.clone()),
        (&[(1, Usable)], &[1, 2], AGAIN, foreign),
        // A first proof drops what the licence does not list, and is held to the rest from then on.
        (&[(1, Usable)], &[1, 2], FIRST, loaded(&[1])),
        (&[(2, Usable), (9, Usable)], &[1, 2], FIRST, loaded(&[2])),
        // Nothing was expected: what is shown is.
        (&[(1, Usable), (2, OutputRestricted)], &[], FIRST, loaded(&[1, 2])),
    ];
    for (statuses, expected, first, judgement) in cases {
        assert_eq!(
            judge(&shown(statuses), Expected { key_ids: &keys(expected), named: &[], first_proof: first }),
            judgement,
            "{statuses:?} for {expected:?}, first: {first}"
        );
    }
}

#[test]
fn what_the_init_data_names_tells_another_contents_licence_where_no_key_ids_are_expected() {
    let judged = |statuses, key_ids: &[KeyId], named: &[KeyId]| {
        judge(&shown(statuses), Expected { key_ids, named, first_proof: true })
    };
    let one = [(1, Usable), (2, Usable)];
    assert_eq!(judged(&one, &[], &keys(&[9])), Judgement::Absent(Reason::ForeignKeys));
    assert_eq!(
        judged(&one, &[], &keys(&[2, 9])),
        Judgement::Loaded { key_ids: keys(&[1, 2]), expiration_ms: Some(99) }
    );
    assert_eq!(
        judged(&one, &keys(&[1]), &keys(&[9])),
        Judgement::Loaded { key_ids: keys(&[1]), expiration_ms: Some(99) }
    );
}

#[test]
fn a_put_proves_a_row_only_with_good_statuses_of_its_keys() {
    let text = |n: u8| key(n).to_string();
    let cases = [
        (serde_json::json!(null), vec![1], None),
        (serde_json::json!({ "keyStatuses": {} }), vec![1], None),
        (serde_json::json!({ "keyStatuses": { text(1): "usable" } }), vec![1, 2], Some(keys(&[1]))),
        (serde_json::json!({ "keyStatuses": { text(1): "usable" } }), vec![], Some(keys(&[1]))),
        (serde_json::json!({ "keyStatuses": { text(9): "usable" } }), vec![1], None),
        (serde_json::json!({ "keyStatuses": { text(1): "status-pending" } }), vec![1], None),
        (serde_json::json!({ "keyStatuses": { text(1): "expired" } }), vec![1], None),
        (serde_json::json!({ "keyStatuses": { text(1): "released" } }), vec![1], None),
    ];
    for (proven, key_ids, proof) in cases {
        let key_ids: Vec<String> = key_ids.into_iter().map(text).collect();
        let json = serde_json::json!({
            "contentId": "film", "origin": "app://bundle", "keySystem": "k", "sessionId": "1",
            "keyIds": key_ids, "proven": proven,
        });
        let input: SessionInput = parse_json(&json.to_string()).expect("an input");
        let input = input.check(&Policy::default()).expect("a good input");
        assert_eq!(proof_of_new_row(&input), proof, "{json}");
    }
}
