import { abortable } from './abortable.mjs';
import { fromBase64 } from './base64.mjs';
import { persistentLicenseSupport } from './key-system.mjs';
import { RELEASE_MESSAGE_WAIT_MS, answerTo, obtainKeys, showKeys } from './messages.mjs';
import { CdmRejection, ClosedByCdm, LicenseRefusal } from './outcomes.mjs';
import { Phase } from './phase.mjs';
import { readWitness, writeWitness } from './witness.mjs';

/**
 * @typedef {import('../session-driver.js').AcquireLicense} AcquireLicense
 * @typedef {import('../session-driver.js').AdoptOutcome} AdoptOutcome
 * @typedef {import('../session-driver.js').CheckOutcome} CheckOutcome
 * @typedef {import('../session-driver.js').Configuration} Configuration
 * @typedef {import('../session-driver.js').DriverSession} DriverSession
 * @typedef {import('../session-driver.js').Lane} Lane
 * @typedef {import('../session-driver.js').LicenseContext} LicenseContext
 * @typedef {import('../session-driver.js').LicenseOutcome} LicenseOutcome
 * @typedef {import('../session-driver.js').PhaseName} PhaseName
 * @typedef {import('../session-driver.js').ReleaseOutcome} ReleaseOutcome
 * @typedef {import('./cdm-session.mjs').CdmSession} CdmSession
 *
 * @typedef {(session: DriverSession, newSessionId: string, context: { signal?: AbortSignal }) => Promise<AdoptOutcome> | AdoptOutcome} AdoptHook
 */

/** A licence request, a check or a removal need a MediaKeys; the other phases only the lock. */
const PHASES_WITH_KEYS = ['check', 'license', 'verify', 'release'];
/** For its turn to remove a failed licence; behind a CDM that hangs it never comes. */
const DISCARD_WAIT_MS = 5000;

/** Runs EME in the window that it is created in, for lanes of that window's origin. A SessionDriver (design, section 6). */
export class EmeDriver {
  /** @type {AdoptHook | undefined} */
  #adopt;
  /** @type {Map<string, Phase>} by key system, since a window has one origin and one partition */
  #phases = new Map();

  /** @param {{ adopt?: AdoptHook }} [hooks] `adopt` writes the new session's id into the page's own catalogue */
  constructor({ adopt } = {}) {
    this.#adopt = adopt;
  }

  /**
   * @param {Lane} lane
   * @param {PhaseName} phaseName
   * @param {Configuration | null} configuration
   * @param {{ signal?: AbortSignal }} [context]
   */
  async startPhase(lane, phaseName, configuration, { signal } = {}) {
    // Another origin's licences are in other storage: here each of them would be found gone.
    if (lane.origin !== location.origin) throw new Error(`this window is of the origin ${location.origin}, not ${lane.origin}`);
    const { keySystem } = lane;
    const before = this.#phases.get(keySystem);
    const phase = new Phase();
    this.#phases.set(keySystem, phase);
    await before?.end();
    try {
      await phase.start(PHASES_WITH_KEYS.includes(phaseName) ? { keySystem, configuration } : null, signal);
    } catch (error) {
      if (this.#phases.get(keySystem) === phase) this.#phases.delete(keySystem);
      throw error;
    }
  }

  /** @param {Lane} lane */
  async endPhase(lane) {
    const phase = this.#phases.get(lane.keySystem);
    this.#phases.delete(lane.keySystem);
    await phase?.end();
  }

  /**
   * @param {Lane} lane
   * @param {{ configurations: Configuration[], signal?: AbortSignal }} context
   * @returns {Promise<import('../session-driver.js').ProbeOutcome>}
   */
  async probe(lane, { configurations, signal }) {
    keepStorage();
    return this.#phaseOf(lane).run(signal, async (_phase, anyEnd) => ({
      persistentLicense: await persistentLicenseSupport(lane.keySystem, configurations, anyEnd),
      witness: await abortable(readWitness(lane.keySystem), anyEnd),
    }));
  }

  /**
   * @param {Lane} lane
   * @param {string} value
   */
  async plantWitness(lane, value) {
    await writeWitness(lane.keySystem, value);
  }

  /**
   * @param {DriverSession} session
   * @param {{ signal?: AbortSignal, acquireLicense?: AcquireLicense }} [context] `acquireLicense` answers what the CDM asks for after
   *   a load; without it nothing is answered
   * @returns {Promise<CheckOutcome>}
   */
  check(session, { signal, acquireLicense } = {}) {
    return this.#withCdmSession(session.lane, signal, async (cdm, phase, anyEnd) => {
      try {
        if (!await phase.inTurn(cdm, anyEnd, () => cdm.load(session.sessionId, anyEnd))) return { kind: 'gone' };
        const { keyStatuses, expiration } = await showKeys(cdm, session, acquireLicense, anyEnd);
        return Object.keys(keyStatuses).length > 0 ? { kind: 'loaded', keyStatuses, expiration } : { kind: 'hollow' };
      } catch (error) {
        if (error instanceof CdmRejection) return error.outcome;
        if (error instanceof ClosedByCdm) return { kind: 'timeout' };
        throw error;
      }
    });
  }

  /**
   * @param {DriverSession} session
   * @param {LicenseContext} context
   * @returns {Promise<LicenseOutcome>}
   */
  license(session, { signal, sessionCreated, acquireLicense }) {
    return this.#withCdmSession(session.lane, signal, async (cdm, phase, anyEnd) => {
      let journalled = false;
      try {
        const initData = fromBase64(session.initData);
        const sessionId = await phase.inTurn(cdm, anyEnd, () => cdm.generateRequest(session.initDataType, initData, anyEnd));
        await abortable(sessionCreated(sessionId), anyEnd);
        journalled = true;
        await obtainKeys(cdm, session, acquireLicense, anyEnd);
        return { kind: 'licensed', sessionId, keyStatuses: cdm.keyStatuses, expiration: cdm.expiration };
      } catch (error) {
        // A licence may be stored under the journalled id: it is left for the engine to check. Before, none was asked for.
        if (journalled && anyEnd.aborted) return { kind: 'timeout' };
        if (journalled && error instanceof ClosedByCdm) return { kind: 'timeout', message: error.message };
        // Only closed, a session without a licence would stay behind, hollow.
        await phase.inTurn(cdm, AbortSignal.timeout(DISCARD_WAIT_MS), () => cdm.remove()).catch(() => {});
        if (error instanceof CdmRejection || error instanceof LicenseRefusal) return error.outcome;
        throw error;
      }
    });
  }

  /**
   * @param {DriverSession} session
   * @param {string} newSessionId
   * @param {{ signal?: AbortSignal }} [context]
   * @returns {Promise<AdoptOutcome>}
   */
  async adopt(session, newSessionId, { signal } = {}) {
    return this.#phaseOf(session.lane).run(signal, async (_phase, anyEnd) => {
      if (!this.#adopt) return 'adopted';
      return abortable(Promise.resolve(this.#adopt(session, newSessionId, { signal: anyEnd })), anyEnd);
    });
  }

  /**
   * @param {DriverSession} session
   * @param {{ acquireLicense: AcquireLicense, signal?: AbortSignal }} context
   * @returns {Promise<ReleaseOutcome>}
   */
  release(session, { signal, acquireLicense }) {
    return this.#withCdmSession(session.lane, signal, async (cdm, phase, anyEnd) => {
      try {
        const removed = await phase.inTurn(cdm, anyEnd, async () => {
          if (!await cdm.load(session.sessionId, anyEnd) || isSomebodyElses(cdm.keyStatuses, session.keyIds)) return false;
          await abortable(cdm.remove(), anyEnd);
          return true;
        });
        if (!removed) return { kind: 'absent' };
        const message = await cdm.releaseMessage(RELEASE_MESSAGE_WAIT_MS, anyEnd);
        if (message) await cdm.update(await answerTo(message, acquireLicense, anyEnd), anyEnd);
        return { kind: 'released' };
      } catch (error) {
        if (anyEnd.aborted || !(error instanceof Error)) throw error;
        return { kind: 'failed', message: `${error.name}: ${error.message}` };
      }
    });
  }

  /** @param {Lane} lane */
  #phaseOf(lane) {
    const phase = this.#phases.get(lane.keySystem);
    if (!phase) throw new Error('no phase has been started in this lane');
    return phase;
  }

  /**
   * @template T
   * @param {Lane} lane
   * @param {AbortSignal | undefined} signal
   * @param {(cdm: CdmSession, phase: Phase, signal: AbortSignal) => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #withCdmSession(lane, signal, work) {
    return this.#phaseOf(lane).run(signal, async (phase, anyEnd) => {
      const cdm = phase.createSession();
      try {
        return await work(cdm, phase, anyEnd);
      } finally {
        await cdm.close();
      }
    });
  }
}

/**
 * Ids are handed out again after a wipe: a session that shows keys, and none of ours, is not ours to remove.
 * @param {import('../session-driver.js').KeyStatuses} keyStatuses
 * @param {string[]} ours
 */
function isSomebodyElses(keyStatuses, ours) {
  const shown = Object.keys(keyStatuses);
  return shown.length > 0 && ours.length > 0 && !shown.some((keyId) => ours.includes(keyId));
}

/** Asks that the browser never evicts this origin's storage. It may ask somebody, so nothing waits for the answer. */
function keepStorage() {
  navigator.storage?.persist?.().catch(() => {});
}
