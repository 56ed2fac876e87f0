'use strict';

const { deleteRecord, deleteStorage, flipKeyId, rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { ShakaApp } = require('../../testbed/shaka-app.js');
const output = require('../demo/output.js');

/**
 * @typedef {object} BreakFigures
 * @property {number} shaka6013 titles that Shaka gave up with OFFLINE_SESSION_REMOVED before the repair
 * @property {number} stalled titles that showed no picture and no error before the repair
 * @property {number} licensed
 * @property {number} licenseRequests since the break, as the server counted
 * @property {number} mediaRequests since the break, as the server counted
 * @property {number} playedOffline with the licence server stopped
 * @property {number} playedAfterRestart of the browser, with the licence server stopped
 */

const TITLES = 10;

/** What an update does to the CDM's storage. @type {Record<string, (profile: string, sessionId: string) => Promise<void>>} */
const BREAKS = { salts: rewriteSalts, storage: deleteStorage, record: deleteRecord, flip: flipKeyId };

/**
 * Titles stored by Shaka, and each break done to a copy of that.
 * @param {ShakaApp} app
 * @returns {Promise<{ stored: number, breaks: Record<string, BreakFigures> }>}
 */
async function tell(app) {
  output.headline(`${app.shaka}: Storage.store() of ${TITLES} titles`);
  await app.install(ShakaApp.titles(TITLES));
  const entries = await app.driver().inventory(app.lane);
  output.table(['title', 'sessions', 'key ids', 'state'], entries.map(({ contentId, sessionIds, keyIds }) => [
    contentId, sessionIds.join(' '), keyIds?.map((keyId) => keyId.slice(-2)).join(' ') ?? '', app.offline?.verdict(contentId).state ?? '',
  ]));
  await app.keep();

  const contentIds = entries.map(({ contentId }) => contentId);
  const [{ sessionIds: [firstSession] }] = entries;
  /** @type {Record<string, BreakFigures>} */
  const breaks = {};
  for (const [name, breakCdm] of Object.entries(BREAKS)) {
    output.headline(`${app.shaka}: ${name}`);
    await app.startAgain((profile) => breakCdm(profile, firstSession));
    breaks[name] = await survive(app, contentIds);
  }
  return { stored: entries.length, breaks };
}

/**
 * @param {ShakaApp} app just broken
 * @param {string[]} contentIds
 * @returns {Promise<BreakFigures>}
 */
async function survive(app, contentIds) {
  const before = app.requests();
  const ends = [];
  for (const contentId of contentIds) ends.push(await app.attempt(contentId));
  const shaka6013 = ends.filter(({ code }) => code === 6013).length;
  const stalled = ends.filter(({ end }) => end === 'stalled').length;
  output.line(`Shaka alone: ${shaka6013} end with 6013, ${stalled} stall, ${ends.filter(({ end }) => end === 'played').length} play.`);

  app.updateElectron();
  const offline = await app.launch();
  await app.reconcile();
  const { lost, licensed, durationMs } = await offline.revalidate();
  const licenseRequests = app.requests().license - before.license;
  output.line(`Repaired in ${durationMs} ms: lost ${lost}, licensed ${licensed}, licence requests ${licenseRequests}.`);

  await app.licenseServer?.close();
  const playedOffline = await playAll(app, contentIds);
  await app.restart();
  const playedAfterRestart = await playAll(app, contentIds);
  const mediaRequests = app.requests().media - before.media;
  output.line(`Without the licence server ${playedOffline} play, after a restart of the browser ${playedAfterRestart}; media requests ${mediaRequests}.`);
  await app.stopServers();
  await app.startServers();
  return { shaka6013, stalled, licensed, licenseRequests, mediaRequests, playedOffline, playedAfterRestart };
}

/**
 * One after another, since CDMs side by side lie.
 * @param {ShakaApp} app
 * @param {string[]} contentIds
 */
async function playAll(app, contentIds) {
  let played = 0;
  for (const contentId of contentIds) {
    try {
      await app.play(contentId);
      played++;
    } catch (error) {
      output.line(error instanceof Error ? error.message : String(error));
    }
  }
  return played;
}

module.exports = { tell };
