'use strict';

const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {{ at: 'time', ms: number } | { at: 'command', nth: number } | { at: 'step', step: string, nth: number, before: boolean }} Instant
 */

/** Where most is at stake a launch is killed most often: between a new licence and its record. */
const STEPS = {
  phase: 2, probe: 1, load: 3, request: 1, created: 3, message: 3, asked: 3, answered: 4, update: 3, updated: 4, adopt: 4, adopted: 4,
  'session-changed': 4, remove: 2, removed: 2,
};

/** When a launch is to be killed. The instant is drawn; what the child is just doing then nobody knows. */
class KillPlan {
  #random;
  /** @type {Instant} */
  #instant;
  #seen = 0;
  #kill;
  #done = false;

  /** @param {Random} random @param {() => void} kill */
  constructor(random, kill) {
    this.#random = random;
    this.#instant = draw(random);
    this.#kill = kill;
    /** Whether the window goes on with what it has been told, for a moment. */
    this.windowOutlives = random.chance(0.3);
  }

  /** The child has been told to open. */
  begin() {
    if (this.#instant.at === 'time') sleep(this.#instant.ms).then(() => this.now());
  }

  /** The child has been told to do something. */
  commanded() {
    const instant = this.#instant;
    if (instant.at === 'command' && ++this.#seen === instant.nth) this.#soon();
  }

  /** The work in the window, at the licence server or in the child has got to `step`. @param {string} step */
  reached(step) {
    const instant = this.#instant;
    if (instant.at !== 'step' || instant.step !== step || ++this.#seen !== instant.nth) return;
    if (instant.before) this.now();
    else this.#soon();
  }

  now() {
    if (this.#done) return;
    this.#done = true;
    this.#kill();
  }

  async #soon() {
    if (this.#random.chance(0.3)) await sleep(this.#random.int(1, 4));
    else for (let turns = this.#random.int(0, 40); turns > 0; turns--) await turn();
    this.now();
  }
}

/** @param {Random} random @returns {Instant} */
function draw(random) {
  const at = random.weighted({ time: 3, step: 6, command: 1 });
  if (at === 'time') return { at, ms: random.int(0, 40) };
  if (at === 'command') return { at, nth: random.int(1, 6) };
  const step = random.weighted(STEPS);
  return { at, step, nth: random.int(1, step === 'load' || step === 'phase' ? 6 : 2), before: random.chance(0.3) };
}

module.exports = { KillPlan };
