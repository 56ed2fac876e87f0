'use strict';

const { isGood } = require('./installed-app.js');

/**
 * Which licences were paid for although there was a good one: the CDM says what is good, the licence server what was asked.
 * Whose a session is, is known from when the CDM made it: after a restart it hands out the ids of those that have gone again.
 */
class Accounts {
  #app;
  /** @type {Map<string, string>} session id → content id */
  #owners = new Map();
  /** @type {Map<string, string>} request id → content id */
  #requests = new Map();
  /** @type {Map<string, string>} content id → the request id that it is asked for under, until what comes is adopted */
  #outstanding = new Map();
  /** Titles with a good licence when the section began. @type {Set<string>} */
  #good = new Set();
  /** Titles that were asked for in this section. @type {string[]} */
  #asked = [];
  #counted;
  /** Requests too many, in words. @type {string[]} */
  paidTwice = [];

  /** @param {import('./installed-app.js').InstalledApp} app */
  constructor(app) {
    this.#app = app;
    this.#counted = app.licenseServer?.calls.length ?? 0;
  }

  /** What the CDM has made for a title. @param {{ contentId: string, sessionId: string }} session */
  created({ contentId, sessionId }) {
    this.#owners.set(sessionId, contentId);
  }

  /** @param {import('./watched-driver.js').DriverWatch} watch */
  listenTo(watch) {
    watch.on('created', (session) => this.created(session));
    watch.on('license', ({ contentId, requestId }) => this.#requests.set(requestId, contentId));
    watch.on('adopted', ({ contentId }) => {
      this.#count();
      this.#outstanding.delete(contentId);
    });
  }

  /**
   * Begins a section: whoever has a good licence now, and whoever is asked for in it once, needs no (other) request in it.
   * Looks into the CDM, by the page: nothing may be at work there.
   * @returns {Promise<Set<string>>} the titles that have a good licence
   */
  async begin() {
    this.#count();
    const stored = await this.#app.inventory();
    const keyIds = new Map((await this.#app.catalogue()).map((session) => [session.contentId, session.keyIds]));
    this.#good = new Set();
    for (const [sessionId, keyStatuses] of Object.entries(stored)) {
      const owner = this.#owners.get(sessionId) ?? '';
      if (isGood(keyStatuses, keyIds.get(owner) ?? [])) this.#good.add(owner);
    }
    this.#asked = [];
    return this.#good;
  }

  /** The titles that were asked for in this section. */
  get asked() {
    this.#count();
    return this.#asked;
  }

  #count() {
    const calls = this.#app.licenseServer?.calls ?? [];
    for (const { headers } of calls.slice(this.#counted)) {
      const requestId = headers['idempotency-key'];
      // The app's own downloads have none.
      if (typeof requestId === 'string') this.#judge(requestId);
    }
    this.#counted = calls.length;
  }

  /** @param {string} requestId */
  #judge(requestId) {
    const contentId = this.#requests.get(requestId) ?? 'a title that nobody asked for';
    const outstanding = this.#outstanding.get(contentId) ?? requestId;
    if (this.#good.has(contentId)) this.paidTwice.push(`${contentId} had a good licence`);
    else if (this.#asked.includes(contentId)) this.paidTwice.push(`${contentId} was asked for again at once`);
    else if (outstanding !== requestId) this.paidTwice.push(`${contentId} was asked for under another request id`);
    this.#outstanding.set(contentId, requestId);
    this.#asked.push(contentId);
  }
}

module.exports = { Accounts };
