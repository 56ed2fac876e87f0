'use strict';

const { writeFile } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { inFolders } = require('../folders');
const { Random } = require('../random');
const { noFigures } = require('./figures');
const { Life } = require('./life');

/** A directory is killed this often before it is looked at in peace. */
const KILLS_OF_A_LIFE = 10;

/**
 * Kills a process that works, again and again.
 * @param {import('../index').Campaign} campaign
 */
async function runKills({ count, seed, jobs, progress, fail }) {
  const figures = noFigures();
  await inFolders(Math.ceil(count / KILLS_OF_A_LIFE), jobs, async (folder, n) => {
    const own = noFigures();
    const kills = Math.min(KILLS_OF_A_LIFE, count - n * KILLS_OF_A_LIFE);
    const trace = path.join(os.tmpdir(), `faults-kills-${seed + n}.trace`);
    let failed = false;
    const life = new Life(folder, new Random('kills', seed + n), own, (figure, what) => {
      own[figure] += 1;
      failed = true;
      fail({ figure, what, repeat: { kills, seed: seed + n }, trace });
    });
    await life.live(kills);
    if (failed) await writeFile(trace, life.trace);
    for (const name of /** @type {(keyof typeof own)[]} */ (Object.keys(own))) figures[name] += own[name];
    progress(figures);
  });
  return figures;
}

module.exports = { runKills };
