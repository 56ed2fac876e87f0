'use strict';

const { once } = require('node:events');
const { readdirSync, statSync } = require('node:fs');
const path = require('node:path');
const { OfflineSessions } = require('../..');
const { attachUpdater } = require('../../js/electron/updater.js');
const { LinuxUpdater, UpdateFeed } = require('../../testbed/linux-updater.js');
const { ScriptedStage } = require('../demo/scripted-stage.js');
const { titles } = require('../demo/titles.js');
const output = require('../demo/output.js');

/**
 * @typedef {object} Figures
 * @property {string} feed what was announced
 * @property {string} advice
 * @property {number} stranded titles
 * @property {number} installedWhileDeferred updates that were installed by quitting before the viewer had agreed
 * @property {string} afterConsent what the updater has told after it
 * @property {number} preparedCopies copies of the database that were made for it
 * @property {number} nextLaunchSuspects stored sessions that are to be checked on the new version
 */

const WIDEVINE = 'com.widevine.alpha';
const CDMS = [{ keySystem: WIDEVINE, version: '4.10.2891.0' }];
const BEFORE = { electron: '37.4.0', chromium: '138.0.7204.251' };
const AFTER = { electron: '43.0.0', chromium: '150.0.7800.10' };

/** @type {Figures} */
const EXPECTED = {
  feed: '2.0.0, electron 43.0.0, chromium 150.0.7800.10',
  advice: 'defer',
  stranded: 12,
  installedWhileDeferred: 0,
  afterConsent: 'downloaded',
  preparedCopies: 1,
  nextLaunchSuspects: 13,
};

/** @param {string} workspace @returns {Promise<Figures>} */
async function tell(workspace) {
  const app = new App(workspace);
  try {
    await app.start();
    output.headline(`1. ${titles.length} titles on Electron ${BEFORE.electron}; the feed has an update`);
    await app.launch(BEFORE);
    await app.store();
    const { assessment, info } = await app.announced(false);
    const feed = [info.version, ...Object.entries(info.vendor ?? {}).map(([name, version]) => `${name} ${version}`)].join(', ');
    output.line(`Announced: ${feed}. Advice: ${assessment.advice}, stranded: ${assessment.stranded.length}.`);
    for (const { code, message } of assessment.reasons) output.line(`  ${code}: ${message}`);

    output.headline('2. The viewer says no, and quits');
    await app.quit();
    const installedWhileDeferred = app.installed === '1.0.0' ? 0 : 1;
    output.line(`Installed: ${app.installed}; files downloaded: ${app.feed.downloads}.`);

    output.headline('3. At the next launch he watches a title, and agrees');
    await app.launch(BEFORE);
    await app.watched();
    const copies = app.copies();
    const told = once(app.autoUpdater, 'update-downloaded').then(() => 'downloaded');
    const failed = once(app.autoUpdater, 'update-cancelled').then(() => 'cancelled');
    await app.announced(true);
    const afterConsent = await Promise.race([told, failed]);
    await app.prepared;
    const preparedCopies = app.copies().filter((copy) => !copies.includes(copy)).length;
    await app.quit();
    output.line(`The updater says: ${afterConsent}. Copies made: ${preparedCopies}. Installed after quitting: ${app.installed}.`);

    output.headline(`4. The first launch on Electron ${AFTER.electron}`);
    const { changes, suspects } = (await app.launch(AFTER)).launch;
    output.table(['component', 'from', 'to'], changes.map(({ component, from, to }) => [component, from ?? '', to ?? '']));
    output.line(`To be checked before they play: ${suspects} stored sessions.`);
    return {
      feed, advice: assessment.advice, stranded: assessment.stranded.length, installedWhileDeferred, afterConsent, preparedCopies,
      nextLaunchSuspects: suspects,
    };
  } finally {
    await app.close();
  }
}

/** An installed app with electron-updater, as attachElectron would put it together. */
class App {
  #stage = new ScriptedStage();
  /** @type {OfflineSessions | undefined} */
  #offline;
  /** The title that was stored last. @type {import('../..').SessionInput[]} */
  #last = [];
  /** What the viewer answers. */
  #answer = false;
  /** The copying that the hook has begun. @type {Promise<unknown>} */
  prepared = Promise.resolve();
  feed = new UpdateFeed();

  /** @param {string} workspace */
  constructor(workspace) {
    this.database = path.join(workspace, 'database');
    this.directory = path.join(workspace, 'installed');
  }

  async start() {
    await this.#stage.start();
    await this.feed.start();
    this.feed.release = { version: '2.0.0', vendor: AFTER };
  }

  /** @param {{ electron: string, chromium: string }} versions */
  async launch(versions) {
    this.linux = new LinuxUpdater(this.directory, this.feed.url);
    const offline = await OfflineSessions.open({ directory: this.database, platform: { app: this.installed, ...versions, cdms: CDMS } });
    this.#offline = offline;
    const { prepareForUpdate } = offline;
    offline.prepareForUpdate = (target) => {
      const prepared = prepareForUpdate.call(offline, target);
      this.prepared = prepared;
      return prepared;
    };
    this.hook = attachUpdater(offline, this.autoUpdater, { confirmUpdate: () => this.#answer });
    return offline;
  }

  async store() {
    for (const title of titles) {
      this.#last = (await this.#stage.store(title)).map((input) => ({ ...input, keySystem: WIDEVINE }));
      await this.#offline?.put(this.#last);
    }
  }

  /** A copy is made only of what has changed since the last one, and quitting made one. */
  async watched() {
    await this.#offline?.put(this.#last.map((input) => ({ ...input, lastPlayedAt: Date.now() })));
  }

  /** @param {boolean} answer the viewer's */
  async announced(answer) {
    this.#answer = answer;
    const assessed = once(/** @type {OfflineSessions} */ (this.#offline), 'update-assessed');
    const [info] = await Promise.all([once(this.autoUpdater, 'update-available'), this.autoUpdater.checkForUpdates()]).then(([event]) => event);
    const [assessment] = await assessed;
    return { assessment, info };
  }

  get autoUpdater() {
    return /** @type {LinuxUpdater} */ (this.linux).autoUpdater;
  }

  get installed() {
    return /** @type {LinuxUpdater} */ (this.linux).installed;
  }

  /** Each copy of the database there is; one that was made anew is another. @returns {string[]} */
  copies() {
    const names = readdirSync(this.database).filter((name) => name.includes('.copy-'));
    return names.map((name) => `${statSync(path.join(this.database, name)).ino} ${statSync(path.join(this.database, name)).mtimeMs}`);
  }

  /** First `will-quit`, then `quit`. */
  async quit() {
    this.hook?.stop();
    await this.#offline?.close();
    this.linux?.quit();
  }

  async close() {
    await this.#offline?.close();
    await this.#stage.close();
    await this.feed.close();
  }
}

module.exports = { EXPECTED, tell };
