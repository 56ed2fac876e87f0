'use strict';

const clearkey = require('../../testbed/clearkey');

/**
 * @typedef {import('./process').Request} Request
 * @typedef {import('./process').Answer} Answer
 */

/** The licence server, which keeps its books over every kill. */
class LicenseServer {
  /** Answers that the CDM has not stored yet: their request ids, by key. @type {Map<string, string>} */
  #underWay = new Map();
  /** Answers that no CDM will ever store: their request ids, by key. @type {Map<string, string>} */
  #lost = new Map();
  #random;
  #profile;
  #report;

  /**
   * @param {import('../random').Random} random
   * @param {import('./profile').Profile} profile
   * @param {(figure: 'licencesPaidTwice' | 'requestIdsChanged', what: string) => void} report
   */
  constructor(random, profile, report) {
    this.#random = random;
    this.#profile = profile;
    this.#report = report;
  }

  /** @param {Request} request @returns {Answer} */
  answer({ contentId, requestId, message }) {
    const [keyId] = clearkey.parseLicenseRequest(message);
    const good = this.#profile.licenceFor(keyId);
    if (good !== undefined) this.#report('licencesPaidTwice', `a licence for ${contentId} was asked for, and session ${good} is good`);
    if (this.#random.chance(0.05)) return { failure: { kind: 'server-error', status: 503 } };
    if (this.#random.chance(0.05)) return { failure: { kind: 'throttled', status: 429, retryAfterMs: 1 } };
    const before = this.#lost.get(keyId);
    if (before !== undefined && before !== requestId) {
      this.#report('requestIdsChanged', `the answer to ${before} was lost, and the licence for ${contentId} was asked for again as ${requestId}`);
    }
    this.#lost.delete(keyId);
    this.#underWay.set(keyId, requestId);
    return { bytes: clearkey.license({ [keyId]: keyId }) };
  }

  /** The CDM has stored the licence for this key. @param {string} keyId */
  stored(keyId) {
    this.#underWay.delete(keyId);
  }

  /** The process and its window have gone; gives how many answers went with them. */
  died() {
    const count = this.#underWay.size;
    for (const [keyId, requestId] of this.#underWay) this.#lost.set(keyId, requestId);
    this.#underWay.clear();
    return count;
  }
}

module.exports = { LicenseServer };
