'use strict';

const { useElectronApp } = require('../helpers/electron-app.js');
const { turn } = require('../helpers/electron-stand-in.js');
const { endExample, launchExample } = require('../helpers/example-app.js');
const { titles, keyId } = require('../helpers/offline-app.js');

const EXAMPLE = '../../examples/electron-app';
const PLAYER = 'app://bundle/player.html';
const app = useElectronApp();
let autoUpdater, log, warn;

beforeEach(() => {
  app.lane = { origin: 'app://bundle', keySystem: 'com.widevine.alpha' };
  app.inventory = stored;
  log = jest.spyOn(console, 'log').mockImplementation(() => {});
  warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  process.env.LICENSE_URL = app.server.url;
});
afterEach(() => {
  endExample();
  log.mockRestore();
  const { calls } = warn.mock;
  warn.mockRestore();
  delete process.env.LICENSE_URL;
  expect(calls).toEqual([]);
});

/** What Shaka Player lists in the hidden page. */
async function stored() {
  return [...app.catalogue].map(([contentId, sessions]) => {
    const [{ keyIds, initData: base64 }] = sessions;
    const initData = Buffer.from(base64, 'base64');
    return { contentId, sessionIds: sessions.map(({ sessionId }) => sessionId), keyIds, initDataType: 'keyids', initData };
  });
}

/** `npm start`, on a version of Electron. Gives the window that it opens. */
async function start(version) {
  const { app: electronApp } = app.electron;
  const opening = new Promise((resolve) => { electronApp.once('browser-window-created', (_event, window) => resolve(window)); });
  const launched = launch(version);
  const window = await opening;
  const loaded = new Promise((resolve) => { window.webContents.once('did-finish-load', resolve); });
  app.offline = await launched.attached;
  // An app that quits while the first launch takes up what there is has a warning of that.
  await app.offline.reconcile(app.lane);
  await loaded;
  return { window, page: window.webContents.page.window };
}

/** @param {number} [version] @param {...string} args */
function launch(version, ...args) {
  app.offline = undefined;
  const launched = launchExample(app.electron, { version, args });
  ({ autoUpdater } = launched);
  return launched;
}

/** The app quits; the next one begins in another process. */
async function quit() {
  app.electron.app.quit();
  expect(app.electron.app.exited).toBe(true);
  await app.quit();
  app.newElectron();
}

/** Downloads of the page's player, `title 1` to `title n`; they end with licences that have been looked at. */
async function download(page, n) {
  for (const [at, title] of titles(n).entries()) app.download(title, [keyId(at + 1)]);
  await page.downloads.stored();
  for (const title of titles(n)) await page.offlineSessions.ensurePlayable(title);
}

/** The page's list. Its titles are what the player has stored; `play` and `explain` are given. */
async function listOf({ offlineSessions }, { play = async () => {}, explain = () => null } = {}) {
  const { DownloadsList } = await import(`${EXAMPLE}/pages/downloads-list.mjs`);
  const seen = { rows: [], progress: [], said: [] };
  const view = { show: (rows) => { seen.rows = rows; }, progress: (done, total) => seen.progress.push([done, total]), say: (text) => seen.said.push(text) };
  const list = async () => (await stored()).map(({ contentId }) => ({ contentId, title: contentId.replace('title', 'Film') }));
  return { seen, list: new DownloadsList({ offlineSessions, titles: { list, play }, explain, view }) };
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

test('its pages are served, with the player and our modules, and nothing else is', async () => {
  await start();
  const serve = app.electron.schemes.get('app');
  const statusOf = async (file) => (await serve({ url: `app://bundle/${file}` })).status;
  const ours = ['player.html', 'blank.html', 'player.mjs', 'downloads-list.mjs', 'shaka-titles.mjs', 'player.css', 'shaka-player/shaka-player.compiled.js',
    'electron-offline-sessions/shaka/index.mjs', 'electron-offline-sessions/renderer/cdm-lock.mjs'];
  const others = ['none.html', '../main.js', '..%2fmain.js', 'package.json', '%00.html', '', 'shaka-player/', 'shaka-player/../package.json',
    'shaka-player/..%2f..%2findex.js', 'electron-offline-sessions/shaka/..%5cerrors.js', 'electron-offline-sessions/errors.js', 'constructor/x.js',
    '/shaka-player/shaka-player.compiled.js'];
  expect(await Promise.all(ours.map(statusOf))).toEqual(Array(9).fill(200));
  expect(await Promise.all(others.map(statusOf))).toEqual(Array(13).fill(404));
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
  await download(page, 12);
  const before = await listOf(page);
  await before.list.start();
  expect(before.seen.rows.map(({ title, verdict }) => [title, verdict.playable])).toEqual(titles(12).map((_title, n) => [`Film ${n + 1}`, 'offline']));
  await quit();
  app.cdm.breakSalts();

  const updated = await start(1);
  expect(log.mock.calls.map(([line]) => line)).toContain('electron: 41.10.3+wvcus -> 42.11.0+wvcus');
  const play = jest.fn(async () => {});
  const { list, seen } = await listOf(updated.page, { play });
  await list.start();
  await list.play('title 9');
  const session = expect.objectContaining({ keySystem: 'com.widevine.alpha' });
  expect(play.mock.calls).toEqual([['title 9', expect.objectContaining({ playable: 'offline', sessions: [session] })]]);
  await app.offline.revalidate();
  await list.refresh();
  expect(seen.rows.map(({ verdict }) => verdict.playable)).toEqual(Array(12).fill('offline'));
  expect(titles(12).filter((title) => !app.plays(title))).toEqual([]);
  expect(app.billed()).toHaveLength(12);
  const [done, total] = seen.progress.at(-1);
  expect(done).toBe(total);
  await quit();
});

test('a title whose verdict says no does not play, and the viewer is told why', async () => {
  const { page } = await start();
  await download(page, 1);
  await quit();
  app.cdm.breakSalts();
  app.electron.online = false;
  const { page: offline } = await start(1);
  const play = jest.fn();
  const { list, seen } = await listOf(offline, { play });
  await list.play('title 1');
  expect(play).not.toHaveBeenCalled();
  expect(seen.said.at(-1)).toBe('Connect to the internet once, and it plays offline again.');
  app.electron.answers = () => 1;
  await quit();
});

test('a title that does not play is reported, checked and licensed again', async () => {
  const { page } = await start();
  await download(page, 1);
  const { sessionId } = await app.session('title 1');
  app.cdm.storage(app.lane).records.delete(sessionId);
  const play = () => Promise.reject(Object.assign(new Error(), { code: 6013 }));
  const explain = jest.fn(() => ({ action: 'wait', report: { error: 'OFFLINE_SESSION_REMOVED', systemCode: null } }));
  const { list, seen } = await listOf(page, { play, explain });
  await list.play('title 1');
  expect(explain).toHaveBeenCalledWith(expect.objectContaining({ code: 6013 }));
  expect(seen.said).toEqual(['One moment …', '', 'It does not play. It is being made ready.', 'It is ready now: play it again.']);
  expect(app.plays('title 1')).toBe(true);
  await quit();
});

test('an error that says nothing of a licence costs no title its proof', async () => {
  const { page } = await start();
  await download(page, 1);
  const { list, seen } = await listOf(page, { play: () => Promise.reject(Object.assign(new Error(), { code: 3016 })) });
  await list.play('title 1');
  expect(seen.said.at(-1)).toBe('It does not play. Error 3016');
  expect(seen.rows).toMatchObject([{ verdict: { playable: 'offline' } }]);
  await quit();
});

test('a download that is removed is forgotten, and only its own page may say so', async () => {
  const { page } = await start();
  await download(page, 2);
  app.catalogue.delete('title 1');
  await page.downloads.removed('title 1');
  expect((await app.offline.list()).map(({ contentId }) => contentId)).toEqual(['title 2']);
  const { webContents } = await app.electron.openWindow('app://other/blank.html', { preload: require.resolve(`${EXAMPLE}/preload.js`) });
  const { downloads } = webContents.page.window;
  for (const call of Object.keys(page.downloads)) await expect(downloads[call]('title 2')).rejects.toThrow('this page may not ask');
  await quit();
});

test('the page\'s player is told its key system and where its licences are from, and gets them from the main process', async () => {
  const { page } = await start();
  expect(await page.downloads.settings()).toEqual({ keySystem: 'com.widevine.alpha', licenseUrl: app.server.url });
  const message = Buffer.from(JSON.stringify({ kids: ['ABEiM0RVZneImaq7AAAAAQ'], type: 'persistent-license' }));
  const { status, data } = await page.downloads.license(new Uint8Array(message));
  expect([status, JSON.parse(Buffer.from(data)).type]).toEqual([200, 'persistent-license']);
  await download(page, 1);
  expect(await page.downloads.sessions('title 1')).toMatchObject([{ contentId: 'title 1', state: 'active', initData: expect.anything() }]);
  await quit();
});

test.each([[0, false], [1, true]])('quitting with titles that would not play asks first: answer %p', async (answer, quits) => {
  const { page } = await start();
  await download(page, 1);
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
  await download(page, 2);
  const asking = new Promise((resolve) => { app.electron.answers = (options) => { resolve(options); return answer; }; });
  autoUpdater.emit('update-available', { version: '2.0.0', vendor: { electron: '43.0.0', chromium: '144.0.7559.0' } });
  expect(await asking).toMatchObject({ message: expect.stringContaining('2 of your downloads'), buttons: ['Not now', 'Update'] });
  await turn();
  expect([autoUpdater.downloadUpdate.mock.calls.length, autoUpdater.autoInstallOnAppQuit]).toEqual([downloads, answer === 1]);
  await quit();
});

test('a repair launch opens no window, reports and quits', async () => {
  const { page } = await start();
  await download(page, 2);
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
  const request = { requestId: 'r', message: new Uint8Array([1]), signal: new AbortController().signal };
  const answers = (status, body = '', headers = {}) => jest.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body, { status, headers }));
  afterEach(() => jest.restoreAllMocks());

  test('carries the token and the id under which a server bills once', async () => {
    process.env.LICENSE_URL = 'https://license.example/';
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
