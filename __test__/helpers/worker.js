'use strict';

/** In a worker thread: opens a store and keeps native calls in flight until it is ended. */

const { parentPort, workerData } = require('node:worker_threads');
const { OfflineSessions } = require('../..');
const { PLATFORM, input } = require('./store.js');

async function main() {
  const store = await OfflineSessions.open({ directory: workerData.directory, platform: PLATFORM });
  for (let n = 0; n < 300; n++) store.put(input(`title ${n}`, { sessionId: String(n) })).catch(() => {});
  parentPort?.postMessage('busy');
  if (workerData.exits) process.exit();
  for (;;) await store.list();
}

main();
