'use strict';

const WINDOW_MS = 1_000;

/** @typedef {{ received: number, rejected: number }} LoadOfSecond */

/** What a licence server can take, and what it was given, by time. Moments are `performance.now()`'s. */
class LicenseLoad {
  /** The last ones, as many as the capacity at most: the first of them is the one that has to be a second old. @type {number[]} */
  #accepted = [];
  /** @type {number | undefined} */
  #firstAt;
  #capacityPerS;
  /** From the first request on. @type {LoadOfSecond[]} */
  perSecond = [];
  rejected = 0;

  /** @param {number} capacityPerS requests that are answered in any one second */
  constructor(capacityPerS) {
    this.#capacityPerS = capacityPerS;
  }

  /**
   * One more request.
   * @param {number} at not before the last one's
   * @returns {boolean} whether there is room for it
   */
  take(at) {
    while (this.#accepted.length > 0 && at - this.#accepted[0] >= WINDOW_MS) this.#accepted.shift();
    const fits = this.#accepted.length < this.#capacityPerS;
    if (fits) this.#accepted.push(at);
    else this.rejected++;
    this.#count(at, fits);
    return fits;
  }

  /** @param {number} at @param {boolean} fits */
  #count(at, fits) {
    this.#firstAt ??= at;
    const second = Math.floor((at - this.#firstAt) / WINDOW_MS);
    while (this.perSecond.length <= second) this.perSecond.push({ received: 0, rejected: 0 });
    this.perSecond[second].received++;
    if (!fits) this.perSecond[second].rejected++;
  }
}

module.exports = { LicenseLoad };
