'use strict';

const { EventEmitter } = require('node:events');
const { attachElectron } = require('../../js/electron/index.js');
const { ElectronApp, PLACE: CLEARKEY } = require('./electron-app.js');

const ID = 'oimompecagnajdejgnnjijobebaeigek';
const PLACE = Object.freeze({ ...CLEARKEY, keySystem: 'com.widevine.alpha' });
const processOf = (electron, chrome) => ({ versions: { ...process.versions, electron, chrome }, argv: [] });
const process38 = processOf('38.1.0', '140.0.7339.41');
const process39 = processOf('39.0.0', '142.0.7444.52');

/** castLabs' `components`, with a Widevine. */
const componentsOf = (more) => ({
  WIDEVINE_CDM_ID: ID, version: '1.0.0.0', updatesEnabled: true, whenReady: async () => [],
  status() { return { [ID]: { title: 'Widevine', version: this.version } }; }, ...more,
});

/** electron-updater's, as far as it is watched and told what to do. */
const updaterOf = () => Object.assign(new EventEmitter(), { autoDownload: true, autoInstallOnAppQuit: true, downloadUpdate: jest.fn(async () => []) });

/** An app on castLabs' Electron that is put together by the one call. */
class AttachedApp extends ElectronApp {
  lane = { origin: PLACE.origin, keySystem: PLACE.keySystem };

  async start() {
    await super.start();
    /** What Electron persists; undefined: it is stock Electron. */
    this.components = componentsOf();
  }

  /** A launch. @param {object} [options] beside those that every launch has, or in their place */
  async attach(options) {
    this.offline = await attachElectron({ ...this.electron.parts, process: process38, components: this.components, lanes: [PLACE], ...options });
    this.offline.on('warning', (warning) => this.warnings.push(warning));
    return this.offline;
  }

  /** The app quits, and another process of it begins. @param {object} [options] */
  async relaunch(options) {
    this.electron.app.quit();
    await this.quit();
    this.newElectron();
    return this.attach(options);
  }

  /** The codes of what was warned of, which was expected. */
  takeWarnings() {
    return this.warnings.splice(0).map(({ code }) => code);
  }
}

/** An app for each test of the suite. */
function useAttachedApp() {
  const app = new AttachedApp();
  beforeEach(() => app.start());
  afterEach(() => app.end());
  return app;
}

/** What an Electron has that nobody has attached to, or no longer. */
function expectNothingOf({ app: electronApp, ipcMain, powerMonitor, hidden }) {
  const listeners = (emitter) => emitter.events.eventNames();
  expect([listeners(electronApp), listeners(ipcMain), listeners(powerMonitor), [...ipcMain.handlers.keys()], hidden.length]).toEqual([[], [], [], [], 0]);
}

module.exports = { expectNothingOf, useAttachedApp, componentsOf, updaterOf, process38, process39, PLACE };
