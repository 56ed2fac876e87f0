'use strict';

const { createScriptedDriver } = require('./scripted-driver.js');

/**
 * @typedef {{ origin: string, partition?: string | null, keySystem: string }} Lane
 * @typedef {{ keyStatuses: Record<string, string>, expiration: number | null }} LicenseRecord
 * @typedef {'phase' | 'probe' | 'load' | 'request' | 'created' | 'message' | 'update' | 'updated' | 'adopt' | 'adopted' | 'remove' | 'removed'} Step
 * @typedef {(what: { step: Step, lane: Lane, phase?: string, sessionId?: string, contentId?: string, keyIds?: string[], signal?: AbortSignal,
 *   acquireLicense?: import('../js/session-driver.js').AcquireLicense }) => any} Hook
 *
 * @typedef {object} OriginStorage what a browser keeps for one origin of one partition
 * @property {Set<string>} index the ids that the CDM knows: `load()` of any other gives false
 * @property {Map<string, LicenseRecord>} records the licences; an id of the index without one is hollow
 * @property {Map<string, string>} witnesses by key system, in the page's own storage
 */

/**
 * A CDM's storage, as it lies in a profile: it outlives drivers and "restarts", and can be broken
 * as updates, wipes and bad disks break it. It does what Firefox's ClearKey CDM was seen doing.
 */
class ScriptedCdm {
  /** @type {Map<string, OriginStorage>} */
  #storages = new Map();
  /** @type {Map<Step, Set<Hook>>} */
  #hooks = new Map();
  /** @type {Map<string, Promise<void>>} */
  #locks = new Map();
  #nextId = 1;
  #process = new AbortController();

  /** Calls so far. `loads` and `removes` are EME calls, whichever task made them. */
  counts = { probes: 0, loads: 0, requests: 0, updates: 0, adoptions: 0, removes: 0 };
  /** @type {string[]} What hosts did against lane discipline, for those that swallow the error. */
  violations = [];

  /** @param {{ persistentLicense?: 'supported' | 'unsupported' | 'unavailable' }} [options] */
  constructor({ persistentLicense = 'supported' } = {}) {
    this.persistentLicense = persistentLicense;
  }

  /** Aborted when the CDM's browser ends: drivers of that run are dead from then on. */
  get ended() {
    return this.#process.signal;
  }

  /**
   * Calls `hook` before each `step` and waits for it. What it throws, the step is rejected with;
   * what it returns, if anything, is the outcome of the task in place of the step.
   * 'request' comes before the CDM creates a session, 'created' after it has given an id and before `sessionCreated` is called;
   * 'message' after that and before the licence request: there, and at 'load' and 'remove', a hook may send messages of its own with
   * `acquireLicense`; 'updated', 'adopted' and 'removed' when that is done and not yet reported.
   * @param {Step} step
   * @param {Hook} hook
   * @returns {() => void} removes the hook again
   */
  on(step, hook) {
    const hooks = this.#hooks.get(step) ?? new Set();
    this.#hooks.set(step, hooks.add(hook));
    return () => hooks.delete(hook);
  }

  /**
   * @param {Parameters<Hook>[0]} what
   * @returns {Promise<any>}
   */
  async step(what) {
    for (const hook of this.#hooks.get(what.step) ?? []) {
      const outcome = await hook(what);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  }

  /**
   * @param {{ origin: string, partition?: string | null }} [where] needed only when there are several
   * @returns {OriginStorage}
   */
  storage(where) {
    if (!where) {
      if (this.#storages.size !== 1) throw new Error(`say which of ${this.#storages.size} origins is meant`);
      return [...this.#storages.values()][0];
    }
    const key = storageKey(where);
    const storage = this.#storages.get(key) ?? { index: new Set(), records: new Map(), witnesses: new Map() };
    this.#storages.set(key, storage);
    return storage;
  }

  /**
   * Ids are counted in the CDM's process, from 1, past those that the index holds.
   * @param {Lane} lane
   */
  createSession(lane) {
    const { index } = this.storage(lane);
    while (index.has(String(this.#nextId))) this.#nextId++;
    const sessionId = String(this.#nextId++);
    // The id is in the index before there is a licence: closed without one it stays, hollow.
    index.add(sessionId);
    return sessionId;
  }

  /**
   * `navigator.locks` of an origin: resolves with the function that frees the lock.
   * @param {{ origin: string, partition?: string | null }} where
   * @returns {Promise<() => void>}
   */
  async lock(where) {
    const key = storageKey(where);
    const before = this.#locks.get(key);
    /** @type {() => void} */
    let free = () => {};
    this.#locks.set(key, Promise.all([before, new Promise((resolve) => { free = () => resolve(undefined); })]).then(() => {}));
    await before;
    return free;
  }

  /** The browser has gone, with all it had in memory: locks, open sessions, the count of ids, every driver. */
  restart() {
    this.#process.abort();
    this.#process = new AbortController();
    this.#nextId = 1;
    this.#locks.clear();
  }

  /** Nearest to a changed storage id: nothing is found any more, the page's own storage is untouched. */
  breakSalts() {
    this.wipe({ keepWitnesses: true });
  }

  /**
   * All site data is gone: licences and witnesses. Ids are counted from "1" again.
   * @param {{ keepWitnesses?: boolean }} [options]
   */
  wipe({ keepWitnesses = false } = {}) {
    for (const storage of this.#storages.values()) {
      storage.index.clear();
      storage.records.clear();
      if (!keepWitnesses) storage.witnesses.clear();
    }
    this.restart();
  }

  /**
   * Leaves the id hollow: `load()` gives true, and no key status ever comes.
   * @param {string} sessionId
   * @param {{ origin: string, partition?: string | null }} [where]
   */
  deleteRecord(sessionId, where) {
    if (!this.storage(where).records.delete(sessionId)) throw new Error(`no licence with the id ${sessionId}`);
  }

  /**
   * The licence then holds another key id than the content names.
   * @param {string} sessionId
   * @param {{ origin: string, partition?: string | null }} [where]
   */
  flipKeyId(sessionId, where) {
    const record = this.record(sessionId, where);
    record.keyStatuses = Object.fromEntries(Object.entries(record.keyStatuses).map(([keyId, status]) => {
      const flipped = Buffer.from(keyId, 'hex');
      flipped[0] ^= 0xff;
      return [flipped.toString('hex'), status];
    }));
  }

  /**
   * The stored licence itself; its `keyStatuses` and `expiration` may be changed.
   * @param {string} sessionId
   * @param {{ origin: string, partition?: string | null }} [where]
   * @returns {LicenseRecord}
   */
  record(sessionId, where) {
    const record = this.storage(where).records.get(sessionId);
    if (!record) throw new Error(`no licence with the id ${sessionId}`);
    return record;
  }

  /**
   * Stores a licence as an app's download does, outside any driver, and returns its id.
   * @param {Lane} lane
   * @param {string[]} keyIds hexadecimal
   * @param {{ expiration?: number | null }} [options]
   */
  store(lane, keyIds, { expiration = null } = {}) {
    const sessionId = this.createSession(lane);
    const keyStatuses = Object.fromEntries(keyIds.map((keyId) => [keyId, 'usable']));
    this.storage(lane).records.set(sessionId, { keyStatuses, expiration });
    return sessionId;
  }
}

/** @param {{ origin: string, partition?: string | null }} where */
const storageKey = ({ origin, partition }) => JSON.stringify([origin, partition ?? '']);

module.exports = { ScriptedCdm, createScriptedDriver };
