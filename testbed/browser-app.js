'use strict';

const { mkdir } = require('node:fs/promises');
const path = require('node:path');
const { createTransportDriver } = require('../..');
const { launchBrowser } = require('../../testbed/browsers.js');
const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { startLicenseServer, startMediaServer, startPageServer } = require('../../testbed/servers.js');
const { openWindow } = require('../../testbed/window-port.js');

/** The story in headless Firefox: a page as the app's window, the addon's worker in it. */
class BrowserStage {
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

  /** @param {import('./titles.js').Title} title */
  store({ contentId, folder, separateSessions }) {
    const manifestUrl = `${started(this.mediaServer).origin}/${folder}/m.mpd`;
    return started(this.window).player('download', { contentId, manifestUrl, licenseUrl: started(this.licenseServer).url, separateSessions });
  }

  async restartBroken() {
    await started(this.running).close();
    await rewriteSalts(this.profile);
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

module.exports = { BrowserStage };
