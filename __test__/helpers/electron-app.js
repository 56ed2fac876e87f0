'use strict';

const { createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { Electron } = require('./electron-stand-in.js');
const { OfflineApp } = require('./offline-app.js');
const { LANE } = require('./store.js');

const WORKER = require.resolve('../../dist/worker.js');
const SHAKA_WORKER = require.resolve('../../dist/shaka-worker.js');
const CHANNEL = 'electron-offline-sessions:worker';
const BLANK = 'app://bundle/blank.html';
const PLAYER = 'app://bundle/player.html';
const PLACE = Object.freeze({ ...LANE, pageUrl: BLANK });

/** An app in Electron's stand-in. Its worker's page has the scripted CDM where Electron has EME. */
class ElectronApp extends OfflineApp {
  /** Pages with a worker, in the order in which they were opened. @type {any[]} */
  workers = [];
  /** What the player of its pages lists. @type {(() => Promise<any[]>) | undefined} */
  inventory;

  /** @param {Parameters<OfflineApp['start']>[0]} [options] */
  async start(options) {
    await super.start(options);
    this.workers = [];
    this.inventory = undefined;
    ({ serveDriver: this.serveDriver } = await import('../../js/renderer/transport.mjs'));
    this.newElectron();
  }

  /** Another process. @param {ConstructorParameters<typeof Electron>[0]} [options] */
  newElectron(options) {
    const urls = [BLANK, PLAYER, 'https://player.example/blank.html', 'app://other/blank.html'];
    const work = (electron, page) => this.work(electron, page);
    this.electron = new Electron({ userData: this.directory, urls, preloads: { [WORKER]: work, [SHAKA_WORKER]: work }, ...options });
    this.electron.documentEnded = (page) => page.ended?.();
    return this.electron;
  }

  /** In place of dist/worker.js: the same wiring, with a driver on the scripted CDM. */
  work({ ipcRenderer }, page) {
    const driver = { ...createScriptedDriver(this.cdm, { catalogue: this.catalogue }), inventory: this.inventory };
    const port = { postMessage: (message) => ipcRenderer.send(CHANNEL, message), onmessage: null, onclose: null };
    ipcRenderer.on(CHANNEL, (_event, data) => (data.type === 'hello' ? port.postMessage({ type: 'ready' }) : port.onmessage?.({ data })));
    page.ended = () => {
      port.postMessage = () => {};
      driver.close();
      port.onclose?.();
    };
    this.workers.push(page);
    this.serveDriver(port, driver);
  }
}

/** An app for each test of the suite. @param {Parameters<OfflineApp['start']>[0]} [options] */
function useElectronApp(options) {
  const app = new ElectronApp();
  beforeEach(() => app.start(options));
  afterEach(() => app.end());
  return app;
}

module.exports = { ElectronApp, useElectronApp, BLANK, PLAYER, PLACE, WORKER, SHAKA_WORKER, CHANNEL };
