'use strict';

const { OfflineSessionsError } = require('../..');
const { HiddenWindows } = require('../../js/electron/windows.js');
const { WindowDriver } = require('../../js/electron/window-driver.js');
const { WorkerIpc, WorkerPage } = require('../../js/electron/worker-page.js');
const { useElectronApp, BLANK, PLACE, PLAYER, WORKER, SHAKA_WORKER, CHANNEL } = require('../helpers/electron-app.js');
const { Frame, turn } = require('../helpers/electron-stand-in.js');
const { never, titles } = require('../helpers/offline-app.js');

const app = useElectronApp();
const IDLE_MS = 2_000;
/** @type {(() => void)[]} */
let stops;

beforeEach(() => {
  // Idle times are skipped, the rest takes the time that it takes.
  const real = ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval'];
  jest.useFakeTimers({ doNotFake: real });
  stops = [];
});
afterEach(async () => {
  await app.offline?.close();
  stops.forEach((stop) => stop());
  expect(app.electron.hidden).toHaveLength(0);
  jest.useRealTimers();
});

/** As attachElectron puts it together. */
function windowDriver(place = PLACE, electron = app.electron) {
  const windows = new HiddenWindows(electron.parts, () => driver.closePage());
  const ipc = new WorkerIpc(electron.parts.ipcMain);
  const driver = new WindowDriver(() => new WorkerPage(place, windows, ipc));
  stops.push(() => { driver.closePage(); windows.stop(); ipc.stop(); });
  return driver;
}

const idle = (ms = IDLE_MS) => jest.advanceTimersByTimeAsync(ms);
const takeWarnings = () => app.warnings.splice(0).map(({ code }) => code);

describe('a page for the work of a lane', () => {
  test('is of its origin and partition, sandboxed, isolated and without Node; it does the work and goes', async () => {
    const partition = 'persist:kids';
    app.lane = { ...PLACE, partition };
    const offline = await app.updateThatBroke(3, { driver: windowDriver({ ...PLACE, partition }) });
    expect(app.electron.contents).toEqual([]);
    expect(await offline.revalidate()).toMatchObject({ lost: 3, licensed: 3, adopted: 3 });
    const [contents, ...others] = app.electron.hidden;
    expect(others).toEqual([]);
    expect(contents.loads).toEqual([BLANK]);
    expect(contents.preferences).toEqual({
      preload: WORKER, partition, sandbox: true, contextIsolation: true, nodeIntegration: false, backgroundThrottling: false,
    });
    expect(app.electron.windows).toEqual([]);
    await idle(IDLE_MS - 1);
    expect(contents.isDestroyed()).toBe(false);
    await idle(1);
    expect(contents.isDestroyed()).toBe(true);
    await offline.ensurePlayable('title 1');
    expect(app.electron.contents).toHaveLength(1);
    app.lane = PLACE;
  });

  test('of the default partition names none, opens no windows and goes nowhere else', async () => {
    const offline = await app.updateThatBroke(1, { driver: windowDriver() });
    await offline.revalidate();
    const [contents] = app.electron.hidden;
    expect(contents.preferences).not.toHaveProperty('partition');
    const event = { preventDefault: jest.fn() };
    contents.emit('will-navigate', event);
    expect(event.preventDefault).toHaveBeenCalled();
    expect(contents.windowOpenHandler({ url: 'https://evil.example' })).toEqual({ action: 'deny' });
  });

  test('is opened anew for work that comes later', async () => {
    const offline = await app.updateThatBroke(1, { driver: windowDriver() });
    await offline.revalidate();
    await idle();
    await offline.reportPlayback('title 1', { error: '6013' });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.workers).toHaveLength(2);
  });
});

describe('a page that goes under its work', () => {
  test.each([
    ['crashes', (contents) => contents.crash()],
    ['is destroyed', (contents) => contents.close()],
    ['does not respond', (contents) => contents.emit('unresponsive')],
  ])('because it %s is replaced, and a check goes on in the time that it has', async (_how, end) => {
    const offline = await app.updateThatBroke(5, { driver: windowDriver() });
    const off = app.cdm.on('load', () => {
      off();
      end(app.electron.hidden[0]);
      return never();
    });
    expect(await offline.revalidate()).toMatchObject({ checked: 5, lost: 5, licensed: 5, deferred: 0 });
    expect(app.workers).toHaveLength(2);
    expect(app.electron.hidden).toHaveLength(1);
    expect(offline.launch.suspects).toBe(5);
  });

  /** A driver whose pages do as `methods` say, in the order in which it opens them. */
  function driverOf(methods) {
    const pages = [];
    const driver = new WindowDriver(() => {
      const driverOfPage = { startPhase: async () => {}, endPhase: async () => {}, ...methods };
      const page = { driver: driverOfPage, isGone: false, mayClose: () => true, close() { page.isGone = true; } };
      page.loaded = Promise.resolve(page);
      return pages[pages.push(page) - 1];
    });
    return { driver, pages };
  }

  test('again and again is replaced once in a phase, whichever task meets it', async () => {
    const { driver, pages } = driverOf({ check: async () => {
      pages.at(-1).close();
      throw new OfflineSessionsError('ERR_DRIVER_GONE', 'gone');
    } });
    await driver.startPhase(PLACE, 'check', null, {});
    for (let n = 0; n < 3; n += 1) await expect(driver.check({ lane: PLACE }, {})).rejects.toMatchObject({ code: 'ERR_DRIVER_GONE' });
    expect(pages).toHaveLength(2);
    await driver.endPhase(PLACE, 'check');
    await driver.startPhase(PLACE, 'check', null, {});
    expect(pages).toHaveLength(3);
    driver.closePage();
  });

  test('hung, without an answer at the end of a phase, is closed, though another lane has work in it', async () => {
    const { driver, pages } = driverOf({ endPhase: never });
    const lanes = [PLACE, { ...PLACE, keySystem: 'com.widevine.alpha' }];
    for (const lane of lanes) await driver.startPhase(lane, 'check', null, {});
    const ended = driver.endPhase(lanes[0], 'check');
    await idle(8_999);
    expect(pages.map(({ isGone }) => isGone)).toEqual([false]);
    await idle(1);
    await ended;
    expect(pages.map(({ isGone }) => isGone)).toEqual([true]);
    await driver.startPhase(lanes[0], 'check', null, {});
    expect(pages).toHaveLength(2);
    driver.closePage();
  });

  test('is not closed in idle times before its phases have ended, however long that takes', async () => {
    const ends = [];
    const { driver, pages } = driverOf({ endPhase: () => new Promise((resolve) => { ends.push(resolve); }) });
    const lanes = [PLACE, { ...PLACE, keySystem: 'com.widevine.alpha' }];
    for (const lane of lanes) await driver.startPhase(lane, 'license', null, {});
    const ended = lanes.map((lane) => driver.endPhase(lane, 'license'));
    ends[0]();
    await ended[0];
    await idle(7_000);
    expect(pages.map(({ isGone }) => isGone)).toEqual([false]);
    ends[1]();
    await ended[1];
    await idle();
    expect(pages.map(({ isGone }) => isGone)).toEqual([true]);
  });

  test('before its phase has begun is replaced', async () => {
    const offline = await app.updateThatBroke(1, { driver: windowDriver() });
    const off = app.cdm.on('phase', () => {
      off();
      app.electron.hidden[0].crash();
      return never();
    });
    expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
    expect(app.workers).toHaveLength(2);
  });

  test('twice in a phase is not replaced again: its checks come back later, without prejudice', async () => {
    const offline = await app.updateThatBroke(2, { driver: windowDriver() });
    const off = app.cdm.on('load', () => {
      app.electron.hidden[0].crash();
      return never();
    });
    expect(await offline.revalidate()).toMatchObject({ lost: 0, licensed: 0, deferred: 2 });
    expect(app.workers).toHaveLength(2);
    expect(takeWarnings()).toEqual(['ERR_DRIVER_GONE', 'ERR_DRIVER_GONE']);
    off();
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('while it licenses is told to the engine: nothing is paid for twice, and what it had is proven again', async () => {
    const offline = await app.updateThatBroke(2, { driver: windowDriver(), policy: { licenseConcurrency: 1 } });
    const off = app.cdm.on('updated', () => {
      off();
      app.electron.hidden[0].crash();
      return never();
    });
    await offline.revalidate();
    expect(takeWarnings()).toContain('ERR_DRIVER_GONE');
    for (const title of titles(2)) expect(await offline.ensurePlayable(title)).toMatchObject({ playable: 'offline' });
    expect(app.billed()).toHaveLength(2);
    expect(titles(2).filter((title) => !app.plays(title))).toEqual([]);
  });
});

describe('a page that cannot do the work', () => {
  const failing = async (place, prepare = () => {}) => {
    prepare(app.electron);
    const offline = await app.updateThatBroke(1, { driver: windowDriver(place), policy: { startPhaseTimeoutMs: 5_000 } });
    expect(await offline.revalidate()).toMatchObject({ checked: 0, lost: 0, deferred: 1 });
    const [warning, ...others] = app.warnings.splice(0);
    expect(others).toEqual([]);
    expect(warning).toMatchObject({ code: 'ERR_WORKER_PAGE' });
    expect(app.electron.hidden).toHaveLength(0);
    return warning;
  };

  test.each([
    ['does not load', { pageUrl: 'app://bundle/none.html' }, undefined, /none\.html did not load$/],
    ['is not there without a network', { pageUrl: 'https://player.example/none.html' }, undefined, /serve this page itself/],
    ['has a preload that fails', {}, (electron) => { electron.preloads[WORKER] = () => { throw new Error('no'); }; }, /preload .* failed/],
    ['has a preload for Shaka that fails', { player: 'shaka' }, (electron) => { electron.preloads[SHAKA_WORKER] = () => { throw new Error('no'); }; }, /preload .*shaka.* failed/],
  ])('because it %s is told, with its cause', async (_what, place, prepare, message) => {
    const warning = await failing({ ...PLACE, ...place }, prepare);
    expect(warning.message).toMatch(message);
    expect(warning.cause).toBeInstanceOf(Error);
  });

  test('because it came to another origin is told', async () => {
    const { message } = await failing(PLACE, (electron) => { electron.redirects[BLANK] = 'app://other/blank.html'; });
    expect(message).toBe('the page at app://other/blank.html is not of the origin app://bundle');
  });
});

test('what another page, a subframe, another origin or a detached frame says in a worker\'s name is not heard', async () => {
  const offline = await app.updateThatBroke(1, { driver: windowDriver() });
  const off = app.cdm.on('load', async () => {
    off();
    const [contents] = app.electron.hidden;
    const { page } = contents;
    const stranger = await app.electron.openWindow('app://other/blank.html');
    const task = await new Promise((resolve) => { tasks.then(resolve); });
    const lie = { type: 'outcome', id: task.id, outcome: { kind: 'loaded', keyStatuses: { [`${'0'.repeat(32)}`]: 'usable' }, expiration: null } };
    const frames = [
      stranger.webContents.page.event(), { ...page.event(), sender: stranger.webContents }, page.event(new Frame(BLANK, page.frame)),
      page.event(new Frame('app://other/blank.html')), page.event(Object.assign(new Frame(BLANK), { detached: true })), page.event(null),
    ];
    for (const event of frames) app.electron.ipcMain.emit(CHANNEL, event, lie);
    app.electron.ipcMain.emit(CHANNEL, page.event(new Frame(BLANK, page.frame)), { type: 'ready' });
    await turn();
  });
  const tasks = new Promise((resolve) => {
    app.cdm.on('phase', () => {
      app.electron.hidden[0].page.ipcRenderer.on(CHANNEL, (_event, data) => { if (data.method === 'check') resolve(data); });
    });
  });
  expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 0, lost: 1, licensed: 1 });
  expect(app.workers).toHaveLength(1);
});

describe.each([['a view', true], ['a hidden window, where Electron has no views', false]])('of the app\'s windows %s is none', (_what, views) => {
  let electron, seen;
  const ended = (event) => new Promise((resolve) => { electron.app.on(event, resolve); });

  beforeEach(() => {
    electron = app.newElectron({ userData: app.directory, urls: [BLANK, PLAYER], preloads: app.electron.preloads, views });
    seen = [];
    for (const event of ['before-quit', 'will-quit']) electron.app.on(event, () => seen.push(event));
  });

  test('when the last one closes in the middle of work, an app that does not listen quits', async () => {
    const window = await electron.openWindow(PLAYER);
    const offline = await app.updateThatBroke(1, { driver: windowDriver(PLACE, electron) });
    app.cdm.on('load', () => {
      window.close();
      return never();
    });
    const quits = ended('will-quit');
    const run = offline.revalidate();
    const closed = expect(run).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await quits;
    expect(seen).toEqual(['before-quit', 'will-quit']);
    await offline.close();
    await closed;
  });

  test('an app that listens is told once, and may go on without windows', async () => {
    electron.app.on('window-all-closed', () => seen.push('window-all-closed'));
    const window = await electron.openWindow(PLAYER);
    const offline = await app.updateThatBroke(3, { driver: windowDriver(PLACE, electron) });
    const off = app.cdm.on('load', () => {
      off();
      window.close();
      return never();
    });
    expect(await offline.revalidate()).toMatchObject({ licensed: 3 });
    expect(seen).toEqual(['window-all-closed']);
  });

  test('before the first one opens, and beside others, none closes with our work', async () => {
    const offline = await app.updateThatBroke(1, { driver: windowDriver(PLACE, electron) });
    await offline.revalidate();
    await idle();
    expect(seen).toEqual([]);
    const window = await electron.openWindow(PLAYER);
    await idle();
    expect(electron.windows).toEqual([window]);
    expect(electron.contents.filter((contents) => !contents.isDestroyed())).toEqual([window.webContents]);
    expect(seen).toEqual([]);
    expect(window.options.show).toBeUndefined();
  });

  test('ours is never shown, and takes no focus', async () => {
    const offline = await app.updateThatBroke(1, { driver: windowDriver(PLACE, electron) });
    await offline.revalidate();
    expect(electron.windows.map((window) => window.options)).toEqual(views ? []
      : [{ show: false, focusable: false, skipTaskbar: true, webPreferences: expect.objectContaining({ sandbox: true }) }]);
    expect(electron.windows.every((window) => window.excludedFromShownWindowsMenu)).toBe(true);
  });
});

test('a preload of the app\'s session that fails in the page is none of ours: the work is done', async () => {
  app.electron.sessionPreloads.push('/app/preload.js');
  app.electron.preloads['/app/preload.js'] = () => { throw new Error('no player on this page'); };
  const offline = await app.updateThatBroke(1, { driver: windowDriver() });
  expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
});

test('a hidden window in place of one that went with the app\'s last is opened when Electron has told that all are closed', async () => {
  const electron = app.newElectron({ urls: [BLANK, PLAYER], preloads: app.electron.preloads, views: false });
  const told = jest.fn();
  electron.app.on('window-all-closed', told);
  const window = await electron.openWindow(PLAYER);
  // As Electron does (shell/browser/native_window.cc): promises go on between `closed` and the end of the window.
  window.destroy = () => {
    window.closed = true;
    window.webContents.close();
    window.emit('closed');
    setImmediate(() => {
      electron.windows.splice(electron.windows.indexOf(window), 1);
      electron.app.windowClosed();
    });
  };
  const offline = await app.updateThatBroke(1, { driver: windowDriver(PLACE, electron) });
  const off = app.cdm.on('load', () => {
    off();
    window.close();
    return never();
  });
  expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
  expect(told).toHaveBeenCalledTimes(1);
});

test('when it is stopped no page is opened any more, and nothing of the app\'s windows is listened to', async () => {
  const window = await app.electron.openWindow(PLAYER);
  const windows = new HiddenWindows(app.electron.parts, () => {});
  const page = new WorkerPage(PLACE, windows, new WorkerIpc(app.electron.parts.ipcMain));
  windows.stop();
  await expect(page.loaded).rejects.toMatchObject({ code: 'ERR_DRIVER_GONE' });
  expect(app.electron.contents).toEqual([window.webContents]);
  expect(window.events.eventNames()).toEqual([]);
});

test('a window of the app\'s own is used as it is, and outlives its work', async () => {
  const { pageUrl, ...place } = PLACE;
  let window = null;
  const offline = await app.updateThatBroke(2, { driver: windowDriver({ ...place, contents: async () => window.webContents }) });
  // There before anybody asks for it.
  window = await app.electron.openWindow(PLAYER, { preload: WORKER });
  await turn();
  const off = app.cdm.on('load', () => {
    off();
    window.webContents.crash();
    window.webContents.loadURL(PLAYER);
    return never();
  });
  expect(await offline.revalidate()).toMatchObject({ licensed: 2 });
  await idle();
  expect(app.electron.contents).toHaveLength(1);
  expect(window.webContents.loads).toEqual([pageUrl.replace('blank', 'player'), PLAYER]);
  expect(window.webContents.isDestroyed()).toBe(false);
});

test.each([
  ['none', () => null],
  ['one that is closed', () => ({ isDestroyed: () => true })],
])('an app that offers %s is told so, and asked again later', async (_what, contents) => {
  const { pageUrl, ...place } = PLACE;
  const offline = await app.updateThatBroke(1, { driver: windowDriver({ ...place, contents }) });
  expect(await offline.revalidate()).toMatchObject({ deferred: 1, nextAttemptAt: expect.any(Number) });
  expect(takeWarnings()).toEqual(['ERR_WORKER_PAGE']);
  expect(pageUrl).toBe(BLANK);
});

describe('the bundled worker', () => {
  /** What a page has of EME where the app's permission handler answers so, and no CDM beside it. */
  const globalsOf = (requestMediaKeySystemAccess) => ({
    navigator: { requestMediaKeySystemAccess, locks: { request: (_name, _options, fn) => fn() } },
    indexedDB: { open: () => request({ close() {}, transaction: () => ({ objectStore: () => ({ get: () => request(undefined) }) }) }) },
  });
  const request = (result) => ({ result, addEventListener(type, listener) { if (type === 'success') setImmediate(listener); } });
  const denied = () => Promise.reject(new DOMException('denied', 'NotSupportedError'));
  const temporaryOnly = (_keySystem, [{ sessionTypes: [type] }]) => (type === 'temporary' ? Promise.resolve({}) : denied());

  test.each([
    ['the app denies mediaKeySystem: nothing is known of it, and nothing lost', denied, { deferred: 2, unsupported: 0 }],
    ['only temporary sessions are granted: it is unsupported', temporaryOnly, { deferred: 0, unsupported: 2 }],
  ])('asks in the page what there is, and where %s', async (_what, access, counts) => {
    const electron = app.newElectron({ urls: [BLANK], preloads: {}, globals: globalsOf(access) });
    const offline = await app.updateThatBroke(2, { driver: windowDriver(PLACE, electron) });
    expect(await offline.revalidate()).toMatchObject({ checked: 0, lost: 0, licenseRequests: 0, ...counts });
    expect(electron.hidden[0].page.window).toEqual({});
  });
});
