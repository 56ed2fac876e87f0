'use strict';

const { coded } = require('./errors');

/**
 * @typedef {import('./types').StoredSession} StoredSession
 * @typedef {import('./types').Verdict} Verdict
 */

/** Tells an app's listeners what has changed. */
class Announcer {
  #emit;
  #verdict;
  /** Contents that were announced as ready and have stayed so. @type {Set<string>} */
  #ready = new Set();

  /**
   * @param {(event: string, value: unknown) => void} emit
   * @param {(contentId: string) => Verdict | null} verdict null: nothing is announced any more
   */
  constructor(emit, verdict) {
    this.#emit = emit;
    this.#verdict = verdict;
  }

  /**
   * A listener that throws is the app's fault and must not stop the work: it surfaces as an uncaught exception.
   * @param {string} event
   * @param {unknown} value
   */
  tell(event, value) {
    try {
      this.#emit(event, value);
    } catch (error) {
      process.nextTick(() => { throw error; });
    }
  }

  /** @param {unknown} error that no caller was waiting for, or that does not stop the work */
  warn(error) {
    this.tell('warning', coded(error));
  }

  /** @param {StoredSession[]} sessions as they are now */
  changed(sessions) {
    for (const session of sessions) this.tell('session-changed', session);
    for (const contentId of new Set(sessions.map((session) => session.contentId))) {
      const verdict = this.#verdict(contentId);
      if (!verdict) return;
      if (verdict.playable !== 'offline') {
        this.#ready.delete(contentId);
        if (verdict.state === 'blocked') this.tell('content-blocked', verdict);
      } else if (!this.#ready.has(contentId)) {
        // Once, though several of its sessions may be recorded in one commit.
        this.#ready.add(contentId);
        this.tell('content-ready', verdict);
      }
    }
  }

  /** What is ready will be announced again. */
  forget() {
    this.#ready.clear();
  }
}

module.exports = { Announcer };
