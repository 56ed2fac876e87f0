'use strict';

const { deleteRecord, deleteStorage, flipKeyId, rewriteSalts } = require('../../testbed/cdm-breaks.js');
const output = require('../demo/output.js');

/**
 * @typedef {import('../../testbed/installed-app.js').InstalledApp} InstalledApp
 * @typedef {{ titles: number, lost: number, licensed: number, licenseRequests: number, played: number }} UpdateFigures
 */

/** The test bed's licence server bears anything. How fast one is asked that does not, `npm run flood` shows. */
const UNPACED = Object.freeze({ licenseRatePerS: 1000, licenseRateMaxPerS: 1000 });

/** What an update did to the CDM's storage. @type {Record<string, (profile: string, sessionId: string) => Promise<void>>} */
const BREAKS = {
  salts: rewriteSalts,
  storage: deleteStorage,
  record: deleteRecord,
  flip: flipKeyId,
  none: async () => {},
};

/**
 * One update after another, each with a break of its own; the titles that one has left repaired are what the next one breaks.
 * @param {InstalledApp} app
 * @param {string[]} contentIds all installed, and all good
 * @returns {Promise<Record<string, UpdateFigures>>}
 */
async function surviveUpdates(app, contentIds) {
  output.headline('Updates of Electron, and what they did to the CDM');
  /** @type {Record<string, UpdateFigures>} */
  const figures = {};
  for (const [name, breakCdm] of Object.entries(BREAKS)) {
    const { titles, lost, licensed, licenseRequests, played } = figures[name] = await surviveUpdate(app, contentIds, breakCdm);
    output.line(`${name.padEnd(8)} titles ${titles}, lost ${lost}, licensed ${licensed}, licence requests ${licenseRequests}, played ${played}`);
  }
  return figures;
}

/**
 * @param {InstalledApp} app
 * @param {string[]} contentIds
 * @param {(profile: string, sessionId: string) => Promise<void>} breakCdm
 * @returns {Promise<UpdateFigures>}
 */
async function surviveUpdate(app, contentIds, breakCdm) {
  const [{ sessionId }] = await app.catalogue();
  const before = app.requests();
  await app.restart((profile) => breakCdm(profile, sessionId));
  app.updateElectron();
  const offline = await app.launch({ policy: UNPACED });
  const { lost, licensed } = await offline.revalidate();
  const titles = new Set((await offline.list()).map(({ contentId }) => contentId)).size;
  const licenseRequests = app.requests().license - before.license;
  return { titles, lost, licensed, licenseRequests, played: await playOffline(app, contentIds) };
}

/**
 * Without servers, and in a browser that has been started again: what is played is what is on disk.
 * @param {InstalledApp} app
 * @param {string[]} contentIds
 * @returns {Promise<number>} how many played, of those that the addon says play offline
 */
async function playOffline(app, contentIds) {
  const { offline } = app;
  const promised = contentIds.filter((contentId) => offline?.verdict(contentId).playable === 'offline');
  await app.restart(() => app.stopServers());
  const failures = await app.playAll(promised);
  await app.startServers();
  for (const { error } of failures) output.line(error);
  return promised.length - failures.length;
}

module.exports = { surviveUpdates, playOffline, UNPACED };
