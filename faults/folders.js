'use strict';

const { existsSync } = require('node:fs');
const { mkdtemp, rm } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');

/**
 * Runs `work` for 0 to count - 1, `jobs` at a time, each with an empty folder of its own.
 * @param {number} count
 * @param {number} jobs
 * @param {(folder: string, n: number) => Promise<void>} work
 */
async function inFolders(count, jobs, work) {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < count; n = next++) {
      await inFolder((folder) => work(folder, n));
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, worker));
}

/** Where nothing waits for a disk, if there is such a place. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();

/**
 * @template T
 * @param {(folder: string) => Promise<T>} work
 * @param {string} [parent]
 * @returns {Promise<T>}
 */
async function inFolder(work, parent = os.tmpdir()) {
  const folder = await mkdtemp(path.join(parent, 'offline-sessions-faults-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

module.exports = { inFolder, inFolders, MEMORY };
