'use strict';

const { electronPlatform } = require('../../js/electron/platform.js');
const { never } = require('../helpers/offline-app.js');

const ID = 'oimompecagnajdejgnnjijobebaeigek';
const VERSION = '4.10.2891.0';
const app = { getVersion: () => '1.2.3', whenReady: async () => {} };
const processOf = { versions: { electron: '38.1.0+wvcus', chrome: '140.0.7339.41', node: '22.18.0' } };
const entry = { status: 'updated', title: 'Widevine Content Decryption Module', version: VERSION };

/** What castlabs/electron-releases, docs/api/components.md, says of `components`. */
const componentsOf = (status, whenReady = async () => []) => ({ WIDEVINE_CDM_ID: ID, status: () => status, whenReady });
const platformWith = (components) => electronPlatform({ app, process: processOf, components, cdmWaitMs: 10 });
const cdm = (version) => [{ keySystem: 'com.widevine.alpha', version }];

test('a launch is described by the app, by Electron, Chromium and Node, and by the CDM that is ready', async () => {
  const whenReady = jest.fn(async () => []);
  expect(await platformWith(componentsOf({ [ID]: entry }, whenReady))).toEqual({
    app: '1.2.3', electron: '38.1.0+wvcus', chromium: '140.0.7339.41', node: '22.18.0', cdms: cdm(VERSION),
  });
  expect(whenReady).toHaveBeenCalledWith([ID]);
});

test('nothing is asked of Electron before it is ready', async () => {
  let ready;
  const components = componentsOf({ [ID]: entry }, jest.fn(async () => []));
  const platform = electronPlatform({ app: { ...app, whenReady: () => new Promise((resolve) => { ready = resolve; }) }, process: processOf, components });
  await null;
  expect(components.whenReady).not.toHaveBeenCalled();
  ready();
  expect(await platform).toMatchObject({ cdms: cdm(VERSION) });
});

test('stock Electron has no components, and tells of no CDM', async () => {
  expect(await platformWith(undefined)).toMatchObject({ app: '1.2.3', cdms: [] });
});

test.each([
  ['is found under `name` in place of `title`, and without an id',
    { ...componentsOf({ x: { name: 'Widevine Content Decryption Module', version: VERSION } }), WIDEVINE_CDM_ID: undefined }, VERSION],
  ['is not mistaken for the one of Media Foundation', componentsOf({ x: { title: 'Google Widevine Windows CDM', version: '1.0' } }), null],
  ['is not observed when its version is null', componentsOf({ [ID]: { ...entry, version: null } }), null],
  ['is not observed when it is not installed', componentsOf({ [ID]: { ...entry, version: '0.0.0.0' } }), null],
  ['is not observed when there is no status', componentsOf({}), null],
  ['is not observed when the status cannot be had', { ...componentsOf({}), status: () => { throw new Error('not ready'); } }, null],
  ['is not observed when the status makes no sense', componentsOf(null), null],
  ['is the one that there is when a newer one could not be had',
    componentsOf({ [ID]: entry }, async () => { throw new Error('update check failed'); }), VERSION],
  ['is the one that there is when waiting throws', componentsOf({ [ID]: entry }, () => { throw new Error('disabled'); }), VERSION],
  ['is not observed while nothing is heard of it', componentsOf({ [ID]: entry }, never), null],
])('the CDM %s', async (_what, components, version) => {
  expect(await platformWith(components)).toMatchObject({ cdms: cdm(version) });
});
