//! What a driver reports, in the form that the design's interface gives it.

use serde_json::json;

use crate::model::{
    Capability, CheckOutcome, KeyId, KeyStatus, LicenseOutcome, ProbeOutcome, Refusal, Rejection, ReleaseOutcome,
    parse_json,
};

const KEY: &str = "00112233445566778899aabbccddee01";

fn rejection(message: &str, system_code: Option<i64>) -> Rejection {
    Rejection { name: "InvalidStateError".to_owned(), message: message.to_owned(), system_code }
}

#[test]
fn every_check_outcome_of_the_interface_is_read() {
    let usable = [(KeyId::parse(KEY).expect("a key id"), KeyStatus::Usable)].into();
    let cases = [
        (
            json!({ "kind": "loaded", "keyStatuses": { KEY: "usable" }, "expiration": null }),
            CheckOutcome::Loaded { key_statuses: usable, expiration: None },
        ),
        (
            json!({ "kind": "loaded", "keyStatuses": {}, "expiration": 1_700_000_000_000_i64 }),
            CheckOutcome::Loaded { key_statuses: [].into(), expiration: Some(1_700_000_000_000) },
        ),
        (json!({ "kind": "gone" }), CheckOutcome::Gone),
        (json!({ "kind": "hollow" }), CheckOutcome::Hollow),
        (json!({ "kind": "timeout" }), CheckOutcome::Timeout),
        (
            json!({ "kind": "rejected", "name": "InvalidStateError", "message": "m", "systemCode": 75 }),
            CheckOutcome::Rejected(rejection("m", Some(75))),
        ),
        (
            json!({ "kind": "rejected", "name": "InvalidStateError", "message": "", "systemCode": null }),
            CheckOutcome::Rejected(rejection("", None)),
        ),
    ];
    for (json, outcome) in cases {
        assert_eq!(parse_json::<CheckOutcome>(&json.to_string()), Ok(outcome), "{json}");
    }
}

#[test]
fn every_license_outcome_of_the_interface_is_read() {
    let cases = [
        (
            json!({ "kind": "licensed", "sessionId": "7", "keyStatuses": { KEY: "usable" }, "expiration": null }),
            LicenseOutcome::Licensed {
                session_id: "7".to_owned(),
                key_statuses: [(KeyId::parse(KEY).expect("a key id"), KeyStatus::Usable)].into(),
                expiration: None,
            },
        ),
        (
            json!({ "kind": "throttled", "status": 429, "retryAfterMs": 2_000 }),
            LicenseOutcome::Throttled { retry_after_ms: Some(2_000) },
        ),
        (
            json!({ "kind": "throttled", "status": 503, "retryAfterMs": null }),
            LicenseOutcome::Throttled { retry_after_ms: None },
        ),
        (json!({ "kind": "unreachable", "message": "ENOTFOUND" }), LicenseOutcome::Unreachable),
        (json!({ "kind": "unreachable" }), LicenseOutcome::Unreachable),
        (json!({ "kind": "timeout" }), LicenseOutcome::Timeout),
        (json!({ "kind": "server-error", "status": 500 }), LicenseOutcome::ServerError),
        (
            json!({ "kind": "rejected", "name": "InvalidStateError", "message": "", "systemCode": null }),
            LicenseOutcome::Rejected(rejection("", None)),
        ),
    ];
    for (json, outcome) in cases {
        assert_eq!(parse_json::<LicenseOutcome>(&json.to_string()), Ok(outcome), "{json}");
    }
    for reason in Refusal::ALL {
        let json = json!({ "kind": "refused", "status": 403, "reason": reason });
        assert_eq!(parse_json::<LicenseOutcome>(&json.to_string()), Ok(LicenseOutcome::Refused { reason: *reason }));
    }
}

#[test]
fn probe_and_release_outcomes_are_read() {
    let probe = json!({ "persistentLicense": "unavailable", "witness": null });
    let outcome = ProbeOutcome { persistent_license: Capability::Unavailable, witness: None };
    assert_eq!(parse_json(&probe.to_string()), Ok(outcome));
    let releases = [
        (json!({ "kind": "released" }), ReleaseOutcome::Released),
        (json!({ "kind": "absent" }), ReleaseOutcome::Absent),
        (json!({ "kind": "failed", "message": "in use" }), ReleaseOutcome::Failed),
    ];
    for (json, outcome) in releases {
        assert_eq!(parse_json::<ReleaseOutcome>(&json.to_string()), Ok(outcome), "{json}");
    }
}

#[test]
fn an_outcome_that_is_none_is_refused_and_says_where() {
    let cases = [
        (json!({ "kind": "ok" }), ""),
        (json!({}), ""),
        (json!("loaded"), ""),
        (json!({ "kind": "loaded", "keyStatuses": { KEY: "fine" }, "expiration": null }), ""),
        (json!({ "kind": "loaded", "keyStatuses": { "abc": "usable" }, "expiration": null }), ""),
        (json!({ "kind": "rejected" }), ""),
    ];
    for (json, field) in cases {
        let error = parse_json::<CheckOutcome>(&json.to_string()).expect_err("no outcome");
        assert_eq!(error.code(), "ERR_INVALID_ARGUMENT", "{json}");
        assert!(error.field().is_some_and(|found| found.starts_with(field)), "{json}");
    }
    assert!(parse_json::<CheckOutcome>("{\"kind\":\"gone\"} {}").is_err(), "one value only");
}
