//! Facts about this machine. It blocks on the operating system, so it is called off the main thread.

use sha2::{Digest, Sha256};
use sysinfo::System;

/// What the operating system says; `None`: it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub os_name: Option<String>,
    pub os_version: Option<String>,
    pub arch: String,
    pub machine_hash: Option<String>,
}

pub fn probe() -> Machine {
    Machine {
        os_name: System::name().ok(),
        os_version: System::os_version().ok(),
        arch: System::cpu_arch(),
        machine_hash: machine_id().as_deref().map(hash_machine_id),
    }
}

/// A machine id never leaves this room unhashed: systemd asks for that of `/etc/machine-id` (machine-id(5)), and
/// privacy of the others.
pub fn hash_machine_id(id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"electron-offline-sessions machine id\n");
    hash.update(id.trim().as_bytes());
    hex::encode(hash.finalize())
}

fn machine_id() -> Option<String> {
    let id = if cfg!(target_os = "linux") {
        // The firmware's id needs root on Linux, and would seem to change with the user.
        std::fs::read_to_string("/etc/machine-id").ok()
    } else {
        sysinfo::Product::uuid().ok()
    };
    id.filter(|id| !id.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_knows_this_machine_and_hides_its_id() {
        let machine = probe();
        assert!(machine.os_name.is_some_and(|name| !name.is_empty()));
        assert!(!machine.arch.is_empty());
        assert_eq!(machine.machine_hash, probe().machine_hash, "two probes of one machine agree");
        if let (Some(id), Some(hash)) = (machine_id(), machine.machine_hash) {
            assert_eq!(hash.len(), 64);
            assert!(!hash.contains(id.trim()));
        }
    }
}
