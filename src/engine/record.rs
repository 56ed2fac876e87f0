//! Outcomes on the writer thread: judged, turned into transitions, written, in the transaction.

use std::sync::Arc;

use super::debts::{claim_id, forgive, owe, owe_bad, remove};
use super::random_id::random_id;
use super::task::{Task, TaskKind, Variant};
use super::wire::Counters;
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::lifecycle::{Context, Event, Expected, Judgement, Next, judge, transition};
use crate::model::{
    AdoptOutcome, Capability, CheckOutcome, Debt, DebtId, KeyId, LaunchId, LicenseOutcome, MAX_KEY_IDS, Pending,
    Policy, ProbeOutcome, Proof, Reason, ReleaseOutcome, RowId, Session, Stage, State, parse_json,
};
use crate::store::Tx;

/// What an outcome did, for the part of the engine that lives in memory.
#[derive(Default)]
pub struct Effects {
    pub changed: Vec<Session>,
    pub counters: Counters,
    /// To be seen once more, alone.
    pub recheck: Option<RowId>,
    /// Its request is repeated, once.
    pub repeat: Option<RowId>,
    /// The wish of whoever waits has been answered for this row, well or badly.
    pub answered: Option<RowId>,
    pub capability: Option<Capability>,
    pub plant_witness: Option<String>,
}

/// What a job on the writer thread knows.
pub struct Ground {
    pub task: Task,
    pub launch: LaunchId,
    pub run: i64,
    pub now: Millis,
    /// From 0 to 1: the jitter of waits.
    pub chance: f64,
    pub policy: Arc<Policy>,
}

impl Ground {
    pub fn context(&self) -> Context<'_> {
        Context { now: self.now, launch: self.launch, run: self.run, chance: self.chance, policy: &self.policy }
    }

    /// The outcome under hand is proof for the generation in which its task went out.
    fn proof(&self) -> Proof {
        Proof { generation: self.task.generation, launch: self.launch, at_ms: self.now }
    }
}

pub enum Outcome {
    Probe(ProbeOutcome),
    Check(CheckOutcome),
    License(LicenseOutcome),
    Adopt(AdoptOutcome),
    Release(ReleaseOutcome),
}

pub fn read_outcome(kind: &TaskKind, json: &str) -> Result<Outcome> {
    let outcome = match kind {
        TaskKind::Probe => Outcome::Probe(parse_json(json)?),
        TaskKind::Check { .. } | TaskKind::Verify { .. } => Outcome::Check(parse_json(json)?),
        TaskKind::License { .. } => Outcome::License(parse_json(json)?),
        TaskKind::Adopt { .. } => Outcome::Adopt(parse_json(json)?),
        TaskKind::Release { .. } => Outcome::Release(parse_json(json)?),
    };
    if let Outcome::Check(CheckOutcome::Loaded { key_statuses, .. }) = &outcome
        && key_statuses.len() > MAX_KEY_IDS
    {
        return Err(Error::invalid("keyStatuses", format!("at most {MAX_KEY_IDS}")));
    }
    Ok(outcome)
}

pub fn record(tx: &mut Tx<'_>, ground: &Ground, outcome: Outcome) -> Result<Effects> {
    match (&ground.task.kind, outcome) {
        (TaskKind::Probe, Outcome::Probe(outcome)) => probed(tx, ground, &outcome),
        (TaskKind::Check { row, session_id, alone, variant }, Outcome::Check(outcome)) => match tx.session(*row)? {
            // Put again with another id meanwhile: the answer is about a session that is no longer the row's.
            Some(session) if session.session_id == *session_id => {
                checked(tx, ground, session, &outcome, *alone, variant)
            }
            _ => Ok(Effects::default()),
        },
        (TaskKind::License { row, first, .. }, Outcome::License(outcome)) => match tx.session(*row)? {
            Some(session) => licensed(tx, ground, session, outcome, *first),
            // Removed meanwhile: what was journalled is debt already.
            None => Ok(Effects::default()),
        },
        (TaskKind::Verify { row, session_id, alone }, Outcome::Check(outcome)) => {
            match pending_row(tx, *row, session_id)? {
                Some((session, pending)) => verified(tx, ground, session, pending, &outcome, *alone),
                None => Ok(Effects::default()),
            }
        }
        (TaskKind::Adopt { row, session_id, content_id, replaces }, Outcome::Adopt(outcome)) => {
            match pending_row(tx, *row, session_id)? {
                Some((session, pending)) => adopted(tx, ground, session, pending, outcome),
                None if outcome == AdoptOutcome::Adopted => put_again(tx, ground, content_id, replaces, session_id),
                None => Ok(Effects::default()),
            }
        }
        (TaskKind::Release { debt, session_id }, Outcome::Release(outcome)) => {
            released(tx, ground, *debt, session_id, &outcome)
        }
        _ => Err(Error::Internal("an outcome of another kind than its task".to_owned())),
    }
}

fn pending_row(tx: &Tx<'_>, row: RowId, session_id: &str) -> Result<Option<(Session, Pending)>> {
    let found = tx.session(row)?.and_then(|session| session.pending.clone().map(|pending| (session, pending)));
    Ok(found.filter(|(_, pending)| pending.session_id == session_id))
}

fn probed(tx: &mut Tx<'_>, ground: &Ground, outcome: &ProbeOutcome) -> Result<Effects> {
    let Some(mut lane) = tx.lane(ground.task.lane)? else {
        return Ok(Effects::default());
    };
    let capability = outcome.persistent_license;
    let mut effects = Effects { capability: Some(capability), ..Effects::default() };
    let probed_before = lane.capability_launch;
    lane.capability = Some(capability);
    lane.capability_launch = Some(ground.launch);
    if capability == Capability::Supported && lane.witness.is_some() && lane.witness == outcome.witness {
        lane.witness_found = true;
    } else if capability == Capability::Supported {
        if lane.witness.is_some() {
            tracing::warn!(lane = lane.id, "the witness is gone: the lane's storage was wiped");
            lane.generation += 1;
            // What was removed in a launch after the last look may have been made after the wipe. One that was never found may never
            // have been planted.
            let is_older = |debt: &Debt| lane.witness_found && probed_before.is_none_or(|launch| debt.launch <= launch);
            let is_void = |debt: &&Debt| debt.lane == lane.id && (is_older(debt) || debt.key_ids.is_empty());
            for debt in tx.debts()?.iter().filter(is_void) {
                tx.delete_debt(debt.id)?;
            }
        }
        lane.witness_found = false;
        let value = random_id()?;
        effects.plant_witness = Some(value.clone());
        lane.witness = Some(value);
    }
    tx.save_lane(&lane)?;
    if capability == Capability::Unsupported {
        tx.count_unsupported(lane.id, lane.generation)?;
    }
    Ok(effects)
}

fn checked(
    tx: &mut Tx<'_>,
    ground: &Ground,
    mut session: Session,
    outcome: &CheckOutcome,
    alone: bool,
    variant: &Variant,
) -> Result<Effects> {
    let before = session.standing.state;
    let mut judgement = judge(outcome, expected(&session, &session.named_key_ids(), !session.ever_proven));
    let mut alone = alone;
    if matches!(judgement, Judgement::Loaded { .. }) && is_anothers(tx, ground, &session, outcome)? {
        judgement = Judgement::Absent(Reason::IdReused);
        alone = true;
    }
    if alone && variant.more && before == State::Active && matches!(judgement, Judgement::Absent(_)) {
        return Ok(Effects { recheck: Some(session.id), ..Effects::default() });
    }
    if judgement == Judgement::Released && before == State::Active && session.missing_launch.is_some() {
        // Its licence and its content are both given up: only the server has still to hear of it.
        remove(tx, &session)?;
        return Ok(Effects { counters: Counters { checked: 1, ..Counters::default() }, ..Effects::default() });
    }
    // What was proven before the change tells what the change did.
    let is_first_here = session.ever_proven
        && session.standing.checked_generation.is_none_or(|checked| checked < ground.task.generation);
    let event = Event::Checked { judgement, alone, generation: ground.task.generation };
    let next = step(&mut session, &event, ground)?;
    let mut effects = Effects::default();
    effects.counters.checked = u64::from(!alone);
    if next == Next::RecheckAlone {
        effects.recheck = Some(session.id);
        return Ok(effects);
    }
    let proven = session.standing.state == State::Active && session.standing.proof == Some(ground.proof());
    if proven {
        session.ever_proven = true;
        if let Some(capabilities) = &variant.borrowed {
            session.capabilities = capabilities.clone();
        }
        tx.index_keys(session.id, &session.key_ids)?;
        effects.changed = claim_id(tx, Some(session.id), session.lane, &session.session_id, ground.context())?;
    }
    effects.counters.proven = u64::from(proven);
    let is_lost = before == State::Active && session.standing.state == State::Lost;
    if is_first_here && (proven || is_lost) {
        tx.count_evidence(session.lane, ground.task.generation, proven)?;
    }
    effects.counters.lost = u64::from(is_lost) + u64::try_from(effects.changed.len()).unwrap_or(0);
    effects.answered = (proven || next == Next::Later).then_some(session.id);
    save(tx, session, effects)
}

/// Whether what loaded may be the licence of another row, proven under this id in this generation: one licence never proves
/// two contents. Keys that only this row expects show that the CDM has handed the id out again since.
fn is_anothers(tx: &Tx<'_>, ground: &Ground, session: &Session, outcome: &CheckOutcome) -> Result<bool> {
    let is_proven = |row: &Session| row.standing.proof.is_some_and(|proof| proof.generation == ground.task.generation);
    let may_be_its = |row: &Session| {
        (session.key_ids.is_empty() && session.named_key_ids().is_empty())
            || matches!(judge(outcome, expected(row, &[], false)), Judgement::Loaded { .. })
    };
    let holders = tx.holders(session.lane, &session.session_id)?;
    Ok(holders.iter().any(|row| row.id != session.id && is_proven(row) && may_be_its(row)))
}

fn expected<'a>(session: &'a Session, named: &'a [KeyId], first_proof: bool) -> Expected<'a> {
    Expected { key_ids: &session.key_ids, named, first_proof }
}

fn licensed(
    tx: &mut Tx<'_>,
    ground: &Ground,
    mut session: Session,
    outcome: LicenseOutcome,
    first: bool,
) -> Result<Effects> {
    let mut effects = Effects::default();
    let event = match outcome {
        LicenseOutcome::Licensed { session_id, .. } => {
            let journalled = session.pending.as_ref().is_some_and(|pending| pending.session_id == session_id);
            if !journalled {
                return Err(Error::invalid("sessionId", "was never journalled for this task"));
            }
            if let Some(pending) = &mut session.pending {
                pending.stage = Stage::Licensed;
            }
            effects.counters.licensed = 1;
            return save(tx, session, effects);
        }
        LicenseOutcome::Throttled { retry_after_ms } => Event::Delayed { reason: Reason::Throttled, retry_after_ms },
        LicenseOutcome::Refused { reason } => Event::Refused(reason),
        LicenseOutcome::Unreachable => Event::Delayed { reason: Reason::Unreachable, retry_after_ms: None },
        LicenseOutcome::ServerError => Event::Delayed { reason: Reason::ServerError, retry_after_ms: None },
        LicenseOutcome::Timeout => Event::Delayed { reason: Reason::Timeout, retry_after_ms: None },
        LicenseOutcome::Rejected(rejection) if first && rejection.says_system_id_changed() => {
            // Design, section 2: the first request after such a change fails too, and the next one does not.
            drop_pending(tx, &mut session, ground)?;
            effects.repeat = Some(session.id);
            return save(tx, session, effects);
        }
        LicenseOutcome::Rejected(_) => Event::BadLicense(Reason::Rejected),
    };
    step(&mut session, &event, ground)?;
    // A blocked session whose retry is only delayed was counted when it was blocked.
    let is_answer = !matches!(event, Event::Delayed { .. });
    effects.counters.blocked = u64::from(is_answer && session.standing.state == State::Blocked);
    // Whoever wants it goes first when the server's pause is over.
    let is_throttled = matches!(event, Event::Delayed { reason: Reason::Throttled, .. });
    effects.answered = (!is_throttled).then_some(session.id);
    // A bad licence is asked for again under the same id: it may have been billed, and the next request brings another challenge.
    if matches!(event, Event::Refused(_)) {
        session.request_id = None;
    }
    if event == (Event::Delayed { reason: Reason::Timeout, retry_after_ms: None }) {
        // The licence may have arrived all the same: it is verified before anything new is asked for.
        if let Some(pending) = &mut session.pending {
            pending.delay = Some(Reason::Timeout);
            pending.next_attempt_at_ms = session.standing.next_attempt_at_ms;
        }
        return save(tx, session, effects);
    }
    drop_pending(tx, &mut session, ground)?;
    save(tx, session, effects)
}

fn verified(
    tx: &mut Tx<'_>,
    ground: &Ground,
    mut session: Session,
    mut pending: Pending,
    outcome: &CheckOutcome,
    alone: bool,
) -> Result<Effects> {
    let mut effects = Effects::default();
    match judge(outcome, expected(&session, &session.named_key_ids(), true)) {
        Judgement::Loaded { key_ids, expiration_ms } => {
            session.pending = Some(Pending {
                stage: Stage::Verified,
                proof: Some(ground.proof()),
                key_ids,
                expiration_ms,
                ..Pending::journalled(pending.session_id, pending.generation)
            });
        }
        Judgement::Absent(_) | Judgement::Failed if !alone => {
            effects.recheck = Some(session.id);
            return Ok(effects);
        }
        Judgement::Later(reason) => {
            delay(&mut pending, reason, ground);
            session.pending = Some(pending);
            effects.answered = Some(session.id);
        }
        ref
        judgement @ (Judgement::Absent(_) | Judgement::Failed | Judgement::Released | Judgement::Expired { .. }) => {
            let found_gone = matches!(judgement, Judgement::Absent(Reason::Gone | Reason::SystemIdChanged));
            if found_gone {
                session.pending = None;
            } else {
                drop_pending(tx, &mut session, ground)?;
            }
            // Of a licence that the CDM took: never asked for again at once. One that is only journalled is simply not there.
            if pending.stage == Stage::Licensed {
                step(&mut session, &Event::BadLicense(Reason::Unverified), ground)?;
                effects.counters.blocked = u64::from(session.standing.state == State::Blocked);
                effects.answered = Some(session.id);
            }
        }
    }
    save(tx, session, effects)
}

fn adopted(
    tx: &mut Tx<'_>,
    ground: &Ground,
    mut session: Session,
    mut pending: Pending,
    outcome: AdoptOutcome,
) -> Result<Effects> {
    let mut effects = Effects { answered: Some(session.id), ..Effects::default() };
    let later = match outcome {
        AdoptOutcome::Adopted => {
            let proof = pending.proof.ok_or_else(|| Error::Internal("adopted before it was verified".to_owned()))?;
            let (key_ids, expiration_ms) = (pending.key_ids, pending.expiration_ms);
            let was_stale = session.standing.stale_id;
            step(&mut session, &Event::Adopted { proof, key_ids, expiration_ms }, ground)?;
            let old = std::mem::replace(&mut session.session_id, pending.session_id);
            session.pending = None;
            session.request_id = None;
            session.ever_proven = true;
            tx.save_session(&session)?;
            tx.index_keys(session.id, &session.key_ids)?;
            if !was_stale {
                owe(tx, &session, &old)?;
            }
            effects.counters.adopted = 1;
            return save(tx, session, effects);
        }
        AdoptOutcome::ContentGone => {
            remove(tx, &session)?;
            return Ok(effects);
        }
        AdoptOutcome::CatalogueChanged => Reason::CatalogueChanged,
        AdoptOutcome::OpenInPlayer => Reason::OpenInPlayer,
    };
    delay(&mut pending, later, ground);
    session.pending = Some(pending);
    save(tx, session, effects)
}

/// The catalogue has just been given `session_id` in place of `replaces`, for a row that is gone. One that was put again meanwhile, as
/// the catalogue had it then, follows.
fn put_again(tx: &mut Tx<'_>, ground: &Ground, content_id: &str, replaces: &str, session_id: &str) -> Result<Effects> {
    let mut rows = tx.sessions_of_content(content_id)?;
    rows.retain(|row| row.lane == ground.task.lane);
    let is_known = rows.iter().any(|row| row.session_id == session_id);
    let Some(mut session) = rows.into_iter().find(|row| row.session_id == replaces).filter(|_| !is_known) else {
        return Ok(Effects::default());
    };
    let old = std::mem::replace(&mut session.session_id, session_id.to_owned());
    forgive(tx, session.lane, session_id)?;
    tx.save_session(&session)?;
    owe(tx, &session, &old)?;
    save(tx, session, Effects::default())
}

fn released(
    tx: &mut Tx<'_>,
    ground: &Ground,
    id: DebtId,
    session_id: &str,
    outcome: &ReleaseOutcome,
) -> Result<Effects> {
    let mut effects = Effects::default();
    let Some(mut debt) = tx.debt(id)? else {
        if *outcome != ReleaseOutcome::Failed {
            // Put again while it was being removed: what those rows were proven by is gone.
            for mut holder in tx.holders(ground.task.lane, session_id)? {
                let judgement = Judgement::Absent(Reason::Gone);
                step(
                    &mut holder,
                    &Event::Checked { judgement, alone: true, generation: ground.task.generation },
                    ground,
                )?;
                effects = save(tx, holder, effects)?;
            }
        }
        return Ok(effects);
    };
    match outcome {
        ReleaseOutcome::Released | ReleaseOutcome::Absent => {
            tx.delete_debt(id)?;
            effects.counters.released = 1;
        }
        ReleaseOutcome::Failed => {
            debt.attempts += 1;
            debt.next_attempt_at_ms = Some(ground.policy.retry_at(ground.now, debt.attempts, None));
            tx.save_debt(&debt)?;
        }
    }
    Ok(effects)
}

/// Applies one transition to the row under hand.
fn step(session: &mut Session, event: &Event, ground: &Ground) -> Result<Next> {
    let transition = transition(&session.standing, event, ground.context())
        .map_err(|unknown| Error::Internal(unknown.to_string()))?;
    tracing::debug!(row = session.id, state = transition.standing.state.as_str(), next = ?transition.next, "transition");
    session.standing = transition.standing;
    if let Some(key_ids) = transition.key_ids {
        session.key_ids = key_ids;
    }
    Ok(transition.next)
}

fn save(tx: &mut Tx<'_>, session: Session, mut effects: Effects) -> Result<Effects> {
    tx.save_session(&session)?;
    effects.changed.push(session);
    Ok(effects)
}

/// Gives up a pending licence: what the CDM holds of it becomes debt.
fn drop_pending(tx: &mut Tx<'_>, session: &mut Session, ground: &Ground) -> Result<()> {
    if let Some(pending) = session.pending.take() {
        tx.save_session(session)?;
        let is_of_now = pending.generation == ground.task.generation;
        // Since an update its id may be another's; where nothing would tell, it is left alone.
        if is_of_now || !session.key_ids.is_empty() || !session.named_key_ids().is_empty() {
            owe_bad(tx, session, &pending.session_id, Some(pending.generation))?;
        }
    }
    Ok(())
}

fn delay(pending: &mut Pending, reason: Reason, ground: &Ground) {
    pending.attempts += 1;
    pending.delay = Some(reason);
    pending.next_attempt_at_ms = Some(ground.policy.retry_at(ground.now, pending.attempts, None));
}
