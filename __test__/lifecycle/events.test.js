'use strict';

const { startChild } = require('../helpers/child.js');
const { useApp, keyId, next, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { makeDirectory, removeDirectory } = require('../helpers/store.js');

const app = useApp();
const KEY_IDS = [1, 2, 3].map(keyId);

/** Keeps all events of a store. */
function listen(offline) {
  const events = [];
  for (const name of ['progress', 'session-changed', 'content-ready', 'content-blocked', 'run-finished', 'warning', 'error']) {
    offline.on(name, (value) => events.push([name, value]));
  }
  return {
    named: (name) => events.filter(([event]) => event === name).map(([, value]) => value),
    names: () => events.map(([name]) => name).filter((name) => name !== 'progress'),
  };
}

test('a title that is lost and licensed tells each step, once, with what is stored then', async () => {
  const offline = await app.updateThatBroke(1);
  const { named, names } = listen(offline);
  const report = await offline.revalidate();
  const changes = named('session-changed');
  expect(changes[0]).toMatchObject({ contentId: 'title 1', state: 'lost', reason: 'gone', suspect: false, initData: expect.any(Uint8Array) });
  expect(changes.at(-1)).toEqual(await app.session('title 1'));
  expect(named('content-ready')).toEqual([offline.verdict('title 1')]);
  expect(named('run-finished')).toEqual([report]);
  expect(names().filter((name) => name !== 'session-changed')).toEqual(['content-ready', 'run-finished']);
});

test('a title that was refused is blocked', async () => {
  app.server.behave({ status: 401 });
  const offline = await app.updateThatBroke(2);
  const { named } = listen(offline);
  await offline.revalidate();
  const inOrder = (verdicts) => [...verdicts].sort((a, b) => a.contentId.localeCompare(b.contentId));
  expect(inOrder(named('content-blocked'))).toEqual(titles(2).map((contentId) => offline.verdict(contentId)));
  expect(named('content-blocked')[0]).toMatchObject({ playable: 'no', state: 'blocked', reason: 'auth', action: 'sign-in' });
  expect(named('content-ready')).toEqual([]);
});

test('a title of many sessions is ready once, after the last, though several are recorded together', async () => {
  await app.open();
  await app.offline.put(Array.from({ length: 20 }, (_, n) => app.download('many', [keyId(n + 1)])));
  const offline = await app.relaunch({ platform: UPDATED });
  const { named } = listen(offline);
  await offline.revalidate();
  expect(named('session-changed')).toHaveLength(20);
  expect(named('content-ready')).toEqual([offline.verdict('many')]);
});

test('what a listener asks is answered with what it was told', async () => {
  const offline = await app.updateThatBroke(3);
  const wrong = [];
  offline.on('session-changed', ({ contentId, state }) => {
    if (state === 'lost' && offline.verdict(contentId).state !== 'lost') wrong.push(contentId);
  });
  offline.on('content-ready', ({ contentId }) => { if (offline.verdict(contentId).playable !== 'offline') wrong.push(contentId); });
  await offline.revalidate();
  expect(wrong).toEqual([]);
});

test('a run where nothing was to do ends, too, and changes nothing', async () => {
  const offline = await app.open();
  const { named } = listen(offline);
  expect(await offline.revalidate()).toMatchObject({ ...NOTHING, nextAttemptAt: null });
  expect([...named('session-changed'), ...named('content-ready'), ...named('warning')]).toEqual([]);
});

test('work that a timer began tells its end, though nobody waits', async () => {
  const offline = await app.updateThatBroke(1, { policy: { backoffBaseMs: 1 } });
  app.server.behave({ status: 500 }, { times: 2 });
  const finished = next(offline, 'run-finished', ({ adopted }) => adopted === 1);
  const ready = next(offline, 'content-ready');
  await offline.revalidate();
  expect(await ready).toMatchObject({ contentId: 'title 1' });
  expect(await finished).toMatchObject({ deferred: 0, nextAttemptAt: null });
});

test('a warning is told where no caller can be, and never as an error', async () => {
  const offline = await app.updateThatBroke(1, { driver: null });
  const { named } = listen(offline);
  offline.useDriver({ ...app.driver(), check: () => Promise.reject(new Error('of the driver')) });
  await offline.revalidate();
  expect(named('warning')).toEqual([expect.objectContaining({ message: 'of the driver' })]);
  expect(named('error')).toEqual([]);
  app.warnings.splice(0);
});

test('without a listener for warnings nothing is thrown', async () => {
  const offline = await app.updateThatBroke(1, { driver: null });
  offline.removeAllListeners('warning');
  offline.useDriver({ ...app.driver(), check: () => Promise.reject(new Error('of the driver')) });
  expect(await offline.revalidate()).toMatchObject({ deferred: 1 });
});

describe('a listener that throws', () => {
  test.each(['session-changed', 'content-ready', 'progress', 'run-finished'])('in %s is the app\'s fault, and stops no work', async (event) => {
    const directory = makeDirectory();
    const child = startChild(runWithListenerThatThrows, directory, event, KEY_IDS);
    const told = JSON.parse((await child.line()) ?? 'null');
    expect(await child.ended).toEqual({ code: 0, signal: null, errors: '' });
    removeDirectory(directory);
    expect(told).toEqual({ report: expect.objectContaining({ checked: 3, proven: 3, deferred: 0 }), unready: [], uncaught: expect.any(Array) });
    expect(new Set(told.uncaught)).toEqual(new Set(['of the listener']));
  });

  test('in onProgress ends that caller\'s wait with a coded error, and no work', async () => {
    const offline = await app.updateThatBroke(3);
    const thrown = new Error('of the listener');
    const finished = next(offline, 'run-finished');
    const failed = offline.revalidate({ onProgress: () => { throw thrown; } }).catch((error) => error);
    expect(await finished).toMatchObject({ adopted: 3 });
    expect(await failed).toMatchObject({ name: 'OfflineSessionsError', code: expect.stringMatching(/^ERR_/), cause: thrown });
    expect(offline.unready()).toEqual([]);
  });
});

/** In a process of its own, because what a listener throws ends a process that does not expect it. */
async function runWithListenerThatThrows(require, directory, event, keyIds) {
  const { OfflineSessions } = require('./');
  const { ScriptedCdm, createScriptedDriver } = require('./testbed/scripted-cdm.js');
  const { LANE, PLATFORM, input } = require('./__test__/helpers/store.js');
  const uncaught = [];
  process.on('uncaughtException', ({ message }) => uncaught.push(message));
  const cdm = new ScriptedCdm();
  const offline = await OfflineSessions.open({ directory, platform: PLATFORM });
  offline.useDriver(createScriptedDriver(cdm));
  const more = (keyId) => ({ sessionId: cdm.store(LANE, [keyId]), initDataType: 'cenc', initData: new Uint8Array(9), keyIds: [keyId] });
  await offline.put(keyIds.map((keyId) => input(keyId, more(keyId))));
  offline.on(event, () => { throw new Error('of the listener'); });
  const report = await offline.revalidate();
  const unready = offline.unready();
  await offline.close();
  console.log(JSON.stringify({ report, unready, uncaught }));
}
