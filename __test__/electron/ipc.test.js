'use strict';

const { serveIpc } = require('../../js/electron/ipc.js');
const { Electron, Frame, turn } = require('../helpers/electron-stand-in.js');
const { useApp, next, never, titles, keyId } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const BRIDGE = require.resolve('../../dist/bridge.js');
const CHANNEL = 'electron-offline-sessions:page';
const PLAYER = `${LANE.origin}/player.html`;
const OTHER = 'app://other/page.html';
const app = useApp();
let electron, stop;

beforeEach(() => {
  electron = new Electron({ urls: [PLAYER, OTHER] });
});
afterEach(() => stop?.());

/** An app whose IPC is served, with `n` titles. */
async function served(n = 1, { lanes = [LANE], allowedOrigins = [LANE.origin], ...options } = {}) {
  const offline = await app.open(options);
  await app.store(n);
  stop = serveIpc(Promise.resolve(offline), { ipcMain: electron.parts.ipcMain, allowedOrigins, lanes });
  return offline;
}

/** A page of the app with the bundled bridge as its preload. */
async function openPage(url = PLAYER) {
  const { webContents } = await electron.openWindow(url, { preload: BRIDGE });
  return { webContents, page: webContents.page, get api() { return webContents.page.window.offlineSessions; } };
}

/** What the IPC answers to a frame that says this. */
const ask = async (event, ...said) => electron.ipcMain.handlers.get(CHANNEL)(event, ...said);
const refused = (code) => ({ error: { code, message: expect.any(String) } });

describe('a page of the app', () => {
  test('has five calls, and no more', async () => {
    await served();
    const { page } = await openPage();
    expect(Object.keys(page.window)).toEqual(['offlineSessions']);
    expect(Object.keys(page.window.offlineSessions)).toEqual(['verdict', 'ensurePlayable', 'reportPlayback', 'hold', 'onProgress']);
  });

  test('asks for a verdict, has a title repaired, tells how it played, and is told of progress', async () => {
    await served();
    const { api } = await openPage();
    expect(await api.verdict('title 1')).toMatchObject({ contentId: 'title 1', playable: 'offline', sessions: [expect.any(Object)] });
    const progress = [];
    const end = api.onProgress((told) => progress.push(told));
    expect(await api.reportPlayback('title 1', { error: Object.assign(new Error('6013'), { code: 6013 }), expiration: Infinity }))
      .toMatchObject({ state: 'suspect' });
    expect(await api.ensurePlayable('title 1', { timeoutMs: 5_000 })).toMatchObject({ playable: 'offline' });
    await turn();
    expect(progress).toContainEqual(expect.objectContaining({ proven: 1, done: 1, total: 1 }));
    end();
    progress.length = 0;
    await api.reportPlayback('title 1', { error: 'again' });
    await api.ensurePlayable('title 1');
    await turn();
    expect(progress).toEqual([]);
  });

  test('may go on asking: what has been answered does not count', async () => {
    await served();
    const { api } = await openPage();
    for (let n = 0; n < 40; n += 1) expect(await api.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('holds a title until it releases it', async () => {
    const offline = await served(1, { policy: { taskTimeoutMs: 1_000 } });
    const { api } = await openPage();
    const hold = await api.hold({ contentId: 'title 1', kind: 'playing' });
    await api.reportPlayback('title 1', { error: '6013' });
    expect(await offline.revalidate()).toMatchObject({ checked: 0, deferred: 1 });
    const ready = next(offline, 'content-ready');
    hold.release();
    hold.release();
    expect(await ready).toMatchObject({ contentId: 'title 1' });
  });

  test.each([
    ['is reloaded', (contents) => contents.loadURL(PLAYER)],
    ['goes elsewhere', (contents) => contents.loadURL(OTHER)],
    ['crashes', (contents) => contents.crash()],
    ['is closed', (contents) => contents.close()],
  ])('that %s lets go of its holds, and no longer waits', async (_how, end) => {
    const offline = await served(1);
    const { api, webContents } = await openPage();
    await api.hold({ kind: 'playing', contentId: 'title 1', lane: LANE });
    await api.reportPlayback('title 1', { error: '6013' });
    await offline.revalidate();
    const asked = ask(webContents.page.event(), 'ensurePlayable', ['title 1']);
    const ready = next(offline, 'content-ready');
    await end(webContents);
    expect(await asked).toEqual(refused('ERR_ABORTED'));
    expect(await ready).toMatchObject({ contentId: 'title 1' });
  });

  test('names the lane of a hold where the app has several', async () => {
    const kids = { ...LANE, partition: 'persist:kids' };
    await served(1, { lanes: [LANE, kids] });
    const { api } = await openPage();
    await expect(api.hold({ kind: 'downloading' })).rejects.toEqual({ code: 'ERR_INVALID_ARGUMENT', message: 'lane: must be an object' });
    await expect(api.hold({ kind: 'downloading', lane: { ...LANE, partition: 'persist:others' } })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(api.hold({ kind: 'downloading', lane: kids })).resolves.toEqual({ release: expect.any(Function) });
  });

  test('is told errors as plain objects, and nothing of what else went wrong', async () => {
    const offline = await served();
    const { api } = await openPage();
    await expect(api.verdict(7)).rejects.toEqual({ code: 'ERR_INVALID_ARGUMENT', message: 'contentId: must be a string' });
    jest.spyOn(offline, 'verdict').mockImplementation(() => { throw new Error('/home/somebody/secret'); });
    await expect(api.verdict('title 1')).rejects.toEqual({ code: 'ERR_INTERNAL', message: 'the call failed' });
    stop();
    await expect(api.verdict('title 1')).rejects.toThrow('No handler registered');
    await offline.close();
  });
});

describe('a hostile page', () => {
  test.each([
    ['of another origin', (page) => page.event(new Frame(OTHER))],
    ['of no origin', (page) => page.event(Object.assign(new Frame(PLAYER), { origin: 'null' }))],
    ['of an origin that begins like an allowed one', (page) => page.event(new Frame('app://bundle.evil/player.html'))],
    ['in a subframe', (page) => page.event(new Frame(PLAYER, page.frame))],
    ['in a frame that is detached', (page) => page.event(Object.assign(new Frame(PLAYER), { detached: true }))],
    ['whose frame has gone', (page) => page.event(null)],
    ['whose frame cannot be asked any more', (page) => page.event({ get parent() { throw new Error('Render frame was disposed'); } })],
  ])('%s is refused, whatever it asks', async (_who, eventOf) => {
    const offline = await served();
    const { page } = await openPage();
    const hold = jest.spyOn(offline, 'hold');
    for (const said of [['verdict', ['title 1']], ['hold', [{ kind: 'playing' }]], ['progress', []], [], ['release', [1]]]) {
      expect(await ask(eventOf(page), ...said)).toEqual(refused('ERR_NOT_ALLOWED'));
    }
    expect(hold).not.toHaveBeenCalled();
  });

  test.each(['close', 'erase', 'removeContent', 'constructor', '__proto__', 'toString', 'hasOwnProperty', '', 1, null, undefined, {}, ['verdict']])(
    'finds no method %p', async (method) => {
      await served();
      const { page } = await openPage();
      expect(await ask(page.event(), method, ['title 1'])).toEqual(refused('ERR_INVALID_ARGUMENT'));
    });

  const cyclic = {};
  cyclic.self = cyclic;
  const deep = JSON.parse(`${'[['.repeat(500)}${']]'.repeat(500)}`);
  test.each([
    ['no array', 'verdict', 'title 1'],
    ['a content id of 10 million characters', 'verdict', ['x'.repeat(10_000_000)]],
    ['a content id that is too long', 'verdict', ['x'.repeat(1_025)]],
    ['an empty content id', 'ensurePlayable', ['']],
    ['a content id with a lone surrogate', 'ensurePlayable', ['\ud800']],
    ['an object with a prototype\'s name', 'ensurePlayable', ['title 1', JSON.parse('{"__proto__":{"timeoutMs":1}}')]],
    ['a signal', 'ensurePlayable', ['title 1', { signal: {} }]],
    ['a time-out of no time', 'ensurePlayable', ['title 1', { timeoutMs: -1 }]],
    ['a time-out that is none', 'ensurePlayable', ['title 1', { timeoutMs: '1' }]],
    ['a report that is none', 'reportPlayback', ['title 1', null]],
    ['a report with a huge string', 'reportPlayback', ['title 1', { error: 'x'.repeat(70_000) }]],
    ['a report with many keys', 'reportPlayback',
      ['title 1', { keyStatuses: Object.fromEntries(Array.from({ length: 70_000 }, (_none, n) => [`${n}`, 'usable'])) }]],
    ['a report that contains itself', 'reportPlayback', ['title 1', { error: cyclic }]],
    ['a report that is nested deeply', 'reportPlayback', ['title 1', { error: deep }]],
    ['arguments of nothing but holes', 'verdict', new Array(100_000_000)],
    ['a report of nothing but holes', 'reportPlayback', ['title 1', { error: new Array(100_000_000) }]],
    ['a report of a number of a million digits', 'reportPlayback', ['title 1', { error: 10n ** 1_000_000n }]],
    ['a report of bytes', 'reportPlayback', ['title 1', { error: new Uint8Array(1_000_000) }]],
    ['a report with a map', 'reportPlayback', ['title 1', { keyStatuses: new Map([[keyId(1), 'usable']]) }]],
    ['a report with key ids that are none', 'reportPlayback', ['title 1', { keyStatuses: { '../../etc/passwd': 'usable' } }]],
    ['a report with a prototype\'s name', 'reportPlayback', ['title 1', { keyStatuses: JSON.parse('{"__proto__":"usable","constructor":"usable"}') }]],
    ['a hold of a kind that is none', 'hold', [{ kind: 'everything' }]],
    ['a hold of another\'s lane', 'hold', [{ kind: 'downloading', lane: { origin: 'https://bank.example', keySystem: 'x' } }]],
    ['a hold with more than it takes', 'hold', [{ kind: 'playing', release: true }]],
  ])('that gives %s is refused, and nothing has changed', async (_what, method, args) => {
    const offline = await served();
    const { page } = await openPage();
    const before = await offline.list();
    expect(await ask(page.event(), method, structuredClone(args))).toEqual(refused('ERR_INVALID_ARGUMENT'));
    expect(await offline.list()).toEqual(before);
    expect({}.timeoutMs).toBeUndefined();
    expect(await ask(page.event(), 'verdict', ['title 1'])).toMatchObject({ value: { playable: 'offline' } });
  });

  test('that calls ten thousand times at once has a thousand calls answered; the honest one beside it has all, and it itself later', async () => {
    await served(2, { policy: { ensurePlayableTimeoutMs: 60_000 } });
    const hostile = await openPage();
    const honest = await openPage();
    await honest.api.reportPlayback('title 2', { error: '6013' });
    app.cdm.on('phase', never);
    const calls = Array.from({ length: 10_000 }, () => ask(hostile.page.event(), 'ensurePlayable', ['title 2', { timeoutMs: 60_000 }]));
    const answers = [];
    for (const call of calls) call.then((answer) => answers.push(answer));
    await turn();
    expect(answers).toHaveLength(9_000);
    expect(new Set(answers.map(({ error }) => error.code))).toEqual(new Set(['ERR_TOO_MANY_CALLS']));
    expect(await honest.api.verdict('title 1')).toMatchObject({ playable: 'offline' });
    hostile.webContents.loadURL(PLAYER);
    expect(new Set((await Promise.all(calls)).map(({ error }) => error.code))).toEqual(new Set(['ERR_TOO_MANY_CALLS', 'ERR_ABORTED']));
    expect(await hostile.api.verdict('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('that takes every hold has 32, and gives them back as it goes', async () => {
    const offline = await served(1);
    const { page, webContents } = await openPage();
    const releases = [];
    jest.spyOn(offline, 'hold').mockImplementation(() => ({ release: () => releases.push(1) }));
    const answers = [];
    for (let n = 0; n < 100; n += 1) answers.push(await ask(page.event(), 'hold', [{ kind: 'playing' }]));
    expect(answers.filter(({ error }) => error).map(({ error }) => error.code)).toEqual(Array(68).fill('ERR_TOO_MANY_CALLS'));
    webContents.close();
    expect(releases).toHaveLength(32);
  });

  test('cannot release what another page holds', async () => {
    const offline = await served(1);
    const [mine, other] = [await openPage(), await openPage()];
    const { value } = await ask(mine.page.event(), 'hold', [{ kind: 'playing', contentId: 'title 1' }]);
    for (const id of [value, '__proto__', null, undefined]) expect(await ask(other.page.event(), 'release', [id])).toEqual({ value: undefined });
    await mine.api.reportPlayback('title 1', { error: '6013' });
    expect(await offline.revalidate()).toMatchObject({ checked: 0, deferred: 1 });
  });
});

test('when the IPC ends every page lets go, and no progress is told', async () => {
  const offline = await served(1);
  const { api, webContents } = await openPage();
  await api.hold({ kind: 'playing', contentId: 'title 1' });
  await api.reportPlayback('title 1', { error: '6013' });
  await offline.revalidate();
  const ready = next(offline, 'content-ready');
  stop();
  expect(await ready).toMatchObject({ contentId: titles(1)[0] });
  expect(electron.ipcMain.handlers.size).toBe(0);
  expect(offline.listenerCount('progress')).toBe(0);
  expect(webContents.events.eventNames()).toEqual([]);
});
