'use strict';

const { EventEmitter } = require('node:events');
const { useElectronApp } = require('../helpers/electron-app.js');
const { turn } = require('../helpers/electron-stand-in.js');
const { next, titles, keyId, initDataOf } = require('../helpers/offline-app.js');

const EXAMPLE = '../../examples/electron-app';
const PLAYER = 'app://bundle/player.html';
const app = useElectronApp();
const COMPONENTS = { WIDEVINE_CDM_ID: 'x', whenReady: async () => [], status: () => ({ x: { title: 'Widevine', version: '4.10.2891.0' } }) };
const VERSIONS = [{ electron: '41.10.3+wvcus', chrome: '140.0.1.1' }, { electron: '42.11.0+wvcus', chrome: '142.0.1.1' }];
const { versions, argv } = process;
let autoUpdater, log;

beforeEach(() => {
  app.lane = { origin: 'app://bundle', keySystem: 'com.widevine.alpha' };
  log = jest.spyOn(console, 'log').mockImplementation(() => {});
});
afterEach(() => {
  Object.defineProperty(process, 'versions', { value: versions });
  process.argv = argv;
  log.mockRestore();
});

/** `npm start`, on a version of Electron. Gives the window that it opens. */
async function start(version) {
  const { app: electronApp } = app.electron;
  const opening = new Promise((resolve) => { electronApp.once('browser-window-created', (_event, window) => resolve(window)); });
  launch(version);
  const window = await opening;
  await new Promise((resolve) => { window.webContents.once('did-finish-load', resolve); });
  return { window, page: window.webContents.page.window };
}

/** @param {number} version @param {...string} args */
function launch(version = 0, ...args) {
  Object.defineProperty(process, 'versions', { value: { ...versions, ...VERSIONS[version] } });
  process.argv = [...argv, ...args];
  autoUpdater = Object.assign(new EventEmitter(), { autoDownload: true, autoInstallOnAppQuit: true, checkForUpdates: jest.fn(async () => null),
    downloadUpdate: jest.fn(async () => []) });
  const { electron } = app;
  jest.doMock('electron', () => ({ ...electron.parts, components: COMPONENTS }));
  jest.doMock('electron-updater', () => ({ autoUpdater }));
  jest.doMock('electron-offline-sessions/electron', () => {
    const real = jest.requireActual('../../js/electron/index.js');
    return { ...real, attachElectron: async (options) => { app.offline = await real.attachElectron(options); return app.offline; } };
  });
  app.offline = undefined;
  jest.resetModules();
  require(`${EXAMPLE}/main.js`);
}

/** The app quits; the next one begins in another process. */
async function quit() {
  app.electron.app.quit();
  expect(app.electron.app.exited).toBe(true);
  await app.quit();
  app.newElectron();
}

const download = (n) => {
  const { sessionId } = app.download(`title ${n}`, [keyId(n)]);
  return { contentId: `title ${n}`, title: `Film ${n}`, sessionId, initDataType: 'keyids', initData: initDataOf([keyId(n)]), licenseUrl: app.server.url,
    capabilities: { audio: [], video: [{ contentType: 'video/mp4; codecs="avc1.640028"' }] }, keyStatuses: { [keyId(n)]: 'usable' } };
};

/** The page's list, with a view and a player that note what is asked of them. */
async function listOf(page, player = { play: async () => {} }) {
  const { DownloadsList } = await import(`${EXAMPLE}/pages/downloads-list.mjs`);
  const seen = { rows: [], progress: [], said: [] };
  const view = { show: (rows) => { seen.rows = rows; }, progress: (done, total) => seen.progress.push([done, total]), say: (text) => seen.said.push(text) };
  return { seen, list: new DownloadsList({ ...page, player, view }) };
}

test('a first start registers its scheme, opens a window on the player and has nothing in its list', async () => {
  const { window, page } = await start();
  expect(app.electron.privileged).toEqual([{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } }]);
  expect(window.webContents.getURL()).toBe(PLAYER);
  const { list, seen } = await listOf(page);
  await list.start();
  expect(seen.rows).toEqual([]);
  await quit();
});

test('its pages are served from its own folder, and nothing else is', async () => {
  await start();
  const serve = app.electron.schemes.get('app');
  const statusOf = async (file) => (await serve({ url: `app://bundle/${file}` })).status;
  const ours = ['player.html', 'blank.html', 'player.mjs', 'downloads-list.mjs', 'player.css'];
  const others = ['none.html', '../main.js', '..%2fmain.js', 'package.json', '%00.html', ''];
  expect(await Promise.all(ours.map(statusOf))).toEqual(Array(5).fill(200));
  expect(await Promise.all(others.map(statusOf))).toEqual(Array(6).fill(404));
  expect((await serve({ url: 'app://other/player.html' })).status).toBe(404);
  const page = await serve({ url: PLAYER });
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('content-security-policy')).toContain('default-src \'self\'');
  await quit();
});

test.each([
  ['mediaKeySystem', PLAYER, true], ['mediaKeySystem', 'app://bundle.evil/x', false], ['mediaKeySystem', 'https://evil.example/', false],
  ['camera', PLAYER, false],
])('it allows %s to %s: %p', async (permission, requestingUrl, allowed) => {
  await start();
  const callback = jest.fn();
  app.electron.permissionHandler({}, permission, callback, { requestingUrl });
  expect(callback.mock.calls).toEqual([[allowed]]);
  await quit();
});

test('the story of an update: twelve downloads, every licence lost, and all of them play again', async () => {
  const { page } = await start();
  await page.downloads.stored(Array.from({ length: 12 }, (_none, n) => download(n + 1)));
  const before = await listOf(page);
  await before.list.start();
  expect(before.seen.rows.map(({ title, verdict }) => [title, verdict.playable])).toEqual(titles(12).map((_title, n) => [`Film ${n + 1}`, 'offline']));
  await quit();
  app.cdm.breakSalts();

  const updated = await start(1);
  expect(log.mock.calls.map(([line]) => line)).toContain('electron: 41.10.3+wvcus -> 42.11.0+wvcus');
  const player = { play: jest.fn(async () => {}) };
  const { list, seen } = await listOf(updated.page, player);
  await list.start();
  await list.play('title 9');
  expect(player.play.mock.calls).toEqual([['title 9', [expect.objectContaining({ keySystem: 'com.widevine.alpha' })]]]);
  await app.offline.revalidate();
  await list.refresh();
  expect(seen.rows.map(({ verdict }) => verdict.playable)).toEqual(Array(12).fill('offline'));
  expect(titles(12).filter((title) => !app.plays(title))).toEqual([]);
  expect(app.billed()).toHaveLength(12);
  expect(seen.progress.at(-1)).toEqual([12, 12]);
  await quit();
});

test('a title whose verdict says no does not play, and the viewer is told why', async () => {
  const { page } = await start();
  await page.downloads.stored([download(1)]);
  await quit();
  app.cdm.breakSalts();
  app.electron.online = false;
  const { page: offline } = await start(1);
  const player = { play: jest.fn() };
  const { list, seen } = await listOf(offline, player);
  await list.play('title 2');
  expect(player.play).not.toHaveBeenCalled();
  expect(seen.said.at(-1)).toBe('Connect to the internet once, and it plays offline again.');
  app.electron.answers = () => 1;
  await quit();
});

test('a title that does not play is reported and checked; while it plays it is held', async () => {
  const { page } = await start();
  await page.downloads.stored([download(1)]);
  let held;
  const player = { play: async () => {
    await app.offline.reportPlayback('title 1', { error: 'x' });
    held = await app.offline.revalidate();
    throw new Error('6013');
  } };
  const { list, seen } = await listOf(page, player);
  const ready = next(app.offline, 'content-ready');
  await list.play('title 1');
  expect(held).toMatchObject({ checked: 0, deferred: 1 });
  expect(seen.said).toContain('It does not play: 6013');
  expect(await ready).toMatchObject({ contentId: 'title 1' });
  await quit();
});

test('a download that is removed is forgotten, and only its own page may say so', async () => {
  const { page } = await start();
  await page.downloads.stored([download(1), download(2)]);
  await page.downloads.removed('title 1');
  expect(await page.downloads.list()).toEqual([{ contentId: 'title 2', title: 'Film 2' }]);
  const { webContents } = await app.electron.openWindow('app://other/blank.html', { preload: require.resolve(`${EXAMPLE}/preload.js`) });
  await expect(webContents.page.window.downloads.removed('title 2')).rejects.toThrow('this page may not ask');
  await quit();
});

test.each([[0, false], [1, true]])('quitting with titles that would not play asks first: answer %p', async (answer, quits) => {
  const { page } = await start();
  await page.downloads.stored([download(1)]);
  await quit();
  app.electron.online = false;
  await start(1);
  const asked = jest.fn(() => answer);
  app.electron.answers = asked;
  app.electron.app.quit();
  expect(asked).toHaveBeenCalledWith(expect.objectContaining({ message: '1 of your downloads would not play offline now.', buttons: ['Stay', 'Quit'] }));
  expect(app.electron.app.exited).toBe(quits);
  app.electron.answers = () => 1;
  await quit();
});

test.each([[0, 0], [1, 1]])('an update that would strand downloads is put to the viewer: answer %p, downloads %p', async (answer, downloads) => {
  const { page } = await start();
  await page.downloads.stored([download(1), download(2)]);
  const asking = new Promise((resolve) => { app.electron.answers = (options) => { resolve(options); return answer; }; });
  autoUpdater.emit('update-available', { version: '2.0.0', vendor: { electron: '43.0.0', chromium: '144.0.7559.0' } });
  expect(await asking).toMatchObject({ message: expect.stringContaining('2 of your downloads'), buttons: ['Not now', 'Update'] });
  await turn();
  expect([autoUpdater.downloadUpdate.mock.calls.length, autoUpdater.autoInstallOnAppQuit]).toEqual([downloads, answer === 1]);
  await quit();
});

test('a repair launch opens no window, reports and quits', async () => {
  const { page } = await start();
  await page.downloads.stored([download(1), download(2)]);
  await quit();
  app.cdm.breakSalts();
  const quits = new Promise((resolve) => { app.electron.app.on('will-quit', resolve); });
  launch(1, '--offline-sessions-repair');
  await quits;
  expect(log.mock.calls.at(-1)).toEqual(['2 of 2 ready']);
  expect(app.electron.windows).toEqual([]);
  expect(titles(2).filter((title) => !app.plays(title))).toEqual([]);
  app.cdm.restart();
});

test('a second instance leaves, and the first one shows its window', async () => {
  const { window } = await start();
  app.electron.app.emit('second-instance');
  app.electron.app.emit('activate');
  expect([app.electron.windows.length, window.shown]).toEqual([1, 2]);
  const first = app.electron;
  app.newElectron().app.isFirstInstance = false;
  launch();
  await turn();
  expect([app.electron.app.exited, app.electron.windows.length]).toEqual([true, 0]);
  first.app.quit();
});

describe('its licence request', () => {
  const { acquireLicense } = require(`${EXAMPLE}/license.js`);
  const request = { session: { licenseUrl: 'https://license.example/' }, requestId: 'r', message: new Uint8Array([1]), signal: new AbortController().signal };
  const answers = (status, body = '', headers = {}) => jest.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body, { status, headers }));
  afterEach(() => jest.restoreAllMocks());

  test('carries the token and the id under which a server bills once', async () => {
    const fetched = answers(200, 'licence');
    expect(Buffer.from(await acquireLicense(request)).toString()).toBe('licence');
    expect(fetched).toHaveBeenCalledWith('https://license.example/', expect.objectContaining({
      method: 'POST', body: request.message, headers: { authorization: 'Bearer ', 'idempotency-key': 'r' },
    }));
  });

  test.each([
    [429, '', { 'retry-after': '7' }, { kind: 'throttled', status: 429, retryAfterMs: 7_000 }],
    [503, '', {}, { kind: 'throttled', status: 503, retryAfterMs: null }],
    [500, '', {}, { kind: 'server-error', status: 500 }],
    [403, 'NOT_ENTITLED', {}, { kind: 'refused', status: 403, reason: 'entitlement' }],
    [403, '<html>Log in to the hotel', {}, { kind: 'unreachable', message: 'HTTP 403' }],
    [404, '', {}, { kind: 'unreachable', message: 'HTTP 404' }],
  ])('tells a %i that says %p apart', async (status, body, headers, outcome) => {
    answers(status, body, headers);
    await expect(acquireLicense(request)).rejects.toEqual(outcome);
  });
});
