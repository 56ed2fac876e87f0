'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { ProcessEnded } = require('../app/process');
const { App } = require('../app/app');
const { finish } = require('../app/whole');
const { DEEDS } = require('./deeds');
const { KillPlan } = require('./instants');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {import('../app/process').AppProcess} AppProcess
 */

/** A launch that takes longer hangs. */
const LAUNCH_TIMEOUT_MS = 20_000;

const WEIGHTS = Object.fromEntries(Object.entries(DEEDS).map(([name, { weight }]) => [name, weight]));

/** One directory over many launches. Each is killed, and the last one left to finish: then everything must be whole. */
class Life {
  #random;
  #app;

  /**
   * @param {string} directory
   * @param {Random} random
   * @param {import('../app/app').Figures} figures
   * @param {import('../app/app').Report} report
   */
  constructor(directory, random, figures, report) {
    this.#random = random;
    this.#app = new App(directory, random, figures, report);
  }

  /** @param {number} kills */
  async live(kills) {
    for (let n = 0; n < kills; n++) {
      await this.#launchAndKill();
      this.#app.update(this.#random);
    }
    await this.#settle();
  }

  /** What happened, a line each. */
  get trace() {
    return this.#app.trace.join('\n');
  }

  async #launchAndKill() {
    const app = this.#app;
    /** @type {() => void} */
    let strike = () => {};
    const struck = new Promise((resolve) => { strike = () => resolve(undefined); });
    const plan = new KillPlan(this.#random, strike);
    const process = await app.start((step) => plan.reached(step));
    const hung = setTimeout(() => {
      app.report('otherFailures', `a launch took more than ${LAUNCH_TIMEOUT_MS} ms`);
      strike();
    }, LAUNCH_TIMEOUT_MS);
    // Killed at once when the instant comes, and at the end if it does not.
    const work = this.#work(process, plan).catch((error) => {
      if (!(error instanceof ProcessEnded)) app.report('otherFailures', String(error));
    }).finally(strike);
    await struck;
    clearTimeout(hung);
    await app.kill(process, plan.windowOutlives);
    await work;
  }

  /** @param {AppProcess} process @param {KillPlan} plan */
  async #work(process, plan) {
    const app = this.#app;
    plan.begin();
    await app.open(process);
    const run = app.call(process, 'revalidate');
    const deeds = Array.from({ length: this.#random.int(2, 6) }, () => this.#random.weighted(WEIGHTS));
    const launch = { app, process, random: this.#random, busy: new Set() };
    const does = async (/** @type {string} */ deed) => DEEDS[deed].does(launch);
    const ends = [run];
    for (const deed of deeds) {
      const done = does(deed);
      // A kill ends them all, and is heard of once.
      done.catch(() => {});
      plan.commanded();
      // An app that compares with its catalogue changes neither meanwhile.
      if (deed === 'reconcile') await done;
      else if (this.#random.chance(0.5)) await Promise.race([done, sleep(2)]);
      ends.push(done);
      if (deeds.includes('reconcile')) await Promise.all(ends.slice(1));
    }
    const failed = (await Promise.allSettled(ends)).find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Nobody kills any more: what was begun is finished, and everything is as if nothing had happened. */
  async #settle() {
    const process = await this.#app.start();
    try {
      await this.#app.open(process);
      await finish(this.#app, process);
      await this.#app.call(process, 'close');
    } catch (error) {
      this.#app.report('otherFailures', `unkilled: ${error}`);
    }
    process.kill();
    await process.ended;
  }
}

module.exports = { Life };
