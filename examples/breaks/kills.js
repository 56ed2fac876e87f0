'use strict';

const { after, interrupt, rehearse, TITLES } = require('../../testbed/interruption.js');
const output = require('../demo/output.js');

/**
 * @typedef {import('../../testbed/installed-app.js').InstalledApp} InstalledApp
 * @typedef {{ count: number, paidTwice: number, lost: number }} KillFigures
 */

const COUNT = 20;
const PHASES = ['probe', 'check', 'license', 'verify', 'adopt', 'release'];

/**
 * The browser is killed in the middle of a run, in each phase in turn, at a random moment of it.
 * @param {InstalledApp} app without titles
 * @param {number} seed
 * @param {number} [count]
 * @returns {Promise<KillFigures>}
 */
async function surviveKills(app, seed, count = COUNT) {
  output.headline(`${count} kills in the middle of a run, at random moments (--seed ${seed})`);
  const random = randomNumbers(seed);
  await app.install([...TITLES]);
  const durations = await rehearse(app);
  const figures = { count: 0, paidTwice: 0, lost: 0 };
  while (figures.count < count) {
    const phase = PHASES[figures.count % PHASES.length];
    const delayMs = Math.floor(random() * (durations.get(phase) ?? 0));
    const aftermath = await interrupt(app, {
      moment: after(phase, delayMs),
      strike: () => app.kill(),
      comeBack: () => app.open(),
      goesOn: 'relaunch',
    });
    figures.count++;
    figures.paidTwice += aftermath.paidTwice.length;
    figures.lost += new Set([...aftermath.falselyLost, ...aftermath.notPlaying.map(({ contentId }) => contentId)]).size;
    tell(figures.count, `${phase} + ${delayMs} ms`, aftermath);
  }
  return figures;
}

/** @param {number} n @param {string} when @param {import('../../testbed/interruption.js').Aftermath} aftermath */
function tell(n, when, { struckIn, good, askedBefore, askedAfter, foundByPlayer, ...wrong }) {
  const found = foundByPlayer.length > 0 ? `, ${foundByPlayer.length} more when they did not play` : '';
  const seen = `good ${good.length} of ${TITLES.length}, asked ${askedBefore.length} before and ${askedAfter.length} after${found}`;
  output.line(`${String(n).padStart(2)}  ${when.padEnd(16)}  hit ${struckIn.padEnd(8)}  ${seen}`);
  for (const what of wrong.paidTwice) output.line(`    paid twice: ${what}`);
  for (const contentId of wrong.falselyLost) output.line(`    not lost, but called so: ${contentId}`);
  for (const { error } of wrong.notPlaying) output.line(`    lost: ${error}`);
}

/**
 * The same numbers for the same seed (mulberry32).
 * @param {number} seed
 * @returns {() => number} from 0 to less than 1
 */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

module.exports = { surviveKills };
