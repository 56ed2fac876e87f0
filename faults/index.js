'use strict';

// The campaign of faults: `node faults [--kills N] [--damaged N] [--disk N] [--fuzz N] [--firefox N] [--seed S] [--json]`. Exits with 1 on any loss.

const { Board } = require('./board');
const { runDamage, LOSSES: DAMAGE_LOSSES } = require('./damage');
const { runFullDisk } = require('./disk');
const { tellOnce } = require('./failures');
const { runFirefoxKills } = require('./firefox');
const { runFuzz } = require('./fuzz');
const { runKills } = require('./kills');
const { readOptions, USAGE } = require('./options');

/**
 * @typedef {object} Campaign
 * @property {number} count
 * @property {number} seed case n has seed + n, so that it can be repeated alone
 * @property {number} jobs
 * @property {(figures: any) => void} progress
 * @property {import('./failures').Fail} fail
 *
 * @typedef {object} Part
 * @property {keyof import('./options').Options & string} option
 * @property {string} name
 * @property {(campaign: Campaign) => Promise<any>} run
 * @property {(figures: any) => number} done
 * @property {string[]} losses figures that have to be 0
 */

const KILL_LOSSES = ['recordsLost', 'licencesPaidTwice', 'requestIdsChanged', 'wrongOfflineVerdicts', 'processCrashes', 'otherFailures'];

/** @type {Part[]} */
const PARTS = [
  { option: 'kills', name: 'kills', run: runKills, done: ({ kills }) => kills, losses: KILL_LOSSES },
  { option: 'damaged', name: 'damaged databases', run: runDamage, done: ({ damagedDatabases }) => damagedDatabases, losses: DAMAGE_LOSSES },
  { option: 'disk', name: 'full disks', run: runFullDisk, done: ({ cases }) => cases, losses: ['acknowledgedLost', 'otherFailures'] },
  { option: 'fuzz', name: 'fuzz inputs', run: runFuzz, done: ({ fuzzInputs }) => fuzzInputs, losses: ['fuzzCrashes'] },
  { option: 'firefox', name: 'kills of Firefox', run: runFirefoxKills, done: ({ kills }) => kills, losses: ['recordsLost', 'licencesPaidTwice'] },
];

/** @param {import('./options').Options} options */
async function main(options) {
  const startedAt = performance.now();
  const board = new Board(process.stdout);
  /** @type {Record<string, any>} */
  const results = {};
  let losses = 0;
  for (const part of PARTS) {
    const count = /** @type {number} */ (options[part.option]);
    const partStartedAt = performance.now();
    const fail = tellOnce((text) => board.note(text));
    const lossesOf = (/** @type {any} */ figures) => part.losses.reduce((sum, name) => sum + figures[name], 0);
    const progress = (/** @type {any} */ figures) =>
      board.show(part.name, { done: part.done(figures), of: count, lost: lossesOf(figures), more: moreOf(figures, part) }, partStartedAt);
    const figures = await part.run({ count, seed: options.seed, jobs: options.jobs, progress, fail });
    if (count > 0) {
      progress(figures);
      board.next();
    }
    results[part.option] = figures;
    losses += lossesOf(figures);
  }
  board.note(losses === 0 ? `nothing lost; seed ${options.seed}` : `${losses} losses; seed ${options.seed}`);
  if (options.json) console.log(JSON.stringify(summary(results, options, performance.now() - startedAt)));
  process.exitCode = losses === 0 ? 0 : 1;
}

/** @param {any} figures @param {Part} part */
function moreOf(figures, { done, losses }) {
  const rest = Object.entries(figures).filter(([name, value]) => typeof value === 'number' && (losses.includes(name) ? value > 0 : value !== done(figures)));
  return rest.map(([name, value]) => `${name} ${value}`).join(', ');
}

/** @param {Record<string, any>} results @param {import('./options').Options} options @param {number} ms */
function summary({ kills, damaged, disk, fuzz, firefox }, { seed }, ms) {
  const { processCrashes: killCrashes, ...ofKills } = kills;
  const { processCrashes: damageCrashes, wrongOfflineVerdicts: wrongAfterDamage, licencesPaidTwice: twiceAfterDamage, ...ofDamage } = damaged;
  return {
    ...ofKills,
    wrongOfflineVerdicts: ofKills.wrongOfflineVerdicts + wrongAfterDamage,
    licencesPaidTwice: ofKills.licencesPaidTwice + twiceAfterDamage,
    ...ofDamage,
    processCrashes: killCrashes + damageCrashes,
    fullDisk: disk,
    ...fuzz,
    firefox,
    seed,
    seconds: Math.round(ms / 1000),
  };
}

Promise.resolve().then(() => main(readOptions(process.argv.slice(2)))).catch((error) => {
  console.error(error?.code?.startsWith?.('ERR_PARSE_ARGS') ? `${error.message}\n${USAGE}` : error);
  process.exitCode = 2;
});
