'use strict';

const { mkdtemp, rm } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { createProfile, launchBrowser, removeProfile } = require('../../testbed/browsers.js');
const { InstalledApp } = require('../../testbed/installed-app.js');

/** @typedef {import('../../testbed/browsers.js').Found} Found */

/** For what starts a browser, or starts it again. */
const BROWSER_TIMEOUT_MS = 60_000;

/**
 * An app in a real browser for each test.
 * @param {Found | null} found
 * @param {{ shareBrowser?: boolean, shareApp?: boolean, App?: any }} [options] shareBrowser: one browser for the suite, in which each
 *   test's app has an origin, and so licences, of its own; it cannot be restarted. shareApp: one app for the suite, for tests that leave
 *   it as it was. App: the class, called as InstalledApp is.
 * @returns {{ readonly app: any }}
 */
function useInstalledApp(found, { shareBrowser = false, shareApp = false, App = InstalledApp } = {}) {
  /** @type {string} */
  let profile;
  /** @type {import('../../testbed/browsers.js').RunningBrowser | undefined} */
  let running;
  /** @type {InstalledApp} */
  let app;

  if (shareBrowser) {
    beforeAll(async () => {
      profile = await createProfile();
      running = await launchBrowser(/** @type {Found} */ (found), profile);
    }, BROWSER_TIMEOUT_MS);
    afterAll(async () => {
      await running?.close();
      await removeProfile(profile);
    }, BROWSER_TIMEOUT_MS);
  }
  const [before, after] = shareApp ? [beforeAll, afterAll] : [beforeEach, afterEach];
  before(async () => {
    const workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-test-'));
    app = new App(/** @type {Found} */ (found), workspace, running);
    await app.start();
  }, BROWSER_TIMEOUT_MS);
  after(async () => {
    await app.close();
    await rm(app.workspace, { recursive: true, force: true, maxRetries: 10 });
  }, BROWSER_TIMEOUT_MS);

  return { get app() { return app; } };
}

module.exports = { useInstalledApp, BROWSER_TIMEOUT_MS };
