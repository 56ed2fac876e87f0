'use strict';

const { open, readFile, rename, rm } = require('node:fs/promises');
const path = require('node:path');
const check = require('../arguments');
const { OfflineSessionsError } = require('../errors');
const { widevineNow } = require('./platform');
const { withinMs } = require('./within-ms');

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {import('./parts').Components} Components
 * @typedef {{ startedAtMs: number, untilMs: number, components: boolean }} Stored `components`: whether it was us who turned their updates off
 *
 * @typedef {object} TravelModeReport
 * @property {number} untilMs
 * @property {('app' | 'cdm')[]} held whose updates are held back
 * @property {{ code: keyof typeof NOT_HELD, message: string }[]} notHeld what travel mode cannot prevent, for the viewer to know
 * @property {import('../types').Verdict[]} unready titles that would not play offline all the same
 */

const FILE = 'travel-mode.json';
const DAY_MS = 86_400_000;
const LOOK_MS = 3_600_000;
const CDM_WAIT_MS = 5_000;

const NOT_HELD = Object.freeze({
  'old-cdm-switched-off': 'Old CDMs get switched off: a licence server may refuse this one while it is held back.',
  'cdm-downloaded-already': 'A CDM that has been downloaded already runs from the next start.',
  'app-downloaded-already': 'Under macOS an update of the app that has been downloaded already is installed all the same.',
  'installed-by-others': 'The operating system, a store, the viewer or the app itself (quitAndInstall) may install an update.',
  'licences-expire': 'Licences expire when they expire.',
  'no-app-updater': 'No updater that can be held is attached: updates of the app are installed as ever.',
  'cdm-not-installed': 'The CDM is not installed. With its updates off it would never be, so they are on.',
  'no-component-updates': 'This Electron has no switch for updates of the CDM.',
});

/**
 * Holds updates of the CDM (`components.updatesEnabled`, which Electron persists) and of the app, for a time. Its end stands in a file beside the
 * store, written before anything is held and removed after all is free again, so that no crash leaves updates off for good.
 */
class TravelMode {
  #file;
  #components;
  #powerMonitor;
  /** @type {import('./updater').AttachedUpdater | undefined} */
  #updater;
  /** @type {Stored | null} */
  #stored = null;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** Ends of it that were asked for. */
  #ends = 0;
  #isClosed = false;
  /** One writes the file at a time. */
  #turn = Promise.resolve();
  /** @type {(error: unknown) => void} */
  warn = () => {};

  /**
   * @param {string} directory the store's
   * @param {{ components?: Components, powerMonitor?: import('./parts').PowerMonitor }} electron
   * @param {import('./updater').AttachedUpdater} [updater]
   */
  constructor(directory, { components, powerMonitor }, updater) {
    this.#file = path.join(directory, FILE);
    this.#components = components;
    this.#powerMonitor = powerMonitor;
    this.#updater = updater;
  }

  /**
   * At a launch, before the store is opened: a travel mode that is over ends even if the store cannot be. One whose file cannot be
   * understood is over, and so is one that began in the future, because then the clock was wrong.
   */
  async resume() {
    const stored = await this.#read();
    if (stored === undefined) return;
    if (stored === null || isOver(stored)) return this.#finish(stored?.components ?? true);
    this.#goOn(stored);
    // There was a crash between the file and this, or there was none.
    if (stored.components) this.#holdComponents().catch((error) => this.warn(error));
  }

  /** @returns {{ untilMs: number } | null} */
  get current() {
    return this.#stored && { untilMs: this.#stored.untilMs };
  }

  /**
   * @param {OfflineSessions} offline
   * @param {{ untilMs?: number }} [options]
   * @returns {Promise<TravelModeReport>}
   */
  async start(offline, options) {
    const { travelModeMaxDays: maxDays } = offline.setPolicy({});
    const untilMs = untilOf(check.options(options, ['untilMs']).untilMs, maxDays);
    const ends = this.#ends;
    // Now there may be a network, and the CDM is one that the server knows.
    await offline.revalidate().catch((error) => {
      if (error?.code === 'ERR_CLOSED') throw error;
      this.warn(error);
    });
    return this.#inTurn(async () => {
      if (ends !== this.#ends) throw new OfflineSessionsError('ERR_ABORTED', 'endTravelMode was called');
      const installed = await this.#isCdmInstalled();
      const unready = offline.unready();
      const components = this.#stored?.components || (installed && this.#components?.updatesEnabled === true);
      const stored = { startedAtMs: Date.now(), untilMs, components };
      await this.#write(stored);
      this.#goOn(stored);
      if (components) await this.#holdComponents();
      return { ...this.#report(untilMs, installed), unready };
    });
  }

  /** @returns {Promise<void>} */
  end() {
    this.#ends += 1;
    return this.#inTurn(async () => { if (this.#stored) await this.#finish(this.#stored.components); });
  }

  /** With the store; what is held stays so. */
  close() {
    this.#isClosed = true;
    this.#unwatch();
  }

  #unwatch() {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#powerMonitor?.off('resume', this.#look);
  }

  /** @param {Stored} stored */
  #goOn(stored) {
    this.#stored = stored;
    this.#updater?.hold();
    if (this.#timer || this.#isClosed) return;
    // A timer for its end could not be that long, and would not count a sleep.
    this.#timer = setInterval(this.#look, LOOK_MS).unref();
    this.#powerMonitor?.on('resume', this.#look);
  }

  #look = () => {
    if (this.#stored && isOver(this.#stored)) this.end().catch((error) => this.warn(error));
  };

  /** @param {boolean} components whether their updates are off because of us */
  async #finish(components) {
    this.#unwatch();
    this.#stored = null;
    if (components && this.#components?.updatesEnabled === false) this.#components.updatesEnabled = true;
    this.#updater?.release();
    await rm(this.#file, { force: true }).catch((cause) => this.warn(storageError('travel mode ended, and its file is still there', cause)));
  }

  /** A CDM that has gone since would never come back: Electron has persisted that updates are off. */
  async #holdComponents() {
    const components = this.#components;
    if (components?.updatesEnabled === undefined) return;
    const installed = await this.#isCdmInstalled();
    if (this.#stored) components.updatesEnabled = !installed;
  }

  /** Off before that, there would never be a CDM. A version of `null` says nothing; being ready does. */
  async #isCdmInstalled() {
    const components = this.#components;
    if (!components) return false;
    const { WIDEVINE_CDM_ID: id } = components;
    const ready = (async () => components.whenReady(id === undefined ? undefined : [id]))().then(() => true, () => false);
    return await withinMs(CDM_WAIT_MS, ready) === true || widevineNow(components).version !== null;
  }

  /** @param {number} untilMs @param {boolean} installed @returns {Omit<TravelModeReport, 'unready'>} */
  #report(untilMs, installed) {
    /** @type {('app' | 'cdm')[]} */
    const held = [];
    /** @type {(keyof typeof NOT_HELD)[]} */
    const codes = ['old-cdm-switched-off', 'installed-by-others', 'licences-expire'];
    if (this.#updater?.canHold) {
      held.push('app');
      codes.push('app-downloaded-already');
    } else {
      codes.push('no-app-updater');
    }
    if (this.#components?.updatesEnabled === false) {
      held.push('cdm');
      codes.push('cdm-downloaded-already');
    } else {
      codes.push(this.#components?.updatesEnabled === undefined || installed ? 'no-component-updates' : 'cdm-not-installed');
    }
    return { untilMs, held, notHeld: codes.map((code) => ({ code, message: NOT_HELD[code] })) };
  }

  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  #inTurn(work) {
    const done = this.#turn.then(work);
    this.#turn = done.then(() => {}, () => {});
    return done;
  }

  /** @returns {Promise<Stored | null | undefined>} undefined: there is none; null: it cannot be understood */
  async #read() {
    try {
      const { startedAtMs, untilMs, components } = JSON.parse(await readFile(this.#file, 'utf8'));
      return Number.isFinite(startedAtMs) && Number.isFinite(untilMs) && typeof components === 'boolean' ? { startedAtMs, untilMs, components } : null;
    } catch (error) {
      return /** @type {any} */ (error).code === 'ENOENT' ? undefined : null;
    }
  }

  /** @param {Stored} stored */
  async #write(stored) {
    const unfinished = `${this.#file}.new`;
    try {
      const file = await open(unfinished, 'w', 0o600);
      try {
        await file.writeFile(JSON.stringify(stored));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, this.#file);
    } catch (cause) {
      throw storageError('the end of travel mode could not be written, so nothing is held', cause);
    }
  }
}

/** @param {string} message @param {unknown} cause */
const storageError = (message, cause) => new OfflineSessionsError('ERR_STORAGE', message, { cause });

/** @param {Stored} stored */
const isOver = ({ startedAtMs, untilMs }) => Date.now() >= untilMs || Date.now() < startedAtMs - DAY_MS;

/** @param {unknown} given @param {number} maxDays */
function untilOf(given, maxDays) {
  const now = Date.now();
  const latest = now + maxDays * DAY_MS;
  if (given === undefined) return latest;
  if (typeof given !== 'number' || !(given > now) || given > latest) throw check.invalid('untilMs', `must be a moment within the next ${maxDays} days`);
  return given;
}

module.exports = { TravelMode };
