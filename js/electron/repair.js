'use strict';

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {{ ready: number, total: number, unready: import('../types').Verdict[] }} RepairReport counts contents
 * @typedef {(report: RepairReport) => void | Promise<void>} OnRepaired
 */

/** On the command line of a launch that only repairs. */
const SWITCH = '--offline-sessions-repair';

/** A launch without windows, that an app makes of itself after an update: repairs what can be repaired now, reports and quits. */
class RepairLaunch {
  #app;
  /** @type {(isOpened: true) => void} */
  #resolve = () => {};
  /** @type {Promise<true>} */
  #opened = new Promise((resolve) => { this.#resolve = resolve; });
  /** Somebody has opened the app. It is a launch like any other then, and the repair goes on. */
  isOpened = false;

  /** @param {Pick<import('./parts').App, 'off' | 'on' | 'quit'>} app */
  constructor(app) {
    this.#app = app;
    // Of an app that holds Electron's single-instance lock; the store may have to be waited for.
    app.on('second-instance', this.#onOpened);
  }

  /** @param {unknown} _event @param {unknown} [argv] of a second instance */
  #onOpened = (_event, argv) => {
    if (Array.isArray(argv) && isRepairLaunch(argv)) return;
    this.isOpened = true;
    this.#resolve(true);
  };

  /**
   * @param {OfflineSessions} offline
   * @param {OnRepaired | undefined} onRepaired default: a line on standard output
   * @param {(error: unknown) => void} warn
   * @returns {Promise<boolean>} whether somebody has opened the app meanwhile
   */
  async run(offline, onRepaired = print, warn) {
    // Under macOS; not before, because it is emitted of a launch too.
    this.#app.on('activate', this.#onOpened);
    const repaired = offline.revalidate().catch(warn);
    const isOpened = await Promise.race([this.#opened, repaired.then(() => false)]);
    this.end();
    if (isOpened) return true;
    try {
      const unready = offline.unready();
      const total = new Set((await offline.list()).map(({ contentId }) => contentId)).size;
      await onRepaired({ ready: total - unready.length, total, unready });
    } catch (error) {
      warn(error);
    }
    this.#app.quit();
    return false;
  }

  end() {
    this.#app.off('second-instance', this.#onOpened);
    this.#app.off('activate', this.#onOpened);
  }
}

/** @type {OnRepaired} */
function print({ ready, total }) {
  console.log(`${ready} of ${total} ready`);
}

/** @param {string[]} argv */
const isRepairLaunch = (argv) => argv.includes(SWITCH);

module.exports = { isRepairLaunch, RepairLaunch };
