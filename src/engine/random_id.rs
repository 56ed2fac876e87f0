//! A request id, or a witness.

use crate::error::{Error, Result};

/// 128 random bits as hex.
pub fn random_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn request_ids_are_long_and_never_the_same() {
        let ids: HashSet<String> = (0..100).map(|_| random_id().expect("this machine has randomness")).collect();
        assert_eq!(ids.len(), 100);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
