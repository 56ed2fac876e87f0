'use strict';

const { mkdir } = require('node:fs/promises');
const path = require('node:path');
const { createTransportDriver } = require('..');
const { launchBrowser } = require('./browsers.js');
const { startLicenseServer, startMediaServer, startPageServer } = require('./servers.js');
const { sessionInputs } = require('./session-inputs.js');
const { openWindow } = require('./window-port.js');

/**
 * @typedef {{ contentId: string, folder: string, separateSessions?: boolean }} Title
 * separateSessions: one stored session for audio and one for video
 */

/** An app with downloads in a real headless browser: a page as its window, the addon's worker in it, its servers. */
class BrowserApp {
  /**
   * @param {import('../../testbed/browsers.js').Found} found
   * @param {string} workspace
   */
  constructor(found, workspace) {
    this.found = found;
    this.browser = `${found.kind} ${found.version}`;
    this.profile = path.join(workspace, 'profile');
  }

  async start() {
    await mkdir(this.profile);
    this.mediaServer = await startMediaServer();
    this.licenseServer = await startLicenseServer();
    // Kept over the restart: what a browser stores belongs to an origin.
    this.pageServer = await startPageServer();
    await this.#open();
  }

  async #open() {
    this.running = await launchBrowser(this.found, this.profile);
    this.window = await openWindow(this.running.browser, this.origin, { worker: true });
  }

  get origin() {
    return started(this.pageServer).origin;
  }

  /**
   * Downloads a title, its licences included.
   * @param {Title} title
   * @returns {Promise<import('..').SessionInput[]>} what to put on record
   */
  async store({ contentId, folder, separateSessions }) {
    const manifestUrl = `${started(this.mediaServer).origin}/${folder}/m.mpd`;
    const licenseUrl = started(this.licenseServer).url;
    const { capabilities, sessions } = await started(this.window).player('download', { contentId, manifestUrl, licenseUrl, separateSessions });
    return sessionInputs({ contentId, origin: this.origin, licenseUrl, capabilities }, sessions);
  }

  /** @param {(profile: string) => Promise<void>} [breakCdm] what happens to the CDM's storage in between */
  async restart(breakCdm) {
    await started(this.running).close();
    await breakCdm?.(this.profile);
    await this.#open();
  }

  driver() {
    return createTransportDriver(started(this.window).port);
  }

  requests() {
    return { media: started(this.mediaServer).requests, license: started(this.licenseServer).requests };
  }

  async stopServers() {
    await this.mediaServer?.close();
    await this.licenseServer?.close();
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
    const { currentTime } = await started(this.window).player('play', { contentId });
    if (!(currentTime > 0)) throw new Error(`${contentId} does not play: its picture stands still`);
    return `played ${currentTime.toFixed(2)} s`;
  }

  async close() {
    await this.window?.close();
    await this.running?.close();
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
