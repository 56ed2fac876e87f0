'use strict';

const { once } = require('node:events');
const { DriverWatch } = require('./watched-driver.js');

const DOWNLOADS_AT_ONCE = 2;

/**
 * Two windows of one origin write licences at once: in one the addon licenses again what the CDM has lost, in the other the app
 * downloads.
 * @param {import('./installed-app.js').InstalledApp} app
 * @param {{ lost: string[], downloads: import('./browser-app.js').Title[] }} what
 * @returns {Promise<{ report: import('..').RevalidationReport, turns: number }>} turns: how often the licence server was asked by
 *   the other of the two
 */
async function writeInTwoWindows(app, { lost, downloads }) {
  await app.loseLicences(lost);
  app.updateElectron();
  const watch = new DriverWatch();
  // Many short phases, so that the two have many occasions to meet.
  const offline = await app.launch({ driver: watch.watch(app.driver()), policy: { batchSize: 2, licenseConcurrency: 2 } });
  const other = await app.openWindow();
  const before = app.licenseServer?.calls.length ?? 0;

  const writing = once(watch, 'created');
  const revalidated = offline.revalidate();
  await writing;
  const queue = [...downloads];
  await Promise.all(Array.from({ length: DOWNLOADS_AT_ONCE }, async () => {
    for (let title = queue.shift(); title; title = queue.shift()) await offline.put(await app.store(title, other));
  }));
  const report = await revalidated;
  await other.close();

  /** @type {import('./servers.js').LicenseCall[]} */
  const calls = app.licenseServer?.calls ?? [];
  const isAddons = calls.slice(before).map(({ headers }) => 'idempotency-key' in headers);
  return { report, turns: isAddons.filter((one, n) => n > 0 && one !== isAddons[n - 1]).length };
}

module.exports = { writeInTwoWindows };
