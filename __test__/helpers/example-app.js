'use strict';

const { EventEmitter } = require('node:events');

const EXAMPLE = '../../examples/electron-app';
const COMPONENTS = { WIDEVINE_CDM_ID: 'x', whenReady: async () => [], status: () => ({ x: { title: 'Widevine', version: '4.10.2891.0' } }) };
const VERSIONS = [{ electron: '41.10.3+wvcus', chrome: '140.0.1.1' }, { electron: '42.11.0+wvcus', chrome: '142.0.1.1' }];
const { versions, argv } = process;

/**
 * `npm start`, in a stand-in for Electron of one of two versions.
 * @param {import('./electron-stand-in').Electron} electron
 * @param {{ version?: number, args?: string[], origin?: string }} [options] origin: from which its pages are served in place of its own
 */
function launchExample(electron, { version = 0, args = [], origin } = {}) {
  Object.defineProperty(process, 'versions', { value: { ...versions, ...VERSIONS[version] } });
  process.argv = [...argv, ...args];
  const autoUpdater = Object.assign(new EventEmitter(), { autoDownload: true, autoInstallOnAppQuit: true, checkForUpdates: jest.fn(async () => null),
    downloadUpdate: jest.fn(async () => []) });
  /** @type {Promise<import('../..').OfflineSessions>} */
  let attached = new Promise(() => {});
  jest.resetModules();
  jest.doMock('electron', () => ({ ...electron.parts, components: COMPONENTS }));
  jest.doMock('electron-updater', () => ({ autoUpdater }));
  jest.doMock('electron-offline-sessions/electron', () => {
    const real = jest.requireActual('../../js/electron/index.js');
    return { ...real, attachElectron: (/** @type {any} */ options) => attached = real.attachElectron(options) };
  });
  if (origin) jest.doMock(`${EXAMPLE}/pages.js`, () => ({ ...jest.requireActual(`${EXAMPLE}/pages.js`), ORIGIN: origin }));
  require(`${EXAMPLE}/main.js`);
  return { autoUpdater, get attached() { return attached; } };
}

/** As it was before the first launch. */
function endExample() {
  Object.defineProperty(process, 'versions', { value: versions });
  process.argv = argv;
}

module.exports = { launchExample, endExample };
