import { holdCdmLock } from '../renderer/cdm-lock.mjs';
import { readRecord } from './catalogue.mjs';
import { LICENSE } from './networking.mjs';
import { holdOpen } from './open-titles.mjs';
import { keyOf } from './records.mjs';
import { writeRecording } from './recordings.mjs';

/**
 * @typedef {import('../types.js').MediaKeyStatus} MediaKeyStatus
 *
 * @typedef {(hold: { contentId?: string, kind: 'playing' | 'downloading' }) => (() => void) | Promise<() => void>} Hold
 *   `OfflineSessions.hold` in the main process, as the app reaches it; resolves with what ends the hold
 *
 * @typedef {object} PersistentSession what `put()` takes of a session of online playback; the app adds lane and licence URL
 * @property {string} contentId
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {Uint8Array} initData
 * @property {number | null} expiration
 * @property {{ keyStatuses: Record<string, MediaKeyStatus> }} [proven] only of a single session: Shaka does not say whose keys are whose
 *
 * @typedef {object} RecorderOptions
 * @property {Hold} [hold]
 * @property {(uri: string) => string} [contentIdOf] the app's own id of what a player has open; default: its URI
 * @property {(sessions: PersistentSession[]) => void} [onSessions] persistent sessions of online playback, whenever they have changed
 *
 * @typedef {{ promise: Promise<any>, abort: () => Promise<void>, finally: (onFinal: (succeeded: boolean) => void) => StoreOperation }} StoreOperation
 *   as Shaka's `Storage.store()` gives it
 */

/** So long after a licence was last asked for or came, nothing more of it is written. */
const QUIET_MS = 5000;
/** How long a viewer waits for the lock at most: an app may hold it itself. And how long a player may take to open its sessions. */
const LOCK_WAIT_MS = 3000;
const LOADING_MS = 5000;

/**
 * Keeps what a repair will need, and keeps the addon out of Shaka's way: of a `shaka.Player` it hears the events; a
 * `shaka.offline.Storage`, this one object, gets a `store` that writes licences under the lock and then calls Shaka's.
 *
 * @param {any} shaka a shaka.offline.Storage or a shaka.Player
 * @param {RecorderOptions} [options]
 * @returns {{ stop: () => void }} ends the recording
 */
export function recordShaka(shaka, options = {}) {
  return typeof shaka.store === 'function' ? new StorageRecorder(shaka, options) : new PlayerRecorder(shaka, options);
}

/** While licences are written the origin's lock is held, and a hold on downloads; not for as long as all of a film takes. */
class StorageRecorder {
  #storage;
  #store;
  #networking;
  #hold;
  /** @type {Map<string, { initDataType: string, initData: Uint8Array<ArrayBuffer> }>} by session id */
  #asked = new Map();
  /** @type {{ end: () => void, timer: ReturnType<typeof setTimeout> } | null} */
  #writing = null;

  /** @param {any} storage @param {RecorderOptions} options */
  constructor(storage, { hold = () => () => {} }) {
    this.#storage = storage;
    this.#store = storage.store;
    this.#networking = storage.getNetworkingEngine();
    this.#hold = hold;
    this.#networking.registerRequestFilter(this.#onRequest);
    this.#networking.registerResponseFilter(this.#onResponse);
    storage.store = (/** @type {any[]} */ ...args) => this.#recorded(args);
  }

  /**
   * Licences of downloads that are begun together are written one download after the other.
   * @param {any[]} args
   * @returns {StoreOperation}
   */
  #recorded(args) {
    const aborted = new AbortController();
    /** @type {StoreOperation | undefined} */
    let operation;
    const run = async () => {
      const writing = await this.#beginWriting(aborted.signal);
      try {
        aborted.signal.throwIfAborted();
        operation = /** @type {StoreOperation} */ (this.#store.apply(this.#storage, args));
        const content = await operation.promise;
        // What is not kept now is searched for in the stored segments.
        await this.#keep(content.offlineUri).catch(() => {});
        return content;
      } finally {
        writing.end();
      }
    };
    const recorded = {
      promise: run(),
      async abort() {
        aborted.abort();
        await operation?.abort();
      },
      /** @param {(succeeded: boolean) => void} onFinal */
      finally(onFinal) {
        recorded.promise.then(() => onFinal(true), () => onFinal(false));
        return recorded;
      },
    };
    return recorded;
  }

  stop() {
    this.#storage.store = this.#store;
    this.#networking.unregisterRequestFilter(this.#onRequest);
    this.#networking.unregisterResponseFilter(this.#onResponse);
    this.#writing?.end();
  }

  /** @param {AbortSignal} [signal] */
  async #beginWriting(signal = new AbortController().signal) {
    const free = await holdCdmLock(signal);
    const release = await Promise.resolve(this.#hold({ kind: 'downloading' })).catch((error) => {
      free();
      throw error;
    });
    let ended = false;
    const writing = {
      timer: setTimeout(() => writing.end(), QUIET_MS),
      end: () => {
        if (ended) return;
        ended = true;
        clearTimeout(writing.timer);
        if (this.#writing === writing) this.#writing = null;
        free();
        release();
      },
    };
    return this.#writing = writing;
  }

  #stillWriting() {
    const { timer, end } = this.#writing ?? {};
    clearTimeout(timer);
    if (this.#writing && end) this.#writing.timer = setTimeout(end, QUIET_MS);
  }

  /** @param {number} type @param {any} request */
  #onRequest = async (type, { licenseRequestType, sessionId, initDataType, initData }) => {
    if (type !== LICENSE) return;
    // A licence whose init data came with a segment may be asked for late.
    if (this.#writing) this.#stillWriting();
    else await this.#beginWriting();
    if (licenseRequestType === 'license-request' && initData) this.#asked.set(sessionId, { initDataType, initData: new Uint8Array(initData) });
  };

  /** @param {number} type */
  #onResponse = (type) => {
    if (type === LICENSE) this.#stillWriting();
  };

  /** @param {string} uri of what has been stored */
  async #keep(uri) {
    const key = keyOf(uri);
    const record = key === null ? null : await readRecord(key);
    const asked = record?.sessionIds.map((sessionId) => this.#asked.get(sessionId)) ?? [];
    for (const sessionId of record?.sessionIds ?? []) this.#asked.delete(sessionId);
    const [first] = asked;
    if (key === null || !record || !first || asked.some((one) => one?.initDataType !== first.initDataType)) return;
    const initData = asked.map((one) => /** @type {Uint8Array<ArrayBuffer>} */ (one?.initData));
    await writeRecording(key, { creationTime: record.creationTime, initDataType: first.initDataType, initData });
  }
}

/** A title that is open in a player is left alone. */
class PlayerRecorder {
  #player;
  #options;
  /** @type {[string, () => void][]} */
  #listeners;
  /** @type {{ uri: string, close: () => void } | null} */
  #open = null;
  #told = '';
  /** @type {() => void} */
  #freeLock = () => {};

  /** @param {any} player @param {RecorderOptions} options */
  constructor(player, options) {
    this.#player = player;
    this.#options = options;
    // Before 5.x the URI is not known at 'loading'; at 'manifestparsed' no session has been opened yet.
    const onLoaded = () => this.#freeLock();
    this.#listeners = [['loading', this.#onOpen], ['manifestparsed', this.#onOpen], ['unloading', this.#onClose],
      ['loaded', onLoaded], ['error', onLoaded], ['drmsessionupdate', this.#onKeys], ['keystatuschanged', this.#onKeys]];
    player.getNetworkingEngine().registerRequestFilter(this.#onRequest);
    for (const [type, listener] of this.#listeners) player.addEventListener(type, listener);
  }

  stop() {
    for (const [type, listener] of this.#listeners) this.#player.removeEventListener(type, listener);
    this.#player.getNetworkingEngine()?.unregisterRequestFilter(this.#onRequest);
    this.#onClose();
  }

  get #contentId() {
    const uri = this.#player.getAssetUri();
    return this.#options.contentIdOf?.(uri) ?? uri;
  }

  #onOpen = () => {
    const uri = this.#player.getAssetUri();
    if (!uri || uri === this.#open?.uri) return;
    this.#onClose();
    const closeTitle = holdOpen(uri);
    const hold = Promise.resolve(this.#options.hold?.({ contentId: this.#contentId, kind: 'playing' }));
    const close = () => {
      closeTitle();
      hold.then((release) => release?.(), () => {});
    };
    this.#open = { uri, close };
  };

  /**
   * CDMs side by side say of good sessions that they are gone: while a player opens its sessions nobody else does. Shaka asks what an
   * offline URI is before it opens any.
   * @param {number} _type
   * @param {{ uris: string[] }} request
   */
  #onRequest = async (_type, { uris: [uri] }) => {
    if (keyOf(uri) === null) return;
    this.#freeLock();
    const free = await holdCdmLock(AbortSignal.timeout(LOCK_WAIT_MS)).catch(() => () => {});
    const timer = setTimeout(free, LOADING_MS);
    this.#freeLock = () => {
      clearTimeout(timer);
      free();
    };
  };

  #onClose = () => {
    this.#freeLock();
    this.#open?.close();
    this.#open = null;
  };

  /**
   * As in "Re-use persistent license DRM for online playback" of Shaka's DRM tutorial; an offline title's are in the catalogue. Without
   * `persistentSessionOnlinePlayback: true` Shaka removes them when it closes them. It tells of keys a second late.
   */
  #onKeys = () => {
    const player = this.#player;
    if (keyOf(player.getAssetUri()) !== null) return;
    const persistent = player.getActiveSessionsMetadata().filter((/** @type {any} */ session) => {
      return session.sessionType === 'persistent-license' && session.sessionId !== '' && session.initData;
    });
    const keyStatuses = player.getKeyStatuses();
    const expiration = player.getExpiration();
    const sessions = persistent.map((/** @type {any} */ { sessionId, initDataType, initData }) => ({
      contentId: this.#contentId,
      sessionId,
      initDataType,
      initData: new Uint8Array(initData),
      expiration: Number.isFinite(expiration) ? expiration : null,
      ...(persistent.length === 1 && Object.keys(keyStatuses).length > 0 && { proven: { keyStatuses } }),
    }));
    const told = JSON.stringify([sessions, keyStatuses]);
    if (sessions.length === 0 || told === this.#told) return;
    this.#told = told;
    this.#options.onSessions?.(sessions);
  };
}
