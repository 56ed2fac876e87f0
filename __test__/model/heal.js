'use strict';

const { settle, resume } = require('./life.js');
const { judge } = require('./judge.js');
const { GOOD } = require('./reference.js');
const { LANES, TITLES } = require('./titles.js');

/**
 * All is well again: whatever happened, what was put and not removed plays in the end, and nothing is left behind in the CDM.
 *
 * @typedef {import('./world.js').World} World
 */

/** More runs than any chain of waits needs. */
const RUNS = 20;

/** @param {World} world */
async function heal(world) {
  await resume(world);
  mend(world);
  await world.quit();
  // An update, so that nothing is believed of before; and no wait is longer than a moment.
  await world.launch({ electron: 99, cdm: 9, policy: 'healing' });
  for (const row of world.reference.rows.values()) row.isWished = row.state === 'blocked' && ['auth', 'geo'].includes(row.reason ?? '');
  await world.offline.setAccount('ann');
  Object.assign(world.reference, { account: 'ann', connectivity: 'online' });
  world.offline.setConnectivity('online', { changedLocation: true });
  await work(world);
  for (const title of Object.keys(TITLES)) await world.offline.retry(title);
  await work(world);
  for (const { renewable, title } of [...world.reference.rows.values()]) {
    if (renewable) continue;
    world.reference.clicked.add(title);
    await world.offline.ensurePlayable(title);
  }
  await work(world);
  judgeHealed(world);
  await judge(world);
}

/** The CDM, the player and the server do what they should. @param {World} world */
function mend({ cdm, scripts }) {
  for (const step of Object.keys(scripts)) delete scripts[step];
  cdm.persistentLicense = 'supported';
  for (const lane of LANES) {
    for (const record of cdm.storage(lane).records.values()) {
      for (const [keyId, status] of Object.entries(record.keyStatuses)) {
        if (!GOOD.includes(status) && !['expired', 'released'].includes(status)) record.keyStatuses[keyId] = 'usable';
      }
    }
  }
}

/** Until nothing is to be waited for. @param {World} world */
async function work(world) {
  world.started = true;
  for (let run = 0; run < RUNS; run++) {
    const { nextAttemptAt } = await settle(world);
    await judge(world);
    if (nextAttemptAt === null) return;
    await new Promise((resolve) => { setTimeout(resolve, nextAttemptAt - Date.now() + 1); });
  }
  world.reference.must(false, () => `there is still something to wait for after ${RUNS} runs`);
}

/** @param {World} world */
function judgeHealed(world) {
  const { reference, offline } = world;
  for (const row of reference.rows.values()) {
    const { title, renewable, lane, sessionId, keyIds } = row;
    if (!reference.rowsOf(title).every((one) => one.renewable)) {
      const isGood = reference.rowsOf(title).every((one) => world.isGood(one.lane, one.sessionId, one.keyIds));
      const { playable } = offline.verdict(title);
      if (!renewable) reference.must((playable === 'offline') === isGood, () => `${title} cannot be licensed again and is ${playable}`);
      continue;
    }
    reference.must(offline.verdict(title).playable === 'offline', () => `healed, ${JSON.stringify(offline.verdict(title))}`);
    reference.must(world.isGood(lane, sessionId, keyIds), () => `healed, session ${sessionId} of ${title} is not in the CDM`);
    if (world.catalogue.has(title)) reference.must(world.plays(title), () => `healed, ${title} does not play`);
  }
  reference.must(world.leftovers().length === 0, () => `left in the CDM: ${world.leftovers()}`);
}

module.exports = { heal };
