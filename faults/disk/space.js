'use strict';

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

const run = promisify(execFile);

/**
 * @typedef {object} Space a place that can be made full
 * @property {string[]} codes what a write may be refused with while it is full
 * @property {(bytes: number, pid: number) => Promise<void>} leave so much is left from now on, to the process with that pid
 * @property {(pid: number) => Promise<void>} free
 * @property {() => Promise<void>} end
 */

const SIZE = 4 * 1024 * 1024;

/** A small disk of its own, filled by a file beside the store. @param {string} folder @returns {Promise<Space>} */
async function tmpfs(folder) {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', folder]);
  const filler = path.join(folder, 'filler');
  return {
    codes: ['ERR_DISK_FULL'],
    leave: async (bytes) => {
      const { bavail, bsize } = fs.statfsSync(folder);
      fs.writeFileSync(filler, Buffer.alloc(Math.max(bavail * bsize - bytes, 0)));
    },
    free: async () => fs.rmSync(filler, { force: true }),
    end: async () => { await run('umount', [folder]); },
  };
}

/** Where nothing may be mounted: no file of the process may grow. SQLite does not know this error for a full disk. @param {string} folder @returns {Space} */
function fileSizeLimit(folder) {
  const store = path.join(folder, 'store');
  const limit = (/** @type {number} */ pid, /** @type {string | number} */ soft) => run('prlimit', ['--pid', String(pid), `--fsize=${soft}:unlimited`]);
  return {
    codes: ['ERR_DISK_FULL', 'ERR_STORAGE'],
    leave: async (bytes, pid) => {
      const sizes = fs.readdirSync(store).map((name) => fs.statSync(path.join(store, name)).size);
      await limit(pid, Math.max(0, ...sizes) + bytes);
    },
    free: async (pid) => { await limit(pid, 'unlimited'); },
    end: async () => {},
  };
}

/** @param {string} folder empty @returns {Promise<Space>} */
const smallSpace = (folder) => tmpfs(folder).catch(() => fileSizeLimit(folder));

module.exports = { smallSpace };
