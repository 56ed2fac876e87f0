'use strict';

const { EventEmitter, once } = require('node:events');
const path = require('node:path');
const { OfflineSessionsError } = require('../..');
const { attachUpdater } = require('../../js/electron/index.js');
const { LinuxUpdater, UpdateFeed } = require('../../testbed/linux-updater.js');
const { Electron, turn } = require('../helpers/electron-stand-in.js');
const { useApp, next, titles } = require('../helpers/offline-app.js');

/** The real electron-updater and its feed, before real OfflineSessions with two titles. */

const app = useApp();
const WIDEVINE = 'com.widevine.alpha';
/** Said to have no persistent licences. */
const STRANDING = { electron: '43.0.0', chromium: '144.0.7559.0' };
const GONE = Object.freeze({ version: '2.0.0', vendor: STRANDING });
let feed, linux, autoUpdater, offline, hook;

beforeEach(async () => {
  app.lane = { origin: 'app://bundle', keySystem: WIDEVINE };
  feed = await new UpdateFeed().start();
  linux = new LinuxUpdater(path.join(app.directory, 'installed'), feed.url);
  ({ autoUpdater } = linux);
  offline = await app.open({ platform: { cdms: [{ keySystem: WIDEVINE, version: '4.10.2891.0' }] } });
  await app.store(2);
  jest.spyOn(offline, 'assessUpdate');
  jest.spyOn(offline, 'prepareForUpdate');
});
afterEach(async () => {
  hook?.stop();
  await feed.close();
});

const attach = (options) => { hook = attachUpdater(offline, autoUpdater, options); };
/** What was prepared in the end: hints that are refused are left out of a second call. */
const prepared = async () => {
  const { results } = offline.prepareForUpdate.mock;
  await once(autoUpdater, 'update-downloaded');
  for (let at = 0; ; at++) {
    while (results.length <= at) await turn();
    const [end] = await Promise.allSettled([results[at].value]);
    if (end.status === 'fulfilled') return end.value;
  }
};
const takeWarnings = () => app.warnings.splice(0).map(({ code, message }) => code ?? message);

/** Asks the feed; resolves when what was announced has been assessed. */
async function assessed(release) {
  if (release) feed.release = release;
  const assessing = next(offline, 'update-assessed');
  await autoUpdater.checkForUpdates();
  const assessment = await assessing;
  await turn();
  return assessment;
}

/** Nothing has been downloaded, and nothing is installed by quitting. */
async function expectHeldBack() {
  await turn();
  expect([feed.downloads, autoUpdater.autoDownload, autoUpdater.autoInstallOnAppQuit]).toEqual([0, false, false]);
  linux.quit();
  expect(linux.installed).toBe('1.0.0');
}

test('an update of which nothing speaks is downloaded, the store copied before it is installed', async () => {
  attach();
  expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
  const copied = prepared();
  expect(await assessed({ version: '2.0.0' })).toMatchObject({ advice: 'install' });
  expect(await copied).toEqual({ copied: true, notRenewable: [] });
  expect(offline.assessUpdate.mock.calls).toEqual([[{ app: '2.0.0' }]]);
  expect([feed.downloads, linux.installed]).toEqual([1, '1.0.0']);
  linux.quit();
  expect(linux.installed).toBe('2.0.0');
});

test('an update that would strand titles is put off until the viewer agrees, however long that takes', async () => {
  let answer;
  const confirmUpdate = jest.fn(() => new Promise((resolve) => { answer = resolve; }));
  attach({ confirmUpdate });
  const assessment = await assessed(GONE);
  expect(assessment).toMatchObject({ advice: 'defer', stranded: titles(2) });
  expect(confirmUpdate.mock.calls).toEqual([[assessment, expect.objectContaining(GONE)]]);
  await expectHeldBack();
  const copied = prepared();
  answer(true);
  expect(await copied).toEqual({ copied: true, notRenewable: [] });
  expect((await offline.history())[0].expected.target).toMatchObject({ app: '2.0.0', ...STRANDING });
  linux.quit();
  expect([feed.downloads, linux.installed]).toEqual([1, '2.0.0']);
});

test.each([
  ['says no', () => false, []],
  ['says neither', async () => {}, []],
  ['throws', () => { throw new Error('no dialog'); }, ['ERR_CALLBACK']],
  ['is not there', undefined, []],
])('an update that is advised against is not downloaded when confirmUpdate %s; the next check asks again', async (_what, confirmUpdate, warnings) => {
  attach({ confirmUpdate });
  for (let times = 0; times < 2; times++) await assessed(GONE);
  await expectHeldBack();
  expect(takeWarnings()).toEqual([...warnings, ...warnings]);
});

test('what the app downloads by itself is not installed before the viewer agrees', async () => {
  let answer;
  attach({ confirmUpdate: () => new Promise((resolve) => { answer = resolve; }) });
  await assessed(GONE);
  await autoUpdater.downloadUpdate();
  linux.quit();
  expect([feed.downloads, linux.installed]).toEqual([1, '1.0.0']);
  const again = prepared();
  answer(true);
  await again;
  linux.quit();
  expect([feed.downloads, linux.installed]).toEqual([1, '2.0.0']);
});

test('autoDownload that the app sets again starts no download', async () => {
  attach();
  autoUpdater.autoDownload = true;
  await assessed(GONE);
  await expectHeldBack();
});

test('an app that installs nothing on quit is left so', async () => {
  autoUpdater.autoInstallOnAppQuit = false;
  attach();
  const copied = prepared();
  await assessed({ version: '2.0.0' });
  await copied;
  expect(autoUpdater.autoInstallOnAppQuit).toBe(false);
});

test('a staged roll-out that this install is not part of is not assessed; when it is, it is', async () => {
  attach();
  feed.release = { ...GONE, stagingPercentage: 0 };
  expect(await autoUpdater.checkForUpdates()).toMatchObject({ isUpdateAvailable: false });
  await turn();
  expect(offline.assessUpdate).not.toHaveBeenCalled();
  expect(await assessed({ ...GONE, stagingPercentage: 100 })).toMatchObject({ advice: 'defer' });
});

test('a file that its checksum is not of is told by the updater, and neither prepared for nor installed; later it is, without asking again', async () => {
  const confirmUpdate = jest.fn(() => true);
  attach({ confirmUpdate });
  const failed = once(autoUpdater, 'error');
  await assessed({ ...GONE, broken: true });
  expect((await failed)[0]).toMatchObject({ code: 'ERR_CHECKSUM_MISMATCH' });
  linux.quit();
  expect([offline.prepareForUpdate.mock.calls.length, linux.installed, takeWarnings()]).toEqual([0, '1.0.0', []]);
  feed.release = GONE;
  const copied = prepared();
  await autoUpdater.checkForUpdates();
  await copied;
  linux.quit();
  expect([confirmUpdate.mock.calls.length, linux.installed]).toEqual([1, '2.0.0']);
});

test.each([
  [{ electron: 43 }, 'defer', []],
  [{ electron: 'v43.0.0', chromium: '150' }, 'defer', []],
  [{ electron: '43.0.0-alpha.1' }, 'defer', []],
  [{ chromium: '150.0.7800.10', cdms: {} }, 'defer', ['ERR_INVALID_ARGUMENT']],
  [{ electron: 'the next one' }, 'warn', []],
  [{ electron: {}, chromium: ['150'], cdms: 4 }, 'warn', ['ERR_INVALID_ARGUMENT', 'ERR_INVALID_ARGUMENT', 'ERR_INVALID_ARGUMENT']],
])('an update whose feed says %j is not taken for one that strands nothing', async (vendor, advice, warnings) => {
  attach();
  expect(await assessed({ version: '2.0.0', vendor })).toMatchObject({ advice });
  await expectHeldBack();
  expect(takeWarnings()).toEqual(warnings);
});

test.each([
  ['of another type', { cdms: 4 }, ['ERR_INVALID_ARGUMENT']],
  ['that is nothing', null, []],
  ['that is text', 'electron 43', []],
  ['of other fields', { app: '9.9.9', machine: 'yours', profile: 'other', note: {} }, []],
])('a vendor field %s is no reason to know nothing of the update', async (_what, vendor, warnings) => {
  attach();
  const copied = prepared();
  expect(await assessed({ version: '2.0.0', vendor })).toMatchObject({ advice: 'install', reasons: [{ code: 'target-unknown' }] });
  expect(await copied).toMatchObject({ copied: true });
  expect(offline.assessUpdate.mock.calls.at(-1)).toEqual([{ app: '2.0.0' }]);
  expect(offline.prepareForUpdate.mock.calls.at(-1)).toEqual([{ app: '2.0.0' }]);
  expect(takeWarnings()).toEqual(warnings);
});

test('announced twice an update is asked about once; a newer one is not downloaded on the answer about an older', async () => {
  const answers = [];
  const confirmUpdate = jest.fn(() => new Promise((resolve) => { answers.push(resolve); }));
  attach({ confirmUpdate });
  await assessed(GONE);
  await autoUpdater.checkForUpdates();
  await turn();
  expect(confirmUpdate).toHaveBeenCalledTimes(1);
  await assessed({ ...GONE, version: '3.0.0' });
  answers[0](true);
  await expectHeldBack();
  const copied = prepared();
  answers[1](true);
  await copied;
  linux.quit();
  expect([feed.downloads, linux.installed]).toEqual([1, '3.0.0']);
});

describe('an update that was agreed to, and waits to be installed,', () => {
  beforeEach(async () => {
    attach();
    const copied = prepared();
    await assessed({ version: '2.0.0' });
    await copied;
  });

  test('is installed though a newer one is advised against, after travel mode too', async () => {
    expect(await assessed({ ...GONE, version: '3.0.0' })).toMatchObject({ advice: 'defer' });
    hook.hold();
    expect(autoUpdater.autoInstallOnAppQuit).toBe(false);
    hook.release();
    for (let times = 0; times < 2; times++) await offline.assessUpdate({});
    linux.quit();
    expect([feed.downloads, linux.installed]).toEqual([1, '2.0.0']);
  });

  test('goes when the app downloads the newer one by itself: nothing is installed that was not agreed to', async () => {
    await assessed({ ...GONE, version: '3.0.0' });
    await autoUpdater.downloadUpdate();
    linux.quit();
    expect([feed.downloads, linux.installed]).toEqual([2, '1.0.0']);
  });
});

describe('what is installed by quitting is what was agreed to', () => {
  const announce = async (info) => {
    const assessing = next(offline, 'update-assessed');
    autoUpdater.emit('update-available', info);
    await assessing;
    await turn();
  };

  beforeEach(() => {
    autoUpdater = Object.assign(new EventEmitter(), { autoDownload: true, autoInstallOnAppQuit: true, downloadUpdate: jest.fn(async () => []) });
    attach();
  });

  test('when a newer one is advised against while it is downloaded', async () => {
    await announce({ version: '2.0.0' });
    await announce({ ...GONE, version: '3.0.0' });
    expect([autoUpdater.downloadUpdate.mock.calls.length, autoUpdater.autoInstallOnAppQuit]).toEqual([1, false]);
    autoUpdater.emit('update-downloaded', { version: '2.0.0' });
    expect(autoUpdater.autoInstallOnAppQuit).toBe(true);
    hook.hold();
    autoUpdater.emit('update-downloaded', { version: '2.0.0' });
    expect(autoUpdater.autoInstallOnAppQuit).toBe(false);
    await turn();
  });

  test('when the app has downloaded an older one by itself', async () => {
    await announce(GONE);
    autoUpdater.emit('update-downloaded', GONE);
    await announce({ version: '2.1.0' });
    expect([autoUpdater.downloadUpdate.mock.calls.length, autoUpdater.autoInstallOnAppQuit]).toEqual([1, false]);
    autoUpdater.emit('update-downloaded', { version: '2.1.0' });
    expect(autoUpdater.autoInstallOnAppQuit).toBe(true);
    await turn();
  });
});

test('an update that is withdrawn while the viewer is asked is not downloaded, nor assessed again when it was held', async () => {
  let answer;
  attach({ confirmUpdate: () => new Promise((resolve) => { answer = resolve; }) });
  await assessed(GONE);
  feed.release = { version: '1.0.0' };
  expect(await autoUpdater.checkForUpdates()).toMatchObject({ isUpdateAvailable: false });
  answer(true);
  await expectHeldBack();
  hook.hold();
  hook.release();
  await turn();
  expect([offline.assessUpdate.mock.calls.length, feed.downloads]).toEqual([1, 0]);
});

test('attached to again, as by a store that is opened again, an updater gets back what the app had chosen', async () => {
  attach();
  await assessed(GONE);
  hook.stop();
  attach({ confirmUpdate: () => true });
  const copied = prepared();
  await assessed();
  await copied;
  expect(autoUpdater.autoInstallOnAppQuit).toBe(true);
});

test('an assessment that fails is a warning, and made again when the update is announced again', async () => {
  attach();
  offline.assessUpdate.mockRejectedValueOnce(new OfflineSessionsError('ERR_STORAGE', 'disk'));
  feed.release = { version: '2.0.0' };
  await autoUpdater.checkForUpdates();
  await expectHeldBack();
  expect(takeWarnings()).toEqual(['ERR_STORAGE']);
  const copied = prepared();
  await assessed();
  await copied;
});

test('the end of the app does not wait for the viewer, and installs nothing that he has not agreed to', async () => {
  let answer;
  attach({ confirmUpdate: () => new Promise((resolve) => { answer = resolve; }) });
  await assessed(GONE);
  hook.stop();
  await offline.close();
  answer(true);
  await expectHeldBack();
  const events = ['update-available', 'update-not-available', 'update-downloaded'];
  expect(events.map((event) => autoUpdater.listenerCount(event))).toEqual([0, 0, 0]);
});

test('a store that closes in the middle of an assessment is no warning', async () => {
  attach();
  feed.release = GONE;
  await autoUpdater.checkForUpdates();
  await offline.close();
  await expectHeldBack();
});

describe('a store that is not open yet', () => {
  test('is waited for, and what was announced meanwhile is assessed', async () => {
    let open;
    hook = attachUpdater(new Promise((resolve) => { open = resolve; }), autoUpdater);
    feed.release = GONE;
    await autoUpdater.checkForUpdates();
    await expectHeldBack();
    const assessing = next(offline, 'update-assessed');
    open(offline);
    expect(await assessing).toMatchObject({ advice: 'defer' });
  });

  test('and cannot be opened leaves the updater as it was', async () => {
    let fail;
    hook = attachUpdater(new Promise((_resolve, reject) => { fail = reject; }), autoUpdater);
    feed.release = GONE;
    await autoUpdater.checkForUpdates();
    fail(new Error('in use'));
    await turn();
    expect(autoUpdater).toMatchObject({ autoDownload: true, autoInstallOnAppQuit: true });
    expect(autoUpdater.listenerCount('update-available')).toBe(0);
    const { downloadPromise } = await autoUpdater.checkForUpdates();
    await downloadPromise;
    linux.quit();
    expect(linux.installed).toBe('2.0.0');
  });
});

test('a second store that cannot be opened takes nothing from the first', async () => {
  attach();
  await assessed(GONE);
  attachUpdater(Promise.reject(new Error('in use')), autoUpdater);
  await expectHeldBack();
  expect(autoUpdater.listenerCount('update-available')).toBe(1);
});

describe('held, as in travel mode', () => {
  test('an update is assessed, and neither asked about nor downloaded; after it it is', async () => {
    const confirmUpdate = jest.fn(() => true);
    attach({ confirmUpdate });
    hook.hold();
    await assessed(GONE);
    await assessed({ version: '2.1.0' });
    await expectHeldBack();
    expect(confirmUpdate).not.toHaveBeenCalled();
    const copied = prepared();
    hook.release();
    await copied;
    linux.quit();
    expect(linux.installed).toBe('2.1.0');
  });

  test('an update that waits to be installed is not; nor is a yes heard that comes meanwhile', async () => {
    attach();
    const copied = prepared();
    await assessed({ version: '2.0.0' });
    await copied;
    hook.hold();
    // Announced again it has been agreed to already.
    await autoUpdater.checkForUpdates();
    await turn();
    linux.quit();
    expect([linux.installed, autoUpdater.autoInstallOnAppQuit]).toEqual(['1.0.0', false]);
    hook.release();
    await once(autoUpdater, 'update-downloaded');
    let answer;
    hook.stop();
    attach({ confirmUpdate: () => new Promise((resolve) => { answer = resolve; }) });
    await assessed({ ...GONE, version: '3.0.0' });
    hook.hold();
    answer(true);
    await turn();
    expect([feed.downloads, autoUpdater.autoInstallOnAppQuit]).toEqual([1, false]);
  });

  test('a question that the viewer is looking at is not put to him again', async () => {
    let answer;
    const confirmUpdate = jest.fn(() => new Promise((resolve) => { answer = resolve; }));
    attach({ confirmUpdate });
    await assessed(GONE);
    hook.hold();
    hook.release();
    for (let times = 0; times < 2; times++) await offline.assessUpdate({});
    await expectHeldBack();
    expect(confirmUpdate).toHaveBeenCalledTimes(1);
    const copied = prepared();
    answer(true);
    await copied;
    linux.quit();
    expect(linux.installed).toBe('2.0.0');
  });

  test('with nothing announced the switches are as before', () => {
    attach();
    hook.hold();
    hook.hold();
    expect(autoUpdater.autoInstallOnAppQuit).toBe(false);
    hook.release();
    hook.release();
    expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
  });
});

/** As far as both are documented: 7.0.0-alpha.7 has `autoInstallEvent` in place of `autoInstallOnAppQuit`. */
test('electron-updater 7 is held by autoInstallEvent', async () => {
  const downloadUpdate = jest.fn(async () => []);
  autoUpdater = Object.assign(new EventEmitter(), { autoDownload: true, autoInstallEvent: 'onNextLaunch', downloadUpdate });
  let answer;
  attach({ confirmUpdate: () => new Promise((resolve) => { answer = resolve; }) });
  const assessing = next(offline, 'update-assessed');
  autoUpdater.emit('update-available', GONE);
  await assessing;
  await turn();
  expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallEvent: 'manual' });
  answer(true);
  await turn();
  expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallEvent: 'onNextLaunch' });
  expect(autoUpdater).not.toHaveProperty('autoInstallOnAppQuit');
  expect(downloadUpdate).toHaveBeenCalledTimes(1);
});

test('Electron\'s own autoUpdater, which has no switches, is advised and prepared for', async () => {
  autoUpdater = new Electron().autoUpdater;
  attach({ confirmUpdate: () => false });
  expect(hook.canHold).toBe(false);
  hook.hold();
  const assessing = next(offline, 'update-assessed');
  autoUpdater.emit('update-available');
  expect(await assessing).toMatchObject({ reasons: [{ code: 'target-unknown' }] });
  autoUpdater.emit('update-downloaded', {}, 'notes', '2.0.0', new Date(0), 'https://feed.example');
  await turn();
  expect(await offline.prepareForUpdate.mock.results[0].value).toEqual({ copied: true, notRenewable: [] });
  hook.release();
  expect(Object.keys(autoUpdater)).toEqual(['events']);
});

test.each([
  ['autoUpdater', [null]],
  ['autoUpdater', [{ autoDownload: true }]],
  ['confirmUpdate', [new EventEmitter(), { confirmUpdate: true }]],
  ['consent', [new EventEmitter(), { consent: () => true }]],
])('is refused for its %s: %p', (field, args) => {
  expect(() => attachUpdater(offline, ...args)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }));
});
