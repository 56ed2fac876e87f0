'use strict';

const { once } = require('node:events');
const path = require('node:path');
const { Worker } = require('node:worker_threads');
const { OfflineSessions } = require('..');
const { PLATFORM, input, makeDirectory, removeDirectory } = require('./helpers/store.js');

/** @type {string[]} */
const directories = [];
afterEach(() => directories.splice(0).forEach(removeDirectory));

function directory() {
  directories.push(makeDirectory());
  return directories[directories.length - 1];
}

test.each([['is terminated', false], ['exits', true]])('a worker that %s with native calls in flight takes nobody along', async (_how, exits) => {
  const store = await OfflineSessions.open({ directory: directory(), platform: PLATFORM });
  for (let n = 0; n < 8; n++) {
    const place = directory();
    const worker = new Worker(path.join(__dirname, 'helpers/worker.js'), { workerData: { directory: place, exits } });
    const ended = once(worker, 'exit');
    await once(worker, 'message');
    if (!exits) await worker.terminate();
    await ended;
    // What the worker left is a whole store, and nobody holds it.
    const left = await OfflineSessions.open({ directory: place, platform: PLATFORM, lockWaitMs: 10_000 });
    expect((await left.list()).length).toBeLessThanOrEqual(300);
    await left.close();
  }
  expect(await store.put(input('still here'))).toHaveLength(1);
  await store.close();
}, 60_000);
