'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { ProcessEnded } = require('../app/process');
const { App } = require('./app');
const { KillPlan } = require('./instants');
const { finish, putAgain } = require('./whole');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {import('../app/process').AppProcess} AppProcess
 * @typedef {import('./titles').Title} Title
 */

const MAX_TITLES = 10;
/** A launch that takes longer hangs. */
const LAUNCH_TIMEOUT_MS = 20_000;

/** What an app does beside the work; as often as it weighs. */
const DEEDS = { download: 4, downloads: 2, replace: 2, touch: 4, remove: 3, reconcile: 2, play: 3, broken: 2, retry: 1, find: 1, revalidate: 1 };

/** One directory over many launches. Each is killed, and the last one left to finish: then everything must be whole. */
class Life {
  #random;
  #app;

  /**
   * @param {string} directory
   * @param {Random} random
   * @param {import('./app').Figures} figures
   * @param {import('./app').Report} report
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
    const deeds = Array.from({ length: this.#random.int(2, 6) }, () => this.#random.weighted(DEEDS));
    /** @type {Set<Title>} */
    const busy = new Set();
    const ends = [run];
    for (const deed of deeds) {
      const done = this.#does(deed, process, busy);
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

  /** @param {keyof typeof DEEDS} deed @param {AppProcess} process @param {Set<Title>} busy titles that a deed of this launch is about */
  async #does(deed, process, busy) {
    const [app, random] = [this.#app, this.#random];
    const free = app.titles.which('stored').filter((title) => !busy.has(title) && app.titles.of(title.contentId).length === 1);
    const title = free.length > 0 ? random.pick(free) : undefined;
    if (deed === 'download' || deed === 'downloads') {
      const unrecorded = app.titles.which('unrecorded').filter((one) => !busy.has(one));
      if (unrecorded.length > 0) {
        const [one] = unrecorded;
        busy.add(one);
        return putAgain(app, process, one);
      }
      return app.profile.locked(() => {
        const titles = Array.from({ length: deed === 'downloads' ? 3 : 1 }, () => this.#download()).filter((one) => one !== null);
        titles.forEach((one) => busy.add(one));
        return titles.length > 0 ? app.put(process, titles, { proven: true }) : undefined;
      });
    }
    if (deed === 'reconcile') return app.reconcile(process);
    if (deed === 'revalidate') return app.call(process, deed);
    if (!title) return undefined;
    switch (deed) {
      case 'replace':
        busy.add(title);
        return app.profile.locked(() => {
          const next = app.titles.create(title.contentId);
          busy.add(next);
          app.profile.download(next, true);
          return app.put(process, [next], { proven: true, replace: true });
        });
      case 'touch':
        busy.add(title);
        return app.put(process, [title]);
      case 'remove':
        busy.add(title);
        return app.remove(process, [title]);
      case 'play':
        return app.call(process, 'ensurePlayable', title.contentId, { timeoutMs: 2_000 });
      case 'broken':
        return app.call(process, 'reportPlayback', title.contentId, { error: 'it does not play' });
      case 'find':
        return app.call(process, 'find', { keyIds: [title.keyId] });
      default:
        return app.call(process, deed, title.contentId);
    }
  }

  #download() {
    const { titles, profile } = this.#app;
    if (titles.all.size >= MAX_TITLES) return null;
    const contentId = `title ${this.#random.int(1, MAX_TITLES)}`;
    if (titles.of(contentId).length > 0) return null;
    const title = titles.create(contentId);
    profile.download(title);
    return title;
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
