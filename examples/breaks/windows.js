'use strict';

const { InstalledApp } = require('../../testbed/installed-app.js');
const { writeInTwoWindows } = require('../../testbed/two-windows.js');
const output = require('../demo/output.js');

/**
 * The addon licenses again in one window while the app downloads in another, each taking the lock.
 * @param {InstalledApp} app
 * @param {string[]} contentIds all installed, and all good
 */
async function surviveTwoWindows(app, contentIds) {
  output.headline('Two windows write licences at the same time');
  const downloads = InstalledApp.titles(8, 'download');
  const { report, turns } = await writeInTwoWindows(app, { lost: contentIds, downloads });
  await app.restart();
  const licensesLost = (await app.unloadable()).length;
  const written = report.licensed + downloads.length;
  output.line(`${written} licences, the two taking turns ${turns} times; after a restart ${licensesLost} do not load.`);
  return { licensesLost };
}

module.exports = { surviveTwoWindows };
