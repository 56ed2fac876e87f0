'use strict';

const { EventEmitter } = require('node:events');
const { WindowDriver } = require('../../js/electron/window-driver.js');
const { WorkerIpc, WorkerPage } = require('../../js/electron/worker-page.js');
const { InstalledApp } = require('../../testbed/installed-app.js');
const { openWindow } = require('../../testbed/window-port.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS, useInstalledApp } = require('../helpers/installed-app.js');
const { Frame } = require('../helpers/electron-stand-in.js');

const CHANNEL = 'electron-offline-sessions:worker';
const TITLES = InstalledApp.titles(8);
const CONTENT_IDS = TITLES.map(({ contentId }) => contentId);

/** Electron's WebContents as far as a worker's page needs it, with a page of the real browser behind it: our bundle runs there, and does real EME. */
class BrowserContents extends EventEmitter {
  destroyed = false;
  url = '';

  /** @param {InstalledApp} app @param {EventEmitter} ipcMain */
  constructor(app, ipcMain) {
    super();
    this.app = app;
    this.ipcMain = ipcMain;
  }

  async loadURL(url) {
    this.window = await openWindow(this.app.running.browser, this.app.origin, { worker: true });
    this.url = url;
    const senderFrame = new Frame(url);
    this.window.port.onmessage = ({ data }) => this.ipcMain.emit(CHANNEL, { sender: this, senderFrame }, data);
  }

  send(_channel, message) {
    this.window.port.postMessage(message);
  }

  setWindowOpenHandler() {}

  getURL() {
    return this.url;
  }

  isDestroyed() {
    return this.destroyed;
  }

  /** The page goes, and what it had of locks and sessions with it. */
  async crash() {
    this.gone = this.window.close();
    this.emit('render-process-gone');
    await this.gone;
  }

  close() {
    this.destroyed = true;
    this.gone ??= this.window?.close();
    this.emit('destroyed');
  }
}

describeBrowser('The driver of hidden pages, in Firefox', 'firefox', (found) => {
  const fixture = useInstalledApp(found);
  let contents, ipc, driver;

  beforeEach(() => {
    const { app } = fixture;
    const ipcMain = new EventEmitter();
    contents = [];
    ipc = new WorkerIpc(ipcMain);
    const windows = { open() {
      const page = new BrowserContents(app, ipcMain);
      contents.push(page);
      return { contents: page, close: () => page.close(), mayClose: () => true };
    } };
    driver = new WindowDriver(() => new WorkerPage({ origin: app.origin, pageUrl: `${app.origin}/index.html` }, windows, ipc));
  });
  afterEach(async () => {
    await fixture.app.offline.close();
    driver.closePage();
    ipc.stop();
    await Promise.all(contents.map(({ gone }) => gone));
  });

  test('repairs in one page what an update broke, and every title plays', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    await app.loseLicences(CONTENT_IDS);
    app.updateElectron();
    const offline = await app.launch({ driver });
    expect(await offline.revalidate()).toMatchObject({ lost: 8, licensed: 8, adopted: 8, licenseRequests: 8 });
    expect(contents).toHaveLength(1);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
    expect(app.warnings).toEqual([]);
  }, BROWSER_TIMEOUT_MS);

  test('goes on in another page when the one that checks is killed, and finds no good licence gone', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    app.updateElectron();
    const offline = await app.launch({ driver, policy: { batchSize: 8 } });
    const { check } = driver;
    let checks = 0;
    driver.check = (...args) => {
      checks += 1;
      const checking = check.apply(driver, args);
      if (checks === 4) contents[0].crash();
      return checking;
    };
    expect(await offline.revalidate()).toMatchObject({ checked: 8, proven: 8, lost: 0, deferred: 0, licenseRequests: 0 });
    expect(contents).toHaveLength(2);
    expect(app.warnings).toEqual([]);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
  }, BROWSER_TIMEOUT_MS);

  test('killed while it licenses, it pays for nothing twice, and every title plays in the end', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    await app.loseLicences(CONTENT_IDS);
    app.updateElectron();
    const before = app.licenseServer.calls.length;
    const offline = await app.launch({ driver, policy: { licenseConcurrency: 1 } });
    const { license } = driver;
    let licences = 0;
    driver.license = (...args) => {
      licences += 1;
      const licensing = license.apply(driver, args);
      if (licences === 3) licensing.then(() => contents[0].crash(), () => {});
      return licensing;
    };
    await offline.revalidate();
    for (const contentId of CONTENT_IDS) expect(await offline.ensurePlayable(contentId)).toMatchObject({ playable: 'offline' });
    expect(contents.length).toBeGreaterThan(1);
    // A request that was under way is repeated under its own id.
    expect(new Set(app.licenseServer.calls.slice(before).map(({ headers }) => headers['idempotency-key'])).size).toBe(8);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
    app.warnings.length = 0;
  }, BROWSER_TIMEOUT_MS);
});
