'use strict';

const { once } = require('node:events');
const { deleteRecord, rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useExampleApp } = require('../helpers/example-in-browser.js');
const { BROWSER_TIMEOUT_MS } = require('../helpers/installed-app.js');

const [FIRST, SECOND] = ['offline:manifest/idb/v5/1', 'offline:manifest/idb/v5/2'];

describeBrowser('The example app, in Firefox', 'firefox', (found) => {
  const suite = useExampleApp(found);

  test('downloads titles with Shaka Player; an update costs their licences, and they play again without a network', async () => {
    const { app } = suite;
    await app.download('Alpha', 'a');
    await app.download('Beta', 'b');
    expect(await app.rows()).toEqual([['Alpha', 'ready'], ['Beta', 'ready']]);
    const asked = app.licenseServer.calls.map(({ type, headers }) => [type, headers.authorization]);
    expect(asked).toEqual(Array(2).fill(['persistent-license', 'Bearer of-the-viewer']));
    await app.quit(rewriteSalts);

    await app.open(1);
    expect(app.offline.launch.changes).toContainEqual(expect.objectContaining({ component: 'electron', to: '42.11.0+wvcus' }));
    await app.play(0);
    await app.offline.revalidate();
    expect(new Set(app.licenseServer.calls.slice(2).map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
    expect(app.licenseServer.requests).toBe(4);
    await app.quit();

    await app.licenseServer.close();
    const { requests } = app.mediaServer;
    await app.open(1);
    for (const row of [0, 1]) await app.play(row);
    expect(await app.rows()).toEqual([['Alpha', 'ready'], ['Beta', 'ready']]);
    expect([app.licenseServer.requests, app.mediaServer.requests]).toEqual([4, requests]);
  }, BROWSER_TIMEOUT_MS);

  test.each([
    ['gone', (app) => app.loseLicence('1')],
    // Shaka then waits for ever, and says nothing.
    ['hollow', (app) => deleteRecord(app.profile, '1')],
  ])('reports a licence that is %s when it plays, and plays the title with the one that takes its place', async (_what, lose) => {
    const { app } = suite;
    await app.download('Alpha', 'a');
    await lose(app);
    await app.click('Play', 0);
    expect(await app.said(/^It does not play/)).toBe('It does not play. It is being made ready.');
    await app.said(/ready now/);
    await app.play(0);
    expect(app.licenseServer.requests).toBe(2);
  }, BROWSER_TIMEOUT_MS);

  test('holds a title for as long as it is open', async () => {
    const { app } = suite;
    await app.download('Alpha', 'a');
    await app.download('Beta', 'b');
    await app.click('Play', 0);
    await app.playing();
    expect(await app.locks()).toEqual([`electron-offline-sessions:open:${FIRST}`]);
    await app.offline.reportPlayback(FIRST, { error: 'stall' });
    expect(await app.offline.revalidate()).toMatchObject({ checked: 0, deferred: 1 });
    const ready = once(app.offline, 'content-ready');
    await app.click('Play', 1);
    expect(await ready).toEqual([expect.objectContaining({ contentId: FIRST })]);
    await app.playing();
    await app.said(/^$/);
    const open = `electron-offline-sessions:open:${SECOND}`;
    await app.page.waitForFunction(async (name) => (await navigator.locks.query()).held.every((lock) => lock.name === name), {}, open);
    await app.toItsEnd();
    await app.page.waitForFunction(async () => (await navigator.locks.query()).held.length === 0);
  }, BROWSER_TIMEOUT_MS);

  test('a title that is removed is forgotten', async () => {
    const { app } = suite;
    await app.download('Alpha', 'a');
    await app.download('Beta', 'b');
    await app.click('Remove', 0);
    // Shaka's own call never settles in Firefox.
    await app.page.waitForFunction(async () => (await new globalThis.shaka.offline.Storage().list()).length === 1);
    await app.page.reload();
    await app.page.waitForSelector('li');
    expect(await app.rows()).toEqual([['Beta', 'ready']]);
    expect((await app.offline.list()).map(({ contentId }) => contentId)).toEqual([SECOND]);
  }, BROWSER_TIMEOUT_MS);

  test('says why a title whose licence is refused, or not to be had, is not downloaded', async () => {
    const { app } = suite;
    for (const [status, why] of [[401, 'Sign in to play it.'], [500, 'Connect to the internet once, and it plays offline again.']]) {
      app.licenseServer.behave({ status });
      await app.download('Alpha', 'a', /^It could not/);
      expect(await app.status()).toBe(`It could not be downloaded. ${why}`);
      expect(await app.rows()).toEqual([]);
      expect(await app.locks()).toEqual([]);
    }
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('The example app, in Chromium, which keeps no licences', 'chromium', (found) => {
  const suite = useExampleApp(found);

  test('stores a title without one, and plays it with a temporary one', async () => {
    const { app } = suite;
    await app.download('<b>Alpha</b>', 'b');
    expect(await app.rows()).toEqual([['<b>Alpha</b>', 'plays online']]);
    const { requests } = app.mediaServer;
    await app.play(0);
    expect(app.licenseServer.calls.map(({ type, headers }) => [type, headers.authorization])).toEqual([['temporary', 'Bearer of-the-viewer']]);
    expect(app.mediaServer.requests).toBe(requests);
  }, BROWSER_TIMEOUT_MS);

  test('says so when there is no network to play it with', async () => {
    const { app } = suite;
    await app.download('Alpha', 'b');
    await app.licenseServer.close();
    await app.click('Play', 0);
    expect(await app.said(/^It does not play/)).toBe('It does not play. Connect to the internet once, and it plays offline again.');
  }, BROWSER_TIMEOUT_MS);

  test('shows how far a repair is, until it is done', async () => {
    const { app } = suite;
    const bar = () => app.page.$eval('#progress', ({ hidden, value, max }) => ({ hidden, value, max }));
    app.offline.emit('progress', { done: 3, total: 12 });
    await app.page.waitForSelector('#progress:not([hidden])');
    expect(await bar()).toEqual({ hidden: false, value: 3, max: 12 });
    app.offline.emit('progress', { done: 12, total: 12 });
    await app.page.waitForSelector('#progress[hidden]');
  });
});
