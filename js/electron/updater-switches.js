'use strict';

/** @type {WeakMap<object, Switches>} */
const known = new WeakMap();

/**
 * One for each updater, also when it is attached to again: what the app had chosen is known of the first time alone.
 * @param {import('./parts').ElectronUpdater} updater
 */
function switchesOf(updater) {
  const switches = known.get(updater) ?? new Switches(updater);
  known.set(updater, switches);
  return switches;
}

/** electron-updater's public switches. `autoInstallOnAppQuit` of 6.x is `autoInstallEvent` in 7. */
class Switches {
  /** @type {boolean} */
  #autoDownload;
  /** The app's own choice, while it does not count. @type {unknown} */
  #install;
  #isHeld = false;
  /** How many stores. */
  attached = 0;

  /** @param {import('./parts').ElectronUpdater} updater */
  constructor(updater) {
    this.updater = updater;
    this.#autoDownload = updater.autoDownload;
  }

  noDownload() {
    this.updater.autoDownload = false;
  }

  /** Nothing is installed on quit. */
  hold() {
    if (!this.#isHeld) this.#install = this.#switch();
    this.#isHeld = true;
    this.#switch(false);
  }

  release() {
    if (this.#isHeld) this.#switch(this.#install);
    this.#isHeld = false;
  }

  restore() {
    this.updater.autoDownload = this.#autoDownload;
    this.release();
  }

  /** @param {any} [value] false: never; without it nothing is changed @returns {unknown} */
  #switch(value) {
    const { updater } = this;
    if ('autoInstallEvent' in updater) {
      if (value !== undefined) updater.autoInstallEvent = value === false ? 'manual' : value;
      return updater.autoInstallEvent;
    }
    if (value !== undefined) updater.autoInstallOnAppQuit = value;
    return updater.autoInstallOnAppQuit;
  }
}

module.exports = { switchesOf };
