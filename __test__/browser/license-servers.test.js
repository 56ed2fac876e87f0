'use strict';

const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { InstalledApp } = require('../../testbed/installed-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS, useInstalledApp } = require('../helpers/installed-app.js');

const TITLES = InstalledApp.titles(2);
const CONTENT_IDS = TITLES.map(({ contentId }) => contentId);
/** Nothing is tried again by itself while a test looks. */
const POLICY = { backoffBaseMs: 60_000, licenseTimeoutMs: 1_000 };

const GEO = { status: 403, headers: { 'content-type': 'application/json' }, body: '{"error":"Not available in your country"}' };
const NO_KEYS = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"keys":[],"type":"persistent-license"}' };
const LATER = { playable: 'no', state: 'lost', action: 'wait', retryAt: expect.any(Number) };
const BLOCKED = { playable: 'no', state: 'blocked', action: 'wait', retryAt: expect.any(Number) };

/** What the app says after a while: it need not wait any longer. */
async function tryAgain(app) {
  for (const contentId of CONTENT_IDS) await app.offline.retry(contentId);
  await app.settle();
}

describeBrowser('Licences lost in Firefox, and a licence server that does not help', 'firefox', (found) => {
  const fixture = useInstalledApp(found, { shareBrowser: true });

  /** Every licence is gone, and an update has come. */
  async function loseAll() {
    const { app } = fixture;
    await app.install(TITLES);
    await app.loseLicences(CONTENT_IDS);
    app.updateElectron();
    return app.launch({ policy: POLICY });
  }

  test.each([
    ['refuses by region', GEO, { ...BLOCKED, reason: 'geo', action: 'change-location' }],
    ['asks for patience', { status: 429, headers: { 'retry-after': '1' } }, { ...LATER, reason: 'throttled' }],
    ['is out of order', { status: 503 }, { ...LATER, reason: 'server-error' }],
    ['cuts the connection', 'reset', { ...LATER, reason: 'unreachable' }],
    ['is a captive portal', 'garbage', { ...LATER, reason: 'unreachable' }],
    ['says nothing', 'empty', { ...BLOCKED, reason: 'rejected' }],
    ['gives no keys', NO_KEYS, { ...BLOCKED, reason: 'rejected' }],
  ])('a server that %s is asked at most once for each title, leaves nothing in the CDM, and all is well when it is', async (_name, behaviour, verdict) => {
    const { app } = fixture;
    const offline = await loseAll();
    const before = app.requests().license;
    app.licenseServer.behave(behaviour);
    const blocked = verdict.state === 'blocked' ? 2 : 0;
    // One that asks for patience is not asked for the other title.
    const requests = verdict.reason === 'throttled' ? 1 : 2;
    expect(await offline.revalidate()).toMatchObject({ lost: 2, adopted: 0, blocked, licenseRequests: requests });
    expect(app.requests().license - before).toBe(requests);
    expect(CONTENT_IDS.map((contentId) => offline.verdict(contentId))).toMatchObject([verdict, verdict]);
    expect(await app.inventory()).toEqual({});

    app.licenseServer.behave('ok');
    await tryAgain(app);
    expect(offline.unready()).toEqual([]);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
    expect(await app.leftovers()).toEqual([]);
  }, BROWSER_TIMEOUT_MS);

  test('a server that hangs may have answered: what it left is looked at before it is asked again, and goes', async () => {
    const { app } = fixture;
    const offline = await loseAll();
    const before = app.requests().license;
    app.licenseServer.behave('hang');
    expect(await offline.revalidate()).toMatchObject({ lost: 2, licensed: 0, blocked: 0, licenseRequests: 2 });
    expect(app.requests().license - before).toBe(2);
    const verdict = { ...LATER, reason: 'timeout' };
    expect(CONTENT_IDS.map((contentId) => offline.verdict(contentId))).toMatchObject([verdict, verdict]);
    expect(Object.values(await app.inventory())).toEqual([null, null]);

    app.licenseServer.behave('ok');
    await tryAgain(app);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
    expect(await app.leftovers()).toEqual([]);
    // The same request, so that a server that had answered can bill once.
    const requestIds = app.licenseServer.calls.slice(before).map(({ headers }) => headers['idempotency-key']);
    expect(new Set(requestIds).size).toBe(2);
    expect(requestIds).toHaveLength(4);
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('Licences lost over a restart of Firefox', 'firefox', (found) => {
  const fixture = useInstalledApp(found);

  // In a CDM that has been started since: a ClearKey process gives each key that it has ever had to whoever names its id.
  test('a licence for other key ids is taken by the CDM, found to be of no use, and leaves nothing', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    await app.restart(rewriteSalts);
    app.updateElectron();
    const offline = await app.launch({ policy: POLICY });
    app.licenseServer.behave('wrong-keys');
    expect(await offline.revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 0, blocked: 2, licenseRequests: 2 });
    const verdict = { ...BLOCKED, reason: 'unverified' };
    expect(CONTENT_IDS.map((contentId) => offline.verdict(contentId))).toMatchObject([verdict, verdict]);
    expect(await app.inventory()).toEqual({});

    app.licenseServer.behave('ok');
    await tryAgain(app);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
    expect(await app.leftovers()).toEqual([]);
  }, BROWSER_TIMEOUT_MS);
});
