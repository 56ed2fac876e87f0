import { fromBase64 } from '../renderer/base64.mjs';
import { EmeDriver } from '../renderer/eme-driver.mjs';
import { adoptInRecord, forEachRecord, readCatalogue, readHeldIds, readRecord } from './catalogue.mjs';
import { requestLicense } from './networking.mjs';
import { unlessOpen } from './open-titles.mjs';
import { keyIdsOf, keyOf, offlineUri } from './records.mjs';

/**
 * @typedef {import('../session-driver.js').AcquireLicense} AcquireLicense
 * @typedef {import('../session-driver.js').AdoptOutcome} AdoptOutcome
 * @typedef {import('../session-driver.js').CheckOutcome} CheckOutcome
 * @typedef {import('../session-driver.js').DriverSession} DriverSession
 * @typedef {import('../session-driver.js').Lane} Lane
 * @typedef {import('../session-driver.js').LicenseContext} LicenseContext
 * @typedef {import('../session-driver.js').LicenseOutcome} LicenseOutcome
 * @typedef {import('../session-driver.js').PhaseName} PhaseName
 * @typedef {import('../session-driver.js').ReleaseOutcome} ReleaseOutcome
 * @typedef {import('./records.mjs').ContentIdOf} ContentIdOf
 * @typedef {import('./records.mjs').ShakaRecord} ShakaRecord
 * @typedef {import('./networking.mjs').ShakaNetworking} ShakaNetworking
 *
 * @typedef {object} ShakaDriverOptions
 * @property {ContentIdOf} [contentIdOf] the app's own id of a stored content, synchronously; default: its `offline:` URI
 * @property {ShakaNetworking} [player] licences are then requested through its networking engine, with its `drm.servers` and the
 *   app's filters, and not by `acquireLicense` in the main process: `licenseRequests` does not count them there
 */

/**
 * The EME driver for an app whose downloads are Shaka Player's (4.7 to 5.x). It finds them in Shaka's IndexedDB, and writes new session
 * ids there. A database of another layout makes `inventory`, `adopt` and `release` fail with ERR_SHAKA_LAYOUT; nothing is touched then.
 */
export class ShakaDriver extends EmeDriver {
  #contentIdOf;
  #player;
  /** @type {Map<string, number[]> | null} Keys of Shaka's records by content id, as an adopt phase found them. */
  #keys = null;
  /** @type {Promise<Set<string>> | null} Ids that a release phase leaves alone; while it has the lock no recorded download makes others. */
  #held = null;
  /** @type {Map<string, number | null>} What the last check of a session said; an adoption follows one. */
  #expirations = new Map();

  /** @param {ShakaDriverOptions} [options] */
  constructor({ contentIdOf = (record) => record.offlineUri, player } = {}) {
    super({ adopt: (session, newSessionId) => this.#adoptInCatalogue(session, newSessionId) });
    this.#contentIdOf = contentIdOf;
    this.#player = player;
  }

  /**
   * Every content of the lane's key system that Shaka has stored with persistent licences, for `reconcile()`.
   *
   * Init data is what `recordShaka` kept at download, else that of the stored segments; a content without any is `notRenewable`, and
   * `metadata.notRenewable` says why. `metadata` holds `offlineUri`, `originalManifestUri` and `appMetadata` besides.
   * @param {Lane} lane
   * @returns {Promise<import('../types.js').CatalogueEntry[]>} rejects with ERR_SHAKA_LAYOUT
   */
  inventory({ keySystem }) {
    return readCatalogue(keySystem, this.#contentIdOf);
  }

  /**
   * @override
   * @type {EmeDriver['startPhase']}
   */
  async startPhase(lane, phaseName, configuration, context) {
    this.#keys = null;
    this.#held = null;
    await super.startPhase(lane, phaseName, configuration, context);
  }

  /**
   * @override
   * @type {EmeDriver['check']}
   */
  async check(session, context = {}) {
    const acquireLicense = context.acquireLicense && this.#acquire(session, context.acquireLicense, context.signal);
    const outcome = await super.check(session, { ...context, acquireLicense });
    if (outcome.kind === 'loaded') this.#expirations.set(session.sessionId, outcome.expiration);
    return outcome;
  }

  /**
   * @override
   * @param {DriverSession} session
   * @param {LicenseContext} context
   * @returns {Promise<LicenseOutcome>}
   */
  license(session, { sessionCreated, acquireLicense, ...context }) {
    const asked = { ...session };
    return super.license(session, {
      ...context,
      async sessionCreated(sessionId) {
        await sessionCreated(sessionId);
        asked.sessionId = sessionId;
      },
      acquireLicense: this.#acquire(asked, acquireLicense, context.signal),
    });
  }

  /**
   * What Shaka holds is not ours to remove. An id that a stored content has was handed out again, or goes with that content; one in
   * Shaka's own list of sessions to remove is Shaka's to remove. Nothing is ever added to that list: `removeEmeSessions()` looks at
   * ids alone, and they are handed out again.
   * @override
   * @param {DriverSession} session
   * @param {{ acquireLicense: AcquireLicense, signal?: AbortSignal }} context
   * @returns {Promise<ReleaseOutcome>}
   */
  async release(session, { acquireLicense, signal }) {
    const held = await (this.#held ??= readHeldIds(session.lane.keySystem));
    if (held.has(session.sessionId)) return { kind: 'absent' };
    return super.release(session, { signal, acquireLicense: this.#acquire(session, acquireLicense, signal) });
  }

  /**
   * @param {DriverSession} session
   * @param {AcquireLicense} acquireLicense the main process's
   * @param {AbortSignal} [signal]
   * @returns {AcquireLicense}
   */
  #acquire(session, acquireLicense, signal = new AbortController().signal) {
    const player = this.#player;
    if (!player) return acquireLicense;
    return async (message) => {
      const { sessionId, initDataType, contentId, lane: { keySystem } } = session;
      const [key] = await this.#keysOf(keySystem, contentId);
      const drmInfo = (key === undefined ? null : await readRecord(key))?.drmInfo ?? { keySystem };
      return requestLicense(player, message, { sessionId, initDataType, initData: fromBase64(session.initData ?? ''), drmInfo }, signal);
    };
  }

  /**
   * @param {DriverSession} session
   * @param {string} newSessionId
   * @returns {Promise<AdoptOutcome>}
   */
  async #adoptInCatalogue({ contentId, sessionId, keyIds, lane: { keySystem } }, newSessionId) {
    /** @param {number} key @param {ShakaRecord} record */
    const isJudged = (key, record) => {
      const ofRecord = keyIdsOf(record);
      const unknown = ofRecord.length === 0 || keyIds.length === 0;
      return this.#idOf(record, key) === contentId && (unknown || ofRecord.some((keyId) => keyIds.includes(keyId)));
    };
    /** @type {AdoptOutcome} */
    let outcome = 'content-gone';
    for (const key of await this.#keysOf(keySystem, contentId)) {
      const change = {
        keySystem, sessionId, newSessionId,
        expiration: this.#expirations.get(newSessionId),
        isJudged: isJudged.bind(null, key),
      };
      const one = await unlessOpen(offlineUri(key), () => adoptInRecord(key, change));
      if (one === 'adopted' || one === 'open-in-player') return one;
      if (one === 'catalogue-changed') outcome = one;
    }
    return outcome;
  }

  /** @param {ShakaRecord} record @param {number} key */
  #idOf(record, key) {
    return this.#contentIdOf({ ...record, offlineUri: offlineUri(key) });
  }

  /**
   * Most often one; several when the app gives one id to several downloads.
   * @param {string} keySystem
   * @param {string} contentId
   * @returns {Promise<number[]>}
   */
  async #keysOf(keySystem, contentId) {
    const key = keyOf(contentId);
    if (key !== null) return [key];
    if (!this.#keys) {
      /** @type {Map<string, number[]>} */
      const keys = new Map();
      await forEachRecord((at, record) => {
        if (record.drmInfo?.keySystem !== keySystem) return;
        const id = this.#idOf(record, at);
        keys.set(id, [...keys.get(id) ?? [], at]);
      });
      this.#keys = keys;
    }
    return this.#keys.get(contentId) ?? [];
  }
}
