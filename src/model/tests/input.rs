//! Input of `put`, `find` and `open`: every rule of design section 6, with the field that broke it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::error::Error;
use crate::model::{
    FindQuery, KeyId, KeyStatus, NewSession, PartialPlatform, PlatformInfo, Policy, SessionInput, parse_json,
};

const KEY: &str = "00112233445566778899aabbccddee01";
const OTHER_KEY: &str = "00112233445566778899aabbccddee02";

fn key(text: &str) -> KeyId {
    KeyId::parse(text).expect("a key id")
}

/// A good input with `changes` put over it.
fn input(changes: Value) -> Value {
    let mut input = json!({
        "contentId": "film", "origin": "https://example.com", "keySystem": "org.w3.clearkey", "sessionId": "1",
    });
    for (name, value) in changes.as_object().expect("an object") {
        input[name] = value.clone();
    }
    input
}

fn read(value: &Value, policy: &Policy) -> Result<NewSession, Error> {
    parse_json::<SessionInput>(&value.to_string())?.check(policy)
}

fn check(changes: Value) -> Result<NewSession, Error> {
    read(&input(changes), &Policy::default())
}

fn good(changes: Value) -> NewSession {
    check(changes).expect("good input")
}

fn refused_field(changes: Value) -> String {
    let error = check(changes).expect_err("bad input");
    assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
    error.field().expect("a field").to_owned()
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[test]
fn an_input_of_ids_only_is_good_and_everything_else_has_its_default() {
    let session = good(json!({}));
    assert_eq!(session.content_id, "film");
    assert_eq!(session.lane.partition, "");
    assert_eq!((session.init_data, session.key_ids), (None, vec![]));
    assert_eq!((session.expiration_ms, session.license_url), (None, None));
    assert!(session.proven.is_none());
    assert_eq!(session.canary, None);
}

#[test]
fn ids_are_neither_empty_nor_longer_than_1_kib_nor_cut_by_a_nul() {
    for field in ["contentId", "sessionId", "keySystem", "account"] {
        assert_eq!(refused_field(json!({ field: "" })), field);
        assert_eq!(refused_field(json!({ field: "x".repeat(1025) })), field);
        assert_eq!(refused_field(json!({ field: "é".repeat(513) })), field, "bytes, not letters");
        assert_eq!(refused_field(json!({ field: "a\0b" })), field);
        assert!(check(json!({ field: "x".repeat(1024) })).is_ok(), "{field}");
    }
    assert_eq!(refused_field(json!({ "partition": "x".repeat(1025) })), "partition");
    assert_eq!(good(json!({ "partition": "" })).lane.partition, "", "the default session");
    assert_eq!(good(json!({ "partition": "persist:a" })).lane.partition, "persist:a");
}

#[test]
fn an_origin_is_scheme_host_and_port_also_of_a_custom_scheme() {
    let origins = [
        ("https://example.com", "https://example.com"),
        ("https://example.com/", "https://example.com"),
        ("https://EXAMPLE.com:443", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("app://bundle", "app://bundle"),
        ("app://bundle/", "app://bundle"),
        ("app://bundle:80", "app://bundle:80"),
    ];
    for (given, kept) in origins {
        assert_eq!(good(json!({ "origin": given })).lane.origin, kept, "{given}");
    }
    let bad = [
        "",
        "example.com",
        "app:",
        "app:bundle",
        "file:///",
        "file:///index.html",
        "null",
        "https://example.com/page",
        "https://example.com/?a",
        "https://example.com/#a",
        "https://user@example.com",
        "https://user:secret@example.com",
        "app://user@bundle",
    ];
    for given in bad {
        assert_eq!(refused_field(json!({ "origin": given })), "origin", "{given}");
    }
    let long = format!("https://{}.com", "x".repeat(1024));
    assert_eq!(refused_field(json!({ "origin": long })), "origin");
}

#[test]
fn init_data_is_at_most_64_kib_and_says_what_it_is() {
    let max = 64 * 1024;
    let sized = |length: usize| json!({ "initDataType": "cenc", "initData": base64(&vec![0; length]) });
    assert_eq!(good(sized(max)).init_data.map(|data| data.len()), Some(max));
    assert_eq!(refused_field(sized(max + 1)), "initData");
    assert_eq!(refused_field(sized(0)), "initData");
    assert_eq!(refused_field(json!({ "initDataType": "cenc", "initData": "§" })), "initData");
    assert_eq!(refused_field(json!({ "initData": base64(b"x") })), "initDataType");
    assert_eq!(refused_field(json!({ "initDataType": "", "initData": base64(b"x") })), "initDataType");
    assert_eq!(good(json!({ "initData": null })).init_data, None);
}

#[test]
fn metadata_has_no_secrets_in_whichever_shape_headers_come() {
    let bad = [
        (json!({ "Authorization": "Basic x" }), "metadata.Authorization"),
        (json!({ "headers": { "set-cookie": ["a=b"] } }), "metadata.headers.set-cookie"),
        (json!({ "authorization": { "value": "x" } }), "metadata.authorization"),
        (json!([["Authorization", "x"]]), "metadata[][1]"),
        (json!([{ "name": "X-Api-Key", "value": "x" }]), "metadata[].value"),
        (json!({ "clientSecret": "x" }), "metadata.clientSecret"),
        (json!({ "tokens": { "a": "x" } }), "metadata.tokens"),
        (json!({ "jwt": "x" }), "metadata.jwt"),
        (json!({ "note": "Bearer x" }), "metadata.note"),
    ];
    for (metadata, field) in bad {
        assert_eq!(refused_field(json!({ "metadata": metadata })), field, "{metadata}");
    }
    let fine =
        json!({ "title": "The Secret", "needsToken": true, "token": null, "tokenType": "none", "names": ["a", "b"] });
    assert_eq!(good(json!({ "metadata": fine })).metadata, Some(fine));
}

#[test]
fn init_data_is_of_a_type_that_eme_has() {
    for kind in ["CENC", "skd", "cenc "] {
        assert_eq!(refused_field(json!({ "initDataType": kind, "initData": base64(b"x") })), "initDataType");
    }
}

#[test]
fn metadata_is_at_most_64_kib_of_json() {
    let max = 64 * 1024 - 2;
    assert!(check(json!({ "metadata": "x".repeat(max) })).is_ok());
    assert_eq!(refused_field(json!({ "metadata": "x".repeat(max + 1) })), "metadata");
    assert_eq!(refused_field(json!({ "metadata": { "a": "é".repeat(max / 2) } })), "metadata");
    assert_eq!(good(json!({ "metadata": { "a": [1, null] } })).metadata, Some(json!({ "a": [1, null] })));
}

#[test]
fn key_ids_are_32_hex_digits_and_the_bad_one_is_named() {
    for bad in ["", "00", "zz112233445566778899aabbccddee01", "00112233-4455-6677-8899-aabbccddee01"] {
        assert_eq!(refused_field(json!({ "keyIds": [KEY, bad] })), "keyIds[1]");
        let statuses = json!({ "proven": { "keyStatuses": { bad: "usable" } } });
        assert_eq!(refused_field(statuses), format!("proven.keyStatuses.{bad}"));
    }
    assert_eq!(refused_field(json!({ "keyIds": vec![KEY; 1025] })), "keyIds");
    assert_eq!(good(json!({ "keyIds": [KEY.to_uppercase(), KEY, OTHER_KEY] })).key_ids, [key(KEY), key(OTHER_KEY)]);
    let shown = good(json!({ "proven": { "keyStatuses": { KEY: "output-restricted" } } })).proven;
    assert_eq!(shown, Some([(key(KEY), KeyStatus::OutputRestricted)].into()));
    assert!(check(json!({ "proven": { "keyStatuses": { KEY: "splendid" } } })).is_err());
}

#[test]
fn expected_key_ids_are_those_given_else_those_shown() {
    let proven = json!({ "keyStatuses": { OTHER_KEY: "usable" } });
    let kids = json!({ "kids": ["ABEiM0RVZneImaq7zN3uAw"] }).to_string();
    let all = json!({
        "keyIds": [KEY], "proven": proven, "initDataType": "keyids", "initData": base64(kids.as_bytes()),
    });
    let without = |fields: &[&str]| {
        let mut left = all.clone();
        for field in fields {
            left.as_object_mut().expect("an object").remove(*field);
        }
        good(left).key_ids
    };
    assert_eq!(without(&[]), [key(KEY)]);
    assert_eq!(without(&["keyIds"]), [key(OTHER_KEY)]);
    assert_eq!(without(&["keyIds", "proven"]), []);
}

#[test]
fn a_licence_url_keeps_origin_and_path_and_its_query_only_where_the_policy_says_so() {
    let url = "https://license.example.com:8443/v1/widevine?token=secret#part";
    let given = json!({ "licenseUrl": url });
    assert_eq!(good(given.clone()).license_url.as_deref(), Some("https://license.example.com:8443/v1/widevine"));
    let keeps = Policy { keep_license_query: true, ..Policy::default() };
    assert_eq!(
        read(&input(given), &keeps).expect("good input").license_url.as_deref(),
        Some("https://license.example.com:8443/v1/widevine?token=secret")
    );
    for bad in [
        "",
        "/v1/widevine",
        "license.example.com",
        "ftp://license.example.com/",
        "javascript:alert(1)",
        "https://user@license.example.com/",
        "https://user:secret@license.example.com/",
        "https://:secret@license.example.com/",
    ] {
        assert_eq!(refused_field(json!({ "licenseUrl": bad })), "licenseUrl", "{bad}");
    }
    let long = format!("https://example.com/{}", "x".repeat(1024));
    assert_eq!(refused_field(json!({ "licenseUrl": long })), "licenseUrl");
    let error = check(json!({ "licenseUrl": "https://user:secret@license.example.com/" })).expect_err("user info");
    assert!(!error.to_string().contains("secret"), "a refusal repeats no password");
}

#[test]
fn an_expiration_of_null_means_never() {
    assert_eq!(good(json!({ "expiration": null })).expiration_ms, None);
    assert_eq!(good(json!({ "expiration": 1_700_000_000_000_i64 })).expiration_ms, Some(1_700_000_000_000));
    assert_eq!(good(json!({ "expiration": 1_700_000_000_000.5 })).expiration_ms, Some(1_700_000_000_000));
    assert_eq!(refused_field(json!({ "expiration": 8.65e15 })), "expiration");
    assert_eq!(refused_field(json!({ "expiration": -8.65e15 })), "expiration");
    assert_eq!(refused_field(json!({ "expiration": "never" })), "expiration");
}

#[test]
fn capabilities_and_rules_name_the_entry_that_is_wrong() {
    let capability =
        |changes: Value| json!({ "capabilities": { "audio": [], "video": [{ "contentType": "video/mp4" }, changes] } });
    assert_eq!(refused_field(capability(json!({ "contentType": "" }))), "capabilities.video[1].contentType");
    let long = "x".repeat(1025);
    assert_eq!(
        refused_field(capability(json!({ "contentType": "video/mp4", "robustness": long }))),
        "capabilities.video[1].robustness"
    );
    let many = json!({ "capabilities": { "audio": vec![json!({ "contentType": "audio/mp4" }); 65] } });
    assert_eq!(refused_field(many), "capabilities.audio");
    for rule in ["licenseDurationMs", "rentalDurationMs", "playbackDurationMs", "renewAheadMs"] {
        assert_eq!(refused_field(json!({ "rules": { rule: -1 } })), format!("rules.{rule}"));
        assert!(check(json!({ "rules": { rule: 0 } })).is_ok());
    }
}

#[test]
fn unknown_fields_and_wrong_types_are_refused_but_what_list_adds_is_not() {
    assert!(check(json!({ "sesionId": "1" })).is_err());
    assert!(check(json!({ "rules": { "licenceDurationMs": 1 } })).is_err());
    assert_eq!(refused_field(json!({ "canary": "yes" })), "canary");
    assert_eq!(refused_field(json!({ "lastPlayedAt": "today" })), "lastPlayedAt");
    assert_eq!(refused_field(json!({ "keyIds": KEY })), "keyIds");
    let missing = json!({ "contentId": "film" });
    assert!(read(&missing, &Policy::default()).is_err());
    let listed = json!({
        "id": 7, "state": "lost", "suspect": true, "reason": "gone", "provenAt": 1, "nextAttemptAt": null,
    });
    assert!(check(listed).is_ok());
}

#[test]
fn find_asks_for_something_and_takes_init_data_as_cenc_unless_told() {
    let query = |value: Value| parse_json::<FindQuery>(&value.to_string())?.check();
    assert_eq!(query(json!({})).expect_err("nothing asked").field(), Some("query"));
    assert_eq!(query(json!({ "contentId": "" })).expect_err("empty").field(), Some("contentId"));
    assert_eq!(query(json!({ "keyIds": ["x"] })).expect_err("no key id").field(), Some("keyIds[0]"));
    let kids = base64(json!({ "kids": ["ABEiM0RVZneImaq7zN3uAw"] }).to_string().as_bytes());
    let typed = query(json!({ "initData": kids, "initDataType": "keyids", "keyIds": [KEY] })).expect("a query");
    assert_eq!(typed, (None, Some(vec![key(KEY), key("00112233445566778899aabbccddee03")])));
    let as_cenc = query(json!({ "initData": kids })).expect("a query");
    assert_eq!(as_cenc, (None, Some(vec![])), "no PSSH box, so no key id, so nothing is found");
}

#[test]
fn a_platform_names_the_field_that_is_empty_or_too_long() {
    let platform = json!({ "app": "1", "electron": "29.1.6", "chromium": "122.0.6261.139" });
    let refused = |name: &str, value: Value| {
        let mut changed = platform.clone();
        changed[name] = value;
        let whole = parse_json::<PlatformInfo>(&changed.to_string()).and_then(PlatformInfo::check);
        let mut partial = json!({});
        partial[name] = changed[name].clone();
        let partial = parse_json::<PartialPlatform>(&partial.to_string()).and_then(PartialPlatform::check);
        let fields = [whole.err(), partial.err()].map(|error| error.and_then(|error| error.field().map(str::to_owned)));
        assert_eq!(fields[0], fields[1], "open and updatePlatform agree");
        fields[0].clone()
    };
    for name in ["app", "electron", "chromium", "node", "arch", "profile", "machine"] {
        assert_eq!(refused(name, "".into()).as_deref(), Some(name));
        assert_eq!(refused(name, "x".repeat(1025).into()).as_deref(), Some(name));
        assert_eq!(refused(name, "x".into()), None);
    }
    assert_eq!(refused("os", json!({ "name": "" })).as_deref(), Some("os.name"));
    assert_eq!(refused("os", json!({ "version": "" })).as_deref(), Some("os.version"));
    let cdms = |second: Value| json!([{ "keySystem": "a", "version": null }, second]);
    assert_eq!(refused("cdms", cdms(json!({ "keySystem": "", "version": "1" }))).as_deref(), Some("cdms[1].keySystem"));
    assert_eq!(refused("cdms", cdms(json!({ "keySystem": "b", "version": "" }))).as_deref(), Some("cdms[1].version"));
    assert_eq!(refused("cdms", cdms(json!({ "keySystem": "b", "version": null }))), None);
}

#[test]
fn a_value_of_another_type_is_told_in_the_callers_words() {
    let cases = [
        (json!({ "expiration": "tomorrow" }), "expiration: invalid type: string \"tomorrow\", expected a number"),
        (json!({ "keyIds": KEY }), &format!("keyIds: invalid type: string \"{KEY}\", expected an array")),
        (
            json!({ "rules": { "licenseDurationMs": 1.5 } }),
            "rules.licenseDurationMs: invalid type: number `1.5`, expected an integer",
        ),
        (json!({ "rules": 5 }), "rules: invalid type: integer `5`, expected an object"),
        (json!({ "contentId": [] }), "contentId: invalid type: array, expected a string"),
        (json!({ "contentId": {} }), "contentId: invalid type: object, expected a string"),
    ];
    for (changes, message) in cases {
        assert_eq!(check(changes).expect_err("refused").to_string(), message);
    }
}
