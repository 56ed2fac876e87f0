'use strict';

const { cp, mkdir, writeFile } = require('node:fs/promises');
const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { OfflineSessions } = require('../..');
const { license, parseLicenseRequest } = require('../../testbed/clearkey');
const { PLATFORM, UNPACED } = require('../app/app');
const { LANE, Profile } = require('../app/profile');
const { Titles } = require('../app/titles');
const { rowOf, UNSUPPORTED_LANE } = require('./facts');
const { COMMITS, DATABASE, ID, LOG, heldId, holds, sessionOf } = require('./held');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {import('../app/titles').Title} Title
 */

const COPIES = ['offline-sessions.copy-1.sqlite3', 'offline-sessions.copy-2.sqlite3'];
const FILES = [DATABASE, LOG, ID, COMMITS, ...COPIES];
/** Beside the files, in a template's folder: a log of this store that was in use a launch before. */
const OLDER_LOG = 'older-log';
const HOUR = 3_600_000;
/** What the last launch runs on. */
const ELECTRON = '31.0.0';

/** What becomes of a title in the run that follows an update, so that rows are in every state when it has ended. */
const FATES = ['licensed', 'refused', 'throttled', 'journalled', 'verified later', 'adopted later', 'expired', 'released', 'failed', 'good', 'good', 'good'];

/** Makes a good database by real runs, and writes down what is true of it. */
class Template {
  #folder;
  #random;
  #profile = new Profile();
  #titles = new Titles(() => {});
  /** @type {Map<string, string>} by content */
  #fates = new Map();
  /** @type {Set<string>} */
  #acknowledged = new Set();
  /** @type {OfflineSessions} */
  #offline = /** @type {any} */ (null);

  /** @param {string} folder @param {Random} random */
  constructor(folder, random) {
    this.#folder = folder;
    this.#random = random;
    const { cdm } = this.#profile;
    const is = (/** @type {string} */ fate, /** @type {string | undefined} */ contentId) => this.#fates.get(contentId ?? '') === fate;
    cdm.on('probe', ({ lane }) => (lane.partition === UNSUPPORTED_LANE.partition ? { persistentLicense: 'unsupported', witness: null } : undefined));
    cdm.on('updated', ({ contentId }) => (is('journalled', contentId) ? { kind: 'timeout' } : undefined));
    cdm.on('load', ({ contentId, phase }) => {
      if (phase === 'verify' && is('verified later', contentId)) return { kind: 'timeout' };
      if (phase === 'check' && is('failed', contentId)) throw Object.assign(new Error('system code (72)'), { name: 'InvalidStateError' });
      return undefined;
    });
    cdm.on('adopt', ({ contentId }) => (is('adopted later', contentId) ? 'open-in-player' : undefined));
    cdm.on('remove', ({ sessionId }) => (Number(sessionId) % 2 ? { kind: 'failed', message: 'not now' } : undefined));
  }

  get #store() {
    return path.join(this.#folder, 'store');
  }

  /** @param {number} titles @param {{ copies: number, closed: boolean }} how */
  async make(titles, { copies, closed }) {
    await this.#launch('30.0.0');
    await this.#download(titles, 'first', LANE);
    await this.#download(3, 'unsupported', UNSUPPORTED_LANE);
    await this.#run();
    await this.#offline.close();
    this.#breakSome();
    await this.#launch(ELECTRON);
    await this.#remove(2);
    await this.#reconcileWithout(1);
    await this.#run();
    await cp(path.join(this.#store, LOG), path.join(this.#folder, OLDER_LOG));
    await this.#offline.close();
    // Nothing runs in this launch: the files stand still when a call has ended, and no copy has what comes.
    await this.#launch(ELECTRON);
    await this.#download(3, 'last', LANE);
    await this.#remove(2);
    await this.#touch(3);
    const rows = this.#note(await this.#offline.list());
    if (closed) await this.#offline.close();
    await this.#save(rows, copies, closed);
    await this.#offline.close();
  }

  /** @param {string} electron */
  async #launch(electron) {
    this.#offline = await OfflineSessions.open({
      directory: this.#store, platform: { ...PLATFORM, electron }, policy: { ...UNPACED, backoffBaseMs: HOUR, relicenseExpired: false },
      acquireLicense: async ({ session, message }) => this.#answer(session.contentId, message),
    });
    this.#offline.on('session-changed', (row) => this.#note([row]));
    this.#offline.useDriver(this.#profile.driver());
  }

  /** @param {string} contentId @param {Uint8Array} message */
  #answer(contentId, message) {
    const fate = this.#fates.get(contentId);
    if (fate === 'refused') throw { kind: 'refused', status: 403, reason: 'geo' };
    if (fate === 'throttled') throw { kind: 'throttled', status: 429, retryAfterMs: HOUR };
    const [keyId] = parseLicenseRequest(message);
    return license({ [keyId]: keyId });
  }

  /** @param {import('../..').StoredSession[]} rows */
  #note(rows) {
    for (const row of rows) this.#acknowledged.add(rowOf(row).facts);
    return rows;
  }

  /** @param {number} count @param {string} name @param {import('../..').Lane} lane */
  async #download(count, name, lane) {
    const inputs = Array.from({ length: count }, (_, n) => {
      const title = this.#titles.create(`${name} ${n}`);
      title.state = 'stored';
      this.#profile.download(title);
      const { sessionId } = /** @type {{ sessionId: string }} */ (this.#profile.entryOf(title));
      const shown = { keyStatuses: { [title.keyId]: /** @type {const} */ ('usable') } };
      return {
        ...lane, contentId: title.contentId, sessionId, initDataType: 'keyids', initData: title.initData, keyIds: [title.keyId],
        licenseUrl: 'https://license.example/', account: this.#random.pick([null, 'someone']), proven: this.#random.chance(0.8) ? shown : null,
        metadata: { note: 'x'.repeat(this.#random.int(0, 600)) }, lastPlayedAt: this.#random.int(1, 1e12),
      };
    });
    this.#note(await this.#offline.put(inputs));
    this.#note(await this.#offline.list());
  }

  /** A run, and the copy that follows it. */
  async #run() {
    const copy = path.join(this.#store, COPIES[0]);
    const made = () => fs.statSync(copy, { throwIfNoEntry: false })?.ino;
    const before = made();
    await this.#offline.revalidate();
    while ((made() ?? before) === before) await sleep(2);
    this.#note(await this.#offline.list());
  }

  /** An update. */
  #breakSome() {
    const { records } = this.#profile.storage;
    for (const title of this.#titles.which('stored')) {
      const { sessionId } = /** @type {{ sessionId: string }} */ (this.#profile.entryOf(title));
      const fate = title.contentId.startsWith('first') ? this.#random.pick(FATES) : 'good';
      this.#fates.set(title.contentId, fate);
      const record = records.get(sessionId);
      if (record && (fate === 'expired' || fate === 'released')) record.keyStatuses[title.keyId] = fate;
      else if (fate !== 'good' && fate !== 'failed') records.delete(sessionId);
    }
    this.#profile.cdm.restart();
  }

  /** @param {number} count */
  async #remove(count) {
    for (const title of this.#titles.which('stored').filter(() => this.#random.chance(0.3)).slice(0, count)) {
      this.#profile.uncatalogue(title);
      await this.#offline.removeContent(title.contentId);
      this.#titles.forget(title);
    }
  }

  /** Titles that the catalogue lacks for once. @param {number} count */
  async #reconcileWithout(count) {
    const entries = this.#profile.entries().filter(({ contentId }) => !contentId.startsWith('unsupported'));
    await this.#offline.reconcile(LANE, entries.slice(count));
    this.#note(await this.#offline.list());
  }

  /** @param {number} count */
  async #touch(count) {
    for (const { contentId, sessionId, origin, partition, keySystem } of (await this.#offline.list({ partition: '' })).slice(0, count)) {
      this.#note(await this.#offline.put({ contentId, sessionId, origin, partition, keySystem, metadata: { touched: this.#random.int(0, 1e9) } }));
    }
    this.#note(await this.#offline.list());
  }

  /**
   * The files as a kill would leave them, or as `close()` has, and what is true of them.
   * @param {import('../..').StoredSession[]} rows
   * @param {number} generations of copies to be kept
   * @param {boolean} closed
   */
  async #save(rows, generations, closed) {
    const files = path.join(this.#folder, 'files');
    await mkdir(files);
    const kept = FILES.filter((name) => !COPIES.slice(generations).includes(name));
    for (const name of kept) await cp(path.join(this.#store, name), path.join(files, name)).catch(() => {});
    const id = /** @type {string} */ (heldId(files));
    /** @type {import('./facts').Truth['copies']} */
    const copies = {};
    for (const name of COPIES.slice(0, generations)) copies[name] = plain(holds(files, name));
    const storages = [LANE, UNSUPPORTED_LANE].map((lane) => {
      const { index, records, witnesses } = this.#profile.cdm.storage(lane);
      return { lane, index: [...index], records: [...records], witnesses: [...witnesses] };
    });
    const held = holds(files);
    this.#expectAsListed(held, rows);
    /** @type {import('./facts').Truth} */
    const truth = {
      id, closed, acknowledged: [...this.#acknowledged], rows: rows.map(rowOf), unfinished: [...held.unfinished], copies, storages,
      catalogue: [...this.#profile.catalogue],
    };
    await writeFile(path.join(this.#folder, 'truth.json'), JSON.stringify(truth));
  }

  /** What is read from the files is what the store itself says. @param {import('./held').Held} held @param {import('../..').StoredSession[]} rows */
  #expectAsListed({ titles, sessionIds, unfinished }, rows) {
    const listed = new Set(rows.map((row) => rowOf(row).name));
    const isListed = titles.size === listed.size && [...titles].every((name) => listed.has(name));
    const hasAll = rows.every((row) => sessionIds.has(sessionOf(row, row.sessionId)));
    if (!isListed || !hasAll || unfinished.size === 0) throw new Error(`the files have ${[...titles]}, and the store says ${[...listed]}`);
  }
}

/** @param {import('./held').Held} held */
const plain = ({ titles, unfinished }) => ({ titles: [...titles], unfinished: [...unfinished] });

/**
 * @param {string} folder
 * @param {Random} random
 * @param {{ titles: number, copies: number, closed: boolean }} how
 */
const makeTemplate = (folder, random, { titles, ...how }) => new Template(folder, random).make(titles, how);

module.exports = { makeTemplate, ELECTRON, FILES, OLDER_LOG };
