'use strict';

const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { InstalledApp } = require('../../testbed/installed-app.js');
const { startLicenseServer } = require('../../testbed/servers.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS, useInstalledApp } = require('../helpers/installed-app.js');

const MANY = 50;
const TITLES = InstalledApp.titles(MANY);
const CAPACITY_PER_S = 10;
const SECONDS = 12;
/** The pace and the patience are the policy's own. */
const POLICY = { backoffBaseMs: 5_000, licenseTimeoutMs: 30_000 };

describeBrowser('A library of 50 lost in Firefox', 'firefox', (found) => {
  const fixture = useInstalledApp(found);

  test.each([
    ['is ready in seconds from a server that is well', Infinity, 0],
    // A few show where the limit is.
    [`does not flood a server that takes ${CAPACITY_PER_S} requests a second`, CAPACITY_PER_S, 0.2 * MANY],
  ])('%s', async (_name, capacityPerS, mostRejected) => {
    const { app } = fixture;
    await app.install(TITLES);
    const { port } = app.licenseServer;
    await app.restart(rewriteSalts);
    app.updateElectron();
    await app.licenseServer.close();
    app.licenseServer = await startLicenseServer({ port, capacityPerS });

    await app.launch({ policy: POLICY });
    const startedAt = performance.now();
    await app.settle();
    const seconds = (performance.now() - startedAt) / 1_000;

    expect(app.offline.unready()).toEqual([]);
    expect(await app.unloadable()).toEqual([]);
    expect(await app.leftovers()).toEqual([]);
    const { requests, load: { rejected } } = app.licenseServer;
    expect(rejected).toBeLessThanOrEqual(mostRejected);
    expect(requests).toBe(MANY + rejected);
    expect(seconds).toBeLessThan(SECONDS);
  }, 2 * BROWSER_TIMEOUT_MS);
});
