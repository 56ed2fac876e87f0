'use strict';

const { OfflineSessionsError } = require('../errors');
const { withinMs } = require('./within-ms');

/**
 * @typedef {import('../session-driver').SessionDriver} SessionDriver
 * @typedef {import('../session-driver').Lane} Lane
 * @typedef {import('./worker-page').WorkerPage} WorkerPage
 *
 * @typedef {object} Phase
 * @property {(signal: AbortSignal | undefined) => Promise<WorkerPage>} begin
 * @property {Promise<WorkerPage>} page where it has been started
 * @property {WorkerPage | undefined} current where it is being started, or has been
 * @property {boolean} writes
 * @property {boolean} repeated
 * @property {AbortController} ended
 */

/** Phases of one run follow each other at once. */
const IDLE_MS = 2_000;
/** A page that works ends a phase within 8 s (js/renderer/phase.mjs); who asks for it waits 10 s. */
const END_MS = 9_000;
/** What these had begun before a window went is for the engine to judge: licences may have been made, or a CDM's list of them cut short. */
const WRITERS = ['license', 'release'];

/**
 * Does EME for the lanes of one origin and partition in a page that is opened when there is work and closed after it. When that page goes
 * under a phase that writes no licences, its tasks are given to another one within the time that they have; once in a phase.
 *
 * @implements {SessionDriver}
 */
class WindowDriver {
  #open;
  /** @type {WorkerPage | null} */
  #page = null;
  /** By key system. @type {Map<string, Phase>} */
  #phases = new Map();
  /** Lists of what the player has that are being made. */
  #lists = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #idle;

  /**
   * @param {() => WorkerPage} open
   * @param {{ lists?: boolean }} [options] `lists`: its pages list what the player has
   */
  constructor(open, { lists = false } = {}) {
    this.#open = open;
    /** @type {SessionDriver['inventory']} */
    this.inventory = lists ? (lane, context) => this.#inventory(lane, context) : undefined;
  }

  /** @type {NonNullable<SessionDriver['startPhase']>} */
  async startPhase(lane, name, configuration, context) {
    const phase = /** @type {Phase} */ ({ writes: WRITERS.includes(name), repeated: false, ended: new AbortController() });
    phase.begin = async (signal) => {
      phase.current = this.#opened();
      const page = await phase.current.loaded;
      await page.driver.startPhase(lane, name, configuration, { ...context, ...(signal && { signal }) });
      return page;
    };
    this.#phases.set(lane.keySystem, phase);
    phase.page = phase.begin(context.signal);
    await this.#inPhase(phase, context.signal, true, async () => {});
  }

  /** @type {NonNullable<SessionDriver['endPhase']>} */
  async endPhase(lane, name) {
    const phase = this.#phases.get(lane.keySystem);
    if (!phase) return;
    phase.ended.abort(gone('The phase has ended.'));
    const page = phase.current;
    const ended = page && driverOf(page)?.endPhase(lane, name).then(() => true);
    // It hangs, and the lock with it. Electron's 'unresponsive' comes of input, which such a page never has.
    if (ended && !await withinMs(END_MS, ended)) page.close();
    // Not before: until then the CDM may still write.
    if (this.#phases.get(lane.keySystem) === phase) this.#phases.delete(lane.keySystem);
    this.#rest();
  }

  /** @type {SessionDriver['probe']} */
  probe(lane, context) {
    return this.#task(lane, context.signal, (driver) => driver.probe(lane, context));
  }

  /** @type {SessionDriver['plantWitness']} */
  plantWitness(lane, value) {
    return this.#task(lane, undefined, (driver) => driver.plantWitness(lane, value));
  }

  /** @type {SessionDriver['check']} */
  check(session, context) {
    return this.#task(session.lane, context.signal, (driver) => driver.check(session, context));
  }

  /** @type {SessionDriver['license']} */
  license(session, context) {
    return this.#task(session.lane, context.signal, (driver) => driver.license(session, context));
  }

  /** @type {SessionDriver['adopt']} */
  adopt(session, newSessionId, context) {
    return this.#task(session.lane, context.signal, (driver) => driver.adopt(session, newSessionId, context));
  }

  /** @type {SessionDriver['release']} */
  release(session, context) {
    return this.#task(session.lane, context.signal, (driver) => driver.release(session, context));
  }

  /** The page goes, whatever it does. Work that comes opens another one. */
  closePage() {
    clearTimeout(this.#idle);
    this.#page?.close();
    this.#page = null;
  }

  /**
   * @template T
   * @param {Lane} lane
   * @param {AbortSignal | undefined} signal
   * @param {(driver: Required<SessionDriver>) => Promise<T>} work
   */
  async #task(lane, signal, work) {
    const phase = this.#phases.get(lane.keySystem);
    if (!phase) throw new Error('no phase has been started in this lane');
    return this.#inPhase(phase, signal, !phase.writes, (page) => work(page.driver));
  }

  /**
   * @template T
   * @param {Phase} phase
   * @param {AbortSignal | undefined} signal
   * @param {boolean} mayRepeat
   * @param {(page: WorkerPage) => Promise<T>} work
   */
  async #inPhase(phase, signal, mayRepeat, work) {
    const { page } = phase;
    try {
      return await work(await page);
    } catch (error) {
      const isGone = /** @type {any} */ (error)?.code === 'ERR_DRIVER_GONE';
      if (!isGone || !mayRepeat || signal?.aborted || phase.ended.signal.aborted) throw error;
      if (phase.page === page) {
        if (phase.repeated) throw error;
        phase.repeated = true;
        phase.page = phase.begin(phase.ended.signal);
        phase.page.catch(() => {});
      }
      return work(await phase.page);
    }
  }

  /** @type {NonNullable<SessionDriver['inventory']>} */
  async #inventory(lane, context) {
    this.#lists += 1;
    try {
      const page = await this.#opened().loaded;
      return await page.driver.inventory(lane, context);
    } finally {
      this.#lists -= 1;
      this.#rest();
    }
  }

  #opened() {
    clearTimeout(this.#idle);
    if (!this.#page || this.#page.isGone) this.#page = this.#open();
    return this.#page;
  }

  #rest() {
    if (this.#phases.size > 0 || this.#lists > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#page?.mayClose() === false) this.#rest();
      else this.closePage();
    }, IDLE_MS).unref();
  }
}

/** @param {WorkerPage} page */
function driverOf(page) {
  try {
    return page.driver;
  } catch {
    return null;
  }
}

/** @param {string} why */
const gone = (why) => new OfflineSessionsError('ERR_DRIVER_GONE', why);

module.exports = { WindowDriver };
