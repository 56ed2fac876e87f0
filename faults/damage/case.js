'use strict';

const { cp } = require('node:fs/promises');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { OfflineSessions } = require('../..');
const { license, parseLicenseRequest } = require('../../testbed/clearkey');
const { AppProcess } = require('../app/process');
const { inFolder, MEMORY } = require('../folders');
const { PLATFORM, UNPACED } = require('../app/app');
const { LANE } = require('../app/profile');
const { Random } = require('../random');
const { serveCases } = require('../workers');
const { damage } = require('./damages');
const { profileOf, rowOf } = require('./facts');
const { ELECTRON } = require('./template');

/**
 * @typedef {import('./facts').Truth} Truth
 * @typedef {import('../..').StoredSession} StoredSession
 * @typedef {{ seed: number, template: string, other: string }} Which
 * @typedef {{ figure: string, what: string }} Finding
 */

const POLICY = { ...UNPACED, backoffBaseMs: 1, backoffMaxMs: 20, strikeSpacingMs: 1 };
const MAX_RUNS = 60;
/** How often a call may be made again after it met damage. */
const TRIES = 3;

/** One damaged store: what it says of itself, and whether it gets well. */
class Case {
  /** @type {Finding[]} */
  findings = [];
  /** What the addon said of the damage. @type {any[]} */
  told = [];
  #store;
  #truth;
  #damages;
  #profile;
  /** @type {OfflineSessions} */
  #offline = /** @type {any} */ (null);

  /** @param {string} store @param {Truth} truth @param {{ file: string, how: string }[]} damages */
  constructor(store, truth, damages) {
    this.#store = store;
    this.#truth = truth;
    this.#damages = damages;
    this.#profile = profileOf(truth);
  }

  /** @param {number | null} killAfterMs a launch before this one is killed in the middle of its recovery */
  async run(killAfterMs) {
    if (killAfterMs !== null) await this.#openAndKill(killAfterMs);
    await this.#open();
    this.#judgeRows(await this.#call('list'));
    this.#judgeVerdicts();
    for (const { keyIds } of [...this.#profile.catalogue.values()].flat().slice(0, 3)) this.#judgeRows(await this.#call('find', { keyIds }));
    await this.#call('history');
    await this.#settle();
    const rows = await this.#call('list');
    this.#judgeRows(rows);
    this.#judgeMissing(rows);
    this.#judgeVerdicts();
    await this.#repair();
    await this.#offline.close();
    await this.#open();
    await this.#expectWell();
    await this.#offline.close();
  }

  async #open() {
    this.#offline = await OfflineSessions.open({
      directory: this.#store, platform: { ...PLATFORM, electron: ELECTRON }, policy: POLICY, acquireLicense: async ({ message }) => this.#answer(message),
    });
    this.#offline.on('warning', (warning) => this.told.push(/** @type {any} */ (warning).recovered ?? warning));
    if (this.#offline.launch.recovered) this.told.push(this.#offline.launch.recovered);
  }

  /** @param {number} ms */
  async #openAndKill(ms) {
    const process = new AppProcess({});
    await process.ready;
    process.call('open', [{ directory: this.#store, platform: { ...PLATFORM, electron: ELECTRON }, policy: POLICY }]);
    await sleep(ms);
    process.kill();
    await process.ended;
  }

  /** @param {Uint8Array} message */
  #answer(message) {
    const [keyId] = parseLicenseRequest(message);
    if (this.#profile.licenceFor(keyId)) this.findings.push({ figure: 'paidAgain', what: `a licence for ${keyId}` });
    return license({ [keyId]: keyId });
  }

  /** @param {string} method @param {...any} args @returns {Promise<any>} */
  async #call(method, ...args) {
    for (let tries = 1; ; tries++) {
      try {
        return await /** @type {any} */ (this.#offline)[method](...args);
      } catch (error) {
        const isDamage = /** @type {any} */ (error).code === 'ERR_CORRUPT_DATABASE';
        if (!isDamage || tries === TRIES) throw new Error(`${method} failed ${tries} times: ${text(error)}`, { cause: error });
        await sleep(1);
      }
    }
  }

  /** Until what the addon looks at in the background has been looked at. */
  async #settle() {
    for (let n = 0; n < 4; n++) {
      await sleep(4);
      await this.#call('revalidate');
    }
  }

  /** @param {StoredSession[]} rows */
  #judgeRows(rows) {
    const acknowledged = new Set(this.#truth.acknowledged);
    const latest = new Set(this.#truth.rows.map(({ facts }) => facts));
    for (const row of rows) {
      const { name, facts } = rowOf(row);
      if (!acknowledged.has(facts)) this.#wrong(`${name} was never acknowledged as ${facts}`);
      else if (row.state !== 'active' || row.suspect || latest.has(facts)) continue;
      else if (this.told.length === 0 && this.#logIsDamaged) this.findings.push({ figure: 'rolledBackUntold', what: `${name} is as it was once` });
      else this.#wrong(`${name} is trusted as it was once: ${facts}`);
    }
  }

  /** @param {string} what */
  #wrong(what) {
    this.findings.push({ figure: 'silentlyWrongRows', what });
  }

  /** What is on record no longer, or again. @param {StoredSession[]} rows */
  #judgeMissing(rows) {
    const names = new Set(rows.map((row) => rowOf(row).name));
    const wanted = new Set(this.#truth.rows.map(({ name }) => name));
    const touched = new Set(this.#damages.map(({ file }) => file));
    const inCopies = Object.entries(this.#truth.copies).filter(([file]) => !touched.has(file)).flatMap(([, copied]) => copied.map(({ name }) => name));
    for (const name of wanted) {
      if (names.has(name)) continue;
      if (inCopies.includes(name)) this.findings.push({ figure: 'rowsLostThatWereInACopy', what: name });
      else if (this.told.length > 0) this.findings.push({ figure: 'rowsLostAndTold', what: name });
      else if (this.#logIsDamaged) this.findings.push({ figure: 'rolledBackUntold', what: `${name} is missing` });
      else this.#wrong(`${name} is missing, and nobody said so`);
    }
    for (const name of names) {
      if (wanted.has(name)) continue;
      if (this.told.length > 0) this.findings.push({ figure: 'rowsBackFromACopy', what: name });
      else if (this.#logIsDamaged) this.findings.push({ figure: 'rolledBackUntold', what: `${name} is back` });
      else this.#wrong(`${name} is back, and nobody said so`);
    }
  }

  /** What a log had after the last copy is nowhere else: one that is cut off is like one that was never longer. */
  get #logIsDamaged() {
    return this.#damages.some(({ file }) => file.endsWith('-wal'));
  }

  #judgeVerdicts() {
    for (const contentId of this.#profile.catalogue.keys()) {
      const { playable, sessions } = this.#verdict(contentId);
      if (playable === 'offline') this.#expectHeld(contentId, sessions);
    }
  }

  /** The one call that does not wait for a recovery: then nothing is said. @param {string} contentId @returns {any} */
  #verdict(contentId) {
    try {
      return this.#offline.verdict(contentId);
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'ERR_CORRUPT_DATABASE') throw error;
      return { playable: 'no', sessions: [] };
    }
  }

  /** @param {string} contentId @param {{ sessionId: string }[]} sessions */
  #expectHeld(contentId, sessions) {
    const keyIds = (this.#profile.catalogue.get(contentId) ?? []).flatMap((entry) => entry.keyIds);
    const missing = sessions.map(({ sessionId }) => sessionId).filter((sessionId) => !this.#profile.holds(sessionId, keyIds));
    if (missing.length > 0) this.findings.push({ figure: 'wrongOfflineVerdicts', what: `${contentId} is offline, and the CDM does not hold ${missing}` });
  }

  /** What an app does at every launch: it compares with its catalogue, and has repaired what is not proven. */
  async #repair() {
    this.#offline.useDriver(this.#profile.driver());
    await this.#call('reconcile', LANE, this.#entries(), { allowMassRemoval: true });
    for (const contentId of this.#profile.catalogue.keys()) await this.#call('retry', contentId);
    for (let n = 0; n < MAX_RUNS; n++) {
      const { nextAttemptAt } = await this.#call('revalidate');
      // What is back from a copy, and not in the catalogue, waits for another launch to say so.
      if (nextAttemptAt === null) return;
      await sleep(Math.min(Math.max(nextAttemptAt - Date.now(), 1), 25));
    }
  }

  #entries() {
    return this.#profile.entries().filter(({ contentId }) => !contentId.startsWith('unsupported'));
  }

  /** After the next launch nothing is recovered any more, and everything that the catalogue lists plays. */
  async #expectWell() {
    const { recovered } = this.#offline.launch;
    if (recovered) throw new Error(`recovered again: ${JSON.stringify(recovered)}`);
    const rows = await this.#call('list');
    for (const { contentId } of this.#entries()) {
      const { playable, state, reason, sessions } = this.#offline.verdict(contentId);
      const mine = rows.filter((/** @type {StoredSession} */ row) => row.contentId === contentId && row.partition === '');
      if (playable !== 'offline' || mine.length !== 1) throw new Error(`${contentId} has ${mine.length} rows and is ${playable} ${state} ${reason}`);
      this.#expectHeld(contentId, sessions);
    }
  }
}

/** @param {unknown} error */
const text = (error) => {
  const { code = '', message = String(error) } = /** @type {any} */ (error);
  return `${code} ${message}`;
};

/** @param {Which} which */
const runCase = ({ seed, template, other }) => inFolder(async (folder) => {
  const store = path.join(folder, 'store');
  await cp(path.join(template, 'files'), store, { recursive: true });
  const random = new Random('damage', seed);
  const damages = damage(random, store, path.join(other, 'files'));
  // Should it end this process, or hang, its last words.
  console.error(JSON.stringify(damages));
  const one = new Case(store, JSON.parse(fs.readFileSync(path.join(template, 'truth.json'), 'utf8')), damages);
  try {
    await one.run(random.chance(0.1) ? random.int(0, 25) : null);
  } catch (error) {
    one.findings.push({ figure: 'notRecovered', what: `${text(error)} ${/** @type {any} */ (error)?.stack}` });
  }
  return { damages, findings: one.findings, told: one.told.length > 0 };
}, MEMORY);

if (require.main === module) serveCases(runCase);
else module.exports = { runCase };
