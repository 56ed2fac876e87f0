//! One table per closed list: the words are the design's, and there and back is the same.

use std::collections::HashSet;

use crate::model::{
    Action, AdoptOutcome, Capability, ChangeKind, Connectivity, KeyStatus, Mode, Playable, Reason, Refusal, Stage,
    State, VerdictState,
};

/// Checks one table: `$words`, in any order, are all of its words; without them, only that there and back is the same.
macro_rules! table {
    ($name:ident) => {{
        let words: Vec<&str> = $name::ALL.iter().map(|value| value.as_str()).collect();
        assert!(!words.is_empty());
        let distinct: HashSet<&str> = words.iter().copied().collect();
        assert_eq!(distinct.len(), words.len(), "each word once in {}", stringify!($name));
        for value in $name::ALL {
            let word = value.as_str();
            assert_eq!($name::parse(word), Some(*value), "{word}");
            assert_eq!(serde_json::to_value(value).expect("a word"), serde_json::json!(word));
            assert_eq!(serde_json::from_value::<$name>(word.into()).expect("its own word"), *value);
            assert_eq!($name::parse(&word.to_uppercase()), None, "{word}");
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{word}");
        }
        for unknown in ["", " ", "nonsense"] {
            assert_eq!($name::parse(unknown), None);
            assert!(serde_json::from_value::<$name>(unknown.into()).is_err());
        }
        distinct
    }};
    ($name:ident: $($word:literal)+) => {{
        assert_eq!(table!($name), HashSet::from([$($word),+]), "{}", stringify!($name));
    }};
}

#[test]
fn every_table_of_words_reads_back_what_it_writes_and_has_the_words_of_the_design() {
    table!(State: "active" "lost" "expired" "blocked");
    table!(Connectivity: "online" "offline" "unknown");
    table!(Playable: "offline" "try" "online" "no");
    table!(VerdictState: "proven" "suspect" "lost" "expired" "blocked" "unsupported" "unknown");
    table!(Action: "play" "try" "connect" "sign-in" "free-device" "change-location" "renew" "wait" "download-again");
    table!(Refusal: "auth" "geo" "entitlement" "offline-not-allowed" "device-limit" "concurrency" "revoked");
    table!(AdoptOutcome: "adopted" "catalogue-changed" "content-gone" "open-in-player");
    table!(Capability: "supported" "unsupported" "unavailable");
    table!(KeyStatus: "usable" "expired" "released" "output-restricted" "output-downscaled" "usable-in-future"
        "status-pending" "internal-error");
    table!(ChangeKind: "upgrade" "downgrade" "change");
    let modes = table!(Mode);
    assert!(modes.contains("observe"));
    table!(Stage);
    let reasons = table!(Reason);
    for named in ["no-driver", "rejected", "unverified", "offline-not-allowed"] {
        assert!(reasons.contains(named), "{named}");
    }
}

#[test]
fn a_refusal_is_its_own_reason() {
    for refusal in Refusal::ALL {
        assert_eq!(refusal.reason().as_str(), refusal.as_str());
    }
}

#[test]
fn only_a_hollow_leftover_or_one_that_failed_to_load_is_still_ours_to_release() {
    let lost = [
        (Reason::Gone, true),
        (Reason::ForeignKeys, true),
        (Reason::SystemIdChanged, true),
        (Reason::IdReused, true),
        (Reason::Hollow, false),
        (Reason::LoadFailed, false),
    ];
    for (reason, stale) in lost {
        assert_eq!(reason.leaves_stale_id(), stale, "{}", reason.as_str());
    }
}

/// The lines `name: 'value',` of an object of `js/words.js`.
fn object_of_words_js(name: &str) -> Vec<(&'static str, &'static str)> {
    let source = include_str!("../../../js/words.js");
    let (_, object) = source.split_once(&format!("const {name} = ")).expect("the object");
    let (object, _) = object.split_once("\n}));").expect("its end");
    let entries = object.lines().filter_map(|line| line.trim().strip_suffix("',")?.split_once(": '"));
    entries.map(|(key, value)| (key.trim_matches('\''), value)).collect()
}

#[test]
fn javascript_has_every_reason_with_its_action_and_every_action() {
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| (reason.as_str(), reason.action().as_str())).collect();
    assert_eq!(object_of_words_js("REASONS"), reasons);
    let actions: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(object_of_words_js("ACTIONS").iter().map(|(action, _)| *action).collect::<Vec<_>>(), actions);
}
