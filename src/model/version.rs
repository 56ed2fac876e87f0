//! Versions. Whether something changed is asked of the raw text; only the direction of a change needs parsing.

use std::str::FromStr;

use super::words::words;

/// A Chromium or CDM version: `134.0.6998.179`. (`semver` refuses four parts.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FourPartVersion([u32; 4]);

impl FromStr for FourPartVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = [0; 4];
        let mut words = text.split('.');
        for part in &mut parts {
            let word = words.next().ok_or(())?;
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_digit()) {
                return Err(());
            }
            *part = word.parse().map_err(|_| ())?;
        }
        words.next().is_none().then_some(Self(parts)).ok_or(())
    }
}

impl FourPartVersion {
    /// For advice, which is better given of a version that is not written out: `v43` is 43.0.0.0, and so is its alpha.
    pub fn leniently(text: &str) -> Option<Self> {
        let numbers = text.trim_start_matches('v').split(['-', '+']).next()?;
        let missing = 4_usize.checked_sub(numbers.split('.').count())?;
        Self::from_str(&format!("{numbers}{}", ".0".repeat(missing))).ok()
    }
}

words! {
    /// The direction of a change of version. `change`: no direction can be told.
    ChangeKind { Upgrade = "upgrade", Downgrade = "downgrade", Change = "change" }
}

impl ChangeKind {
    /// Electron's and the app's versions. Build metadata (`31.0.0+wvcus`) differs without a direction.
    pub fn of_semver(from: &str, to: &str) -> Self {
        match (semver::Version::parse(from), semver::Version::parse(to)) {
            (Ok(from), Ok(to)) => Self::of_order(from.cmp_precedence(&to)),
            _ => Self::Change,
        }
    }

    /// Chromium's and the CDMs' versions.
    pub fn of_four_parts(from: &str, to: &str) -> Self {
        match (FourPartVersion::from_str(from), FourPartVersion::from_str(to)) {
            (Ok(from), Ok(to)) => Self::of_order(from.cmp(&to)),
            _ => Self::Change,
        }
    }

    fn of_order(from_to: std::cmp::Ordering) -> Self {
        match from_to {
            std::cmp::Ordering::Less => Self::Upgrade,
            std::cmp::Ordering::Greater => Self::Downgrade,
            std::cmp::Ordering::Equal => Self::Change,
        }
    }
}
