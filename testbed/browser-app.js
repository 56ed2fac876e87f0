'use strict';

const { mkdir } = require('node:fs/promises');
const path = require('node:path');
const { createTransportDriver } = require('..');
const { launchBrowser } = require('./browsers.js');
const { startLicenseServer, startMediaServer, startPageServer } = require('./servers.js');
const { KEY_SYSTEM, sessionInputs } = require('./session-inputs.js');
const { openWindow } = require('./window-port.js');

/**
 * @typedef {{ contentId: string, folder: string, separateSessions?: boolean, lockless?: boolean }} Title
 * separateSessions: one stored session for audio and one for video; lockless: downloaded without the lock
 * @typedef {Awaited<ReturnType<typeof openWindow>>} Window
 */

/** An app with downloads in a real headless browser: a page as its window, the addon's worker in it, its servers. */
class BrowserApp {
  #sharesBrowser;
  /** Requests to servers that have been stopped since. */
  #earlier = { media: 0, license: 0 };
  /** @type {WeakMap<Window, ReturnType<typeof createTransportDriver>>} */
  #drivers = new WeakMap();

  /**
   * @param {import('./browsers.js').Found} found
   * @param {string} workspace
   * @param {import('./browsers.js').RunningBrowser} [running] a browser that outlives this app, and other apps run in; default: one of its own
   */
  constructor(found, workspace, running) {
    this.found = found;
    this.browser = `${found.kind} ${found.version}`;
    this.workspace = workspace;
    this.profile = path.join(workspace, 'profile');
    this.running = running;
    this.#sharesBrowser = running !== undefined;
  }

  async start() {
    await this.startServers();
    // Kept over the restart: what a browser stores belongs to an origin.
    this.pageServer = await startPageServer();
    if (this.#sharesBrowser) {
      this.window = await this.openWindow();
    } else {
      await mkdir(this.profile);
      await this.open();
    }
  }

  /** The browser and the app's window, after `kill()` too. */
  async open() {
    this.running = await launchBrowser(this.found, this.profile);
    this.window = await this.openWindow();
  }

  /** Another window of the app. */
  openWindow() {
    return openWindow(started(this.running).browser, this.origin, { worker: true });
  }

  /** In place of the window that there was, which may be gone already. */
  async reopenWindow() {
    await this.window?.close();
    this.window = await this.openWindow();
  }

  get origin() {
    return started(this.pageServer).origin;
  }

  /** @returns {import('..').Lane} */
  get lane() {
    return { origin: this.origin, keySystem: KEY_SYSTEM };
  }

  /** @param {Window} [window] */
  player(window = started(this.window)) {
    return window.player.bind(window);
  }

  /**
   * Downloads a title, its licences included.
   * @param {Title} title
   * @param {Window} [window]
   * @returns {Promise<import('..').SessionInput[]>} what to put on record
   */
  async store({ contentId, folder, ...how }, window) {
    const manifestUrl = `${started(this.mediaServer).origin}/${folder}/m.mpd`;
    const licenseUrl = started(this.licenseServer).url;
    const { capabilities, sessions } = await this.player(window)('download', { contentId, manifestUrl, licenseUrl, ...how });
    return sessionInputs({ contentId, origin: this.origin, licenseUrl, capabilities }, sessions);
  }

  /** @param {(profile: string) => Promise<void>} [breakCdm] what happens to the CDM's storage in between */
  async restart(breakCdm) {
    await started(this.running).close();
    await breakCdm?.(this.profile);
    await this.open();
  }

  /** The browser is killed, as a power cut does. */
  kill() {
    return started(this.running).kill();
  }

  /** The driver of a window; always the same, since a window says once that it is ready. */
  driver(window = started(this.window)) {
    const driver = this.#drivers.get(window) ?? createTransportDriver(window.port);
    this.#drivers.set(window, driver);
    return driver;
  }

  requests() {
    return {
      media: this.#earlier.media + started(this.mediaServer).requests,
      license: this.#earlier.license + started(this.licenseServer).requests,
    };
  }

  async stopServers() {
    await this.mediaServer?.close();
    await this.licenseServer?.close();
  }

  /** Also again, where they were. */
  async startServers() {
    if (this.mediaServer && this.licenseServer) this.#earlier = this.requests();
    this.mediaServer = await startMediaServer({ port: this.mediaServer?.port });
    this.licenseServer = await startLicenseServer({ port: this.licenseServer?.port });
  }

  /** Clears the addon's own storage, as clearing the site's data does, but keeps the app's catalogue. */
  async forgetWitness() {
    await started(this.window).page.evaluate(() => new Promise((resolve, reject) => {
      const deleting = globalThis.indexedDB.deleteDatabase('electron-offline-sessions');
      deleting.onsuccess = resolve;
      deleting.onerror = reject;
    }));
  }

  /** @param {string} contentId */
  async play(contentId) {
    const { currentTime } = await this.player()('play', { contentId });
    if (!(currentTime > 0)) throw new Error(`${contentId} does not play: its picture stands still`);
    return `played ${currentTime.toFixed(2)} s`;
  }

  /**
   * Plays titles side by side.
   * @param {string[]} contentIds
   * @returns {Promise<{ contentId: string, error: string }[]>} those that do not play
   */
  async playAll(contentIds) {
    const ends = await Promise.allSettled(contentIds.map((contentId) => this.play(contentId)));
    return ends.flatMap((end, n) => {
      return end.status === 'rejected' ? [{ contentId: contentIds[n], error: String(end.reason?.message ?? end.reason) }] : [];
    });
  }

  /**
   * Every session that the CDM has stored, by id: its keys' statuses, or null when it is hollow.
   * @returns {Promise<Record<string, Record<string, string> | null>>}
   */
  inventory() {
    return this.player()('inventory');
  }

  /**
   * Every session of the player's catalogue.
   * @returns {Promise<{ contentId: string, sessionId: string, keyIds: string[] }[]>}
   */
  async catalogue() {
    const titles = await this.player()('catalogue');
    return titles.flatMap((/** @type {any} */ { contentId, sessions }) => sessions.map((/** @type {any} */ session) => ({ contentId, ...session })));
  }

  async close() {
    await this.window?.close();
    if (!this.#sharesBrowser) await this.running?.close();
    await this.stopServers();
    await this.pageServer?.close();
  }
}

/**
 * @template T
 * @param {T | undefined} part
 * @returns {T}
 */
function started(part) {
  if (!part) throw new Error('the stage has not been started');
  return part;
}

module.exports = { BrowserApp };
