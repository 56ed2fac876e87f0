//! The key ids that init data names: `cenc` (PSSH boxes), `keyids` and `webm`, as in the EME initialization data
//! registry (<https://www.w3.org/TR/eme-initdata-registry/>).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::KeyId;

/// Common PSSH, `1077efec-c0b2-4d02-ace3-3c1e52e2fb4b` (<https://www.w3.org/TR/eme-initdata-cenc/>).
const COMMON_SYSTEM_ID: [u8; 16] =
    [0x10, 0x77, 0xef, 0xec, 0xc0, 0xb2, 0x4d, 0x02, 0xac, 0xe3, 0x3c, 0x1e, 0x52, 0xe2, 0xfb, 0x4b];
/// Widevine, `edef8ba9-79d6-4ace-a3c8-27dcd51d21ed`.
const WIDEVINE_SYSTEM_ID: [u8; 16] =
    [0xed, 0xef, 0x8b, 0xa9, 0x79, 0xd6, 0x4a, 0xce, 0xa3, 0xc8, 0x27, 0xdc, 0xd5, 0x1d, 0x21, 0xed];

/// The key ids that `init_data` names, each once, in its order. Damaged or unknown data names none: it may still
/// be good enough for the CDM, which alone decides.
pub fn content_key_ids(init_data_type: &str, init_data: &[u8]) -> Vec<KeyId> {
    let mut found = match init_data_type {
        "cenc" => pssh_key_ids(init_data),
        "keyids" => listed_key_ids(init_data),
        "webm" => init_data.try_into().map(KeyId).into_iter().collect(),
        _ => Vec::new(),
    };
    let mut seen = std::collections::HashSet::new();
    found.retain(|id| seen.insert(*id));
    found
}

/// The same of a session, which may have none.
pub fn named_key_ids(init_data_type: Option<&str>, init_data: Option<&[u8]>) -> Vec<KeyId> {
    init_data_type.zip(init_data).map(|(kind, data)| content_key_ids(kind, data)).unwrap_or_default()
}

#[derive(Deserialize)]
struct KeyIdsDocument {
    kids: Vec<String>,
}

fn listed_key_ids(init_data: &[u8]) -> Vec<KeyId> {
    let Ok(document) = serde_json::from_slice::<KeyIdsDocument>(init_data) else {
        return Vec::new();
    };
    document
        .kids
        .iter()
        .filter_map(|kid| URL_SAFE_NO_PAD.decode(kid.trim_end_matches('=')).ok())
        .filter_map(|bytes| bytes.try_into().ok().map(KeyId))
        .collect()
}

/// Every PSSH box of a concatenation: version 1 lists key ids itself; Widevine's data (version 0 and 1) lists them
/// as field 2 of its protobuf.
fn pssh_key_ids(init_data: &[u8]) -> Vec<KeyId> {
    let mut found = Vec::new();
    let mut rest = Bytes(init_data);
    while let Some(mut pssh) = next_box(&mut rest) {
        // A box that is cut short gives what was read of it before.
        let _ = read_pssh(&mut pssh, &mut found);
    }
    found
}

/// The body of the next `pssh` box; other boxes are passed over.
fn next_box<'a>(rest: &mut Bytes<'a>) -> Option<Bytes<'a>> {
    loop {
        let size = rest.u32()?;
        let kind = rest.take(4)?;
        let body_length = match size {
            0 => rest.0.len(),
            1 => usize::try_from(rest.u64()?).ok()?.checked_sub(16)?,
            _ => usize::try_from(size).ok()?.checked_sub(8)?,
        };
        let body = rest.take(body_length)?;
        if kind == b"pssh" {
            return Some(Bytes(body));
        }
    }
}

fn read_pssh(pssh: &mut Bytes<'_>, found: &mut Vec<KeyId>) -> Option<()> {
    let version = pssh.take(4)?[0];
    let system_id: [u8; 16] = pssh.take(16)?.try_into().ok()?;
    let known = system_id == COMMON_SYSTEM_ID || system_id == WIDEVINE_SYSTEM_ID;
    if version >= 1 {
        for _ in 0..pssh.u32()? {
            let id = KeyId(pssh.take(16)?.try_into().ok()?);
            if known {
                found.push(id);
            }
        }
    }
    let data_length = usize::try_from(pssh.u32()?).ok()?;
    let data = pssh.take(data_length)?;
    if system_id == WIDEVINE_SYSTEM_ID {
        read_widevine_data(&mut Bytes(data), found)?;
    }
    Some(())
}

/// `WidevinePsshData` is a protobuf whose field 2 is `repeated bytes key_ids`; all other fields are skipped.
fn read_widevine_data(data: &mut Bytes<'_>, found: &mut Vec<KeyId>) -> Option<()> {
    while !data.0.is_empty() {
        let tag = data.varint()?;
        match tag & 7 {
            0 => {
                data.varint()?;
            }
            1 => {
                data.take(8)?;
            }
            2 => {
                let length = usize::try_from(data.varint()?).ok()?;
                let value = data.take(length)?;
                if tag >> 3 == 2
                    && let Ok(id) = value.try_into()
                {
                    found.push(KeyId(id));
                }
            }
            5 => {
                data.take(4)?;
            }
            _ => return None,
        }
    }
    Some(())
}

/// A reader over bytes that answers `None` at the end and never panics.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
