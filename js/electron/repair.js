'use strict';

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {{ ready: number, total: number, unready: import('../types').Verdict[] }} RepairReport counts contents
 * @typedef {(report: RepairReport) => void | Promise<void>} OnRepaired
 */

/** On the command line of a launch that only repairs. */
const SWITCH = '--offline-sessions-repair';

/**
 * A launch without windows, that an app makes of itself after an update: repairs what can be repaired now, reports and quits.
 * @param {OfflineSessions} offline
 * @param {Pick<import('./parts').App, 'off' | 'on' | 'quit'>} app
 * @param {OnRepaired | undefined} onRepaired default: a line on standard output
 * @param {(error: unknown) => void} warn
 * @returns {Promise<boolean>} true: somebody has opened the app meanwhile. It is a launch like any other then, and the repair goes on
 */
async function repairAndQuit(offline, app, onRepaired = print, warn) {
  /** @type {() => void} */
  let opened = () => {};
  const isOpened = new Promise((resolve) => { opened = () => resolve(true); });
  // Of an app that holds Electron's single-instance lock, and of any under macOS.
  app.on('second-instance', opened);
  app.on('activate', opened);
  const repaired = offline.revalidate().catch(warn);
  const goesOn = await Promise.race([isOpened, repaired.then(() => false)]);
  app.off('second-instance', opened);
  app.off('activate', opened);
  if (goesOn) return true;
  try {
    const unready = offline.unready();
    const total = new Set((await offline.list()).map(({ contentId }) => contentId)).size;
    await onRepaired({ ready: total - unready.length, total, unready });
  } catch (error) {
    warn(error);
  }
  app.quit();
  return false;
}

/** @type {OnRepaired} */
function print({ ready, total }) {
  console.log(`${ready} of ${total} ready`);
}

/** @param {string[]} argv */
const isRepairLaunch = (argv) => argv.includes(SWITCH);

module.exports = { isRepairLaunch, repairAndQuit };
