'use strict';

const { writeFile } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { inFolders } = require('../folders');
const { Random } = require('../random');
const { noFigures } = require('../app/figures');
const { Life } = require('./life');

/** Of all kills, at least so many have to fall between a new session and its record; so few kills as these may miss that by chance. */
const MID_LICENCE = 0.05;
const FEW = 200;

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
  const { kills, killsMidLicence } = figures;
  if (kills >= FEW && killsMidLicence < MID_LICENCE * kills) {
    figures.otherFailures += 1;
    fail({ figure: 'otherFailures', what: `only ${killsMidLicence} of ${kills} kills fell between a new session and its record`, repeat: { kills, seed } });
  }
  return figures;
}

module.exports = { runKills };
