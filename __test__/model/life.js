'use strict';

const { key } = require('./reference.js');
const { LANES, TITLES, slotOf } = require('./titles.js');
const { cdms, electronVersion } = require('./world.js');

/**
 * What each operation does to the world, and tells the reference of it.
 *
 * @typedef {import('./world.js').World} World
 * @typedef {import('./operations.js').Operation} Operation
 */

/** What the product may reject with, when it was called off. */
const CALLED_OFF = ['ERR_ABORTED', 'ERR_CLOSED'];

/** @type {Record<string, (world: World, operation: any) => unknown>} */
const ACTS = {
  async library(world, { cdm, titles }) {
    if (cdm === null) await ACTS.platform(world, { electron: null, cdm });
    const inputs = Object.entries(titles).filter(([, how]) => how).flatMap(([title, how]) => downloaded(world, title, how));
    if (inputs.length > 0) await world.put(inputs);
  },

  async put(world, { title, how }) {
    const { reference, cdm } = world;
    const rows = reference.rowsOf(title);
    if (how === 'again' || how === 'again-unproven') {
      const inputs = rows.length > 0 ? world.inputs(title, { isProven: how === 'again' }) : [];
      if (inputs.length > 0) await world.put(inputs);
    } else if (how === 'stale') {
      const inputs = world.inputs(title).map((one) => ({ ...one, ...staleId(world, one) }));
      if (rows.length > 0 && inputs.length > 0) await world.put(inputs);
    } else if (cdm.persistentLicense === 'supported') {
      await world.put(downloaded(world, title, how));
    }
  },

  async remove(world, { title }) {
    world.catalogue.delete(title);
    // Before, because its licences may be released at once.
    world.reference.removed((row) => row.title === title);
    await world.offline.removeContent(title);
  },

  async revalidate(world) {
    await resume(world);
    await revalidated(world);
  },

  async interrupt(world, { step, nth, then, update, arrives }) {
    await resume(world);
    // Only then does it give up by itself.
    const policy = then === 'hang' ? 'brisk' : 'patient';
    if (update || then === 'hang') await relaunch(world, { breaks: update, electron: world.reference.platform.electron + 1, policy });
    const controller = new AbortController();
    const pause = world.pauseAt(step, nth, arrives);
    begin(world);
    const run = world.offline.revalidate({ signal: controller.signal }).catch(calledOff);
    const isReached = await Promise.race([pause.reached, run.then(() => false)]);
    if (!isReached) {
      world.unpause();
      return;
    }
    world.paused = { open: pause.open, run };
    if (then === 'leave') return;
    if (then === 'hang') await run;
    if (then === 'abort') controller.abort();
    if (then === 'window') world.openWindow();
    if (then === 'relaunch') await relaunch(world, {});
    else await resume(world);
  },

  async ensure(world, { title, limit }) {
    world.reference.clicked.add(title);
    // One that is being worked on may have had its answer, which is not on record yet: a click joins that.
    wish(world, (row) => row.title === title && row.state !== 'unsure');
    begin(world);
    const controller = new AbortController();
    // Nobody waits for what the test itself holds up.
    const timeoutMs = world.paused ? 1 : limit;
    const verdict = world.offline.ensurePlayable(title, { signal: controller.signal, ...(typeof timeoutMs === 'number' && { timeoutMs }) });
    if (limit === 'abort') setImmediate(() => controller.abort());
    await verdict.catch((/** @type {unknown} */ error) => {
      calledOff(error);
      for (const row of world.reference.rowsOf(title)) row.isWished = false;
    });
  },

  async retry(world, { title }) {
    changing(world);
    wish(world, (row) => row.title === title, { isAnew: true });
    await world.offline.retry(title);
  },

  async report(world, { title, how }) {
    const { keyIds } = TITLES[title].sessions[0];
    const report = { error: { error: '6013', systemCode: 72 }, good: { keyStatuses: statuses(keyIds, 'usable') }, bad: { keyStatuses: statuses(keyIds, 'expired') } };
    await world.offline.reportPlayback(title, report[/** @type {'good'} */ (how)]);
    for (const row of world.reference.rowsOf(title)) {
      // While work is out, a check may have proven it again since.
      if (world.atRest && (how === 'error' || (how === 'bad' && row.slot === 0))) world.reference.facts(row).proof = null;
    }
  },

  async account(world, { who }) {
    changing(world);
    if (who !== null) {
      world.reference.unauthorized.clear();
      wish(world, (row) => row.state === 'blocked' && row.reason === 'auth');
    }
    await world.offline.setAccount(who);
    world.reference.account = who;
  },

  connect(world, { state, moved }) {
    changing(world);
    if (moved) wish(world, (row) => row.state === 'blocked' && row.reason === 'geo');
    world.offline.setConnectivity(state, { changedLocation: moved });
    world.reference.connectivity = state;
  },

  hold(world, { kind, title, lane: at }) {
    changing(world);
    const lane = title ? TITLES[title].sessions[0].lane : at;
    const { release } = world.offline.hold({ kind, lane: LANES[lane], ...(title && { contentId: title }) });
    const model = { kind, title, lane };
    world.reference.holds.add(model);
    world.holds.push({ release, model });
  },

  letGo(world) {
    const hold = world.holds.shift();
    hold?.release();
    if (hold) world.reference.holds.delete(hold.model);
  },

  async platform(world, { electron, cdm }) {
    changing(world);
    const platform = { electron: electron ?? world.reference.platform.electron, cdm };
    await world.offline.updatePlatform({ electron: electronVersion(platform.electron), cdms: cdms(cdm) });
    world.reference.observed(platform);
  },

  /** An app that is relaunched on another Electron. */
  update: (world, { breaks }) => relaunch(world, { breaks, electron: world.reference.platform.electron + 1 }),
  relaunch: (world, options) => relaunch(world, options),

  damage(world, { title, session, how, status }) {
    const row = world.reference.rowsOf(title)[session];
    const record = row && world.record(row.lane, row.sessionId);
    // Under its id there may be another's licence by now.
    if (!record || !row.keyIds.every((keyId) => record.keyStatuses[keyId])) return;
    world.damage(() => {
      if (how === 'delete') world.cdm.deleteRecord(row.sessionId, LANES[row.lane]);
      if (how === 'flip') world.cdm.flipKeyId(row.sessionId, LANES[row.lane]);
      // What shows other keys than a title's own may be anybody's.
      if (how === 'flip') world.reference.disowned.add(key(row.lane, row.sessionId));
      if (how === 'status') record.keyStatuses = statuses(Object.keys(record.keyStatuses), status);
    });
  },

  /** The app clears its storage while it runs: its window goes with it. */
  wipe(world, { keepWitnesses }) {
    changing(world);
    world.damage(() => world.cdm.wipe({ keepWitnesses }));
    if (world.hasDriver) world.openWindow();
  },

  capability(world, { answer }) {
    world.cdm.persistentLicense = answer;
  },

  driver(world, { what }) {
    changing(world);
    if (what === 'new' || !world.driver) world.openWindow();
    else world.useDriver(what === 'none' ? null : undefined);
  },

  server(world, { how, times }) {
    world.scripts.server = [{ answer: how, left: times ?? Infinity }];
  },

  trouble(world, { step, answer, times }) {
    world.scripts[step] = [{ answer, left: times ?? Infinity }];
  },

  stranger(world, { lane }) {
    world.addStranger(lane);
  },
};

/**
 * Does it, and waits until nothing more is going on, if the addon works by itself by now.
 * @param {World} world
 * @param {Operation} operation
 */
async function act(world, operation) {
  await ACTS[operation.op](world, operation);
  if (world.started && !world.paused) await settle(world);
}

/** @param {World} world */
async function settle(world) {
  const report = await world.offline.revalidate();
  world.nextAttemptAt = report.nextAttemptAt;
  world.atRest = !['hasty', 'healing'].includes(world.policy) || report.nextAttemptAt === null;
  for (const lane of world.reference.lanes) {
    // Nothing was called off, so that the last answer is recorded.
    const last = lane.stuck === 'unavailable' ? 'unavailable' : lane.probed;
    if (world.hasDriver && world.policy !== 'brisk' && lane.stuck !== 'failed' && last) lane.capabilities = new Set([last]);
  }
  return report;
}

/** @param {World} world @param {{ breaks?: string, [option: string]: any }} options else as before */
async function relaunch(world, { breaks, ...options }) {
  await world.quit();
  if (breaks === 'salts') world.damage(() => world.cdm.breakSalts());
  if (breaks === 'wipe') world.damage(() => world.cdm.wipe());
  await world.launch({ ...world.reference.platform, ...options });
}

/** A new download of a title, as it is put. @param {World} world @param {string} title @param {string} how */
function downloaded(world, title, how) {
  const rows = world.reference.rowsOf(title);
  world.download(title);
  const ids = new Set(world.inputs(title).map(({ sessionId }) => sessionId));
  // After a wipe ids come again. One that a title only once had, put without a proof, is taken for a record of then.
  const isOnceHad = rows.some((row) => [...row.facts.keys()].some((id) => id !== row.sessionId && ids.has(id)));
  const isReused = rows.some(({ facts }) => [...facts.keys()].some((id) => ids.has(id)));
  return world.inputs(title, { isProven: isOnceHad || how === 'proven', renewable: isReused || how !== 'bare' });
}

/** From now on the addon works by itself. @param {World} world */
function begin(world) {
  world.started = true;
  world.atRest = false;
}

/** A run that was left in the middle goes on to its end. @param {World} world */
async function resume(world) {
  const { paused } = world;
  world.unpause();
  await paused?.run;
}

/** @param {World} world */
async function revalidated(world) {
  const { reference, atRest } = world;
  const before = { ...reference.tally };
  begin(world);
  const report = await world.offline.revalidate();
  if (!atRest || world.policy !== 'patient') return;
  for (const figure of /** @type {const} */ (['licenseRequests', 'licensed', 'adopted', 'released'])) {
    const seen = reference.tally[figure] - before[figure];
    reference.must(report[figure] === seen, () => `${figure} of a run: ${report[figure]}, and ${seen} were seen`);
  }
  reference.must(report.proven <= reference.tally.loaded - before.loaded, () => `${report.proven} proven of fewer that loaded`);
}

/** What is allowed changes: while work is out, what was handed out before still comes. @param {World} world */
function changing({ atRest, reference }) {
  if (!atRest) for (const lane of reference.lanes) lane.grace = true;
}

/**
 * Somebody asks for these to be tried, whatever they wait for.
 * @param {World} world
 * @param {(row: import('./reference.js').Row) => boolean} which
 * @param {{ isAnew?: boolean }} [how] `isAnew`: what is out already is no answer to that
 */
function wish({ reference }, which, { isAnew = false } = {}) {
  for (const row of [...reference.rows.values()].filter(which)) {
    row.isWished = true;
    row.isAnew ||= isAnew;
  }
}

/** @param {World} world @param {any} input */
function staleId({ reference }, { contentId, keyIds }) {
  const row = reference.rowsOf(contentId).find(({ slot }) => slot === slotOf(contentId, keyIds));
  const sessionId = row && [...row.past].find((past) => reference.holders.get(key(row.lane, past))?.size === 1);
  return sessionId && { sessionId };
}

/** @param {readonly string[]} keyIds @param {string} status */
const statuses = (keyIds, status) => Object.fromEntries(keyIds.map((keyId) => [keyId, status]));

/** @param {any} error */
function calledOff(error) {
  if (!CALLED_OFF.includes(error?.code)) throw error;
}

module.exports = { act, settle, resume };
