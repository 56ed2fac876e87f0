'use strict';

const { licenseRequest, parseLicense, keyIdsOf } = require('./clearkey.js');

/**
 * @typedef {import('./scripted-cdm.js').ScriptedCdm} ScriptedCdm
 * @typedef {import('./scripted-cdm.js').Lane} Lane
 * @typedef {{ sessionId: string, initData?: string }} CatalogueSession initData in base64
 * @typedef {{ phase: string, lane: Lane, open: Set<string>, tasks: number, running: Set<AbortSignal | undefined>,
 *             loads: Promise<unknown>, free: () => void, ended: boolean }} Phase
 */

/** Which phases a task may run in, and which of them have a MediaKeys. */
const PHASES_OF = { probe: ['probe'], check: ['check', 'verify'], license: ['license'], adopt: ['adopt'], release: ['release'] };
const WITH_MEDIA_KEYS = ['check', 'verify', 'license', 'release'];
const MAX_BATCH = 25;

/**
 * A SessionDriver (design, section 6) on a scripted CDM. It has no timers: a status that is not there at
 * once never comes. A host that breaks lane discipline gets an error, and `cdm.violations` names it.
 * @param {ScriptedCdm} cdm
 * @param {{ catalogue?: Map<string, CatalogueSession[]> }} [options] the player's catalogue by contentId: `adopt` patches it
 * @returns {import('../js/session-driver.js').SessionDriver & { close(): void }}
 */
function createScriptedDriver(cdm, { catalogue } = {}) {
  /** Aborted when the window goes: at `close()`, and when the CDM's browser restarts. */
  const window = new AbortController();
  const close = () => window.abort(Object.assign(new Error('the window has gone'), { code: 'ERR_DRIVER_GONE' }));
  cdm.ended.addEventListener('abort', close, { once: true });
  /** @type {Map<string, Phase | 'starting'>} */
  const phases = new Map();

  const alive = () => window.signal.throwIfAborted();

  /**
   * @template T
   * @param {Promise<T>} promise
   * @param {AbortSignal | undefined} signal
   */
  const wait = async (promise, signal) => {
    const value = await untilAborted(promise, signal ? [window.signal, signal] : [window.signal]);
    alive();
    return value;
  };

  /** @param {string} violation */
  function violated(violation) {
    cdm.violations.push(violation);
    return new Error(`lane discipline: ${violation}`);
  }

  /**
   * @template T
   * @param {keyof typeof PHASES_OF} task
   * @param {Lane} lane
   * @param {AbortSignal | undefined} signal
   * @param {(phase: Phase) => Promise<T>} work
   */
  async function inPhase(task, lane, signal, work) {
    alive();
    const phase = phases.get(laneKey(lane));
    if (!phase || phase === 'starting') throw violated(`${task} outside a phase`);
    if (!PHASES_OF[task].includes(phase.phase)) throw violated(`${task} in a phase of ${phase.phase}`);
    if (++phase.tasks > MAX_BATCH) throw violated(`more than ${MAX_BATCH} tasks in a phase of ${phase.phase}`);
    phase.running.add(signal);
    try {
      signal?.throwIfAborted();
      return await work(phase);
    } finally {
      phase.running.delete(signal);
    }
  }

  /** Loaded twice on one MediaKeys, a good session is found gone, or hollow. @param {Phase} phase @param {string} sessionId */
  function open(phase, sessionId) {
    if (phase.open.has(sessionId)) throw violated(`two tasks at a time with session ${sessionId}`);
    phase.open.add(sessionId);
  }

  /** @param {Lane} lane @param {string} sessionId */
  function load(lane, sessionId) {
    cdm.counts.loads++;
    return cdm.storage(lane).index.has(sessionId);
  }

  /** @param {Lane} lane @param {string} sessionId */
  async function remove(lane, sessionId) {
    cdm.counts.removes++;
    const { index, records } = cdm.storage(lane);
    index.delete(sessionId);
    records.delete(sessionId);
  }

  return {
    /**
     * @param {Lane} lane
     * @param {string} phase
     * @param {object | null} configuration
     * @param {{ signal?: AbortSignal }} [context]
     */
    async startPhase(lane, phase, configuration, { signal } = {}) {
      alive();
      const key = laneKey(lane);
      if (phases.has(key)) throw violated(`a phase of ${phase} while another is open in the lane`);
      if (WITH_MEDIA_KEYS.includes(phase) && !configuration) throw violated(`a phase of ${phase} without a configuration`);
      phases.set(key, 'starting');
      /** @type {(() => void) | undefined} */
      let free;
      try {
        await wait(cdm.step({ step: 'phase', lane, phase, signal }), signal);
        const lock = cdm.lock(lane);
        free = await wait(lock, signal).catch((error) => {
          lock.then((late) => late());
          throw error;
        });
        if (WITH_MEDIA_KEYS.includes(phase) && cdm.persistentLicense !== 'supported') throw named('NotSupportedError', 'persistent-license');
        phases.set(key, { phase, lane, open: new Set(), tasks: 0, running: new Set(), loads: Promise.resolve(), free, ended: false });
      } catch (error) {
        free?.();
        phases.delete(key);
        throw error;
      }
    },

    /** @param {Lane} lane @param {string} phase */
    async endPhase(lane, phase) {
      const current = phases.get(laneKey(lane));
      if (!current || current === 'starting') return;
      if (current.phase !== phase) violated(`the end of a phase of ${phase} in one of ${current.phase}`);
      if ([...current.running].some((signal) => !signal?.aborted)) violated(`the end of a phase of ${phase} with a task running`);
      current.ended = true;
      phases.delete(laneKey(lane));
      current.free();
    },

    /** @param {Lane} lane @param {{ configurations?: object[], signal?: AbortSignal }} [context] */
    probe(lane, { signal } = {}) {
      return inPhase('probe', lane, signal, async () => {
        cdm.counts.probes++;
        const scripted = await wait(cdm.step({ step: 'probe', lane, signal }), signal);
        return scripted ?? {
          persistentLicense: cdm.persistentLicense,
          witness: cdm.storage(lane).witnesses.get(lane.keySystem) ?? null,
        };
      });
    },

    /** @param {Lane} lane @param {string} value */
    async plantWitness(lane, value) {
      alive();
      cdm.storage(lane).witnesses.set(lane.keySystem, value);
    },

    /** @param {any} session @param {{ signal?: AbortSignal, acquireLicense?: import('../js/session-driver.js').AcquireLicense }} [context] */
    check(session, { signal, acquireLicense } = {}) {
      const { lane, sessionId, contentId } = session;
      return inPhase('check', lane, signal, async (phase) => {
        open(phase, sessionId);
        const loading = phase.loads.then(async () => {
          if (signal?.aborted || phase.ended) return { kind: 'timeout' };
          const scripted = await wait(cdm.step({ step: 'load', lane, phase: phase.phase, sessionId, contentId, signal, acquireLicense }), signal);
          return scripted ?? (load(lane, sessionId) ? null : { kind: 'gone' });
        });
        phase.loads = loading.catch(() => {});
        try {
          const outcome = await loading;
          if (outcome) return outcome;
          const record = cdm.storage(lane).records.get(sessionId);
          return record ? { kind: 'loaded', ...structuredClone(record) } : { kind: 'hollow' };
        } catch (error) {
          return asOutcome(error, signal);
        } finally {
          phase.open.delete(sessionId);
        }
      });
    },

    /**
     * @param {any} session
     * @param {import('../js/session-driver.js').LicenseContext} context
     */
    license(session, { signal, sessionCreated, acquireLicense }) {
      const { lane, contentId } = session;
      return inPhase('license', lane, signal, async () => {
        const initData = Buffer.from(session.initData, 'base64');
        const keyIds = keyIdsOf(session.initDataType, initData);
        const instead = await wait(cdm.step({ step: 'request', lane, contentId, signal }), signal);
        if (instead) return instead;
        cdm.counts.requests++;
        const sessionId = cdm.createSession(lane);
        const what = { lane, sessionId, contentId, keyIds: keyIds.length > 0 ? keyIds : session.keyIds, signal };
        let journalled = false;
        try {
          const early = await wait(cdm.step({ step: 'created', ...what }), signal);
          if (early) throw early;
          await wait(sessionCreated(sessionId), signal);
          journalled = true;
          await wait(cdm.step({ step: 'message', ...what, acquireLicense }), signal);
          const message = licenseRequest(what.keyIds);
          const answer = await wait(acquireLicense({ messageType: 'license-request', message }).catch(asRefusal), signal);
          const scripted = await wait(cdm.step({ step: 'update', ...what }), signal);
          if (scripted) throw scripted;
          cdm.counts.updates++;
          const keyStatuses = Object.fromEntries(Object.keys(updateWith(answer)).map((keyId) => [keyId, 'usable']));
          cdm.storage(lane).records.set(sessionId, { keyStatuses, expiration: null });
          const reported = await wait(cdm.step({ step: 'updated', ...what }), signal);
          return reported ?? { kind: 'licensed', sessionId, keyStatuses: { ...keyStatuses }, expiration: null };
        } catch (error) {
          alive();
          // Aborted, a licence may still be on its way into the CDM: only closed, for the engine to check.
          if (journalled && signal?.aborted) return { kind: 'timeout' };
          await remove(lane, sessionId);
          return asOutcome(error, signal);
        }
      });
    },

    /** @param {any} session @param {string} newSessionId @param {{ signal?: AbortSignal }} [context] */
    adopt(session, newSessionId, { signal } = {}) {
      const { lane, sessionId, contentId } = session;
      return inPhase('adopt', lane, signal, async () => {
        const scripted = await wait(cdm.step({ step: 'adopt', lane, sessionId, contentId, signal }), signal);
        if (scripted) return scripted;
        cdm.counts.adoptions++;
        if (!catalogue) return 'adopted';
        const entry = catalogue.get(contentId);
        if (!entry) return 'content-gone';
        // By init data too: after a wipe one session's new id may be another's old one, within a title as well.
        const mine = entry.filter((one) => !one.initData || !session.initData || one.initData === session.initData);
        // The new one may be there already: adopted before a crash, and asked for again.
        const ids = [sessionId, newSessionId, ...session.previousSessionIds];
        const old = ids.map((id) => mine.find((one) => one.sessionId === id)).find((one) => one);
        if (!old) return 'catalogue-changed';
        old.sessionId = newSessionId;
        return (await wait(cdm.step({ step: 'adopted', lane, sessionId: newSessionId, contentId, signal }), signal)) ?? 'adopted';
      });
    },

    /** @param {any} session @param {{ signal?: AbortSignal, acquireLicense?: import('../js/session-driver.js').AcquireLicense }} [context] */
    release(session, { signal, acquireLicense } = {}) {
      const { lane, sessionId, contentId } = session;
      return inPhase('release', lane, signal, async (phase) => {
        open(phase, sessionId);
        try {
          if (!load(lane, sessionId) || isSomebodyElses(cdm.storage(lane).records.get(sessionId), session.keyIds)) return { kind: 'absent' };
          const scripted = await wait(cdm.step({ step: 'remove', lane, sessionId, contentId, signal, acquireLicense }), signal);
          if (scripted) return scripted;
          await remove(lane, sessionId);
          return (await wait(cdm.step({ step: 'removed', lane, sessionId, contentId, signal }), signal)) ?? { kind: 'released' };
        } catch (error) {
          alive();
          return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
        } finally {
          phase.open.delete(sessionId);
        }
      });
    },

    /** The window goes: its locks are free, everything outstanding fails. */
    close() {
      cdm.ended.removeEventListener('abort', close);
      close();
      for (const phase of phases.values()) if (phase !== 'starting') phase.free();
      phases.clear();
    },
  };
}

/** @param {Uint8Array} answer */
function updateWith(answer) {
  try {
    return parseLicense(answer);
  } catch {
    // Firefox says no more than this.
    throw new TypeError('');
  }
}

/** @param {any} error @returns {never} */
function asRefusal(error) {
  throw typeof error?.kind === 'string' ? error : { kind: 'unreachable', message: String(error?.message ?? error) };
}

/**
 * What EME rejects with is an outcome; so is what `acquireLicense` and hooks throw with a `kind`.
 * @param {any} error
 * @param {AbortSignal | undefined} signal
 */
function asOutcome(error, signal) {
  if (typeof error?.kind === 'string') return error;
  if (error?.code === 'ERR_DRIVER_GONE') throw error;
  if (signal?.aborted) return { kind: 'timeout' };
  const code = /system code \((\d+)\)/i.exec(error?.message ?? '');
  return { kind: 'rejected', name: error?.name ?? 'Error', message: error?.message ?? '', systemCode: code ? Number(code[1]) : null };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal[]} signals
 * @returns {Promise<T>}
 */
function untilAborted(promise, signals) {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signals.find((signal) => signal.aborted)?.reason);
    for (const signal of signals) signal.addEventListener('abort', onAbort);
    promise.then(resolve, reject).finally(() => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    });
    if (signals.some((signal) => signal.aborted)) onAbort();
  });
}

/**
 * Ids are handed out again after a wipe: what shows keys, and none of ours, is not ours to remove.
 * @param {import('./scripted-cdm.js').LicenseRecord | undefined} record
 * @param {string[]} ours
 */
function isSomebodyElses(record, ours) {
  const shown = Object.keys(record?.keyStatuses ?? {});
  return shown.length > 0 && ours.length > 0 && !shown.some((keyId) => ours.includes(keyId));
}

/** @param {string} name @param {string} message */
const named = (name, message) => Object.assign(new Error(message), { name });

/** @param {Lane} lane */
const laneKey = ({ origin, partition, keySystem }) => JSON.stringify([origin, partition ?? '', keySystem]);

module.exports = { createScriptedDriver };
