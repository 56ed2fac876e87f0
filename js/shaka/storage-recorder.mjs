import { holdCdmLock } from '../renderer/cdm-lock.mjs';
import { readRecord } from './catalogue.mjs';
import { LICENSE, MANIFEST, keepers } from './networking.mjs';
import { httpUrl, keyOf } from './records.mjs';
import { writeRecording } from './recordings.mjs';

/**
 * @typedef {{ promise: Promise<any>, abort: () => Promise<void>, finally: (onFinal: (succeeded: boolean) => void) => StoreOperation }} StoreOperation
 *   as Shaka's `Storage.store()` gives it
 */

/** So long after a licence was last asked for or came, nothing more of it is written. */
const QUIET_MS = 5000;

/** While licences are written the origin's lock is held, and a hold on downloads; not for as long as all of a film takes. */
export class StorageRecorder {
  #storage;
  /** Shaka's own, in whose place these come. */
  #shakas;
  #networking;
  #hold;
  /** @type {Map<string, { initDataType: string, initData: Uint8Array<ArrayBuffer>, request: any }>} by session id */
  #asked = new Map();
  /** @type {{ end: () => void, timer: ReturnType<typeof setTimeout> } | null} */
  #writing = null;
  /** @type {Promise<unknown> | null} Licences that are asked for at once wait for the lock once. */
  #beginning = null;

  /** @param {any} storage @param {(what: { kind: 'downloading' }) => Promise<() => void>} [hold] */
  constructor(storage, hold = async () => () => {}) {
    const { store, remove, removeEmeSessions } = storage;
    this.#storage = storage;
    this.#shakas = { store, remove, removeEmeSessions };
    this.#networking = storage.getNetworkingEngine();
    this.#hold = hold;
    this.#networking.registerRequestFilter(this.#onRequest);
    this.#networking.registerResponseFilter(this.#onResponse);
    storage.store = (/** @type {any[]} */ ...args) => this.#recorded(args);
    storage.remove = (/** @type {any[]} */ ...args) => this.#removing(remove, args);
    storage.removeEmeSessions = (/** @type {any[]} */ ...args) => this.#removing(removeEmeSessions, args);
  }

  /**
   * Who removes licences writes, too. In Firefox Shaka's `remove()` never settles, and the lock is free after the quiet time.
   * @template T
   * @param {(...args: any[]) => Promise<T>} remove
   * @param {any[]} args
   * @returns {Promise<T>}
   */
  async #removing(remove, args) {
    const writing = await this.#beginWriting();
    try {
      return await remove.apply(this.#storage, args);
    } finally {
      writing.end();
    }
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
        operation = /** @type {StoreOperation} */ (this.#shakas.store.apply(this.#storage, args));
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
    Object.assign(this.#storage, this.#shakas);
    this.#networking.unregisterRequestFilter(this.#onRequest);
    this.#networking.unregisterResponseFilter(this.#onResponse);
    this.#writing?.end();
  }

  /** @param {AbortSignal} [signal] */
  async #beginWriting(signal = new AbortController().signal) {
    const free = await holdCdmLock(signal);
    /** @type {() => void} */
    let release;
    try {
      release = await this.#hold({ kind: 'downloading' });
    } catch (error) {
      free();
      throw error;
    }
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
  #onRequest = async (type, request) => {
    if (type === MANIFEST) this.#stillWriting();
    const { licenseRequestType, drmInfo, sessionId, initDataType, initData } = request;
    // A storage may share a player's networking: what that, or the driver, asks for is no download's.
    if (type !== LICENSE || drmInfo?.sessionType === 'temporary' || (keepers.get(request) ?? this) !== this) return;
    keepers.set(request, this);
    // A licence whose init data came with a segment may be asked for late.
    if (this.#writing) this.#stillWriting();
    else await (this.#beginning ??= this.#beginWriting().finally(() => { this.#beginning = null; }));
    if (licenseRequestType === 'license-request' && initData) this.#asked.set(sessionId, { initDataType, initData: new Uint8Array(initData), request });
  };

  /** @param {number} type */
  #onResponse = (type) => {
    if (type === MANIFEST || type === LICENSE) this.#stillWriting();
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
    // By now the app's own filters have seen it.
    const licenseUrl = httpUrl(first.request.uris[0], false);
    await writeRecording(key, { creationTime: record.creationTime, initDataType: first.initDataType, initData, licenseUrl });
  }
}
