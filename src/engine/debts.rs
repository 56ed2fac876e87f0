//! Session ids are not identities: who holds an id, and who owes its removal.

use crate::error::Result;
use crate::lifecycle::{Context, Event, transition};
use crate::model::{Generation, KeyId, LaneId, RowId, Session};
use crate::store::Tx;

/// The CDM has given `session_id` to the row `claimant` just now. Whoever else stood under it is proven lost; if one of
/// them was proven in this generation, nothing of the lane can be believed any more. Gives the rows that changed.
pub fn claim_id(
    tx: &mut Tx<'_>,
    claimant: Option<RowId>,
    lane: LaneId,
    session_id: &str,
    cx: Context<'_>,
) -> Result<Vec<Session>> {
    forgive(tx, lane, session_id)?;
    let others = |rows: Vec<Session>| rows.into_iter().filter(move |row| Some(row.id) != claimant);
    for mut other in others(tx.pending_holders(lane, session_id)?) {
        other.pending = None;
        tx.save_session(&other)?;
    }
    let holders: Vec<Session> = others(tx.holders(lane, session_id)?).collect();
    if holders.is_empty() {
        return Ok(holders);
    }
    let Some(mut lane) = tx.lane(lane)? else {
        return Ok(Vec::new());
    };
    let proven_here = |row: &Session| row.standing.proof.is_some_and(|proof| proof.generation == lane.generation);
    if holders.iter().any(proven_here) {
        lane.generation += 1;
        tx.save_lane(&lane)?;
    }
    let mut changed = Vec::new();
    for mut holder in holders {
        let event = Event::IdReused { generation: lane.generation };
        match transition(&holder.standing, &event, cx) {
            Ok(transition) => {
                holder.standing = transition.standing;
                tx.save_session(&holder)?;
                changed.push(holder);
            }
            // Lost already: all that is new is whose the id is.
            Err(_) => {
                holder.standing.stale_id = true;
                tx.save_session(&holder)?;
            }
        }
    }
    Ok(changed)
}

/// A row holds this id (again): it is no longer owed.
pub fn forgive(tx: &mut Tx<'_>, lane: LaneId, session_id: &str) -> Result<()> {
    if let Some(debt) = tx.debt_of(lane, session_id)? {
        tx.delete_debt(debt.id)?;
    }
    Ok(())
}

/// The same of a row with these keys, which the CDM has not shown under that id. A licence that is owed for others is another one, and
/// whoever removes it looks at its keys.
pub fn forgive_of(tx: &mut Tx<'_>, lane: LaneId, session_id: &str, key_ids: &[KeyId]) -> Result<()> {
    let Some(debt) = tx.debt_of(lane, session_id)? else { return Ok(()) };
    if are_others(&debt.key_ids, key_ids) { Ok(()) } else { tx.delete_debt(debt.id) }
}

/// Whether a licence with these keys is certainly none with those.
fn are_others(these: &[KeyId], those: &[KeyId]) -> bool {
    !these.is_empty() && !those.is_empty() && !these.iter().any(|id| those.contains(id))
}

/// Owes the removal of `session_id`, made for `session`, unless a row or a pending licence holds it. A row whose licence
/// is no longer under its id holds nothing, and one with other keys, which were never seen, does not say whose it is.
pub fn owe(tx: &mut Tx<'_>, session: &Session, session_id: &str) -> Result<()> {
    owe_bad(tx, session, session_id, None)
}

/// The same of a licence that never showed the keys which it should hold: in this generation others say nothing against its being ours.
pub fn owe_bad(tx: &mut Tx<'_>, session: &Session, session_id: &str, bad_in: Option<Generation>) -> Result<()> {
    let key_ids = session.shown_key_ids();
    let is_put = |holder: &Session| !holder.ever_proven && are_others(&key_ids, &holder.shown_key_ids());
    let held = tx.holders(session.lane, session_id)?.iter().any(|holder| !holder.standing.stale_id && !is_put(holder))
        || !tx.pending_holders(session.lane, session_id)?.is_empty();
    if held { Ok(()) } else { tx.owe(session, session_id, bad_in) }
}

/// Removes a row; what it leaves in the CDM becomes debt, in the same transaction.
pub fn remove(tx: &mut Tx<'_>, session: &Session) -> Result<()> {
    tx.delete_session(session.id)?;
    if !session.standing.stale_id {
        owe(tx, session, &session.session_id)?;
    }
    if let Some(pending) = &session.pending {
        owe(tx, session, &pending.session_id)?;
    }
    Ok(())
}
