'use strict';

/** In a worker thread: a store that puts and closes as it is told, and then ends by itself. */

const { parentPort, workerData } = require('node:worker_threads');
const { OfflineSessions } = require('../..');
const { PLATFORM, input } = require('./store.js');

async function main() {
  const offline = await OfflineSessions.open({ directory: workerData.directory, platform: PLATFORM });
  parentPort?.on('message', async (what) => {
    if (what === 'put') parentPort?.postMessage((await offline.put(input('of a worker'))).length);
    else {
      await offline.close();
      parentPort?.close();
    }
  });
  parentPort?.postMessage('open');
}

main();
