'use strict';

const { EventEmitter } = require('node:events');

/**
 * @typedef {import('..').SessionDriver} SessionDriver
 * @typedef {{ phase: string }} PhaseEvent
 * @typedef {{ contentId: string, sessionId: string }} CreatedEvent
 * @typedef {{ contentId: string, requestId: string }} LicenseEvent
 *
 * @typedef {object} Events
 * @property {[PhaseEvent]} phase before a phase begins
 * @property {[PhaseEvent]} task the driver is given a task
 * @property {[PhaseEvent]} end a phase has ended
 * @property {[LicenseEvent]} license the driver is given a licence to get
 * @property {[CreatedEvent]} created the CDM has made a session, which is about to be journalled
 * @property {[CreatedEvent]} adopted the player's catalogue has a new session
 * @property {[LicenseEvent]} answered the licence has come, and the CDM is about to be given it
 */

/** What a driver is asked for, as events, and a way to keep it waiting. @extends {EventEmitter<Events>} */
class DriverWatch extends EventEmitter {
  #gate = Promise.resolve();
  #open = () => {};
  /** @type {string | null} */
  phase = null;

  /** No phase begins until `letThrough`. */
  holdBack() {
    this.#gate = new Promise((resolve) => { this.#open = () => resolve(undefined); });
  }

  letThrough() {
    this.#open();
  }

  /**
   * The same driver, watched.
   * @param {Required<SessionDriver>} driver
   * @returns {SessionDriver}
   */
  watch(driver) {
    const task = (/** @type {string} */ phase) => this.emit('task', { phase });
    return {
      startPhase: async (lane, phase, configuration, context) => {
        await this.#gate;
        this.phase = phase;
        this.emit('phase', { phase });
        await driver.startPhase(lane, phase, configuration, context);
      },
      endPhase: async (lane, phase) => {
        await driver.endPhase(lane, phase);
        this.phase = null;
        this.emit('end', { phase });
      },
      probe: (lane, context) => {
        task('probe');
        return driver.probe(lane, context);
      },
      plantWitness: (lane, value) => driver.plantWitness(lane, value),
      check: (session, context) => {
        task(String(this.phase));
        return driver.check(session, context);
      },
      license: (session, { sessionCreated, acquireLicense, ...context }) => {
        const { contentId } = session;
        const about = { contentId, requestId: context.requestId };
        task('license');
        this.emit('license', about);
        return driver.license(session, {
          ...context,
          sessionCreated: (sessionId) => {
            this.emit('created', { contentId, sessionId });
            return sessionCreated(sessionId);
          },
          acquireLicense: async (message) => {
            const licence = await acquireLicense(message);
            this.emit('answered', about);
            return licence;
          },
        });
      },
      adopt: async (session, newSessionId, context) => {
        task('adopt');
        const outcome = await driver.adopt(session, newSessionId, context);
        if (outcome === 'adopted') this.emit('adopted', { contentId: session.contentId, sessionId: newSessionId });
        return outcome;
      },
      release: (session, context) => {
        task('release');
        return driver.release(session, context);
      },
    };
  }
}

module.exports = { DriverWatch };
