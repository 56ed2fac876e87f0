'use strict';

const { createServer } = require('node:http');
const { once } = require('node:events');
const { mkdir, mkdtemp, rm } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { launchBrowser } = require('../../testbed/browsers.js');
const { startLicenseServer, startMediaServer } = require('../../testbed/servers.js');
const { servePage, ORIGIN } = require('../../examples/electron-app/pages.js');
const { ElectronInBrowser } = require('./electron-in-browser.js');
const { endExample, launchExample } = require('./example-app.js');
const { BROWSER_TIMEOUT_MS } = require('./installed-app.js');

/** The example in the stand-in, its pages in a real browser, which has the app's profile: it ends and begins with the app. */
class ExampleApp {
  /** What went wrong in its window. @type {string[]} */
  errors = [];
  /** @type {any[]} */
  warnings = [];

  constructor(found) {
    this.found = found;
  }

  async start() {
    this.workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-test-'));
    this.profile = path.join(this.workspace, 'profile');
    await mkdir(this.profile);
    this.mediaServer = await startMediaServer();
    this.licenseServer = await startLicenseServer();
    // What Electron's `protocol.handle` does, over HTTP; and the titles, which the page may load from its own origin.
    this.server = createServer(async (request, response) => {
      // A browser asks for it, Electron does not.
      if (request.url === '/favicon.ico') return response.writeHead(204).end();
      const { range } = request.headers;
      const media = request.url.startsWith('/media/') && `${this.mediaServer.origin}${request.url.slice('/media'.length)}`;
      const answer = await (media ? fetch(media, { headers: { ...(range && { range }) } }) : servePage({ url: `${ORIGIN}${request.url}` }));
      return response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    process.env.KEY_SYSTEM = 'org.w3.clearkey';
    process.env.LICENSE_URL = this.licenseServer.url;
    process.env.LICENSE_TOKEN = 'of-the-viewer';
    jest.spyOn(console, 'log').mockImplementation(() => {});
    jest.spyOn(console, 'warn').mockImplementation((warning) => this.warnings.push(warning));
  }

  /** `npm start`. @param {number} [version] of Electron */
  async open(version = 0) {
    this.running ??= await launchBrowser(this.found, this.profile);
    const urls = ['blank.html', 'player.html'].map((name) => `${this.origin}/${name}`);
    this.electron = new ElectronInBrowser(this.running.browser, { userData: this.workspace, urls });
    const opening = once(this.electron.app, 'browser-window-created');
    const launched = launchExample(this.electron, { version, origin: this.origin });
    const [, window] = await opening;
    const loaded = new Promise((resolve) => { window.webContents.once('did-finish-load', resolve); });
    this.offline = await launched.attached;
    // An app that quits while the first launch takes up what there is has a warning of that.
    await this.offline.reconcile({ origin: this.origin, keySystem: 'org.w3.clearkey' });
    await loaded;
    this.page = this.electron.pages.get(window.webContents.page);
    await this.page.waitForSelector('#download:not([hidden])');
    await this.page.evaluate(() => {
      const status = globalThis.document.getElementById('status');
      globalThis.told = [status.textContent];
      new globalThis.MutationObserver(() => globalThis.told.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    });
    this.page.on('pageerror', (error) => this.errors.push(String(error)));
    this.page.on('console', (message) => { if (message.type() === 'error') this.errors.push(message.text()); });
  }

  /** The app quits, and the browser that stands for it. @param {(profile: string) => Promise<void>} [update] what happens before the next start */
  async quit(update) {
    this.electron.answers = () => 1;
    this.electron.app.quit();
    await this.offline.close();
    await this.electron.closed();
    await this.running.close();
    this.running = undefined;
    await update?.(this.profile);
  }

  async end() {
    if (this.running) await this.quit();
    endExample();
    for (const name of ['KEY_SYSTEM', 'LICENSE_URL', 'LICENSE_TOKEN']) delete process.env[name];
    jest.restoreAllMocks();
    this.server.close();
    await this.mediaServer.close();
    await this.licenseServer.close();
    await rm(this.workspace, { recursive: true, force: true, maxRetries: 10 });
  }

  /** As a viewer does. @param {string} title @param {'a' | 'b'} folder @param {RegExp} [end] what he is told then */
  async download(title, folder, end = / is downloaded\.$/) {
    await this.page.evaluate((name, uri) => {
      const { elements } = globalThis.document.getElementById('download');
      elements.title.value = name;
      elements.manifest.value = uri;
      elements.manifest.form.requestSubmit();
    }, title, `${this.origin}/media/${folder}/m.mpd`);
    await this.said(end);
    await this.page.waitForFunction((name) => {
      const rows = [...globalThis.document.querySelectorAll('li')].map(({ textContent }) => textContent);
      return /could not/.test(globalThis.document.getElementById('status').textContent) || rows.some((text) => text.startsWith(name));
    }, {}, title);
  }

  /** Waits until the page says so, or has said so since it was last asked: some things are soon said otherwise. @param {RegExp} what */
  async said(what) {
    const said = await this.page.waitForFunction((source) => {
      const at = globalThis.told.findIndex((text) => new RegExp(source).test(text));
      return at >= 0 && { text: globalThis.told.splice(0, at + 1).at(-1) };
    }, {}, what.source);
    return (await said.jsonValue()).text;
  }

  /** @param {'Play' | 'Remove'} what @param {number} row */
  async click(what, row) {
    await this.page.waitForSelector(`li:nth-child(${row + 1})`);
    await this.page.evaluate((text, at) => {
      [...globalThis.document.querySelectorAll('li')[at].querySelectorAll('button')].find(({ textContent }) => textContent === text).click();
    }, what, row);
  }

  rows() {
    return this.page.$$eval('li', (items) => items.map((item) => [...item.querySelectorAll('span')].map(({ textContent }) => textContent)));
  }

  status() {
    return this.page.$eval('#status', ({ textContent }) => textContent);
  }

  /** Until the picture moves. */
  playing() {
    return this.page.waitForFunction(() => globalThis.document.getElementById('video').currentTime > 0.2);
  }

  /** Until it has ended. */
  async toItsEnd() {
    await this.page.evaluate(() => new Promise((resolve) => {
      const video = globalThis.document.getElementById('video');
      video.addEventListener('ended', resolve);
      video.currentTime = video.duration - 0.2;
    }));
    await this.page.waitForFunction(() => !globalThis.document.getElementById('video').currentTime);
  }

  /** @param {number} row */
  async play(row) {
    await this.click('Play', row);
    await this.playing();
    await this.toItsEnd();
  }

  /** What the pages have locked. @returns {Promise<string[]>} */
  locks() {
    return this.page.evaluate(async () => (await navigator.locks.query()).held.map(({ name }) => name));
  }

  /** @param {string} id of a session, which Firefox's CDM removes */
  async loseLicence(id) {
    await this.page.evaluate(async (sessionId) => {
      const video = [{ contentType: 'video/mp4; codecs="avc1.64001e"' }];
      const configuration = { initDataTypes: ['cenc'], videoCapabilities: video, persistentState: 'required', sessionTypes: ['persistent-license'] };
      const access = await navigator.requestMediaKeySystemAccess('org.w3.clearkey', [configuration]);
      const session = (await access.createMediaKeys()).createSession('persistent-license');
      if (!await session.load(sessionId)) throw new Error(`there is no session ${sessionId}`);
      await session.remove();
    }, id);
  }
}

/** One for each test, started, that ends without errors and warnings. @param {import('../../testbed/browsers').Found | null} found */
function useExampleApp(found) {
  const suite = { app: /** @type {any} */ (null) };
  beforeEach(async () => {
    suite.app = new ExampleApp(found);
    await suite.app.start();
    await suite.app.open();
  }, BROWSER_TIMEOUT_MS);
  afterEach(async () => {
    await suite.app.end();
    expect([suite.app.errors, suite.app.warnings]).toEqual([[], []]);
  }, BROWSER_TIMEOUT_MS);
  return suite;
}

module.exports = { useExampleApp };
