'use strict';

const { EventEmitter, once } = require('node:events');
const { statSync } = require('node:fs');
const path = require('node:path');
const { OfflineSessions, OfflineSessionsError } = require('../..');
const { attachElectron } = require('../../js/electron/index.js');
const { useAttachedApp, expectNothingOf, componentsOf, updaterOf, process38, process39, PLACE } = require('../helpers/attached-app.js');
const { BLANK, PLACE: CLEARKEY, PLAYER } = require('../helpers/electron-app.js');
const { turn } = require('../helpers/electron-stand-in.js');
const { next, never, titles, keyId } = require('../helpers/offline-app.js');
const { PLATFORM } = require('../helpers/store.js');

const app = useAttachedApp();
const attach = (options) => app.attach(options);
const relaunch = (options) => app.relaunch(options);
const BRIDGE = require.resolve('../../dist/bridge.js');
const SHAKA_WORKER = require.resolve('../../dist/shaka-worker.js');
const FAKED = { doNotFake: ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] };

afterEach(() => jest.useRealTimers());

describe('one call', () => {
  test('repairs what an update of Electron broke, before it plays', async () => {
    const offline = await attach();
    expect(offline.launch).toMatchObject({ firstRun: true });
    await app.store(12);
    app.cdm.breakSalts();
    const after = await relaunch({ process: process39 });
    expect(after.launch).toMatchObject({
      changes: [{ component: 'electron', from: '38.1.0', to: '39.0.0' }, { component: 'chromium', from: '140.0.7339.41', to: '142.0.7444.52' }],
      suspects: 12,
    });
    expect(app.electron.contents).toEqual([]);
    expect(await after.ensurePlayable('title 7')).toMatchObject({ playable: 'offline' });
    await after.revalidate();
    expect(after.unready()).toEqual([]);
    expect(titles(12).filter((title) => !app.plays(title))).toEqual([]);
    expect(app.billed()).toHaveLength(12);
    expect(statSync(path.join(app.directory, 'offline-sessions', 'offline-sessions.sqlite3')).isFile()).toBe(true);
  });

  test('begins by itself after a change: checks at once, licences after a random delay that the app\'s own revalidate() ends', async () => {
    await attach();
    await app.store(12);
    app.cdm.breakSalts();
    await relaunch();
    await turn();
    expect([app.offline.launch.changes, app.cdm.counts.probes]).toEqual([[], 0]);
    const after = await relaunch({ process: process39, policy: { spreadMaxMs: 86_400_000 } });
    const [report] = await once(after, 'run-finished');
    expect(report).toMatchObject({ lost: 12, licensed: 0, deferred: 12 });
    expect(await after.revalidate()).toMatchObject({ licensed: 12, deferred: 0 });
    expect(after.unready()).toEqual([]);
  });

  test('goes on with a repair that was cut short, although nothing has changed since', async () => {
    await attach();
    await app.store(2);
    app.cdm.breakSalts();
    // Offline, the update cannot be repaired in its first launch.
    const first = await relaunch({ process: process39 });
    first.setConnectivity('offline');
    expect(await first.revalidate()).toMatchObject({ licensed: 0 });
    const second = await relaunch({ process: process39, policy: { spreadMaxMs: 1 } });
    expect(second.launch).toMatchObject({ changes: [], unfinished: 2 });
    await next(second, 'run-finished');
    expect(second.unready()).toEqual([]);
    const third = await relaunch({ process: process39 });
    expect(third.launch.unfinished).toBe(0);
    await turn();
    expect(app.electron.contents).toEqual([]);
  });

  test('knows a lane by its origin, however the app writes it', async () => {
    const written = { ...PLACE, origin: `${PLACE.origin.toUpperCase()}/` };
    const offline = await attach({ lanes: [written], allowedOrigins: [`${PLACE.origin}/`] });
    await offline.put({ ...app.download('title 1', [keyId(1)], { proven: undefined }), origin: written.origin });
    expect(await offline.revalidate()).toMatchObject({ proven: 1, deferred: 0 });
    const { webContents } = await app.electron.openWindow(PLAYER, { preload: BRIDGE });
    expect(await webContents.page.window.offlineSessions.verdict('title 1')).toMatchObject({ state: 'proven' });
  });

  test('takes up what the player of a lane has stored: in the first launch, and after a change', async () => {
    const { initData, keyIds, sessionId } = (app.download('shaka', [keyId(1)]));
    const inventory = jest.fn(async () => [{ contentId: 'shaka', sessionIds: [sessionId], keyIds, initDataType: 'keyids', initData }]);
    app.inventory = inventory;
    const lanes = [{ ...PLACE, player: 'shaka' }];
    const first = await attach({ lanes });
    await once(first, 'run-finished');
    expect(first.verdict('shaka')).toMatchObject({ playable: 'offline', state: 'proven' });
    await relaunch({ lanes });
    await turn();
    expect(inventory).toHaveBeenCalledTimes(1);
    const after = await relaunch({ lanes, process: process39 });
    await once(after, 'run-finished');
    expect(inventory).toHaveBeenCalledTimes(2);
    expect(after.verdict('shaka')).toMatchObject({ playable: 'offline' });
    expect(app.electron.contents.at(-1).preferences.preload).toBe(SHAKA_WORKER);
  });

  test('with a player, too: the app\'s own revalidate() ends the delay, and the app may quit at any time', async () => {
    const lanes = [{ ...PLACE, player: 'shaka' }];
    app.inventory = async () => [...app.catalogue].map(([contentId, [{ sessionId, keyIds, initData }]]) => (
      { contentId, sessionIds: [sessionId], keyIds, initDataType: 'keyids', initData: Buffer.from(initData, 'base64'), licenseUrl: app.server.url }));
    await attach({ lanes });
    await app.store(3);
    app.cdm.breakSalts();
    const after = await relaunch({ lanes, process: process39 });
    expect(await after.revalidate()).toMatchObject({ licensed: 3, deferred: 0 });
    await relaunch({ lanes });
    await turn();
    app.electron.app.quit();
    await app.offline.close();
  });

  test('is told of a player whose catalogue cannot be listed, and repairs all the same', async () => {
    await attach();
    await app.store(1);
    app.cdm.breakSalts();
    app.inventory = async () => { throw Object.assign(new Error('version 6'), { code: 'ERR_SHAKA_LAYOUT' }); };
    const after = await relaunch({ process: process39, lanes: [{ ...PLACE, player: 'shaka' }] });
    expect(await after.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.takeWarnings()).toEqual(['ERR_SHAKA_LAYOUT']);
  });

  test('hands the app\'s hooks and policy on', async () => {
    const acquireLicense = jest.fn(async () => { throw { kind: 'refused', status: 403, reason: 'geo' }; });
    await attach();
    await app.store(1);
    app.cdm.breakSalts();
    const offline = await relaunch({ process: process39, acquireLicense });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ state: 'blocked', reason: 'geo' });
    expect(acquireLicense).toHaveBeenCalledTimes(1);
    const observer = await relaunch({ process: process38, policy: { mode: 'observe' }, directory: path.join(app.directory, 'elsewhere') });
    expect(observer.launch).toMatchObject({ firstRun: true });
    expect(await observer.list()).toEqual([]);
  });

  test('answers the pages of its lanes, or those of the app\'s own list', async () => {
    await attach();
    await app.store(1);
    const page = async (url) => (await app.electron.openWindow(url, { preload: BRIDGE })).webContents.page.window.offlineSessions;
    expect(await (await page(PLAYER)).verdict('title 1')).toMatchObject({ playable: 'offline' });
    await relaunch({ allowedOrigins: ['app://other'] });
    await expect((await page(PLAYER)).verdict('title 1')).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' });
    expect(await (await page('app://other/blank.html')).verdict('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('opens one page for each origin and partition, and none for a lane that is not the app\'s', async () => {
    const kids = { ...PLACE, partition: 'persist:kids' };
    const offline = await attach({ lanes: [PLACE, CLEARKEY, kids] });
    const put = (contentId, key, more) => offline.put(app.download(contentId, [keyId(key)], { proven: undefined, ...more }));
    await put('main', 1);
    await put('clear', 2, { keySystem: CLEARKEY.keySystem });
    await put('kids', 3, { partition: kids.partition });
    await put('other', 4, { origin: 'app://other' });
    expect(await offline.revalidate()).toMatchObject({ proven: 3, deferred: 1 });
    expect(offline.unready()).toMatchObject([{ contentId: 'other', reason: 'no-driver' }]);
    expect(app.takeWarnings()).toEqual(['ERR_NO_DRIVER']);
    expect(app.electron.contents.map(({ preferences: { partition = '' } }) => partition).sort()).toEqual(['', 'persist:kids']);
    expect(app.electron.contents.map(({ loads }) => loads)).toEqual([[BLANK], [BLANK]]);
  });

  test('waits for the process that is leaving', async () => {
    const leaving = await attach();
    const coming = attachElectron({ ...app.newElectron().parts, process: process38, lanes: [PLACE] });
    await leaving.close();
    app.offline = await coming;
    expect(app.offline.launch).toMatchObject({ firstRun: false });
  });

  test('lets pages that ask before the store is open wait for it', async () => {
    const leaving = await attach();
    await app.store(1);
    const coming = attachElectron({ ...app.newElectron().parts, process: process38, components: app.components, lanes: [PLACE] });
    const { webContents } = await app.electron.openWindow(PLAYER, { preload: BRIDGE });
    const asked = Promise.all(Array.from({ length: 100 }, () => webContents.page.window.offlineSessions.verdict('title 1')));
    const gone = await app.electron.openWindow(PLAYER, { preload: BRIDGE });
    const held = gone.webContents.page.window.offlineSessions.hold({ contentId: 'title 1', kind: 'playing' });
    await turn();
    gone.webContents.close();
    await leaving.close();
    app.offline = await coming;
    expect(new Set((await asked).map(({ playable }) => playable))).toEqual(new Set(['offline']));
    await expect(held).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  test('that fails leaves nothing behind, and says to a page that waits why', async () => {
    const first = await attach();
    const { webContents } = await app.newElectron().openWindow(PLAYER, { preload: BRIDGE });
    const failing = attachElectron({ ...app.electron.parts, process: process38, lanes: [PLACE], lockWaitMs: 0 });
    const asked = expect(webContents.page.window.offlineSessions.verdict('title 1')).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await asked;
    expectNothingOf(app.electron);
    await first.close();
  });

  test('twice in a process is refused, and takes nothing from the first', async () => {
    await attach();
    await app.store(1);
    const directory = path.join(app.directory, 'second');
    const second = attachElectron({ ...app.electron.parts, process: process38, lanes: [PLACE], directory });
    await expect(second).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await (await OfflineSessions.open({ directory, platform: PLATFORM })).close();
    const { webContents } = await app.electron.openWindow(PLAYER, { preload: BRIDGE });
    expect(await webContents.page.window.offlineSessions.verdict('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.electron.app.events.listenerCount('will-quit')).toBe(1);
  });

  test.each([
    ['options', undefined],
    ['app', { app: undefined }],
    ['ipcMain', { ipcMain: null }],
    ['BrowserWindow', { BrowserWindow: {} }],
    ['lanes', { lanes: undefined }],
    ['lanes', { lanes: [] }],
    ['lanes[0]', { lanes: [null] }],
    ['lanes[0].origin', { lanes: [{ ...PLACE, origin: undefined }] }],
    ['lanes[0].origin', { lanes: [{ ...PLACE, origin: `${PLACE.origin}/player` }] }],
    ['lanes[0].origin', { lanes: [{ ...PLACE, origin: 'bundle' }] }],
    ['lanes[1].keySystem', { lanes: [PLACE, { ...PLACE, keySystem: 1 }] }],
    ['lanes[0].partition', { lanes: [{ ...PLACE, partition: 1 }] }],
    ['lanes[0].pageUrl', { lanes: [{ ...PLACE, pageUrl: undefined }] }],
    ['lanes[0].player', { lanes: [{ ...PLACE, player: 'hls' }] }],
    ['lanes[1].player', { lanes: [PLACE, { ...PLACE, keySystem: 'org.w3.clearkey', player: 'shaka' }] }],
    ['lanes[1].pageUrl', { lanes: [PLACE, { ...PLACE, keySystem: 'org.w3.clearkey', pageUrl: `${PLACE.origin}/other.html` }] }],
    ['lanes[0].pageUrl', { lanes: [{ ...PLACE, pageUrl: 'blank.html' }] }],
    ['lanes[0].pageUrl', { lanes: [{ ...PLACE, pageUrl: 'https://bundle/blank.html' }] }],
    ['lanes[0].pageUrl', { lanes: [{ ...PLACE, contents: () => null }] }],
    ['lanes[0].contents', { lanes: [{ ...PLACE, contents: {} }] }],
    ['lanes[0].page', { lanes: [{ ...PLACE, page: BLANK }] }],
    ['allowedOrigins', { allowedOrigins: 'app://bundle' }],
    ['allowedOrigins[0]', { allowedOrigins: ['null'] }],
    ['allowedOrigins[0]', { allowedOrigins: ['app://bundle/page.html'] }],
    ['confirmQuit', { confirmQuit: true }],
    ['onRepaired', { onRepaired: 'yes' }],
    ['acquireLicense', { acquireLicense: 'https://license.example' }],
    ['lockWaitMs', { lockWaitMs: -1 }],
    ['directory', { directory: 1 }],
    ['directory', { directory: 'offline-sessions' }],
    ['autoUpdater', { autoUpdater: { autoDownload: true } }],
    ['confirmUpdate', { autoUpdater: new EventEmitter(), confirmUpdate: true }],
    ['knowledge', { knowledge: {} }],
    ['acquireLicence', { acquireLicence: () => null }],
    ['lockWait', { lockWait: 1_000 }],
    ['lane', { lane: [PLACE] }],
  ])('is refused for its %s', async (field, wrong) => {
    const options = wrong && { ...app.electron.parts, process: process38, lanes: [PLACE], ...wrong };
    await expect(attachElectron(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field });
    expectNothingOf(app.electron);
  });
});

describe('the end', () => {
  test('of the app is not delayed, and closes the store', async () => {
    const offline = await attach();
    app.electron.app.quit();
    expect(app.electron.app.exited).toBe(true);
    await expect(offline.list()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await offline.close();
    expectNothingOf(app.electron);
    await attach();
  });

  test('of the store ends all that was attached, in the middle of work too', async () => {
    const offline = await attach();
    await offline.put(app.download('title 1', [keyId(1)], { proven: undefined }));
    const working = new Promise((resolve) => { app.cdm.on('load', () => { resolve(); return never(); }); });
    const run = expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await working;
    expect(app.electron.hidden).toHaveLength(1);
    await Promise.all([offline.close(), offline.close(), run]);
    expectNothingOf(app.electron);
  });

  test.each([true, false, undefined])(
    'is put to the viewer when titles would not play offline, who answers %p', async (answer) => {
      const asked = jest.fn(() => answer);
      const offline = await attach({ confirmQuit: asked });
      await app.store(2);
      app.electron.app.quit();
      expect(asked).not.toHaveBeenCalled();
      expect(app.electron.app.exited).toBe(true);
      await offline.close();
      app.newElectron();
      const after = await attach({ process: process39, confirmQuit: asked });
      app.electron.app.quit();
      expect(asked.mock.calls).toEqual([[[expect.objectContaining({ contentId: 'title 1' }), expect.objectContaining({ contentId: 'title 2' })]]]);
      expect(app.electron.app.exited).toBe(answer !== false);
      await after.close();
    });

  test('does not depend on that question', async () => {
    await attach();
    await app.store(1);
    const offline = await relaunch({ process: process39, confirmQuit: () => { throw new Error('no dialog'); } });
    app.electron.app.quit();
    expect(app.electron.app.exited).toBe(true);
    await offline.close();
    expect(app.warnings.splice(0).map(({ message }) => message)).toEqual(['no dialog']);
  });
});

describe('the CDM', () => {
  test('that becomes ready late is told when it does', async () => {
    await attach();
    await app.store(1);
    jest.useFakeTimers(FAKED);
    let ready;
    const late = relaunch({ components: componentsOf({ version: '2.0.0.0', whenReady: () => new Promise((resolve) => { ready = resolve; }) }) });
    while (!ready) await jest.advanceTimersByTimeAsync(1_000);
    await jest.advanceTimersByTimeAsync(5_000);
    const offline = await late;
    expect(offline.launch.changes).toEqual([]);
    const updated = jest.spyOn(offline, 'updatePlatform');
    ready();
    await jest.advanceTimersByTimeAsync(0);
    expect(await updated.mock.results[0].value).toMatchObject({ changes: [{ component: 'cdm', from: '1.0.0.0', to: '2.0.0.0' }], suspects: 1 });
  });

  test('is looked at again after a sleep; a version that is not observed says nothing', async () => {
    await attach();
    await app.store(1);
    const components = componentsOf();
    const offline = await relaunch({ components });
    const updated = jest.spyOn(offline, 'updatePlatform');
    for (const version of ['1.0.0.0', null, '0.0.0.0']) {
      components.version = version;
      app.electron.powerMonitor.emit('resume');
    }
    expect(updated).not.toHaveBeenCalled();
    components.version = '1.0.0.1';
    app.electron.powerMonitor.emit('resume');
    app.electron.powerMonitor.emit('resume');
    // One that was downloaded may be shown before it runs, which it does from the next start.
    expect(updated.mock.calls).toEqual([[{ cdms: [{ keySystem: PLACE.keySystem, version: null }] }]]);
    await updated.mock.results[0].value;
    expect(offline.verdict('title 1')).toMatchObject({ state: 'suspect' });
    await once(offline, 'run-finished');
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline' });
    const next = await relaunch({ components: componentsOf({ version: '1.0.0.1' }) });
    expect(next.launch).toMatchObject({ suspects: 1 });
    expect(next.verdict('title 1')).toMatchObject({ state: 'suspect' });
  });
});

test('a CDM that could not be recorded is told again after the next sleep', async () => {
  const components = componentsOf();
  const offline = await attach({ components });
  const updated = jest.spyOn(offline, 'updatePlatform').mockRejectedValueOnce(new OfflineSessionsError('ERR_STORAGE', 'disk'));
  components.version = '1.0.0.1';
  for (let times = 0; times < 3; times++) {
    app.electron.powerMonitor.emit('resume');
    await turn();
  }
  expect(updated).toHaveBeenCalledTimes(2);
  expect(app.takeWarnings()).toEqual(['ERR_STORAGE']);
});

describe('the updater', () => {
  const STRANDING = { version: '2.0.0', vendor: { electron: '43.0.0', chromium: '144.0.7559.0' } };

  test('downloads nothing from the call on, and what it announces before the store is open is assessed', async () => {
    const autoUpdater = updaterOf();
    const confirmUpdate = jest.fn(async () => true);
    await attach();
    await app.store(2);
    const attaching = relaunch({ autoUpdater, confirmUpdate });
    while (autoUpdater.autoDownload) await turn();
    autoUpdater.emit('update-available', STRANDING);
    expect(autoUpdater.autoInstallOnAppQuit).toBe(false);
    const offline = await attaching;
    while (!autoUpdater.downloadUpdate.mock.calls.length) await turn();
    expect(confirmUpdate.mock.calls).toEqual([[expect.objectContaining({ advice: 'defer', stranded: titles(2) }), STRANDING]]);
    expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
    const prepared = jest.spyOn(offline, 'prepareForUpdate');
    autoUpdater.emit('update-downloaded', STRANDING);
    await turn();
    // Nothing has changed since it was closed last.
    expect(await prepared.mock.results[0].value).toEqual({ copied: false, notRenewable: [] });
    app.electron.app.quit();
    expect(app.electron.app.exited).toBe(true);
    expect(autoUpdater.eventNames()).toEqual([]);
  });

  test('updates the app as ever when attaching fails', async () => {
    await attach();
    const autoUpdater = updaterOf();
    const attaching = attachElectron({ ...app.newElectron().parts, process: process38, lanes: [PLACE], lockWaitMs: 0, autoUpdater });
    expect(autoUpdater.autoDownload).toBe(false);
    await expect(attaching).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await turn();
    expect([autoUpdater.autoDownload, autoUpdater.autoInstallOnAppQuit, autoUpdater.eventNames()]).toEqual([true, true, []]);
  });

  test('is weighed by the app\'s own knowledge and its server\'s word', async () => {
    const knowledge = [{ keySystem: PLACE.keySystem, component: 'chromium', since: '140.0.0.0', outcome: 'kept', confidence: 'certain' }];
    await attach();
    await app.store(2);
    const offline = await relaunch({ knowledge, preflight: async () => [{ contentId: 'title 2', reason: 'entitlement' }] });
    expect(await offline.assessUpdate(STRANDING.vendor)).toMatchObject({ stranded: [], notRenewable: ['title 2'] });
  });
});

test('without a network nothing is checked; with one again it is, also after a sleep', async () => {
  await attach();
  await app.store(1);
  app.electron.app.quit();
  await app.quit();
  app.newElectron().online = false;
  jest.useFakeTimers(FAKED);
  const offline = await attach({ process: process39 });
  expect(await offline.revalidate()).toMatchObject({ checked: 0, deferred: 1 });
  expect(offline.verdict('title 1')).toMatchObject({ reason: 'offline' });
  const ready = next(offline, 'content-ready');
  app.electron.online = true;
  await jest.advanceTimersByTimeAsync(10_000);
  await ready;
  const told = jest.spyOn(offline, 'setConnectivity');
  app.electron.online = false;
  app.electron.powerMonitor.emit('resume');
  app.electron.powerMonitor.emit('resume');
  expect(told.mock.calls).toEqual([['offline']]);
});

test('a page that cannot be used is a warning', async () => {
  const offline = await attach({ lanes: [{ ...PLACE, pageUrl: 'app://bundle/none.html' }] });
  await offline.put(app.download('title 1', [keyId(1)], { proven: undefined }));
  expect(await offline.revalidate()).toMatchObject({ deferred: 1 });
  expect(app.takeWarnings()).toEqual(['ERR_WORKER_PAGE']);
});
