'use strict';

const path = require('node:path');
const { OfflineSessions } = require('../..');
const { InstalledApp } = require('../../testbed/installed-app.js');
const { writeInTwoWindows } = require('../../testbed/two-windows.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS, useInstalledApp } = require('../helpers/installed-app.js');

const TITLES = InstalledApp.titles(6);
const CONTENT_IDS = TITLES.map(({ contentId }) => contentId);
const DOWNLOADS = InstalledApp.titles(6, 'download');
const ALL = [...TITLES, ...DOWNLOADS].map(({ contentId }) => contentId);

describeBrowser('Two windows of Firefox that write licences at once', 'firefox', (found) => {
  const fixture = useInstalledApp(found);

  test('the addon and the app\'s own downloads take turns, and every licence is there after a restart', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    const { report, turns } = await writeInTwoWindows(app, { lost: CONTENT_IDS, downloads: DOWNLOADS });
    expect(report).toMatchObject({ lost: 6, licensed: 6, adopted: 6, licenseRequests: 6 });
    expect(turns).toBeGreaterThan(1);
    await app.restart();
    expect(await app.unloadable()).toEqual([]);
    expect(await app.leftovers()).toEqual([]);
    expect(await app.playAll(ALL)).toEqual([]);
  }, BROWSER_TIMEOUT_MS);

  test('two stores, each with a driver and a window of its own, take turns too', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    await app.loseLicences(CONTENT_IDS);
    app.updateElectron();
    const [one, two] = [await app.launch({ policy: { batchSize: 1 } }), await secondStore(app)];
    try {
      for (const { contentId } of TITLES.slice(3)) await one.removeContent(contentId);
      const before = app.requests().license;
      const reports = await Promise.all([one.revalidate(), two.revalidate()]);
      expect(reports).toMatchObject([{ lost: 3, licensed: 3, adopted: 3 }, { lost: 3, licensed: 3, adopted: 3 }]);
      expect(app.requests().license - before).toBe(6);
    } finally {
      await two.close();
    }
    await app.restart();
    expect(await app.unloadable()).toEqual([]);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
  }, BROWSER_TIMEOUT_MS);

  /** The last three titles are on record there, with a window of their own. @param {InstalledApp} app */
  async function secondStore(app) {
    const rows = (await app.offline.list()).filter(({ contentId }) => CONTENT_IDS.indexOf(contentId) >= 3);
    const store = await OfflineSessions.open({ directory: path.join(app.workspace, 'second'), platform: app.platform, policy: { batchSize: 1 } });
    await store.put(rows);
    store.useDriver(app.driver(await app.openWindow()));
    return store;
  }

  test('what a download without the lock has cost is found by the next check, and every title plays', async () => {
    const { app } = fixture;
    await app.install(TITLES);
    const lockless = DOWNLOADS.map((title) => ({ ...title, lockless: true }));
    await writeInTwoWindows(app, { lost: CONTENT_IDS, downloads: lockless });
    await app.restart();
    const lost = await app.unloadable();
    app.updateElectron();
    const offline = await app.launch();
    expect(await offline.revalidate()).toMatchObject({ checked: 12, proven: 12 - lost.length, lost: lost.length, licenseRequests: lost.length });
    expect(offline.unready()).toEqual([]);
    expect(await app.playAll(ALL)).toEqual([]);
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('A title that plays in Firefox', 'firefox', (found) => {
  const fixture = useInstalledApp(found, { shareBrowser: true });

  test('goes on playing while the others are licensed again, and is looked at when it has ended', async () => {
    const { app } = fixture;
    const [playing, ...others] = CONTENT_IDS;
    await app.install(TITLES);
    await app.loseLicences(others);
    app.updateElectron();
    const offline = await app.launch();
    const hold = offline.hold({ contentId: playing, lane: app.lane, kind: 'playing' });
    const player = app.player(await app.openWindow());
    await player('watch', { contentId: playing });
    const [before] = await offline.list({ contentId: playing });

    expect(await offline.revalidate()).toMatchObject({ checked: 5, proven: 0, lost: 5, licensed: 5, adopted: 5 });
    expect(await offline.list({ contentId: playing })).toEqual([before]);
    expect(offline.unready()).toMatchObject([{ contentId: playing, state: 'suspect' }]);
    expect(await app.playAll(others)).toEqual([]);
    // More than when it had only just begun.
    expect((await player('stop', playing)).currentTime).toBeGreaterThan(0.5);

    hold.release();
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1 });
    expect(offline.unready()).toEqual([]);
    expect(await app.playAll(CONTENT_IDS)).toEqual([]);
  }, BROWSER_TIMEOUT_MS);
});
