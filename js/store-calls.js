'use strict';

const { OfflineSessionsError } = require('./errors');
const { call } = require('./native');

/** @typedef {import('../native/binding').NativeEngine} NativeEngine */

/** Calls into the addon. Damage that one meets is mended, and the call made again. */
class StoreCalls {
  #native;
  #recovered;
  #warn;
  /** @type {Promise<boolean> | undefined} */
  #recovering;
  #isClosed = false;

  /**
   * @param {NativeEngine} native
   * @param {() => void} recovered called when a damaged database was exchanged
   * @param {(error: unknown) => void} warn
   */
  constructor(native, recovered, warn) {
    this.#native = native;
    this.#recovered = recovered;
    this.#warn = warn;
  }

  /** Later calls throw ERR_CLOSED. */
  close() {
    this.#isClosed = true;
  }

  assertOpen() {
    if (this.#isClosed) throw new OfflineSessionsError('ERR_CLOSED', 'this store was closed');
  }

  /**
   * @template T
   * @param {(native: NativeEngine) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async call(work) {
    this.assertOpen();
    try {
      return await call(() => work(this.#native));
    } catch (error) {
      if (!isDamage(error)) throw error;
      await this.recover();
      return call(() => work(this.#native));
    }
  }

  /**
   * One call that cannot wait for a recovery: the damage is told, and mended for the next one.
   * @template T
   * @param {(native: NativeEngine) => T} work
   * @returns {T}
   */
  callNow(work) {
    this.assertOpen();
    try {
      return call(() => work(this.#native));
    } catch (error) {
      if (isDamage(error)) this.recover().catch(this.#warn);
      throw error;
    }
  }

  /** Exchanges a damaged database for what is left of it, and says so. @returns {Promise<boolean>} false: nothing was wrong with it */
  recover() {
    this.#recovering ??= (async () => {
      const recovered = JSON.parse(await call(this.#native.recover()));
      if (!recovered) return false;
      this.#recovered();
      this.#warn(new OfflineSessionsError('ERR_CORRUPT_DATABASE', 'the database was damaged and has been recovered', { recovered }));
      return true;
    })().finally(() => { this.#recovering = undefined; });
    return this.#recovering;
  }
}

/** @param {unknown} error */
const isDamage = (error) => error instanceof OfflineSessionsError && error.code === 'ERR_CORRUPT_DATABASE';

module.exports = { StoreCalls };
