'use strict';

const { ScriptedCdm, createScriptedDriver } = require('../../testbed/scripted-cdm');

/**
 * @typedef {import('./titles').Title} Title
 * @typedef {import('../random').Random} Random
 */

const LANE = Object.freeze({ origin: 'app://bundle', partition: '', keySystem: 'org.w3.clearkey' });

/** What an update can do to the licences of a profile. */
const BREAKS = Object.freeze({ nothing: 3, hollow: 4, gone: 4, foreign: 1, salts: 2, wipe: 2 });

/** What lies on the disk of the window's side, and outlives every process: the CDM's storage and the player's catalogue. */
class Profile {
  cdm = new ScriptedCdm();
  /** @type {Map<string, { sessionId: string, initData: string, keyIds: string[] }[]>} */
  catalogue = new Map();
  /** Sessions that an update made another's: they are left alone, whatever becomes of them. @type {Set<string>} */
  #foreign = new Set();

  /** A window of a new process. */
  driver() {
    return createScriptedDriver(this.cdm, { catalogue: this.catalogue });
  }

  get storage() {
    return this.cdm.storage(LANE);
  }

  /**
   * What `withCdmLock` of a window is for: while the app makes a licence itself, and until it is on record, nobody else writes.
   * @template T
   * @param {() => T | Promise<T>} work
   */
  async locked(work) {
    const free = await this.cdm.lock(LANE);
    try {
      return await work();
    } finally {
      free();
    }
  }

  /** A download: its licence is in the CDM, and it in the catalogue. @param {Title} title @param {boolean} replaces */
  download({ contentId, keyId, initData }, replaces = false) {
    const entry = { sessionId: this.cdm.store(LANE, [keyId]), initData: Buffer.from(initData).toString('base64'), keyIds: [keyId] };
    this.catalogue.set(contentId, [...(replaces ? [] : this.catalogue.get(contentId) ?? []), entry]);
  }

  /** @param {Title} title */
  entryOf({ contentId, keyId }) {
    return this.catalogue.get(contentId)?.find((entry) => entry.keyIds.includes(keyId));
  }

  /** What the app tells `reconcile`. */
  entries() {
    return [...this.catalogue].map(([contentId, sessions]) => ({
      contentId,
      sessionIds: sessions.map(({ sessionId }) => sessionId),
      initDataType: 'keyids',
      initData: Buffer.from(sessions[0].initData, 'base64'),
      keyIds: sessions[0].keyIds,
      licenseUrl: 'https://license.example/',
    }));
  }

  /** Whether the CDM can play with this session. @param {string} sessionId @param {string[]} keyIds any of them */
  holds(sessionId, keyIds) {
    const shown = this.storage.records.get(sessionId)?.keyStatuses ?? {};
    return keyIds.some((keyId) => shown[keyId] === 'usable');
  }

  /** A session that is good for a key. @param {string} keyId */
  licenceFor(keyId) {
    return [...this.storage.index].find((sessionId) => this.holds(sessionId, [keyId]));
  }

  /** Session ids that the CDM knows and the catalogue does not; but for those that are another's. */
  leftovers() {
    const wanted = new Set([...this.catalogue.values()].flat().map(({ sessionId }) => sessionId));
    return [...this.storage.index].filter((sessionId) => !wanted.has(sessionId) && !this.#foreign.has(sessionId));
  }

  /** The app gives up a download that it never put on record. @param {Title} title */
  discard(title) {
    const entry = this.entryOf(title);
    if (!entry) return;
    this.storage.index.delete(entry.sessionId);
    this.storage.records.delete(entry.sessionId);
    this.uncatalogue(title);
  }

  /** @param {Title} title */
  uncatalogue({ contentId, keyId }) {
    const left = (this.catalogue.get(contentId) ?? []).filter((entry) => !entry.keyIds.includes(keyId));
    if (left.length > 0) this.catalogue.set(contentId, left);
    else this.catalogue.delete(contentId);
  }

  /** What an update does while no process runs. @param {Random} random */
  update(random) {
    const how = random.weighted(BREAKS);
    const { index, records } = this.storage;
    const ids = random.some([...records.keys()], 0.5);
    if (how === 'wipe') this.cdm.wipe();
    if (how === 'salts') this.cdm.breakSalts();
    for (const id of ids) {
      if (how === 'foreign' && !this.#foreign.has(id)) this.cdm.flipKeyId(id, LANE);
      if (how === 'foreign') this.#foreign.add(id);
      if (how === 'hollow' || how === 'gone') records.delete(id);
      if (how === 'gone') index.delete(id);
    }
    for (const id of this.#foreign) if (!index.has(id)) this.#foreign.delete(id);
  }
}

module.exports = { Profile, LANE };
