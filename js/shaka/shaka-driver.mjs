import { fromBase64 } from '../renderer/base64.mjs';
import { EmeDriver } from '../renderer/eme-driver.mjs';
import { adoptInRecord, forEachRecord, forgetRemoval, readCatalogue, readHeldIds, readRecord } from './catalogue.mjs';
import { messageLimit, requestLicense } from './networking.mjs';
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
 * @property {(...record: Parameters<ContentIdOf>) => string | null | undefined} [contentIdOf] the app's own id of a stored content,
 *   synchronously; default, and where it has none: its `offline:` URI
 * @property {ShakaNetworking} [player] licences are then requested through its networking engine, with its `drm.servers` and the
 *   app's filters, and not by `acquireLicense` in the main process: `licenseRequests` does not count them there. The requests that the
 *   filters see have our `requestId`, the same after a crash
 * @property {import('../types.js').ClassifyRefusalHook} [classifyRefusal] for requests through `player`; others are the main process's
 *
 * @typedef {object} Found what is known of a lane
 * @property {Map<string, number | null>} expirations what the last checks of sessions said, by id; an adoption follows one
 * @property {Promise<Map<string, number[]>>} [keys] keys of Shaka's records by content id, as this phase found them
 * @property {Promise<Set<string>>} [held] ids that a release phase leaves alone; while it has the lock no recorded download makes others
 */

/**
 * The EME driver for an app whose downloads are Shaka Player's (4.7 to 5.x). It finds them in Shaka's IndexedDB, and writes new session
 * ids there. A database of another layout makes `inventory`, `license`, `adopt` and `release` fail with ERR_SHAKA_LAYOUT; nothing is touched then.
 */
export class ShakaDriver extends EmeDriver {
  /** @type {ContentIdOf} */
  #contentIdOf;
  #player;
  #classifyRefusal;
  /** By key system, since a window has one origin and one partition. @type {Map<string, Found>} */
  #found = new Map();

  /** @param {ShakaDriverOptions} [options] */
  constructor({ contentIdOf, player, classifyRefusal } = {}) {
    super({ adopt: (session, newSessionId, { signal }) => this.#adoptInCatalogue(session, newSessionId, signal) });
    this.#contentIdOf = (record) => contentIdOf?.(record) ?? record.offlineUri;
    this.#player = player;
    this.#classifyRefusal = classifyRefusal;
  }

  /**
   * Every content of the lane's key system that Shaka has stored with persistent licences, for `reconcile()`.
   *
   * Init data is what `recordShaka` kept at download, else that of the stored segments; a content without any is `notRenewable`, and
   * `metadata.notRenewable` says why. `metadata` holds `offlineUri`, `originalManifestUri` and `appMetadata` besides.
   * @param {Lane} lane
   * @param {{ signal?: AbortSignal }} [context] `signal` ends it; titles whose segments were searched by then are not searched again
   * @returns {Promise<import('../types.js').CatalogueEntry[]>} rejects with ERR_SHAKA_LAYOUT
   */
  inventory({ keySystem }, { signal } = {}) {
    return readCatalogue(keySystem, this.#contentIdOf, signal);
  }

  /**
   * @override
   * @type {EmeDriver['startPhase']}
   */
  async startPhase(lane, phaseName, configuration, context) {
    await super.startPhase(lane, phaseName, configuration, context);
    Object.assign(this.#foundIn(lane), { keys: undefined, held: undefined });
  }

  /**
   * @override
   * @type {EmeDriver['check']}
   */
  async check(session, context = {}) {
    const acquireLicense = context.acquireLicense && this.#acquire(session, context.acquireLicense, context.signal);
    const outcome = await super.check(session, { ...context, acquireLicense });
    if (outcome.kind === 'loaded') this.#foundIn(session.lane).expirations.set(session.sessionId, outcome.expiration);
    return outcome;
  }

  /**
   * @override
   * @param {DriverSession} session
   * @param {LicenseContext} context
   * @returns {Promise<LicenseOutcome>}
   */
  license(session, { sessionCreated, acquireLicense, ...context }) {
    const asked = { ...session, requestId: context.requestId };
    return super.license(session, {
      ...context,
      async sessionCreated(sessionId) {
        await forgetRemoval(session.lane.keySystem, sessionId);
        await sessionCreated(sessionId);
        asked.sessionId = sessionId;
      },
      acquireLicense: this.#acquire(asked, acquireLicense, context.signal, 1),
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
    const held = await (this.#foundIn(session.lane).held ??= readHeldIds(session.lane.keySystem));
    if (held.has(session.sessionId)) return { kind: 'absent' };
    return super.release(session, { signal, acquireLicense: this.#acquire(session, acquireLicense, signal) });
  }

  /**
   * @param {DriverSession & { requestId?: string }} session
   * @param {AcquireLicense} acquireLicense the main process's
   * @param {AbortSignal} [signal]
   * @param {number} [licenses] that may be asked for
   * @returns {AcquireLicense}
   */
  #acquire(session, acquireLicense, signal = new AbortController().signal, licenses = 0) {
    const player = this.#player;
    if (!player) return acquireLicense;
    const allow = messageLimit(licenses);
    return async (message) => {
      if (!allow(message)) throw { kind: 'unreachable', message: `no (further) ${message.messageType} is answered here` };
      const { requestId, sessionId, initDataType, contentId, lane } = session;
      const [key] = await this.#keysOf(lane, contentId);
      const drmInfo = (key === undefined ? null : await readRecord(key))?.drmInfo ?? { keySystem: lane.keySystem };
      const initData = fromBase64(session.initData ?? '');
      const asked = { requestId, sessionId, initDataType, initData, drmInfo };
      return requestLicense(player, message, asked, signal, (answer) => this.#classifyRefusal?.({ ...answer, session }));
    };
  }

  /**
   * @param {DriverSession} session
   * @param {string} newSessionId
   * @param {AbortSignal} [signal]
   * @returns {Promise<AdoptOutcome>}
   */
  async #adoptInCatalogue(session, newSessionId, signal) {
    const { contentId, sessionId, previousSessionIds = [], keyIds, initData, lane } = session;
    /** @param {number} key @param {ShakaRecord} record */
    const isJudged = (key, record) => {
      const ofRecord = keyIdsOf(record);
      const unknown = ofRecord.length === 0 || keyIds.length === 0;
      return this.#idOf(record, key) === contentId && (unknown || ofRecord.some((keyId) => keyIds.includes(keyId)));
    };
    /** @type {AdoptOutcome} */
    let outcome = 'content-gone';
    // The new id may be there already: adopted before a crash, and asked for again.
    const names = [sessionId, newSessionId, ...previousSessionIds];
    const change = { keySystem: lane.keySystem, names, newSessionId, initData, expirations: this.#foundIn(lane).expirations, signal };
    for (const key of await this.#keysOf(lane, contentId)) {
      const one = await unlessOpen(offlineUri(key), () => adoptInRecord(key, { ...change, isJudged: isJudged.bind(null, key) }));
      if (one === 'adopted' || one === 'open-in-player') return one;
      if (one === 'catalogue-changed') outcome = one;
    }
    return outcome;
  }

  /** @param {ShakaRecord} record @param {number} key */
  #idOf(record, key) {
    return this.#contentIdOf({ ...record, offlineUri: offlineUri(key) });
  }

  /** @param {Lane} lane @returns {Found} */
  #foundIn({ keySystem }) {
    const found = this.#found.get(keySystem) ?? { expirations: new Map() };
    this.#found.set(keySystem, found);
    return found;
  }

  /**
   * Most often one; several when the app gives one id to several downloads.
   * @param {Lane} lane
   * @param {string} contentId
   * @returns {Promise<number[]>}
   */
  async #keysOf(lane, contentId) {
    const key = keyOf(contentId);
    if (key !== null) return [key];
    const keys = await (this.#foundIn(lane).keys ??= this.#readKeys(lane));
    return keys.get(contentId) ?? [];
  }

  /** @param {Lane} lane */
  async #readKeys({ keySystem }) {
    /** @type {Map<string, number[]>} */
    const keys = new Map();
    await forEachRecord((at, record) => {
      if (record.drmInfo?.keySystem !== keySystem) return;
      const id = this.#idOf(record, at);
      keys.set(id, [...keys.get(id) ?? [], at]);
    });
    return keys;
  }
}
