'use strict';

const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const output = require('../demo/output.js');
const { playOffline, UNPACED } = require('./updates.js');

/**
 * @typedef {import('../../testbed/installed-app.js').InstalledApp} InstalledApp
 * @typedef {{ blocked: number, deferred?: number, requests: number, played: number }} ServerFigures deferred: the others, by a time to wait for
 */

/**
 * A run asks once for each title: a wait, of which jitter leaves a tenth at least, is longer than a run; and a server that fails five times
 * is left alone, so all eight are asked for before the first answer counts. A licence takes its turn to be requested in the CDM, 200 ms
 * each when none comes: its time-out must leave the last of eight time to ask.
 */
const POLICY = { ...UNPACED, licenseConcurrency: 8, licenseTimeoutMs: 4_000, backoffBaseMs: 600_000, backoffMaxMs: 600_000 };

/** @type {Record<string, import('../../testbed/servers.js').Behaviour>} */
const SERVERS = {
  geo: { status: 403, headers: { 'content-type': 'application/json' }, body: '{"error":"This title cannot be licensed in your region"}' },
  503: { status: 503 },
  hang: 'hang',
  garbage: 'garbage',
};

/**
 * Every licence is lost, and the licence server does not help; then it is well again.
 * @param {InstalledApp} app
 * @param {string[]} contentIds all installed, and all good
 * @returns {Promise<Record<string, ServerFigures>>}
 */
async function surviveServers(app, contentIds) {
  output.headline('Every licence is lost, and the licence server does not help');
  /** @type {Record<string, ServerFigures>} */
  const figures = {};
  for (const [name, behaviour] of Object.entries(SERVERS)) {
    const { blocked, deferred = 0, requests, played } = figures[name] = await surviveServer(app, contentIds, behaviour);
    output.line(`${name.padEnd(8)} licence requests ${requests}, blocked ${blocked}, deferred ${deferred}; when it was well again played ${played}`);
  }
  return figures;
}

/**
 * @param {InstalledApp} app
 * @param {string[]} contentIds
 * @param {import('../../testbed/servers.js').Behaviour} behaviour
 * @returns {Promise<ServerFigures>}
 */
async function surviveServer(app, contentIds, behaviour) {
  await app.restart(rewriteSalts);
  app.updateElectron();
  const offline = await app.launch({ policy: POLICY });
  app.licenseServer?.behave(behaviour);
  const before = app.requests();
  await offline.revalidate();
  const verdicts = contentIds.map((contentId) => offline.verdict(contentId));
  const blocked = verdicts.filter(({ state }) => state === 'blocked').length;
  const deferred = verdicts.filter(({ state, retryAt }) => state === 'lost' && retryAt !== null).length;
  const requests = app.requests().license - before.license;

  app.licenseServer?.behave('ok');
  for (const contentId of contentIds) await offline.retry(contentId);
  await app.settle();
  return { blocked, ...(blocked < contentIds.length && { deferred }), requests, played: await playOffline(app, contentIds) };
}

module.exports = { surviveServers };
