'use strict';

const { once } = require('node:events');
const path = require('node:path');
const { OfflineSessions } = require('..');
const { BrowserApp } = require('./browser-app.js');
const { KEY_SYSTEM } = require('./session-inputs.js');

/** @typedef {import('..').RevalidationReport} RevalidationReport */

const SETTLE_TIMEOUT_MS = 60_000;
/** Here a CDM shows its keys in a few milliseconds, and a licence takes some ten. */
const POLICY = Object.freeze({ keyStatusWaitMs: 300, backoffBaseMs: 50, licenseTimeoutMs: 3_000, taskTimeoutMs: 3_000 });

/** BrowserApp with the addon in its main process: what it downloads is put on record. */
class InstalledApp extends BrowserApp {
  #updates = 0;
  /** What was warned of. @type {any[]} */
  warnings = [];

  /** What each launch runs on. */
  get platform() {
    return { app: '1.0.0', electron: `35.1.${this.#updates}`, chromium: '134.0.6998.179', cdms: [{ keySystem: KEY_SYSTEM, version: '4.10.2891.0' }] };
  }

  /** From the next launch on. */
  updateElectron() {
    this.#updates++;
  }

  /**
   * Ends the launch before it.
   * @param {Omit<Partial<import('..').OpenOptions>, 'directory'> & { driver?: any }} [options]
   */
  async launch({ driver = this.driver(), policy, ...options } = {}) {
    await this.offline?.close();
    const directory = path.join(this.workspace, 'database');
    this.offline = await OfflineSessions.open({ directory, platform: this.platform, policy: { ...POLICY, ...policy }, ...options });
    this.offline.on('warning', (warning) => this.warnings.push(warning));
    this.offline.useDriver(driver);
    return this.offline;
  }

  /** Titles of both test contents in turn. @param {number} count @param {string} [name] */
  static titles(count, name = 'title') {
    return Array.from({ length: count }, (_, n) => ({ contentId: `${name}-${n + 1}`, folder: n % 2 === 0 ? 'a' : 'b' }));
  }

  /**
   * A first launch with these downloads; it ends with all of them proven, and the witness planted.
   * @param {import('./browser-app.js').Title[]} titles
   */
  async install(titles) {
    const offline = await this.launch();
    for (const title of titles) await offline.put(await this.store(title));
    await offline.revalidate();
    return offline;
  }

  /**
   * Takes the licences of titles out of the CDM while the browser runs: the player's catalogue and the addon do not know yet.
   * @param {string[]} contentIds
   */
  async loseLicences(contentIds) {
    const lost = (await this.catalogue()).filter(({ contentId }) => contentIds.includes(contentId));
    await this.player()('discard', lost.map(({ sessionId }) => sessionId));
  }

  /**
   * Works until nothing is left that waits for its time.
   * @returns {Promise<RevalidationReport>} of the last run
   */
  async settle() {
    const { offline } = this;
    if (!offline) throw new Error('the app has not been launched');
    const signal = AbortSignal.timeout(SETTLE_TIMEOUT_MS);
    let report = await offline.revalidate({ signal });
    // Waits end by the addon's own timer.
    while (report.nextAttemptAt !== null) [report] = await once(offline, 'run-finished', { signal });
    return report;
  }

  /** @returns {Promise<string[]>} titles of the catalogue with a session that does not load with all its keys */
  async unloadable() {
    const stored = await this.inventory();
    const broken = (await this.catalogue()).filter(({ sessionId, keyIds }) => !isGood(stored[sessionId], keyIds));
    return [...new Set(broken.map(({ contentId }) => contentId))];
  }

  /** @returns {Promise<string[]>} ids in the CDM that no title has, hollow ones too */
  async leftovers() {
    const wanted = new Set((await this.catalogue()).map(({ sessionId }) => sessionId));
    return Object.keys(await this.inventory()).filter((sessionId) => !wanted.has(sessionId));
  }

  async close() {
    await this.offline?.close();
    await super.close();
  }
}

/** @param {Record<string, string> | null | undefined} keyStatuses @param {string[]} keyIds */
function isGood(keyStatuses, keyIds) {
  return keyIds.every((keyId) => keyStatuses?.[keyId] === 'usable');
}

module.exports = { InstalledApp, isGood, POLICY };
