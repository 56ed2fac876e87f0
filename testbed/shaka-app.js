'use strict';

const { cp, rm } = require('node:fs/promises');
const path = require('node:path');
const { InstalledApp } = require('./installed-app.js');
const { openWindow } = require('./window-port.js');

/** InstalledApp whose downloads and playback are Shaka Player's, and whose driver is the addon's ShakaDriver. */
class ShakaApp extends InstalledApp {
  /**
   * @param {import('./browsers.js').Found} found
   * @param {string} workspace
   * @param {import('./browsers.js').RunningBrowser} [running]
   * @param {string} [shaka] the package in node_modules
   */
  constructor(found, workspace, running, shaka = 'shaka-player') {
    super(found, workspace, running);
    this.shaka = shaka;
    /** What the page is asked for besides (testbed/page/shaka.mjs), as '&byTitle'. */
    this.query = '';
  }

  openWindow() {
    if (!this.running) throw new Error('the browser has not been started');
    return openWindow(this.running.browser, this.origin, { worker: true, page: `shaka.html?shaka=${this.shaka}${this.query}` });
  }

  get licenseUrl() {
    return this.licenseServer?.url;
  }

  /**
   * Downloads a title with Shaka's own `Storage.store()`.
   * @param {import('./browser-app.js').Title} title
   * @param {{ method?: 'store' | 'storeRecorded', origin?: string, persistent?: boolean }} [options] of the page; of a media server
   * @returns {Promise<string>} its `offline:` URI
   */
  async download({ contentId, folder }, { method = 'store', origin = this.mediaServer?.origin, persistent = true } = {}) {
    const manifestUrl = `${origin}/${folder}/m.mpd`;
    const { offlineUri } = await this.player()(method, { title: contentId, manifestUrl, licenseUrl: this.licenseUrl, persistent });
    return offlineUri;
  }

  /** Shaka's catalogue, told to the addon. */
  async reconcile() {
    if (!this.offline) throw new Error('the app has not been launched');
    return this.offline.reconcile(this.lane, await this.driver().inventory(this.lane));
  }

  /**
   * A first launch with these downloads; it ends with all of them proven.
   * @param {import('./browser-app.js').Title[]} titles
   */
  async install(titles) {
    const offline = await this.launch();
    for (const title of titles) await this.download(title);
    await this.reconcile();
    await offline.revalidate();
    return offline;
  }

  /** Keeps the browser's profile and the addon's database as they are now; both end. */
  async keep() {
    await this.offline?.close();
    await this.running?.close();
    for (const folder of ['profile', 'database']) await cp(path.join(this.workspace, folder), path.join(this.workspace, 'kept', folder), { recursive: true });
  }

  /** From what was kept. @param {(profile: string) => Promise<void>} breakCdm what happens to the CDM's storage before the browser starts */
  async startAgain(breakCdm) {
    await this.offline?.close();
    await this.restart(async (profile) => {
      for (const folder of ['profile', 'database']) {
        await rm(path.join(this.workspace, folder), { recursive: true, force: true, maxRetries: 10 });
        await cp(path.join(this.workspace, 'kept', folder), path.join(this.workspace, folder), { recursive: true });
      }
      await breakCdm(profile);
    });
  }

  /** @param {string} uri @returns {Promise<{ end: 'played' | 'error' | 'stalled', code?: number, message?: string, currentTime: number }>} */
  attempt(uri) {
    return this.player()('play', { uri, licenseUrl: this.licenseUrl });
  }

  /** @param {string} offlineUri */
  async play(offlineUri) {
    const { end, code, message, currentTime } = await this.attempt(offlineUri);
    if (end !== 'played') throw new Error(`${offlineUri} does not play: ${end}${code ? ` ${code} ${message}` : ''}`);
    return `played ${currentTime.toFixed(2)} s`;
  }

  /** @returns {Promise<{ offlineUri: string, title: string, expiration: string }[]>} as Shaka lists them */
  titles() {
    return this.player()('titles');
  }
}

module.exports = { ShakaApp };
