//! Policy: what is refused, and that no wait is ever longer than its cap.

use proptest::prelude::*;

use crate::model::{Mode, Policy};

const DAY_MS: i64 = 86_400_000;

fn policy(value: serde_json::Value) -> Policy {
    serde_json::from_value(value).expect("a policy")
}

#[test]
fn the_default_policy_is_valid_and_a_partial_one_keeps_the_other_defaults() {
    assert!(Policy::default().validate().is_ok());
    let given = policy(serde_json::json!({ "mode": "observe", "batchSize": 7 }));
    assert_eq!(given, Policy { mode: Mode::Observe, batch_size: 7, ..Policy::default() });
    assert_eq!(Policy::default().batch_size, 25, "at most 25 in a batch");
    assert_eq!(Policy::default().strike_spacing_ms, 60_000);
    assert!(serde_json::from_value::<Policy>(serde_json::json!({ "bachSize": 7 })).is_err());
}

#[test]
fn a_field_out_of_bounds_is_refused_by_its_name() {
    let counts = [("batchSize", 25), ("licenseConcurrency", 16)];
    let durations = [
        "keyStatusWaitMs",
        "startPhaseTimeoutMs",
        "taskTimeoutMs",
        "licenseTimeoutMs",
        "backoffBaseMs",
        "backoffMaxMs",
        "strikeSpacingMs",
        "ensurePlayableTimeoutMs",
    ];
    let bounds = counts.into_iter().chain(durations.into_iter().map(|field| (field, DAY_MS)));
    for (field, max) in bounds {
        for (value, good) in [(1, true), (max, true), (0, false), (max + 1, false)] {
            let checked = policy(serde_json::json!({ field: value })).validate();
            assert_eq!(checked.is_ok(), good, "{field} = {value}");
            if let Err(error) = checked {
                assert_eq!(error.field(), Some(field));
                assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
            }
        }
    }
    for negative in durations {
        let refused = policy(serde_json::json!({ negative: -1 })).validate();
        assert_eq!(refused.expect_err("a negative wait").field(), Some(negative));
    }
}

#[test]
fn waits_double_up_to_their_cap() {
    let policy = Policy { backoff_base_ms: 1_000, backoff_max_ms: 10_000, ..Policy::default() };
    let waits: Vec<i64> = (0..7).map(|attempts| policy.backoff_ms(attempts)).collect();
    assert_eq!(waits, [1_000, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    assert_eq!(policy.backoff_ms(u32::MAX), 10_000);
    assert_eq!(policy.retry_at(500, 3, None), 4_500);
    assert_eq!(policy.retry_at(500, 1, Some(7_000)), 7_500, "Retry-After comes first");
    assert_eq!(policy.retry_at(500, 1, Some(i64::MAX)), 10_500, "but not beyond the cap");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_attempt_and_no_server_postpones_beyond_the_cap(
        base in 1..=DAY_MS,
        max in 1..=DAY_MS,
        now: i64,
        attempts: u32,
        retry_after: Option<i64>,
    ) {
        let policy = Policy { backoff_base_ms: base, backoff_max_ms: max, ..Policy::default() };
        let at = policy.retry_at(now, attempts, retry_after);
        prop_assert!(at >= now);
        prop_assert!(at <= now.saturating_add(max));
    }
}
