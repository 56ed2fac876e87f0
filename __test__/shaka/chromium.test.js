'use strict';

const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp } = require('../helpers/installed-app.js');
const { COMMON, box, pssh, recordOf, base64 } = require('../helpers/shaka-records.js');

const URI = 'offline:manifest/idb/v5/1';

describeBrowser('Where persistent licences are unsupported, in Chromium', 'chromium', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });
  const player = (method, ...args) => suite.app.player()(method, ...args);

  test('that is found before any request is made, and nothing is touched', async () => {
    const { app } = suite;
    const drmInfo = { ...recordOf().drmInfo, videoRobustness: '' };
    await player('addRecords', [recordOf({ drmInfo, segments: base64(box('moov', pssh(COMMON, '01')), Buffer.alloc(0)) })]);
    const before = await player('readDatabase');
    const offline = await app.launch();
    expect(await app.reconcile()).toMatchObject({ added: 1 });
    expect(await offline.revalidate()).toMatchObject({ unsupported: 1, checked: 0, licenseRequests: 0 });
    expect(offline.verdict(URI)).toMatchObject({ state: 'unsupported', playable: 'online', action: 'connect' });
    expect(app.requests()).toEqual({ media: 0, license: 0 });
    expect(await player('readDatabase')).toEqual(before);
  });

  test.each(['a', 'b'])('content %s that is stored without a persistent licence plays with temporary ones', async (folder) => {
    const { app } = suite;
    const uri = await app.download({ contentId: 'title', folder }, { persistent: false });
    expect(await app.driver().inventory(app.lane)).toEqual([]);
    const { media } = app.requests();
    expect(await app.attempt(uri)).toMatchObject({ end: 'played' });
    expect(app.requests().media).toBe(media);
    expect(app.licenseServer.calls.map(({ type }) => type)).toEqual(['temporary']);
  });

  test.each(['shaka-player', 'shaka-player-4.14', 'shaka-player-4.7'])('content that was stored with a persistent licence plays with a temporary one, too, if %s is told', async (shaka) => {
    const { app } = suite;
    app.shaka = shaka;
    await app.reopenWindow();
    const uri = await app.download({ contentId: 'title', folder: 'b' }, { persistent: false });
    await player('hadPersistentLicense', uri);
    // Before 5.x a download without a persistent licence asks for a temporary one.
    const { license } = app.requests();
    const request = { uri, licenseUrl: app.licenseUrl };
    const end = await player('play', request);
    expect(end).toMatchObject({ end: 'error', code: 6001 });
    expect(await app.window.page.evaluate(async (error) => (await import('/js/shaka/index.mjs')).explainShakaError(error), end)).toMatchObject({ reason: 'unsupported', action: 'connect' });
    expect(app.requests().license).toBe(license);

    const offline = await app.launch();
    await app.reconcile();
    await offline.revalidate();
    const known = { verdict: offline.verdict(uri), sessions: (await offline.find({ contentId: uri })).map((one) => ({ ...one, initData: '' })) };
    expect(await player('watchRecorded', { ...request, known, temporary: true })).toMatchObject({ end: 'played' });
    expect(app.licenseServer.calls.slice(license).map(({ type }) => type)).toEqual(['temporary']);
    await player('stop', uri);
  });
});
