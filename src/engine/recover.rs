//! A database that turns out to be damaged is exchanged for what is left of it, while work goes on.

use std::sync::Arc;

use super::{Engine, blocking};
use crate::error::{Error, Result};
use crate::model::Binding;
use crate::store::{Recovered, Tx};

impl Engine {
    /// Called when a call failed with `ERR_CORRUPT_DATABASE`. Looks at everything and, if it is damaged, exchanges the database for
    /// what is left of it and its copies. Tasks that are out go back; every session is suspect. `None`: nothing was wrong.
    pub async fn recover(&self) -> Result<Option<Recovered>> {
        let recovered = self.exchange().await?;
        let again = self.begin_again().await;
        let unread = |_| Error::CorruptDatabase("what was recovered could not be read".to_owned());
        // Whoever asks next hears of damage once more, and this is tried again.
        self.filled.send_replace(Some(again.clone().map_err(unread)));
        match recovered {
            Some(recovered) => {
                self.store.told();
                Ok(Some(recovered))
            }
            None => again.map(|()| None),
        }
    }

    /// Memory follows the exchanged database.
    async fn begin_again(&self) -> Result<()> {
        self.memory().begin_again();
        let launch = self.memory().launch;
        let snapshot = self.memory().snapshot.clone();
        let now = self.clock.now_ms();
        let memory = Arc::clone(&self.memory);
        let job = move |tx: &mut Tx<'_>| {
            tx.keep_launch(launch, now, &snapshot)?;
            for mut lane in tx.lanes()?.into_iter().filter(|lane| lane.binding_launch == 0) {
                // Rebuilt from its sessions, in a generation of its own.
                lane.binding = Binding::of(&snapshot, &lane.key.key_system);
                lane.binding_launch = launch;
                tx.save_lane(&lane)?;
            }
            // On the writer's thread, so that no other commit comes in between.
            super::lock(&memory).replace_lanes_and_debts(tx.lanes()?, tx.debts()?);
            Ok(())
        };
        self.store.write(job).await?;
        let store = Arc::clone(&self.store);
        let read = blocking(move || {
            let mut sessions = Vec::new();
            store.read_all_summaries(|chunk| sessions.extend(chunk))?;
            Ok::<_, Error>(sessions)
        });
        let sessions = read.await??;
        self.memory().replace_sessions(sessions);
        Ok(())
    }

    pub(super) async fn exchange(&self) -> Result<Option<Recovered>> {
        let store = Arc::clone(&self.store);
        blocking(move || store.recover()).await?
    }

    /// Makes a copy of the database in the background, if something was written since the last one.
    pub fn copy(&self) {
        let store = Arc::clone(&self.store);
        let memory = Arc::clone(&self.memory);
        tokio::task::spawn_blocking(move || match store.copy() {
            Ok(_) | Err(Error::Closed) => {}
            Err(Error::CorruptDatabase(_)) => super::lock(&memory).damaged = true,
            Err(error) => tracing::warn!(%error, "no copy of the database was made"),
        });
    }
}
