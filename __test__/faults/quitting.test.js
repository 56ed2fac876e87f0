'use strict';

const { readFileSync, readdirSync } = require('node:fs');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');
const { startChild } = require('../helpers/child.js');
const { useApp, never } = require('../helpers/offline-app.js');
const { OfflineSessions } = require('../..');
const { PLATFORM, input, makeDirectory, removeDirectory } = require('../helpers/store.js');

const app = useApp();
const A_SECOND = 1_000;

/** Opens a store with a driver that never answers, has calls of every kind in flight, and then does as it is told. @param {string} how */
function quit(how) {
  return startChild(async (require, directory, end) => {
    const { OfflineSessions } = require('./');
    const { PLATFORM, input } = require('./__test__/helpers/store.js');
    const never = () => new Promise(() => {});
    const driver = Object.fromEntries(['probe', 'plantWitness', 'check', 'license', 'adopt', 'release'].map((method) => [method, never]));
    const offline = await OfflineSessions.open({ directory, platform: PLATFORM });
    offline.useDriver(driver);
    await offline.put(input('a', { initDataType: 'cenc', initData: new Uint8Array(9) }));
    const inFlight = () => {
      for (let n = 0; n < 200; n++) offline.put(input(`title ${n}`)).catch(() => {});
      offline.list().catch(() => {});
    };
    if (end === 'leaves it to its timers') {
      // Nobody waits for this run any more.
      await offline.revalidate({ signal: AbortSignal.timeout(50) }).catch(() => {});
      offline.setConnectivity('online');
      console.log('quitting');
      inFlight();
      return;
    }
    offline.revalidate().catch(() => {});
    offline.ensurePlayable('a', { timeoutMs: 60_000 }).catch(() => {});
    console.log('quitting');
    inFlight();
    if (end === 'exits') process.exit(7);
    if (end === 'throws') throw new Error('of the app');
    process.kill(process.pid, 'SIGTERM');
  }, app.directory, how);
}

test.each([
  ['exits', { code: 7, signal: null }],
  ['throws', { code: 1, signal: null }],
  ['is told to end', { code: null, signal: 'SIGTERM' }],
  ['leaves it to its timers', { code: 0, signal: null }],
])('a process that %s with work in flight, and without close(), is gone within a second', async (how, end) => {
  const child = quit(how);
  expect(await child.line()).toBe('quitting');
  const began = performance.now();
  expect(await child.ended).toMatchObject(end);
  expect(performance.now() - began).toBeLessThan(A_SECOND);
  // What it left is a whole store, and nobody holds it.
  const offline = await app.open();
  expect(await offline.list({ contentId: 'a' })).toHaveLength(1);
});

/** What can be counted where there is /proc. */
const canCount = process.platform === 'linux';
const threads = () => (canCount ? readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim()) : []);
const ours = () => threads().filter((name) => name.startsWith('offline-sess'));
const files = () => (canCount ? readdirSync('/proc/self/fd').length : 0);

test('after close() no thread, no handle and no open file of ours is left', async () => {
  const before = { handles: process.getActiveResourcesInfo(), files: files() };
  for (let n = 0; n < 5; n++) {
    const offline = await app.open();
    await app.store(3);
    expect(ours().length > 0).toBe(canCount);
    await offline.revalidate();
    const unhook = app.cdm.on('phase', never);
    offline.reportPlayback('title 1', { error: 'broken' });
    const run = offline.revalidate().catch(() => {});
    await offline.close();
    await run;
    unhook();
    app.cdm.restart();
  }
  expect(ours()).toEqual([]);
  const added = process.getActiveResourcesInfo();
  for (const handle of before.handles) if (added.includes(handle)) added.splice(added.indexOf(handle), 1);
  expect(added).toEqual([]);
  expect(files()).toBeLessThanOrEqual(before.files);
});

test.each([['is terminated', false], ['exits', true]])('a worker that %s with calls in flight leaves no thread and no open file of ours', async (_how, exits) => {
  const before = files();
  const place = makeDirectory();
  const worker = new Worker(path.join(__dirname, '../helpers/worker.js'), { workerData: { directory: place, exits } });
  const ended = once(worker, 'exit');
  await once(worker, 'message');
  if (!exits) await worker.terminate();
  await ended;
  const began = performance.now();
  // What was on its way to the disk gets there.
  while (ours().length > 0 || files() > before) await sleep(5);
  expect(performance.now() - began).toBeLessThan(A_SECOND);
  removeDirectory(place);
});

test('of two workers one closes, and ends; the other goes on', async () => {
  const directories = [makeDirectory(), makeDirectory()];
  const workers = directories.map((directory) => new Worker(path.join(__dirname, '../helpers/closing-worker.js'), { workerData: { directory } }));
  expect((await Promise.all(workers.map((worker) => once(worker, 'message')))).flat()).toEqual(['open', 'open']);
  const [leaving, staying] = workers;
  leaving.postMessage('close');
  expect((await once(leaving, 'exit'))[0]).toBe(0);
  const left = await OfflineSessions.open({ directory: directories[0], platform: PLATFORM });
  expect(await left.put(input('of the main thread'))).toHaveLength(1);
  await left.close();
  staying.postMessage('put');
  expect((await once(staying, 'message'))[0]).toBe(1);
  staying.postMessage('close');
  expect((await once(staying, 'exit'))[0]).toBe(0);
  directories.forEach(removeDirectory);
});
