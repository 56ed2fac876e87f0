'use strict';

const { setMaxListeners } = require('node:events');
const { call } = require('./native');
const { OfflineSessionsError } = require('./errors');
const { Certificates } = require('./license-messages');
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
 * @property {number} expectedLicenseRequests
 * @property {number} remainingMs
 * @property {number} paced of these, those that only wait for their turn at a licence server
 * @property {number} deferred
 * @property {number} heldBack
 * @property {number} unsupported
 * @property {Omit<Counts, 'licenseRequests'>} counters
 *
 * @typedef {object} Waiter whoever waits for the loop
 * @property {(contents?: Set<string>) => void} [recorded] called with the contents that an outcome was recorded of, and without after each poll
 * @property {(progress: Progress) => void} [progress]
 * @property {(report: RevalidationReport) => void} [finished] called when a run has ended
 * @property {(error: unknown) => void} fail
 *
 * @typedef {object} Run from rest to rest
 * @property {Counts} before
 * @property {number} startedAt
 * @property {number} done only grows
 * @property {number} total only grows: a session that is due again counts again
 * @property {number} expectedLicenseRequests as of the last poll
 * @property {number} remainingMs
 * @property {boolean} worked
 *
 * @typedef {object} Listeners
 * @property {(progress: Progress) => void} progress
 * @property {(report: RevalidationReport) => void} finished
 */

/** After a storage error work rests this long, unless somebody asks for it. */
const REST_AFTER_ERROR_MS = 60_000;
/** setTimeout's own limit; a longer wait is cut and asked for again. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** How long `close()` waits for outcomes that are on their way to the disk. */
const CLOSE_GRACE_MS = 500;

const closed = () => new OfflineSessionsError('ERR_CLOSED', 'close() ended the work');

/** Polls the engine, runs the phases it hands out, and tells those who wait. Rests until it is first woken. */
class WorkLoop {
  #native;
  #host;
  /** @type {Map<number, { controller: AbortController, ended: Promise<void> }>} */
  #phases = new Map();
  /** @type {Set<Waiter>} */
  #waiters = new Set();
  /** How many wait for each content. @type {Map<string, number>} */
  #wanted = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {import('./phase-runner').Host['running']} */
  #running = new Map();
  #polling = false;
  #pollAgain = false;
  #closed = false;
  /** @type {Promise<void> | undefined} */
  #recovering;
  #started = false;
  /** @type {Run | null} */
  #run = null;
  /** How often work was called off. */
  #callOffs = 0;
  #licenseRequests = 0;
  #listeners;

  /**
   * @param {import('../native/binding').NativeEngine} native
   * @param {Omit<import('./phase-runner').Host, 'certificates' | 'running'>} host
   * @param {Listeners} listeners told of every run, also one that a timer began
   */
  constructor(native, host, listeners) {
    this.#native = native;
    this.#listeners = listeners;
    this.#host = { ...host, running: this.#running, certificates: new Certificates(), countLicenseRequest: () => { this.#licenseRequests += 1; } };
  }

  /** The app has changed something: what runs is looked at again, and what may run now is begun, if the loop was ever asked. */
  nudge() {
    for (const [taskId, { phase, withdraw }] of this.#running) {
      // A check changes nothing until it has answered; what writes goes on to its end.
      if ((phase === 'check' || phase === 'verify') && !this.#native.stillDue(taskId)) withdraw();
    }
    if (this.#started) this.#wake();
  }

  /**
   * Runs what is due until nothing can run now; joins a run that is under way. The report is the whole run's.
   * @param {(progress: Progress) => void} onProgress
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<RevalidationReport>}
   */
  run(onProgress, signal) {
    return this.#wait(signal, (resolve) => ({ progress: onProgress, finished: resolve }));
  }

  /** Does what is due, if work was ever begun: nothing is begun by this. @returns {Promise<unknown>} when nothing can run now */
  runOn() {
    return this.#started ? this.run(() => {}, undefined) : Promise.resolve();
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
    return this.#wait(signal, (resolve, fail) => {
      const timedOut = () => {
        try {
          resolve(answer());
        } catch (error) {
          fail(error);
        }
      };
      const timer = setTimeout(timedOut, timeoutMs);
      this.#wanted.set(contentId, (this.#wanted.get(contentId) ?? 0) + 1);
      const left = () => {
        clearTimeout(timer);
        const others = (this.#wanted.get(contentId) ?? 0) - 1;
        if (others > 0) this.#wanted.set(contentId, others);
        else this.#wanted.delete(contentId);
        // Only a time-out lets what was asked for go on. Other work does too.
        if (others <= 0 && signal?.aborted) this.unwant(contentId);
      };
      const recorded = (/** @type {Set<string> | undefined} */ contents) => {
        if ((!contents || contents.has(contentId)) && this.#native.settled(contentId)) resolve(answer());
      };
      return { recorded, left };
    });
  }

  /** Nobody wants this content any more: a check that was only made for them goes back. @param {string} contentId */
  unwant(contentId) {
    if (this.#wanted.has(contentId)) return;
    this.#native.unwant(contentId);
    this.nudge();
  }

  /** Aborts what runs, lets outcomes that are being recorded end, and starts nothing more. */
  async close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const waiter of [...this.#waiters]) waiter.fail(closed());
    // The app is quitting, most often: its windows may go while the CDM still writes.
    for (const phaseId of this.#phases.keys()) this.#native.cutOff(phaseId);
    const ended = this.#abortPhases();
    /** @type {NodeJS.Timeout | undefined} */
    let grace;
    await Promise.race([ended, new Promise((resolve) => { grace = setTimeout(resolve, CLOSE_GRACE_MS); })]);
    clearTimeout(grace);
  }

  /**
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {(resolve: (value: T) => void, fail: (error: unknown) => void) => Omit<Waiter, 'fail'> & { left?: () => void }} make
   * @returns {Promise<T>}
   */
  #wait(signal, make) {
    return new Promise((resolve, reject) => {
      const aborted = () => new OfflineSessionsError('ERR_ABORTED', 'the signal was aborted', { cause: signal?.reason });
      if (this.#closed) return reject(closed());
      if (signal?.aborted) return reject(aborted());
      // Work that nobody waited for runs on timers that let the process end.
      const alive = setInterval(() => {}, MAX_TIMER_MS);
      const leave = () => {
        clearInterval(alive);
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
        left?.();
      };
      const fail = (/** @type {unknown} */ error) => {
        leave();
        reject(error);
      };
      const { left, ...looks } = make((value) => {
        leave();
        resolve(value);
      }, fail);
      const waiter = { ...looks, fail };
      const onAbort = () => {
        fail(aborted());
        // A run that nobody waits for any more is called off. What is due goes on with the next call.
        if (looks.finished && this.#waiters.size === 0) this.callOff();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  #wake() {
    this.#started = true;
    if (this.#closed) return;
    if (this.#polling) this.#pollAgain = true;
    else this.#pump();
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
    if (!this.#run) this.#native.beginRun();
    const callOffs = this.#callOffs;
    /** @type {Poll} */
    const poll = JSON.parse(await call(this.#native.poll()));
    if (this.#closed) return;
    if (callOffs !== this.#callOffs) {
      // Called off while the engine was asked: what it handed out goes back.
      for (const { phaseId } of poll.phases) this.#native.endPhase(phaseId);
      return;
    }
    const run = this.#run ??= this.#begin(poll);
    run.worked ||= poll.phases.length > 0;
    const { expectedLicenseRequests, remainingMs } = poll;
    Object.assign(run, { expectedLicenseRequests, remainingMs });
    run.total = Math.max(run.total, run.done + poll.remaining);
    run.done = Math.max(run.done, run.total - poll.remaining);
    for (const order of poll.phases) this.#startPhase(order);
    this.#setTimer(poll.nextPollAt === null ? null : poll.nextPollAt - Date.now());
    this.#tellProgress(run, poll.counters);
    // A poll that was asked for meanwhile may find more.
    // What waits for its turn at a server has it soon.
    if (poll.running > 0 || (poll.paced > 0 && poll.nextPollAt !== null) || this.#pollAgain) return;
    this.#run = null;
    const { unsupported, deferred, heldBack, nextPollAt } = poll;
    const durationMs = Math.round(performance.now() - run.startedAt);
    const report = { ...this.#figures(run, poll.counters), unsupported, deferred, heldBack, nextAttemptAt: nextPollAt, durationMs };
    if (run.worked) this.#listeners.finished(report);
    this.#tell((waiter) => waiter.finished?.(report));
  }

  /** @param {import('./phase-runner').PhaseOrder} order */
  #startPhase(order) {
    const controller = new AbortController();
    // One listener a task that is out.
    setMaxListeners(0, controller.signal);
    // Later, when every phase of this poll is known: a driver may abort the run as soon as it is called.
    const ended = Promise.resolve()
      .then(() => runPhase(this.#native, this.#host, order, controller.signal, (completed) => this.#recorded(completed)))
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#phases.delete(order.phaseId);
        if (!controller.signal.aborted || this.#waiters.size > 0) this.#wake();
      });
    this.#phases.set(order.phaseId, { controller, ended });
  }

  #abortPhases() {
    for (const { controller } of this.#phases.values()) controller.abort();
    return Promise.all([...this.#phases.values()].map(({ ended }) => ended));
  }

  /** @param {Poll} poll @returns {Run} */
  #begin({ counters }) {
    const before = { ...counters, licenseRequests: this.#licenseRequests };
    return { before, startedAt: performance.now(), done: 0, total: 0, expectedLicenseRequests: 0, remainingMs: 0, worked: false };
  }

  /** @param {import('./phase-runner').Completed} completed */
  #recorded({ changed, settled, counters }) {
    if (!this.#run) return;
    this.#run.done = Math.min(this.#run.done + settled, this.#run.total);
    this.#tellProgress(this.#run, counters, new Set(changed.map(({ contentId }) => contentId)));
  }

  /** @param {Run} run @param {Poll['counters']} counters @param {Set<string>} [contents] */
  #tellProgress(run, counters, contents) {
    const { done, total, expectedLicenseRequests, remainingMs } = run;
    const progress = { done, total, expectedLicenseRequests, remainingMs, ...this.#figures(run, counters) };
    this.#tell((waiter) => waiter.progress?.(progress));
    this.#tell((waiter) => waiter.recorded?.(contents));
    if (run.worked) this.#listeners.progress(progress);
  }

  /** @param {Run} run @param {Poll['counters']} counters @returns {Counts} what the run has done so far */
  #figures({ before }, counters) {
    const now = { ...counters, licenseRequests: this.#licenseRequests };
    const names = /** @type {(keyof Counts)[]} */ (Object.keys(now));
    return /** @type {Counts} */ (Object.fromEntries(names.map((name) => [name, now[name] - before[name]])));
  }

  /** Aborts what runs. What is due goes on when the loop is next woken. */
  callOff() {
    this.#callOffs += 1;
    this.#run = null;
    this.#setTimer(null);
    this.#abortPhases();
  }

  /** @param {(waiter: Waiter) => void} tell what a caller's own listener throws ends that caller's wait alone */
  #tell(tell) {
    for (const waiter of [...this.#waiters]) {
      try {
        tell(waiter);
      } catch (cause) {
        const isOurs = cause instanceof OfflineSessionsError;
        waiter.fail(isOurs ? cause : new OfflineSessionsError('ERR_CALLBACK', 'the caller\'s function threw', { cause }));
      }
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    if (this.#closed) return;
    this.callOff();
    if (/** @type {any} */ (error)?.code === 'ERR_CORRUPT_DATABASE') {
      // Whoever waits goes on waiting: work begins anew on what was recovered.
      if (!this.#recovering) this.#recovering = this.#recover(error);
      return;
    }
    this.#rest(error);
  }

  /** @param {unknown} error what is told if nothing was wrong with the database, or it could not be recovered */
  async #recover(error) {
    try {
      const recovered = await this.#host.recover();
      this.#recovering = undefined;
      if (recovered) this.#wake();
      else this.#rest(error);
    } catch (failure) {
      this.#recovering = undefined;
      this.#rest(failure);
    }
  }

  /** @param {unknown} error */
  #rest(error) {
    if (this.#closed) return;
    this.#setTimer(REST_AFTER_ERROR_MS);
    this.#host.warn(error);
    for (const waiter of [...this.#waiters]) waiter.fail(error);
  }

  /** @param {number | null} delayMs */
  #setTimer(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (delayMs === null || this.#closed) return;
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(delayMs, 0), MAX_TIMER_MS)).unref();
  }
}

module.exports = { WorkLoop };
