import { abortable, settledWithin } from './abortable.mjs';
import { holdCdmLock } from './cdm-lock.mjs';
import { CdmSession } from './cdm-session.mjs';
import { createMediaKeys } from './key-system.mjs';

/** Longer than a session may take to be removed and closed, and shorter than the main process waits for the end. */
const END_WAIT_MS = 8000;

/** One phase of a lane: the lock, one MediaKeys, and the tasks that use them. */
export class Phase {
  #ended = new AbortController();
  /** @type {(() => void) | null} */
  #freeLock = null;
  /** @type {MediaKeys | null} */
  #mediaKeys = null;
  /** @type {Set<Promise<unknown>>} */
  #tasks = new Set();
  /** @type {Promise<unknown>} */
  #lastTurn = Promise.resolve();

  /**
   * Resolves when the lock is held and, with a key system, its MediaKeys is there. Leaves nothing behind when it rejects.
   * @param {{ keySystem: string, configuration: import('../session-driver.js').Configuration | null } | null} keys
   * @param {AbortSignal} [signal]
   */
  start(keys, signal) {
    return this.run(signal, async (_phase, anyEnd) => {
      this.#freeLock = await holdCdmLock(anyEnd);
      try {
        // The lock may have been granted at the moment of the abort.
        anyEnd.throwIfAborted();
        if (keys) this.#mediaKeys = await abortable(createMediaKeys(keys.keySystem, keys.configuration), anyEnd);
      } catch (error) {
        this.#letGo();
        throw error;
      }
    });
  }

  /**
   * @template T
   * @param {AbortSignal | undefined} signal
   * @param {(phase: Phase, signal: AbortSignal) => Promise<T>} work its signal is aborted with the task's, and when the phase ends
   * @returns {Promise<T>}
   */
  async run(signal, work) {
    const anyEnd = AbortSignal.any(signal ? [signal, this.#ended.signal] : [this.#ended.signal]);
    anyEnd.throwIfAborted();
    const task = work(this, anyEnd);
    this.#tasks.add(task);
    try {
      return await task;
    } finally {
      this.#tasks.delete(task);
    }
  }

  createSession() {
    if (!this.#mediaKeys) throw new Error('this phase has no MediaKeys');
    return new CdmSession(this.#mediaKeys);
  }

  /**
   * Runs `work` once all earlier turns are over: side by side, CDMs say false of good sessions, and lose new ones.
   * @template T
   * @param {CdmSession} session
   * @param {AbortSignal} signal
   * @param {() => Promise<T>} work what loads, creates or removes a stored session
   * @returns {Promise<T>}
   */
  inTurn(session, signal, work) {
    const before = this.#lastTurn;
    let over = before;
    const turn = abortable(before, signal).then(async () => {
      try {
        return await work();
      } finally {
        // Aborted, a call is still at work in the CDM: the next turn waits for that too.
        over = session.atRest;
      }
    });
    this.#lastTurn = turn.then(() => over, () => over);
    return turn;
  }

  /** Aborts what is still running, waits for its sessions to be closed, and frees the lock. Never rejects. */
  async end() {
    this.#ended.abort(new DOMException('the phase has ended', 'AbortError'));
    await settledWithin(Promise.allSettled(this.#tasks), END_WAIT_MS);
    this.#letGo();
  }

  #letGo() {
    this.#mediaKeys = null;
    this.#freeLock?.();
    this.#freeLock = null;
  }
}
