//! What the player saw. It can take a proof away, and never gives one.

use std::sync::Arc;

use super::Engine;
use super::library::rows_of_content;
use crate::error::Result;
use crate::lifecycle::{Context, Event, Expected, Judgement, judge, transition};
use crate::model::{CheckOutcome, KeyStatuses, PlaybackReport, Session, StoredSession, Verdict, content_id};
use crate::store::Tx;

impl Engine {
    /// Records how playback of a content went. With an error, or with key statuses that are not good, its proof is gone and it
    /// is checked next; otherwise it has just been played.
    pub async fn report_playback(
        &self,
        content: String,
        report: PlaybackReport,
    ) -> Result<(Verdict, Vec<StoredSession>)> {
        let content = content_id(content)?;
        let shown = report.check()?;
        let (launch, run) = {
            let memory = self.memory();
            (memory.launch, memory.run)
        };
        let policy = self.policy();
        let now = self.clock.now_ms();
        let (memory, of_content) = (Arc::clone(&self.memory), content.clone());
        let job = move |tx: &mut Tx<'_>| {
            let cx = Context { now, launch, run, chance: 1.0, policy: &policy };
            let mut sessions = rows_of_content(tx, &memory, &of_content)?;
            for session in &mut sessions {
                if is_broken(session, shown.as_ref()) {
                    // Every state knows this event.
                    if let Ok(transition) = transition(&session.standing, &Event::PlaybackBroken, cx) {
                        session.standing = transition.standing;
                    }
                } else {
                    session.last_played_at_ms = Some(now);
                }
                tx.save_session(session)?;
            }
            Ok(sessions)
        };
        let sessions = self.store.write(job).await?;
        Ok((self.verdict(content)?, self.view(sessions.into_iter())))
    }
}

/// `shown`: the player's key statuses, which cover all sessions of the content; `None`: playback failed outright.
fn is_broken(session: &Session, shown: Option<&KeyStatuses>) -> bool {
    let Some(shown) = shown else { return true };
    let own: KeyStatuses =
        shown.iter().filter(|(id, _)| session.key_ids.contains(id)).map(|(id, status)| (*id, *status)).collect();
    // No key of this session in it says nothing about this session.
    let expected = Expected { key_ids: &session.key_ids, named: &[], first_proof: true };
    let outcome = CheckOutcome::Loaded { key_statuses: own.clone(), expiration: None };
    !own.is_empty() && !matches!(judge(&outcome, expected), Judgement::Loaded { .. } | Judgement::Later(_))
}
