//! Key ids from init data: every form of PSSH box, `keyids`, `webm`; and nothing makes the reader panic.

use proptest::prelude::*;

use crate::model::{KeyId, content_key_ids};

const COMMON: &str = "1077efecc0b24d02ace33c1e52e2fb4b";
const WIDEVINE: &str = "edef8ba979d64acea3c827dcd51d21ed";
const PLAYREADY: &str = "9a04f07998404286ab92e65be0885f95";

fn key(n: u8) -> KeyId {
    KeyId([n; 16])
}

/// How a box says how long it is.
#[derive(Debug, Clone, Copy)]
enum Size {
    Plain,
    ToTheEnd,
    Large,
}

fn sized(size: Size, kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("boxes of a test are small");
    let mut out = match size {
        Size::Plain => (length + 8).to_be_bytes().to_vec(),
        Size::ToTheEnd => 0_u32.to_be_bytes().to_vec(),
        Size::Large => 1_u32.to_be_bytes().to_vec(),
    };
    out.extend(kind);
    if let Size::Large = size {
        out.extend((u64::from(length) + 16).to_be_bytes());
    }
    out.extend(body);
    out
}

fn pssh_body(system: &str, version: u8, kids: &[KeyId], data: &[u8]) -> Vec<u8> {
    let mut body = vec![version, 0, 0, 0];
    body.extend(hex::decode(system).expect("a system id in hex"));
    if version > 0 {
        body.extend(u32::try_from(kids.len()).expect("few").to_be_bytes());
        for kid in kids {
            body.extend(kid.0);
        }
    }
    body.extend(u32::try_from(data.len()).expect("short").to_be_bytes());
    body.extend(data);
    body
}

fn pssh(system: &str, version: u8, kids: &[KeyId], data: &[u8]) -> Vec<u8> {
    sized(Size::Plain, b"pssh", &pssh_body(system, version, kids, data))
}

/// `WidevinePsshData`: algorithm (1, varint), key_ids (2), provider (3), content_id (4), a fixed32 and a fixed64.
fn widevine_data(kids: &[KeyId]) -> Vec<u8> {
    let mut data = vec![0x08, 0x01];
    for kid in kids {
        data.extend([0x12, 16]);
        data.extend(kid.0);
    }
    data.extend([0x1a, 4]);
    data.extend(b"prov");
    data.extend([0x22, 16]);
    data.extend([0xee; 16]);
    data.extend([0x4d, 1, 2, 3, 4]);
    data.extend([0x59, 1, 2, 3, 4, 5, 6, 7, 8]);
    data.extend([0xb0, 0x01, 0xff, 0xff, 0x03]);
    data
}

#[test]
fn every_form_of_pssh_box_names_its_key_ids() {
    let (a, b, c) = (key(1), key(2), key(3));
    let cases: Vec<(&str, Vec<u8>, Vec<KeyId>)> = vec![
        ("nothing", vec![], vec![]),
        ("common, version 0 names none", pssh(COMMON, 0, &[], &[]), vec![]),
        ("common, version 1", pssh(COMMON, 1, &[a, b], &[]), vec![a, b]),
        ("common, version 1, with data that is nobody's", pssh(COMMON, 1, &[a], &widevine_data(&[b])), vec![a]),
        ("Widevine, version 0: the protobuf", pssh(WIDEVINE, 0, &[], &widevine_data(&[a, b])), vec![a, b]),
        ("Widevine, version 1: both lists", pssh(WIDEVINE, 1, &[a], &widevine_data(&[b])), vec![a, b]),
        ("Widevine, version 1, without data", pssh(WIDEVINE, 1, &[a], &[]), vec![a]),
        (
            "an id that is named twice comes once, where it came first",
            pssh(WIDEVINE, 1, &[b, a], &widevine_data(&[a, c, b])),
            vec![b, a, c],
        ),
        ("an unknown system", pssh(PLAYREADY, 1, &[a], &[]), vec![]),
        (
            "several boxes",
            [
                pssh(COMMON, 1, &[a], &[]),
                pssh(PLAYREADY, 1, &[key(9)], b"<xml/>"),
                pssh(WIDEVINE, 0, &[], &widevine_data(&[b])),
            ]
            .concat(),
            vec![a, b],
        ),
        (
            "other boxes between",
            [
                sized(Size::Plain, b"free", b"whatever"),
                pssh(COMMON, 1, &[a], &[]),
                sized(Size::Large, b"uuid", &[7; 40]),
                pssh(COMMON, 1, &[b], &[]),
            ]
            .concat(),
            vec![a, b],
        ),
        (
            "size 1: a 64-bit size, with a box behind it",
            [sized(Size::Large, b"pssh", &pssh_body(COMMON, 1, &[a], &[])), pssh(COMMON, 1, &[b], &[])].concat(),
            vec![a, b],
        ),
        (
            "size 0: up to the end",
            [pssh(COMMON, 1, &[a], &[]), sized(Size::ToTheEnd, b"pssh", &pssh_body(COMMON, 1, &[b], &[]))].concat(),
            vec![a, b],
        ),
        (
            "size 0 of another box leaves nothing behind it",
            [sized(Size::ToTheEnd, b"free", b""), pssh(COMMON, 1, &[a], &[])].concat(),
            vec![],
        ),
    ];
    for (what, data, named) in cases {
        assert_eq!(content_key_ids("cenc", &data), named, "{what}");
    }
}

#[test]
fn damaged_boxes_name_what_was_whole_and_nothing_else() {
    let (a, b) = (key(1), key(2));
    let whole = pssh(COMMON, 1, &[a], &[]);
    let second = pssh(COMMON, 1, &[b], &[]);
    for cut in 0..second.len() {
        let data = [whole.as_slice(), &second[..cut]].concat();
        assert_eq!(content_key_ids("cenc", &data), vec![a], "second box cut at {cut}");
    }
    for size in 2..8_u32 {
        let mut data = whole.clone();
        data.extend(size.to_be_bytes());
        data.extend(b"pssh");
        data.extend(&second);
        assert_eq!(content_key_ids("cenc", &data), vec![a], "a box of {size} bytes");
    }
    let mut claims_more_ids = pssh(COMMON, 1, &[a, b], &[]);
    claims_more_ids[28..32].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(content_key_ids("cenc", &claims_more_ids)[..2], [a, b], "a count beyond the box");
    let mut large = sized(Size::Large, b"pssh", &pssh_body(COMMON, 1, &[a], &[]));
    large[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(content_key_ids("cenc", &large), vec![], "a 64-bit size beyond the data");
    large[8..16].copy_from_slice(&15_u64.to_be_bytes());
    assert_eq!(content_key_ids("cenc", &large), vec![], "a 64-bit size below its header");
}

#[test]
fn a_widevine_protobuf_that_breaks_off_names_what_came_before() {
    let (a, b) = (key(1), key(2));
    let short_id = [&[0x12, 3, 1, 2, 3][..], &widevine_data(&[a])].concat();
    let cases: [(&str, Vec<u8>, Vec<KeyId>); 4] = [
        ("an id of another length", short_id, vec![a]),
        ("a length beyond the data", [&widevine_data(&[a])[..], &[0x12, 0x7f, 1]].concat(), vec![a]),
        (
            "a group, which nobody writes any more",
            [&[0x12, 16][..], &a.0, &[0x0b], &[0x12, 16], &b.0].concat(),
            vec![a],
        ),
        ("a varint without an end", [&[0x12, 16][..], &a.0, &[0xff; 12]].concat(), vec![a]),
    ];
    for (what, data, named) in cases {
        assert_eq!(content_key_ids("cenc", &pssh(WIDEVINE, 0, &[], &data)), named, "{what}");
    }
}

#[test]
fn keyids_lists_its_kids_in_base64url() {
    let kid = KeyId([0xff; 16]);
    let cases: [(&str, Vec<KeyId>); 8] = [
        (r#"{"kids":["_____________________w"]}"#, vec![kid]),
        (r#"{"kids":["_____________________w=="]}"#, vec![kid]),
        (
            r#"{"kids":["_____________________w","AAAAAAAAAAAAAAAAAAAAAA","_____________________w"],"type":"persistent-license"}"#,
            vec![kid, key(0)],
        ),
        (r#"{"kids":["AAAA","_____________________w","!"]}"#, vec![kid]),
        (r#"{"kids":[]}"#, vec![]),
        (r#"{"kids":[7]}"#, vec![]),
        (r"{}", vec![]),
        ("not JSON", vec![]),
    ];
    for (text, named) in cases {
        assert_eq!(content_key_ids("keyids", text.as_bytes()), named, "{text}");
    }
}

#[test]
fn webm_is_one_key_id_and_other_types_are_unknown() {
    assert_eq!(content_key_ids("webm", &[4; 16]), vec![key(4)]);
    assert_eq!(content_key_ids("webm", &[4; 15]), vec![]);
    assert_eq!(content_key_ids("webm", &[4; 17]), vec![]);
    assert_eq!(content_key_ids("sinf", &[4; 16]), vec![]);
    assert_eq!(content_key_ids("CENC", &pssh(COMMON, 1, &[key(1)], &[])), vec![]);
}

#[test]
fn a_key_id_is_32_hex_digits_of_either_case_and_is_written_in_lower_case() {
    let text = "00112233445566778899AABBccddEE01";
    let id = KeyId::parse(text).expect("32 hex digits");
    assert_eq!(id.to_string(), text.to_lowercase());
    assert_eq!(serde_json::to_string(&id).expect("a key id is text"), format!("\"{id}\""));
    for bad in [
        "",
        "00112233445566778899aabbccddee0",
        "00112233445566778899aabbccddee011",
        "00112233-4455-6677-8899-aabbccddee01",
        "g0112233445566778899aabbccddee01",
        " 0112233445566778899aabbccddee01",
    ] {
        assert_eq!(KeyId::parse(bad), None, "{bad}");
        assert!(serde_json::from_value::<KeyId>(bad.into()).is_err(), "{bad}");
    }
}

/// Bytes that look enough like boxes to get past the first field.
fn boxlike() -> impl Strategy<Value = Vec<u8>> {
    let system = prop::sample::select(vec![COMMON, WIDEVINE, PLAYREADY]);
    let size = prop::sample::select(vec![Size::Plain, Size::ToTheEnd, Size::Large]);
    let kids = prop::collection::vec(any::<u8>().prop_map(key), 0..3);
    let one = (system, size, 0..3_u8, kids, prop::collection::vec(any::<u8>(), 0..40));
    let boxes = prop::collection::vec(one, 1..4).prop_map(|boxes| {
        let boxes = boxes.into_iter();
        boxes
            .flat_map(|(system, size, version, kids, data)| {
                sized(size, b"pssh", &pssh_body(system, version, &kids, &data))
            })
            .collect::<Vec<u8>>()
    });
    (boxes, prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(|(mut bytes, damage)| {
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic_or_repeat_an_id(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), boxlike()],
        kind in prop::sample::select(vec!["cenc", "keyids", "webm", "sinf", ""]),
    ) {
        let named = content_key_ids(kind, &bytes);
        let distinct: std::collections::HashSet<_> = named.iter().collect();
        prop_assert_eq!(distinct.len(), named.len());
        prop_assert!(named.iter().all(|id| kind == "keyids" || bytes.windows(16).any(|window| window == id.0)));
    }
}
