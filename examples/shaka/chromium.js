'use strict';

const { ShakaApp } = require('../../testbed/shaka-app.js');
const output = require('../demo/output.js');

const TITLES = 10;

/**
 * Titles that were stored with persistent licences, in a browser that has none any more; and titles stored without.
 * @param {ShakaApp} app in Chromium
 */
async function surviveRemoval(app) {
  output.headline(`${app.browser} refuses persistent licences`);
  const uris = [];
  for (const title of ShakaApp.titles(TITLES)) uris.push(await app.download(title, { persistent: false }));
  const before = app.requests();
  const playedTemporary = await playAll(uris, (uri) => app.attempt(uri));

  for (const uri of uris) await app.player()('hadPersistentLicense', uri);
  const offline = await app.launch();
  await app.reconcile();
  const { license } = app.requests();
  const { unsupported } = await offline.revalidate();
  const licenseRequests = app.requests().license - license;
  const playedAgain = await playAll(uris, (uri) => {
    const request = { uri, licenseUrl: app.licenseUrl, known: { verdict: offline.verdict(uri), sessions: [] }, temporary: true };
    return app.player()('watchRecorded', request).finally(() => app.player()('stop', uri));
  });
  const mediaRequests = app.requests().media - before.media;
  output.line(`Stored without persistent licences ${playedTemporary} play with temporary ones. Stored with them: unsupported ${unsupported}, found with `
    + `${licenseRequests} licence requests; ${playedAgain} play with temporary ones. Media requests ${mediaRequests}.`);
  return { playedTemporary, unsupported, licenseRequests, playedAgain, mediaRequests };
}

/** @param {string[]} uris @param {(uri: string) => Promise<{ end: string }>} play */
async function playAll(uris, play) {
  let played = 0;
  for (const uri of uris) played += (await play(uri)).end === 'played' ? 1 : 0;
  return played;
}

module.exports = { surviveRemoval };
