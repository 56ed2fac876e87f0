'use strict';

const { InstalledApp } = require('../../testbed/installed-app.js');
const output = require('../demo/output.js');

/**
 * Titles on record, in a browser that has no persistent licences any more.
 * @param {InstalledApp} app in Chromium
 */
async function surviveRemoval(app) {
  output.headline(`${app.browser} refuses persistent licences`);
  const offline = await app.launch();
  await offline.put(InstalledApp.titles(8).map(({ contentId }, n) => ({
    ...app.lane,
    contentId,
    sessionId: String(n + 1),
    initDataType: 'keyids',
    initData: Buffer.from('{"kids":["ABEiM0RVZneImaq7zN3uAQ"]}'),
    licenseUrl: app.licenseServer?.url,
  })));
  const { unsupported } = await offline.revalidate();
  const { license } = app.requests();
  output.line(`Unsupported: ${unsupported}. Licence requests: ${license}.`);
  return { unsupported, licenseRequests: license };
}

module.exports = { surviveRemoval };
