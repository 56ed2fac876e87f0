'use strict';

const { surviveKills } = require('../../examples/breaks/kills');
const { findBrowser } = require('../../testbed/browsers');
const { inFolder } = require('../folders');
const { KilledApp } = require('./app');

/**
 * Firefox and the main process of an app are killed together, in each phase of a run in turn.
 * @param {import('../index').Campaign} campaign
 */
async function runFirefoxKills({ count, seed, progress, fail }) {
  const figures = { kills: 0, recordsLost: 0, licencesPaidTwice: 0 };
  if (count === 0) return figures;
  const found = await findBrowser('firefox');
  if (!found) throw new Error('no Firefox was found (Debian: apt-get install firefox-esr); without one: --firefox 0');
  await inFolder(async (folder) => {
    const app = new KilledApp(found, folder);
    try {
      await app.start();
      const { count: kills, lost, paidTwice } = await surviveKills(app, seed, count);
      Object.assign(figures, { kills, recordsLost: lost, licencesPaidTwice: paidTwice });
    } finally {
      await app.close();
    }
  });
  for (const figure of /** @type {const} */ (['recordsLost', 'licencesPaidTwice'])) {
    if (figures[figure] > 0) fail({ figure, what: 'said above', repeat: { firefox: count, seed } });
  }
  progress(figures);
  return figures;
}

module.exports = { runFirefoxKills };
