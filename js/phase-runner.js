'use strict';

const { types } = require('node:util');
const { call } = require('./native');
const { reading, withBytes } = require('./arguments');
const { OfflineSessionsError, coded } = require('./errors');
const { isCertificateRequest, isLicenseRequest, messageLimit } = require('./license-messages');
const { licenseFailure } = require('./transport-messages');
const { REFUSALS } = require('./words');

/**
 * @typedef {import('./types').SessionDriver} SessionDriver
 * @typedef {import('./types').Lane} Lane
 * @typedef {import('./types').StoredSession} StoredSession
 * @typedef {import('./session-driver').Configuration} Configuration
 *
 * @typedef {object} TaskOrder
 * @property {number} taskId
 * @property {string | null} requestId
 * @property {string | null} newSessionId
 * @property {any} session
 *
 * @typedef {object} PhaseOrder one phase of one lane, as the addon's `poll` hands it out
 * @property {number} phaseId
 * @property {Lane} lane
 * @property {import('./session-driver').PhaseName} phase
 * @property {Configuration | null} configuration
 * @property {boolean} isBorrowed it is another session's, because what the tasks' was is not known
 * @property {Configuration[]} configurations
 * @property {TaskOrder[]} tasks
 * @property {number} concurrency
 * @property {number} startTimeoutMs
 * @property {number} taskTimeoutMs
 *
 * @typedef {object} Completed what the addon's `complete` answers
 * @property {boolean} stale
 * @property {string | null} plantWitness
 * @property {any[]} changed
 * @property {number} settled how many of these have no more work that could run now
 * @property {Omit<import('./types').Counts, 'licenseRequests'>} counters
 *
 * @typedef {object} Host what the app brings
 * @property {(lane: Lane) => SessionDriver | null} driverFor
 * @property {import('./types').AcquireLicenseHook} acquireLicense
 * @property {import('./types').AdoptHook | undefined} adopt
 * @property {(sessions: StoredSession[]) => void} changed
 * @property {(error: unknown) => void} warn
 * @property {() => Promise<boolean>} recover exchanges a damaged database; false: nothing was wrong with it
 * @property {() => void} [countLicenseRequest]
 * @property {import('./license-messages').Certificates} certificates
 * @property {Map<number, RunningTask>} running
 *
 * @typedef {{ phase: import('./session-driver').PhaseName, withdraw: () => void }} RunningTask a task that is out with a driver
 */

/** A driver that does not end a phase in this time is left behind; the lock it holds goes with its window. */
const END_PHASE_TIMEOUT_MS = 10_000;

/** What stands for an answer that did not come or cannot be read. None of them says anything against a licence. */
const NO_ANSWER = Object.freeze({
  probe: { persistentLicense: 'unavailable', witness: null },
  check: { kind: 'timeout' },
  verify: { kind: 'timeout' },
  license: { kind: 'timeout' },
  adopt: 'catalogue-changed',
  release: { kind: 'failed' },
});

/**
 * Starts a phase, runs its tasks and ends it, whatever happens in between. Rejects only when the engine cannot record.
 *
 * @param {import('../native/binding').NativeEngine} native
 * @param {Host} host
 * @param {PhaseOrder} order
 * @param {AbortSignal} signal aborted: tasks that are out go back, none counts as failed
 * @param {(completed: Completed) => void} onRecorded called after each outcome that was recorded
 */
async function runPhase(native, host, order, signal, onRecorded) {
  const { phaseId, lane, phase, configuration } = order;
  const driver = driverFor(host, lane);
  if (!driver) {
    native.endPhase(phaseId, 'no-driver');
    return;
  }
  /** @type {string | undefined} */
  let failure;
  try {
    const started = await attempt(signal, order.startTimeoutMs, async (startSignal) => {
      await driver.startPhase?.(lane, phase, configuration, { signal: startSignal });
    });
    if (started.ok) await runTasks(native, host, driver, order, signal, onRecorded);
    else if (!signal.aborted) {
      if (!order.isBorrowed) warn(host, order, started.error);
      // The CDM is there, and does not take what these tasks were stored with: that says nothing of the lane's others. A licence is asked for
      // only where a check has begun under the same configuration.
      if (configuration && phase !== 'license' && /** @type {any} */ (started.error)?.name === 'NotSupportedError') {
        const outcome = order.isBorrowed ? { kind: 'gone' } : NO_ANSWER[phase];
        for (const task of order.tasks) {
          const completed = await complete(native, host, order, task, outcome);
          if (!completed.stale) onRecorded(completed);
        }
      } else failure = 'timeout';
    }
  } finally {
    await attempt(undefined, END_PHASE_TIMEOUT_MS, async () => driver.endPhase?.(lane, phase));
    native.endPhase(phaseId, failure);
  }
}

/** @param {Host} host @param {Lane} lane */
function driverFor(host, lane) {
  try {
    return host.driverFor(lane);
  } catch (error) {
    host.warn(error);
    return null;
  }
}

/**
 * @param {import('../native/binding').NativeEngine} native
 * @param {Host} host
 * @param {SessionDriver} driver
 * @param {PhaseOrder} order
 * @param {AbortSignal} signal
 * @param {(completed: Completed) => void} onRecorded
 */
async function runTasks(native, host, driver, order, signal, onRecorded) {
  const queue = [...order.tasks];
  const worker = async () => {
    for (let task = queue.shift(); task && !signal.aborted; task = queue.shift()) {
      const completed = await runTask(native, host, driver, order, task, signal);
      if (completed) onRecorded(completed);
    }
  };
  const workers = Array.from({ length: Math.min(order.concurrency, queue.length) }, worker);
  const ends = await Promise.allSettled(workers);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw /** @type {PromiseRejectedResult} */ (failed).reason;
}

/**
 * @param {import('../native/binding').NativeEngine} native
 * @param {Host} host
 * @param {SessionDriver} driver
 * @param {PhaseOrder} order
 * @param {TaskOrder} task
 * @param {AbortSignal} signal
 */
async function runTask(native, host, driver, order, task, signal) {
  if (!native.stillDue(task.taskId)) return null;
  const withdrawn = new AbortController();
  const ended = AbortSignal.any([signal, withdrawn.signal]);
  host.running.set(task.taskId, { phase: order.phase, withdraw: () => withdrawn.abort(new Error('no longer due')) });
  const result = await attempt(ended, order.taskTimeoutMs, (taskSignal) =>
    perform(native, host, driver, order, task, taskSignal, () => withdrawn.abort(new Error('no longer wanted'))));
  host.running.delete(task.taskId);
  if (!result.ok && /** @type {any} */ (result.error)?.code === 'ERR_DRIVER_GONE') native.cutOff(order.phaseId);
  if (withdrawn.signal.aborted || (signal.aborted && !result.ok)) return null;
  // A driver may let through what acquireLicense has thrown.
  const failure = order.phase === 'license' && !result.ok ? licenseFailure(result.error) : null;
  if (!result.ok && !failure) warn(host, order, result.error, task);
  const outcome = result.ok ? readOutcome(host, order, result.value, task) : failure ?? NO_ANSWER[order.phase];
  if (order.phase === 'license' && outcome?.kind === 'rejected') host.certificates.forget(task.session);
  const completed = await complete(native, host, order, task, outcome);
  const { plantWitness } = completed;
  if (plantWitness) {
    const planted = await attempt(undefined, order.taskTimeoutMs, async () => driver.plantWitness(order.lane, plantWitness));
    // Unplanted, it will be missed at the next launch, which checks once more than it had to.
    if (!planted.ok && !signal.aborted) warn(host, order, planted.error);
  }
  return completed.stale ? null : completed;
}

/**
 * A driver's answer as plain data. NaN and Infinity become null, as EME's and Shaka's "never" should.
 * @param {Host} host
 * @param {PhaseOrder} order
 * @param {unknown} value
 * @param {TaskOrder} task
 * @returns {any}
 */
function readOutcome(host, order, value, task) {
  try {
    return reading('outcome', () => JSON.parse(JSON.stringify(value) ?? 'null'));
  } catch (error) {
    warn(host, order, error, task);
    return NO_ANSWER[order.phase];
  }
}

/** @param {Host} host @param {PhaseOrder} order @param {unknown} error @param {TaskOrder} [task] */
function warn(host, { lane, phase }, error, task) {
  host.warn(Object.assign(coded(error), { lane, phase, contentId: task?.session?.contentId }));
}

/**
 * @param {import('../native/binding').NativeEngine} native
 * @param {Host} host
 * @param {PhaseOrder} order
 * @param {TaskOrder} task
 * @param {unknown} outcome
 * @returns {Promise<Completed>}
 */
async function complete(native, host, order, task, outcome) {
  const record = async (/** @type {unknown} */ what) => {
    const completed = JSON.parse(await call(native.complete(task.taskId, JSON.stringify(what))));
    if (completed.changed.length > 0) host.changed(completed.changed.map(withBytes));
    return completed;
  };
  try {
    return await record(outcome);
  } catch (error) {
    // The driver's answer makes no sense. The task must end all the same, without prejudice to the licence.
    if (!(error instanceof OfflineSessionsError) || error.code !== 'ERR_INVALID_ARGUMENT') throw error;
    warn(host, order, error, task);
    return record(NO_ANSWER[order.phase]);
  }
}

/**
 * @param {import('../native/binding').NativeEngine} native
 * @param {Host} host
 * @param {SessionDriver} driver
 * @param {PhaseOrder} order
 * @param {TaskOrder} task
 * @param {AbortSignal} signal
 * @param {() => void} withdraw ends the task without an outcome
 * @returns {Promise<unknown>}
 */
async function perform(native, host, driver, order, task, signal, withdraw) {
  const { session, requestId, newSessionId } = task;
  let journalled = false;
  const allow = messageLimit(order.phase);
  /** @type {import('./session-driver').AcquireLicense} */
  const acquireLicense = async ({ messageType, message }) => {
    // What is not journalled would be paid for again after a crash.
    if (order.phase === 'license' && !journalled) throw new Error('sessionCreated has not resolved');
    if (!allow({ messageType, message })) throw { kind: 'unreachable', message: `no (further) ${messageType} is answered here` };
    const request = async () => {
      try {
        const replaces = session.sessionId;
        const licence = await host.acquireLicense({ session, requestId: requestId ?? '', messageType, message, replaces, signal });
        if (!isBytes(licence)) throw new TypeError('acquireLicense gave no bytes');
        return new Uint8Array(licence);
      } catch (cause) {
        const failure = licenseFailure(cause);
        if (failure) throw failure;
        if (!signal.aborted) warn(host, order, noLicence(readable(cause)), task);
        throw { kind: 'unreachable', message: String(readable(cause)) };
      }
    };
    if (order.phase === 'license' && !native.mayRequest(task.taskId)) {
      withdraw();
      throw { kind: 'unreachable', message: 'the licence is no longer wanted' };
    }
    if (isCertificateRequest({ messageType, message })) return host.certificates.get(session, request);
    if (isLicenseRequest({ messageType, message })) host.countLicenseRequest?.();
    return request();
  };
  switch (order.phase) {
    case 'probe':
      return driver.probe(order.lane, { configurations: order.configurations, signal });
    case 'check':
    case 'verify':
      return driver.check(session, { signal, acquireLicense });
    case 'license': {
      const sessionCreated = async (/** @type {string} */ id) => {
        if (!native.mayRequest(task.taskId)) {
          withdraw();
          throw new Error('the licence is no longer wanted');
        }
        const lost = JSON.parse(await call(native.journal(task.taskId, String(id))));
        journalled = true;
        if (lost.length > 0) host.changed(lost.map(withBytes));
      };
      return driver.license(session, { requestId: /** @type {string} */ (requestId), signal, sessionCreated, acquireLicense });
    }
    case 'adopt': {
      const id = /** @type {string} */ (newSessionId);
      return host.adopt ? host.adopt(session, id, { signal }) : driver.adopt(session, id, { signal });
    }
    case 'release':
      return driver.release(session, { signal, acquireLicense });
  }
}

/** @param {any} cause */
function noLicence(cause) {
  if (cause instanceof OfflineSessionsError) return cause;
  const what = cause?.kind === 'refused' ? `refused it with a reason that is none of ${REFUSALS.join(', ')}` : 'gave none, and did not say why';
  return new OfflineSessionsError('ERR_CALLBACK', `what was asked for a licence ${what}`, { cause });
}

/** @param {unknown} value */
const isBytes = (value) => value instanceof Uint8Array || types.isAnyArrayBuffer(value);

/**
 * Runs `work` for at most `timeoutMs`; what it does later is ignored.
 *
 * @template T
 * @param {AbortSignal | undefined} outer
 * @param {number} timeoutMs
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<{ ok: true, value: T } | { ok: false, error: unknown }>}
 */
async function attempt(outer, timeoutMs, work) {
  const controller = new AbortController();
  const abort = () => controller.abort(outer?.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => controller.abort(new OfflineSessionsError('ERR_NO_ANSWER', `no answer in ${timeoutMs} ms`)), timeoutMs).unref();
  try {
    const aborted = new Promise((_resolve, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
    });
    controller.signal.throwIfAborted();
    return { ok: true, value: await Promise.race([work(controller.signal), /** @type {Promise<never>} */ (aborted)]) };
  } catch (error) {
    return { ok: false, error: readable(error) };
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', abort);
  }
}

/** What a driver throws may be anything, also a proxy that throws when it is looked at. @param {any} error */
function readable(error) {
  try {
    void [error?.code, `${error}`];
    return error;
  } catch {
    return new Error('the driver threw what nobody can read');
  }
}

module.exports = { runPhase };
