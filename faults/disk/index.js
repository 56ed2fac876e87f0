'use strict';

const { writeFile } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { CallFailed } = require('../app/process');
const { inFolders } = require('../folders');
const { App } = require('../app/app');
const { noFigures } = require('../app/figures');
const { finish } = require('../app/whole');
const { Random } = require('../random');
const { smallSpace } = require('./space');

/**
 * @typedef {import('../app/process').AppProcess} AppProcess
 * @typedef {import('./space').Space} Space
 */

const ROUNDS = 3;
const MAX_TITLES = 30;

/** One app on a small disk, which becomes full again and again. */
class FullDisk {
  /** Calls that were refused for want of space. */
  refused = 0;
  #space;
  #random;
  #app;

  /** @param {Space} space @param {Random} random @param {App} app */
  constructor(space, random, app) {
    this.#space = space;
    this.#random = random;
    this.#app = app;
  }

  async run() {
    const [app, random] = [this.#app, this.#random];
    let process = await this.#launch();
    for (let round = 0; round < ROUNDS; round++) {
      await this.#download(process, 5);
      await app.call(process, 'close');
      await app.end(process);
      app.update(random);
      process = await this.#launch();
      await this.#whileFull(process);
      if (random.chance(0.3)) {
        await app.kill(process, false);
        process = await this.#relaunchWhileFull();
      }
      await this.#space.free(process.pid);
      // What had failed by then may be told a moment later.
      await this.#refusable(app.call(process, 'revalidate'));
      app.tolerated.clear();
      app.titles.compare(await app.call(process, 'list'));
      await finish(app, process);
    }
    await app.call(process, 'close');
    await app.end(process);
  }

  async #launch() {
    const process = await this.#app.start();
    await this.#app.open(process);
    return process;
  }

  /** A launch needs space, too: what it gets is a coded error, or all that was acknowledged. */
  async #relaunchWhileFull() {
    const process = await this.#app.start();
    if (!await this.#refusable(this.#app.open(process))) {
      await this.#space.free(process.pid);
      await this.#app.open(process);
    }
    return process;
  }

  /** @param {AppProcess} process */
  async #whileFull(process) {
    const [app, random] = [this.#app, this.#random];
    app.tolerated = new Set(this.#space.codes);
    await this.#space.leave(random.int(0, 40) * 4096, process.pid);
    const run = this.#refusable(app.call(process, 'revalidate'));
    app.padding = random.int(0, 20_000);
    const puts = random.chance(0.7) ? this.#download(process, 6) : Promise.resolve();
    await Promise.all([run, puts]);
    app.padding = 0;
    await this.#refusable(app.call(process, 'revalidate'));
    for (const title of random.some(app.titles.which('stored'), 0.2)) await this.#refusable(app.remove(process, [title]));
    app.titles.compare(await app.call(process, 'list'));
  }

  /** @param {AppProcess} process @param {number} count */
  async #download(process, count) {
    const { titles, profile } = this.#app;
    for (let n = 0; n < count && titles.all.size < MAX_TITLES; n++) {
      const contentId = `title ${this.#random.int(1, MAX_TITLES)}`;
      if (titles.of(contentId).length > 0) continue;
      await profile.locked(() => {
        const title = titles.create(contentId);
        profile.download(title);
        return this.#refusable(this.#app.put(process, [title], { proven: true }));
      });
    }
  }

  /** Whether the call was done. @param {Promise<any>} done */
  async #refusable(done) {
    try {
      await done;
      return true;
    } catch (error) {
      if (!(error instanceof CallFailed) || !this.#app.tolerated.has(error.error.code)) throw error;
      this.refused += 1;
      return false;
    }
  }
}

/**
 * A disk that is full in the middle of puts and runs: real ENOSPC.
 * @param {import('../index').Campaign} campaign
 */
async function runFullDisk({ count, seed, jobs, progress, fail }) {
  const figures = { cases: 0, refusedCalls: 0, acknowledgedLost: 0, otherFailures: 0 };
  // How a disk is made small is known for Linux only.
  await inFolders(process.platform === 'linux' ? count : 0, jobs, async (folder, n) => {
    const space = await smallSpace(folder);
    const random = new Random('disk', seed + n);
    const trace = path.join(os.tmpdir(), `faults-disk-${seed + n}.trace`);
    let failed = false;
    const app = new App(path.join(folder, 'store'), random, noFigures(), (figure, what) => {
      failed = true;
      figures[figure === 'recordsLost' ? 'acknowledgedLost' : 'otherFailures'] += 1;
      fail({ figure: `fullDisk.${figure}`, what, repeat: { disk: 1, seed: seed + n }, trace });
    });
    const disk = new FullDisk(space, random, app);
    try {
      await disk.run();
    } catch (error) {
      app.report('otherFailures', String(/** @type {any} */ (error).stack));
    } finally {
      await app.stop();
      await space.end();
    }
    figures.cases += 1;
    figures.refusedCalls += disk.refused;
    if (failed) await writeFile(trace, app.trace.join('\n'));
    progress(figures);
  });
  if (figures.cases > 0 && figures.refusedCalls === 0) throw new Error(`the disk was never full: no call was refused in ${figures.cases} cases`);
  return figures;
}

module.exports = { runFullDisk };
