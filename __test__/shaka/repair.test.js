'use strict';

const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const clearkey = require('../../testbed/clearkey.js');
const { CONTENT_KEYS } = require('../../testbed/keys.js');
const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp, BROWSER_TIMEOUT_MS } = require('../helpers/installed-app.js');

const URIS = ['offline:manifest/idb/v5/1', 'offline:manifest/idb/v5/2'];
const PLAYED = { end: 'played' };
const VERSIONS = ['shaka-player', 'shaka-player-4.14', 'shaka-player-4.7'];

/** @param {object} answer */
const json = (answer) => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) });
const license = (keys) => JSON.parse(Buffer.from(clearkey.license(keys)).toString());

/** An update of Electron that has cost both titles' licences. @param {ShakaApp} app @param {object} [policy] */
async function updateThatBroke(app, policy) {
  await app.install(ShakaApp.titles(2));
  await app.restart(rewriteSalts);
  app.updateElectron();
  return app.launch({ policy });
}

describe.each(VERSIONS)('%s', (shaka) => {
  describeBrowser('in Firefox', 'firefox', (found) => {
    class App extends ShakaApp {
      constructor(...args) {
        super(...args.concat(undefined).slice(0, 3), shaka);
      }
    }
    const suite = useInstalledApp(found, { App });

    test('gives its titles up with 6013 after an update, and plays them offline when they are licensed again', async () => {
      const { app } = suite;
      const offline = await updateThatBroke(app);
      const { media } = app.requests();
      for (const uri of URIS) expect(await app.attempt(uri)).toMatchObject({ end: 'error', code: 6013 });
      expect(await offline.revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 2, licenseRequests: 2 });
      await app.licenseServer.close();
      await app.restart();
      for (const uri of URIS) expect(await app.attempt(uri)).toMatchObject(PLAYED);
      expect(app.requests().media).toBe(media);
      expect(await app.titles()).toEqual(URIS.map((offlineUri, n) => ({ offlineUri, title: `title-${n + 1}`, expiration: 'Infinity' })));
    }, BROWSER_TIMEOUT_MS);
  });
});

describeBrowser('A licence for a Shaka title, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { App: ShakaApp });

  test('with other key ids is not adopted', async () => {
    const { app } = suite;
    const offline = await updateThatBroke(app, { backoffBaseMs: 60_000 });
    const before = await app.player()('readDatabase');
    app.licenseServer.behave('wrong-keys');
    expect(await offline.revalidate()).toMatchObject({ lost: 2, adopted: 0 });
    expect(await app.player()('readDatabase')).toEqual(before);
    expect(URIS.map((uri) => offline.verdict(uri).playable)).toEqual(['no', 'no']);
    app.licenseServer.behave('ok');
    for (const uri of URIS) await offline.retry(uri);
    expect(await app.settle()).toMatchObject({ nextAttemptAt: null });
    expect(offline.verdict(URIS[0]).playable).toBe('offline');
    for (const uri of URIS) expect(await app.attempt(uri)).toMatchObject(PLAYED);
  }, BROWSER_TIMEOUT_MS);

  test('with a wrong key under the right id cannot be seen, but takes the proof away when playback is reported', async () => {
    const { app } = suite;
    const offline = await updateThatBroke(app);
    app.licenseServer.behave(({ keyIds }) => json(license(Object.fromEntries(keyIds.map((keyId) => [keyId, keyId])))));
    await offline.revalidate();
    expect(offline.verdict(URIS[0]).playable).toBe('offline');
    const { end } = await app.attempt(URIS[0]);
    expect(end).not.toBe('played');
    expect(await offline.reportPlayback(URIS[0], { error: end })).toMatchObject({ state: 'suspect', reason: 'playback-broken' });
    expect(offline.verdict(URIS[0]).playable).not.toBe('offline');
  }, BROWSER_TIMEOUT_MS);

  describe('through the app\'s own networking', () => {
    const wrapped = ({ keyIds }) => json({ wrapped: license(Object.fromEntries(keyIds.map((keyId) => [keyId, CONTENT_KEYS[keyId]]))) });

    beforeEach(() => { suite.app.query = '&filters'; });

    test.each(VERSIONS)('is asked for with its filters by %s, and needs no request of the main process', async (shaka) => {
      const { app } = suite;
      app.shaka = shaka;
      const offline = await updateThatBroke(app);
      const before = app.licenseServer.requests;
      app.licenseServer.behave((call) => (call.url.includes('token=') ? wrapped(call) : { status: 401 }));
      expect(await offline.revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 2, licenseRequests: 0 });
      expect(app.licenseServer.calls.slice(before).map(({ url }) => url).sort()).toEqual([
        expect.stringMatching(/^\/license\?token=of-license-request-org\.w3\.clearkey-\d+$/), expect.stringMatching(/-\d+$/),
      ]);
      for (const uri of URIS) expect(await app.attempt(uri)).toMatchObject(PLAYED);
    }, BROWSER_TIMEOUT_MS);

    test('is asked for where a recorded storage shares that networking, too', async () => {
      const { app } = suite;
      app.query += '&recorded';
      const offline = await updateThatBroke(app, { licenseTimeoutMs: 3_000 });
      app.licenseServer.behave(wrapped);
      expect(await offline.revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 2 });
    }, BROWSER_TIMEOUT_MS);

    test('waits as long as the server says, asked once', async () => {
      const { app } = suite;
      const offline = await updateThatBroke(app);
      const before = app.licenseServer.requests;
      app.licenseServer.behave({ status: 429, headers: { 'retry-after': '120', 'access-control-expose-headers': 'retry-after' } });
      const { nextAttemptAt } = await offline.revalidate();
      expect(app.licenseServer.requests - before).toBeLessThanOrEqual(2);
      expect(offline.verdict(URIS[0])).toMatchObject({ state: 'lost', reason: 'throttled' });
      expect(nextAttemptAt).toBeGreaterThan(Date.now() + 100_000);
    }, BROWSER_TIMEOUT_MS);
  });
});

describeBrowser('Shaka\'s titles come and go, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });

  test('one that Shaka has removed is forgotten in the second launch that misses it, and owes nothing', async () => {
    const { app } = suite;
    await app.install(ShakaApp.titles(2));
    await app.player()('remove', URIS[0]);
    expect(await app.reconcile()).toMatchObject({ missing: 1, removed: 0 });
    const offline = await app.launch();
    expect(await app.reconcile()).toMatchObject({ removed: 1 });
    await offline.revalidate();
    expect((await offline.list()).map(({ contentId }) => contentId)).toEqual([URIS[1]]);
    expect(Object.keys(await app.inventory())).toEqual(['2']);
    expect(await app.attempt(URIS[1])).toMatchObject(PLAYED);
  });

  test('one that was downloaded again replaces its old licence', async () => {
    const { app } = suite;
    app.query = '&byTitle';
    await app.reopenWindow();
    const [title, other] = ShakaApp.titles(2);
    const offline = await app.install([title, other]);
    await app.player()('deleteRecord', URIS[0]);
    const again = await app.download(title);
    expect(await app.reconcile()).toMatchObject({ added: 1, replaced: 1, missing: 0 });
    expect(await offline.revalidate()).toMatchObject({ proven: 1, released: 1, licenseRequests: 0 });
    expect(offline.verdict('title-1').playable).toBe('offline');
    expect(Object.keys(await app.inventory())).toEqual(['2', '3']);
    expect(await app.attempt(again)).toMatchObject(PLAYED);
  });
});
