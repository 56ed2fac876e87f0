'use strict';

const { checked, meaning, verified } = require('./evidence.js');
const { key } = require('./reference.js');
const { laneIndex } = require('./titles.js');

/**
 * Puts the reference between the addon and a driver: it judges whether what is asked for may be asked for now, and hears every answer.
 *
 * @typedef {import('./reference.js').Reference} Reference
 * @typedef {import('./reference.js').Row} Row
 *
 * @param {import('../../js/session-driver.js').SessionDriver} driver
 * @param {Reference} reference
 * @param {{ isGood(lane: number, sessionId: string, keyIds: readonly string[]): boolean, record(lane: number, sessionId: string): object | undefined }} truth
 *   what is in the CDM
 * @returns {import('../../js/session-driver.js').SessionDriver}
 */
function watch(driver, reference, truth) {
  const must = reference.must.bind(reference);
  const launch = reference.launch;
  /** An app that has ended is heard no more. */
  const isPast = () => reference.launch !== launch;

  /** @param {any} session @param {string} task */
  function mayBeAsked(session, task) {
    const at = laneIndex(session.lane);
    const lane = reference.lanes[at];
    if (lane.phase) lane.phase.tasks += 1;
    const row = session.contentId ? reference.rowOf(session) : undefined;
    // A check that finds it broken is only the beginning.
    if (row && task !== 'check') row.isWished = false;
    if (row) row.isAnew = false;
    if (lane.grace) return row;
    // What is released is no title's any more.
    const isHeldAll = [...reference.holds].some((hold) => hold.lane === at && (hold.kind === 'downloading' || hold.title === null));
    must(task !== 'release' || !isHeldAll, () => `a release of session ${session.sessionId} while its lane is held`);
    if (!row) return row;
    const what = () => `${task} of session ${session.sessionId} of ${session.contentId}`;
    const { connectivity, clicked } = reference;
    must(!reference.isAnothers(row), () => `${what()} for another account`);
    must(!reference.isHeld(row, task), () => `${what()} while it is held`);
    const isClicked = clicked.has(row.title);
    if (connectivity === 'offline') {
      must(task !== 'license', () => `${what()} while offline`);
      must(task !== 'verify' || isClicked, () => `${what()} while offline, and nobody clicked`);
      must(task !== 'check' || isClicked || row.state !== 'active', () => `${what()} while offline, though it could destroy what is there`);
    }
    must(task !== 'check' || isClicked || row.renewable || row.state !== 'active', () => `${what()}, though it could not be licensed again`);
    return row;
  }

  /** A click joins what is out. What was said to be different meanwhile wants another try. @param {Row | undefined} row */
  function hadItsTry(row) {
    if (row && !isPast() && !row.isAnew) row.isWished = false;
  }

  /** Paid twice is: a request although a good session for that row exists. @param {Row} row @param {string} requestId */
  function mayBePaidFor(row, requestId) {
    const { epoch } = reference.lanes[row.lane];
    must(row.state !== 'active', () => `${row.title} is paid for again, and nobody said that it is lost`);
    for (const sessionId of [row.sessionId, ...row.pending]) {
      const foundBad = reference.facts(row, sessionId).bad >= epoch;
      must(foundBad || !truth.isGood(row.lane, sessionId, row.keyIds),
        () => `${row.title} is paid for again, though session ${sessionId} is good and nobody said otherwise`);
    }
    must(row.requestId === null || row.requestId === requestId, () => `${row.title} is asked for under another id than before`);
    must(!row.spent.has(requestId), () => `${row.title} is asked for under the id of a licence that it had already`);
  }

  /** @param {Row | undefined} row @param {any} session @param {any} outcome @param {number} epoch */
  function heard(row, session, outcome, epoch) {
    const isFresh = reference.lanes[laneIndex(session.lane)].phase?.name === 'verify';
    const word = meaning(outcome, session.keyIds);
    if (word === 'loaded' || word === 'fewer-keys') reference.tally.loaded += 1;
    if (!row) return;
    if (isFresh) verified(reference, row, session.sessionId, word === 'fewer-keys' ? 'loaded' : word, epoch);
    else checked(reference, row, session.sessionId, word === 'fewer-keys' ? 'foreign-keys' : word, epoch);
  }

  return {
    async startPhase(lane, phase, configuration, context) {
      const model = reference.lanes[laneIndex(lane)];
      if (!isPast()) {
        must(reference.mode === 'repair', () => `a phase of ${phase} though the addon may only observe`);
        must(phase === 'probe' || model.probed === 'supported' || model.grace, () => `a phase of ${phase} in a lane that is ${model.probed}`);
        model.phase = { name: phase, tasks: 0 };
      }
      try {
        await driver.startPhase?.(lane, phase, configuration, context);
        if (!isPast()) model.stuck = null;
      } catch (error) {
        if (!isPast()) model.stuck = 'failed';
        throw error;
      }
    },

    async endPhase(lane, phase) {
      if (!isPast()) Object.assign(reference.lanes[laneIndex(lane)], { grace: false, phase: null });
      await driver.endPhase?.(lane, phase);
    },

    async probe(lane, context) {
      const model = reference.lanes[laneIndex(lane)];
      if (isPast()) return driver.probe(lane, context);
      model.stuck = 'unavailable';
      model.capabilities.add('unavailable');
      const outcome = await driver.probe(lane, context);
      if (isPast()) return outcome;
      model.probed = outcome.persistentLicense;
      model.capabilities.add(model.probed);
      model.stuck = outcome.persistentLicense === 'unavailable' ? 'unavailable' : null;
      return outcome;
    },

    async plantWitness(lane, value) {
      const model = reference.lanes[laneIndex(lane)];
      // There was one, and it was missed: the lane's storage has been wiped.
      if (!isPast() && model.witness !== null) model.epoch += 1;
      if (!isPast()) model.witness = value;
      await driver.plantWitness(lane, value);
    },

    async check(session, context) {
      const model = reference.lanes[laneIndex(session.lane)];
      const { epoch } = model;
      const row = isPast() ? undefined : mayBeAsked(session, model.phase?.name === 'verify' ? 'verify' : 'check');
      const outcome = await driver.check(session, context).catch((/** @type {any} */ error) => {
        if (error?.code === 'ERR_DRIVER_GONE') hadItsTry(row);
        throw error;
      });
      if (!isPast()) heard(row, session, outcome, epoch);
      return outcome;
    },

    async license(session, context) {
      const at = laneIndex(session.lane);
      const row = isPast() ? undefined : mayBeAsked(session, 'license');
      if (row && row.sessionId === session.sessionId) mayBePaidFor(row, context.requestId);
      const slot = row?.slot;
      const outcome = await driver.license(session, {
        ...context,
        async sessionCreated(sessionId) {
          // Before, because it may be recorded long before that is known here.
          if (row) reference.held(row, sessionId);
          await context.sessionCreated(sessionId);
          reference.unjournalled.delete(key(at, sessionId));
          reference.disowned.delete(key(at, sessionId));
          if (!row || isPast()) return;
          reference.claimed(row, sessionId);
          Object.assign(reference.facts(row, sessionId), { bad: -1, damaged: false });
          row.pending.add(sessionId);
        },
        async acquireLicense(message) {
          // Put with other keys meanwhile, it will be asked for anew.
          if (row && row.slot === slot) row.requestId = context.requestId;
          reference.tally.licenseRequests += 1;
          return context.acquireLicense(message);
        },
      }).finally(() => hadItsTry(row));
      if (isPast()) return outcome;
      if (outcome.kind === 'licensed') reference.tally.licensed += 1;
      const word = outcome.kind === 'refused' ? outcome.reason : outcome.kind;
      if (row && outcome.kind !== 'licensed') row.refused.add(word);
      if (row) reference.answered(row, outcome);
      if (row && outcome.kind === 'refused') row.requestId = null;
      return outcome;
    },

    async adopt(session, newSessionId, context) {
      const row = isPast() ? undefined : mayBeAsked(session, 'adopt');
      if (row) {
        const { proof } = reference.facts(row, newSessionId);
        must(proof?.launch === launch, () => `${row.title} is given session ${newSessionId}, which was not verified in this launch`);
      }
      if (row) must(row.pending.has(newSessionId) || row.sessionId === newSessionId, () => `${row.title} is given session ${newSessionId}, which was never made for it`);
      const outcome = await driver.adopt(session, newSessionId, context).finally(() => hadItsTry(row));
      if (isPast()) return outcome;
      if (outcome === 'adopted') reference.tally.adopted += 1;
      if (row && outcome === 'adopted') reference.adopted(row, newSessionId);
      if (row && outcome === 'content-gone') row.mayBeGone = true;
      return outcome;
    },

    async release(session, context) {
      const at = laneIndex(session.lane);
      if (!isPast()) mayBeAsked(session, 'release');
      const before = truth.record(at, session.sessionId);
      for (const row of reference.rows.values()) {
        const isGivenUp = reference.facts(row, session.sessionId).bad === Infinity;
        const isIts = row.sessionId === session.sessionId || row.pending.has(session.sessionId);
        const holds = row.lane === at && isIts && !isGivenUp && !row.mayBeGone && !row.isReplaced;
        must(!holds || !truth.isGood(at, session.sessionId, row.keyIds),
          () => `session ${session.sessionId} is released while ${row.title} has it (record ${JSON.stringify(before)})`);
      }
      const outcome = await driver.release(session, context);
      if (!isPast() && outcome.kind !== 'failed') reference.tally.released += 1;
      return outcome;
    },
  };
}

module.exports = { watch };
