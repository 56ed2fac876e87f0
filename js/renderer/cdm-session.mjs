import { abortable, settledWithin } from './abortable.mjs';
import { areSettled, readKeyStatuses } from './key-statuses.mjs';
import { CdmRejection, ClosedByCdm } from './outcomes.mjs';

/**
 * How long a CDM may take to close or remove a session, and to say what is to be delivered for a removed one.
 * These waits end the use of a session, so that no signal bounds them.
 */
const CLOSE_WAIT_MS = 2000;
const REMOVE_WAIT_MS = 5000;
/**
 * Firefox's ClearKey keeps one list of its sessions on disk, and drops a write of it that comes while another is under
 * way: of three licences requested at once, one stayed. A request does not say when its write is done; a later write of
 * the same session does, an `update()` or `remove()` that resolves. Without one this much time, many times what it takes.
 */
const WRITE_WAIT_MS = 200;

/**
 * A persistent-license MediaKeySession, with every wait for it bounded or abortable.
 * @typedef {import('../session-driver.js').LicenseMessage} LicenseMessage
 */
export class CdmSession {
  #session;
  /** @type {LicenseMessage[]} */
  #messages = [];
  /** @type {ClosedByCdm | null} */
  #closed = null;
  /** @type {Set<() => void>} */
  #watchers = new Set();
  /** @type {Promise<unknown>} The last call to the CDM, which may outlive an aborted task. */
  #inFlight = Promise.resolve();
  /** @type {Promise<unknown>} */
  #written = Promise.resolve();
  /** @type {() => void} */
  #onWritten = () => {};

  /** @param {MediaKeys} mediaKeys */
  constructor(mediaKeys) {
    this.#session = mediaKeys.createSession('persistent-license');
    const changed = () => this.#watchers.forEach((watcher) => watcher());
    this.#session.addEventListener('message', ({ messageType, message }) => {
      this.#messages.push({ messageType, message: new Uint8Array(message) });
      changed();
    });
    this.#session.addEventListener('keystatuseschange', changed);
    this.#session.closed.then((reason) => {
      this.#closed = new ClosedByCdm(reason);
      changed();
    });
  }

  /**
   * @param {string} sessionId
   * @param {AbortSignal} signal
   */
  load(sessionId, signal) {
    return this.#call(() => this.#session.load(sessionId), signal);
  }

  /**
   * @param {string} initDataType
   * @param {Uint8Array<ArrayBuffer>} initData
   * @param {AbortSignal} signal
   * @returns {Promise<string>} the session's id
   */
  async generateRequest(initDataType, initData, signal) {
    this.#written = new Promise((resolve) => { this.#onWritten = () => resolve(undefined); });
    await this.#call(() => this.#session.generateRequest(initDataType, initData).catch((error) => {
      this.#onWritten();
      throw error;
    }), signal);
    return this.#session.sessionId;
  }

  /**
   * @param {Uint8Array} response
   * @param {AbortSignal} signal
   */
  update(response, signal) {
    return this.#call(() => this.#session.update(new Uint8Array(response)).then(this.#onWritten), signal);
  }

  /** Resolves when nothing that was asked of the CDM is under way any more, so that another session may be used. */
  get atRest() {
    return this.#idle.then(() => settledWithin(this.#written, WRITE_WAIT_MS));
  }

  get #idle() {
    return this.#inFlight.catch(() => {});
  }

  /** @returns {number | null} milliseconds, null for never */
  get expiration() {
    const { expiration } = this.#session;
    return Number.isFinite(expiration) ? expiration : null;
  }

  get keyStatuses() {
    return readKeyStatuses(this.#session);
  }

  get hasMessage() {
    return this.#messages.length > 0;
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<LicenseMessage>}
   */
  async nextMessage(signal) {
    await this.#until(() => this.hasMessage, signal);
    return /** @type {LicenseMessage} */ (this.#messages.shift());
  }

  /**
   * Waits until the expected keys have their statuses, or time is over.
   * @param {{ keyIds: string[], keyStatusWaitMs: number }} expected
   * @param {AbortSignal} signal
   * @param {{ orMessage?: boolean }} [options] orMessage: not while a message wants to be answered first
   */
  async keysShown({ keyIds, keyStatusWaitMs }, signal, { orMessage = false } = {}) {
    await this.#until(() => areSettled(this.keyStatuses, keyIds) || (orMessage && this.hasMessage), signal, keyStatusWaitMs);
  }

  /** Ends the use of the session; what is stored of it stays. Never rejects. */
  async close() {
    await settledWithin(this.#idle.then(() => this.#session.close()), CLOSE_WAIT_MS);
  }

  /**
   * Destroys what is stored of the session.
   * @returns {Promise<void>} rejects when the CDM does, or does not answer in time
   */
  async remove() {
    const removing = this.#idle.then(() => this.#session.remove()).then(this.#onWritten);
    this.#inFlight = removing;
    if (!await settledWithin(removing, REMOVE_WAIT_MS)) {
      // Given up: nothing else is to wait for it.
      this.#inFlight = Promise.resolve();
      throw new Error('the CDM did not answer remove() in time');
    }
    await removing.catch((error) => {
      throw new CdmRejection(error);
    });
  }

  /**
   * @param {number} waitMs
   * @param {AbortSignal} signal
   * @returns {Promise<LicenseMessage | null>} the message that a removal is to be acknowledged with, if one comes
   */
  async releaseMessage(waitMs, signal) {
    const find = () => this.#messages.find(({ messageType }) => messageType === 'license-release');
    // A CDM that has nothing to deliver may close the session at once.
    await this.#until(() => find() !== undefined || this.#closed !== null, signal, waitMs);
    return find() ?? null;
  }

  /**
   * @template T
   * @param {() => Promise<T>} call
   * @param {AbortSignal} signal
   * @returns {Promise<T>}
   */
  #call(call, signal) {
    signal.throwIfAborted();
    const answer = call().catch((error) => {
      throw new CdmRejection(error);
    });
    this.#inFlight = answer;
    return abortable(answer, signal);
  }

  /**
   * @param {() => boolean} condition looked at again whenever the session changes
   * @param {AbortSignal} signal
   * @param {number} [waitMs]
   * @returns {Promise<void>} resolves when the condition holds or time is over
   */
  async #until(condition, signal, waitMs) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @type {() => void} */
    let watcher = () => {};
    const watching = new Promise((resolve, reject) => {
      watcher = () => {
        if (condition()) resolve(undefined);
        else if (this.#closed) reject(this.#closed);
      };
      if (waitMs !== undefined) timer = setTimeout(resolve, waitMs);
      this.#watchers.add(watcher);
      watcher();
    });
    try {
      await abortable(watching, signal);
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }
}
