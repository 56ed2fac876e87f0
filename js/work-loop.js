'use strict';

const { setMaxListeners } = require('node:events');
const { call } = require('./native');
const { OfflineSessionsError } = require('./errors');
const { runPhase } = require('./phase-runner');

/**
 * @typedef {import('./types').RevalidationReport} RevalidationReport
 * @typedef {import('./types').Progress} Progress
 * @typedef {import('./types').Counts} Counts
 * @typedef {import('./types').Verdict} Verdict
 *
 * @typedef {object} Poll what the addon's `poll` answers
 * @property {import('./phase-runner').PhaseOrder[]} phases
 * @property {number | null} nextPollAt
 * @property {number} running
 * @property {number} remaining
 * @property {number} deferred
 * @property {number} unsupported
 * @property {Omit<Counts, 'licenseRequests'>} counters
 *
 * @typedef {object} Waiter whoever waits for the loop
 * @property {(poll: Poll | null) => void} look called when something happened; with a poll when one was taken
 * @property {(error: unknown) => void} fail
 */

/** After a storage error work rests this long, unless somebody asks for it. */
const REST_AFTER_ERROR_MS = 60_000;
/** setTimeout's own limit; a longer wait is cut and asked for again. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** How long `close()` waits for outcomes that are on their way to the disk. */
const CLOSE_GRACE_MS = 500;

/** Polls the engine, runs the phases it hands out, and tells those who wait. Rests until it is first woken. */
class WorkLoop {
  #native;
  #host;
  /** @type {Map<number, { controller: AbortController, ended: Promise<void> }>} */
  #phases = new Map();
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #polling = false;
  #pollAgain = false;
  #closed = false;
  #idle = true;
  #licenseRequests = 0;

  /**
   * @param {import('../native/binding').NativeEngine} native
   * @param {import('./phase-runner').Host} host
   */
  constructor(native, host) {
    this.#native = native;
    this.#host = { ...host, countLicenseRequest: () => { this.#licenseRequests += 1; }, waitedFor: () => this.#waiters.size > 0 };
  }

  /** Asks the engine what may run, now. */
  wake() {
    if (this.#closed) return;
    if (this.#polling) {
      this.#pollAgain = true;
      return;
    }
    this.#pump();
  }

  /** Whether anything was ever asked of the loop; before, nothing runs. */
  get started() {
    return !this.#idle || this.#timer !== undefined;
  }

  /**
   * Runs what is due until nothing can run now.
   * @param {(progress: Progress) => void} onProgress
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<RevalidationReport>}
   */
  run(onProgress, signal) {
    const startedAt = performance.now();
    /** @type {Counts | null} */
    let before = null;
    let total = 0;
    return this.#wait(signal, (poll, resolve) => {
      if (!poll) return;
      before ??= this.#counts(poll);
      const counts = difference(this.#counts(poll), before);
      total = Math.max(total, poll.remaining);
      onProgress({ done: total - poll.remaining, total, ...counts });
      if (poll.running > 0) return;
      const { unsupported, deferred, nextPollAt } = poll;
      const durationMs = Math.round(performance.now() - startedAt);
      resolve({ ...counts, unsupported, deferred, nextAttemptAt: nextPollAt, durationMs });
    });
  }

  /**
   * Works until nothing more can be done for a content now, or `timeoutMs` is over; then gives `answer()`.
   * @param {string} contentId
   * @param {() => Verdict} answer
   * @param {number} timeoutMs
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Verdict>}
   */
  settle(contentId, answer, timeoutMs, signal) {
    if (this.#native.settled(contentId)) return Promise.resolve(answer());
    return this.#wait(signal, (_poll, resolve) => {
      if (this.#native.settled(contentId)) resolve(answer());
    }, { timeoutMs, onTimeout: (resolve) => resolve(answer()) });
  }

  /** Aborts what runs, lets outcomes that are being recorded end, and starts nothing more. */
  async close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const waiter of [...this.#waiters]) waiter.fail(new OfflineSessionsError('ERR_CLOSED', 'close() ended the work'));
    const ended = this.#abortPhases();
    /** @type {NodeJS.Timeout | undefined} */
    let grace;
    await Promise.race([ended, new Promise((resolve) => { grace = setTimeout(resolve, CLOSE_GRACE_MS); })]);
    clearTimeout(grace);
  }

  /**
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {(poll: Poll | null, resolve: (value: T) => void) => void} look
   * @param {{ timeoutMs?: number, onTimeout?: (resolve: (value: T) => void) => void }} [timeout]
   * @returns {Promise<T>}
   */
  #wait(signal, look, { timeoutMs, onTimeout } = {}) {
    return new Promise((resolve, reject) => {
      /** @type {NodeJS.Timeout | undefined} */
      let timer;
      const leave = () => {
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const done = (/** @type {T} */ value) => { leave(); resolve(value); };
      const waiter = {
        look: (/** @type {Poll | null} */ poll) => {
          try {
            look(poll, done);
          } catch (error) {
            waiter.fail(error);
          }
        },
        fail: (/** @type {unknown} */ error) => { leave(); reject(error); },
      };
      const onAbort = () => {
        waiter.fail(new OfflineSessionsError('ERR_ABORTED', 'the signal was aborted', { cause: signal?.reason }));
        // Nobody waits any more: the work that was asked for is called off. What is due goes on with the next call.
        if (this.#waiters.size === 0) this.#abortPhases();
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      if (timeoutMs !== undefined) timer = setTimeout(() => onTimeout?.(done), timeoutMs);
      this.#waiters.add(waiter);
      this.wake();
    });
  }

  async #pump() {
    this.#polling = true;
    try {
      do {
        this.#pollAgain = false;
        await this.#poll();
      } while (this.#pollAgain && !this.#closed);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#polling = false;
    }
  }

  async #poll() {
    if (this.#idle) {
      this.#idle = false;
      this.#native.beginRun();
    }
    /** @type {Poll} */
    const poll = JSON.parse(await call(this.#native.poll()));
    if (this.#closed) return;
    for (const order of poll.phases) this.#startPhase(order);
    this.#idle = poll.running === 0;
    this.#setTimer(poll.nextPollAt === null ? null : poll.nextPollAt - Date.now());
    // A poll that was asked for meanwhile sees more than this one.
    if (!(this.#idle && this.#pollAgain)) this.#tell(poll);
  }

  /** @param {import('./phase-runner').PhaseOrder} order */
  #startPhase(order) {
    const controller = new AbortController();
    // One listener a task that is out.
    setMaxListeners(0, controller.signal);
    const ended = runPhase(this.#native, this.#host, order, controller.signal, () => this.#tell(null))
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#phases.delete(order.phaseId);
        if (!controller.signal.aborted || this.#waiters.size > 0) this.wake();
      });
    this.#phases.set(order.phaseId, { controller, ended });
  }

  #abortPhases() {
    for (const { controller } of this.#phases.values()) controller.abort();
    return Promise.all([...this.#phases.values()].map(({ ended }) => ended));
  }

  /** @param {Poll | null} poll */
  #tell(poll) {
    for (const waiter of [...this.#waiters]) waiter.look(poll);
  }

  /** @param {unknown} error */
  #fail(error) {
    if (this.#closed) return;
    this.#abortPhases();
    this.#idle = true;
    this.#setTimer(REST_AFTER_ERROR_MS);
    this.#host.warn(error);
    for (const waiter of [...this.#waiters]) waiter.fail(error);
  }

  /** @param {number | null} delayMs */
  #setTimer(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (delayMs === null || this.#closed) return;
    this.#timer = setTimeout(() => this.wake(), Math.min(Math.max(delayMs, 0), MAX_TIMER_MS)).unref();
  }

  /** @param {Poll} poll @returns {Counts} */
  #counts({ counters }) {
    return { ...counters, licenseRequests: this.#licenseRequests };
  }
}

/** @param {Counts} now @param {Counts} before @returns {Counts} */
function difference(now, before) {
  const names = /** @type {(keyof Counts)[]} */ (Object.keys(now));
  return /** @type {Counts} */ (Object.fromEntries(names.map((name) => [name, now[name] - before[name]])));
}

module.exports = { WorkLoop };
