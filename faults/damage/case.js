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
const { profileOf } = require('./facts');
const { holds, read } = require('./held');
const { Judge } = require('./judge');
const { ELECTRON } = require('./template');

/**
 * @typedef {import('../..').StoredSession} StoredSession
 * @typedef {import('../app/profile').Profile} Profile
 * @typedef {{ seed: number, template: string, other: string }} Which
 */

const POLICY = { ...UNPACED, backoffBaseMs: 1, backoffMaxMs: 20, strikeSpacingMs: 1 };
const MAX_RUNS = 60;
/** How often a call may be made again after it met damage. */
const TRIES = 3;

/** One damaged store: what it says of itself, and whether it gets well. */
class Case {
  #store;
  #profile;
  #judge;
  /** @type {OfflineSessions} */
  #offline = /** @type {any} */ (null);

  /** @param {string} store @param {Profile} profile @param {Judge} judge */
  constructor(store, profile, judge) {
    this.#store = store;
    this.#profile = profile;
    this.#judge = judge;
  }

  /** @param {Random} random */
  async run(random) {
    if (random.chance(0.1)) await this.#openAndKill(random.int(0, 25));
    await this.#open();
    if (random.chance(0.3)) await this.#changeAtOnce(random);
    this.#judge.rows(await this.#call('list'));
    this.#judgeVerdicts();
    for (const { keyIds } of [...this.#profile.catalogue.values()].flat().slice(0, 3)) this.#judge.rows(await this.#call('find', { keyIds }));
    await this.#call('history');
    await this.#settle();
    const rows = await this.#call('list');
    this.#judge.rows(rows);
    this.#judge.missing(rows, holds(this.#store));
    this.#judgeVerdicts();
    await this.#repair();
    await this.#offline.close();
    await this.#open();
    await this.#expectWell();
    await this.#offline.close();
    this.#judge.left(holds(this.#store));
  }

  async #open() {
    const before = filesOf(this.#store);
    this.#offline = await OfflineSessions.open({
      directory: this.#store, platform: { ...PLATFORM, electron: ELECTRON }, policy: POLICY, acquireLicense: async ({ message }) => this.#answer(message),
    });
    this.#offline.on('warning', (warning) => this.#judge.heard(warning));
    const { recovered } = this.#offline.launch;
    if (!recovered) return;
    this.#judge.told.push(recovered);
    this.#judge.setAside(before, filesOf(this.#store), recovered.damagedFiles);
  }

  /** Whatever it heard, it heard for nobody: the next launch has to tell. @param {number} ms */
  async #openAndKill(ms) {
    const process = new AppProcess({});
    await process.ready;
    process.call('open', [{ directory: this.#store, platform: { ...PLATFORM, electron: ELECTRON }, policy: POLICY }]);
    await sleep(ms);
    process.kill();
    await process.ended;
  }

  /** What an app does at launch, before the store has looked at itself in the background. @param {Random} random */
  async #changeAtOnce(random) {
    const { contentId, sessionIds: [sessionId], ...entry } = random.pick(this.#entries());
    if (random.chance(0.5)) {
      this.#judge.put(await this.#call('put', { ...LANE, ...entry, contentId, sessionId }));
    } else {
      this.#profile.catalogue.delete(contentId);
      await this.#call('removeContent', contentId);
      this.#judge.removed(contentId);
    }
  }

  /** @param {Uint8Array} message */
  #answer(message) {
    const [keyId] = parseLicenseRequest(message);
    this.#judge.licence(keyId);
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

  #judgeVerdicts() {
    for (const contentId of this.#profile.catalogue.keys()) {
      const { playable, sessions } = this.#verdict(contentId);
      if (playable === 'offline') this.#judge.offline(contentId, sessions);
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
      this.#judge.offline(contentId, sessions);
    }
  }
}

/** @param {unknown} error */
const text = (error) => {
  const { code = '', message = String(error) } = /** @type {any} */ (error);
  return `${code} ${message}`;
};

/** The files of a store, by name. @param {string} store */
const filesOf = (store) => new Map(fs.readdirSync(store).map((name) => /** @type {const} */ ([name, read(path.join(store, name))])));

/** @param {Which} which */
const runCase = ({ seed, template, other }) => inFolder(async (folder) => {
  const store = path.join(folder, 'store');
  await cp(path.join(template, 'files'), store, { recursive: true });
  const random = new Random('damage', seed);
  const damages = damage(random, store, template, other);
  // Should it end this process, or hang, its last words.
  console.error(JSON.stringify(damages));
  const truth = JSON.parse(fs.readFileSync(path.join(template, 'truth.json'), 'utf8'));
  const profile = profileOf(truth);
  const judge = new Judge(store, truth, damages, profile);
  try {
    await new Case(store, profile, judge).run(random);
  } catch (error) {
    judge.findings.push({ figure: 'notRecovered', what: `${text(error)} ${/** @type {any} */ (error)?.stack}` });
  }
  return { damages, findings: judge.findings, told: judge.told.length > 0 };
}, MEMORY);

if (require.main === module) serveCases(runCase);
else module.exports = { runCase };
