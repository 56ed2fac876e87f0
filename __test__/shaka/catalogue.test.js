'use strict';

const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp } = require('../helpers/installed-app.js');
const { KEY_IDS, COMMON, WIDEVINE, box, pssh, recordOf, base64 } = require('../helpers/shaka-records.js');

const URI = 'offline:manifest/idb/v5/1';
const LAYOUT = { name: 'OfflineSessionsError', code: 'ERR_SHAKA_LAYOUT' };
const INIT_DATA = Buffer.from(JSON.stringify({ kids: [Buffer.from(KEY_IDS[0], 'hex').toString('base64url')] })).toString('base64');
const NOTHING = Buffer.alloc(0);

describeBrowser('Shaka\'s catalogue, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });
  const player = (method, ...args) => suite.app.player()(method, ...args);
  const inventory = () => suite.app.driver().inventory(suite.app.lane);

  test('is empty where Shaka has no database, and none is made', async () => {
    expect(await inventory()).toEqual([]);
    expect(await player('readDatabase')).toBeNull();
  });

  describe('of another layout is refused, and not touched:', () => {
    test.each([
      ['an older version', { version: 4, stores: ['manifest-v3', 'segment-v3', 'session-ids'] }],
      ['a newer version', { version: 6, stores: ['manifest-v5', 'segment-v5', 'session-ids'] }],
      ['without the list of sessions', { version: 5, stores: ['manifest-v5', 'segment-v5'] }],
    ])('%s', async (_name, { version, stores }) => {
      await player('makeDatabase', { version, stores });
      await expect(inventory()).rejects.toMatchObject(LAYOUT);
      const driver = suite.app.driver();
      const session = { lane: suite.app.lane, contentId: URI, sessionId: '7', keyIds: KEY_IDS };
      await driver.startPhase(suite.app.lane, 'adopt', null);
      await expect(driver.adopt(session, '8')).rejects.toMatchObject(LAYOUT);
      await driver.endPhase(suite.app.lane, 'adopt');
      await driver.startPhase(suite.app.lane, 'release', { initDataTypes: [], audioCapabilities: [], videoCapabilities: [] });
      await expect(driver.release(session, {})).rejects.toMatchObject(LAYOUT);
      await driver.endPhase(suite.app.lane, 'release');
      await driver.startPhase(suite.app.lane, 'license', { initDataTypes: [], audioCapabilities: [], videoCapabilities: [] });
      const unpaid = jest.fn();
      const licensing = driver.license({ ...session, initDataType: 'keyids', initData: INIT_DATA }, { sessionCreated: unpaid, acquireLicense: unpaid, signal: new AbortController().signal });
      await expect(licensing).rejects.toMatchObject(LAYOUT);
      await driver.endPhase(suite.app.lane, 'license');
      expect(unpaid).not.toHaveBeenCalled();
      expect(await player('readDatabase')).toEqual({ version, stores, records: [], sessionIds: [] });
    });

    test.each([
      ['a record without sessions', { sessionIds: undefined }],
      ['a record with sessions that are no ids', { sessionIds: [7] }],
      ['a record without streams', { streams: null }],
      ['a record with a stream without segments', { streams: [{ type: 'video' }] }],
      ['a record without a key system', { drmInfo: {} }],
    ])('%s', async (_name, fields) => {
      await player('addRecords', [recordOf(), recordOf(fields)]);
      const before = await player('readDatabase');
      await expect(inventory()).rejects.toMatchObject(LAYOUT);
      expect(await player('readDatabase')).toEqual(before);
    });
  });

  test('has an entry for every stored content, without secrets but the query of its licence URL, which the core leaves out', async () => {
    await player('addRecords', [recordOf({ segments: base64(box('moov', pssh(COMMON, '01')), NOTHING) })]);
    expect(await inventory()).toEqual([{
      contentId: URI,
      sessionIds: ['7'],
      keyIds: KEY_IDS,
      expiration: null,
      licenseUrl: 'https://license.example.com/clearkey?tenant=1',
      capabilities: {
        audio: [{ contentType: 'audio/mp4; codecs="mp4a.40.2"', robustness: null, encryptionScheme: 'cenc' }],
        video: [{ contentType: 'video/mp4; codecs="avc1.42c00c"', robustness: 'SW_SECURE_CRYPTO', encryptionScheme: 'cenc' }],
      },
      initDataType: 'cenc',
      initData: new Uint8Array(pssh(COMMON, '01')),
      metadata: { offlineUri: URI, originalManifestUri: 'https://cdn.example.com/film/m.mpd', appMetadata: { title: 'Film' } },
    }]);
    const offline = await suite.app.launch();
    expect(await suite.app.reconcile()).toMatchObject({ added: 1, notRenewable: [] });
    expect((await offline.list())[0]).toMatchObject({ contentId: URI, licenseUrl: 'https://license.example.com/clearkey', keyIds: KEY_IDS });
  });

  test.each([
    ['a licence that ends', { expiration: 1_800_000_000_000 }, { expiration: 1_800_000_000_000 }],
    ['a licence URL that is not one', { drmInfo: { keySystem: 'org.w3.clearkey', licenseServerUri: 'data:,x' } }, { licenseUrl: null }],
    ['no licence URL', { drmInfo: { keySystem: 'org.w3.clearkey', licenseServerUri: '' } }, { licenseUrl: null }],
    ['a licence URL that is too long with its query', { drmInfo: { keySystem: 'org.w3.clearkey', licenseServerUri: `https://license.example.com/x?token=${'t'.repeat(1100)}` } }, { licenseUrl: 'https://license.example.com/x' }],
    ['a licence URL of the page\'s origin', { drmInfo: { keySystem: 'org.w3.clearkey', licenseServerUri: '/license' } }, { licenseUrl: expect.stringMatching(/^http:\/\/[^/]+\/license$/) }],
    ['key ids that were JSON once', { drmInfo: { ...recordOf().drmInfo, keyIds: {} } }, { keyIds: KEY_IDS }],
    ['metadata that JSON cannot write', { appMetadata: { title: 'x'.repeat(20_000) } }, { metadata: expect.objectContaining({ appMetadata: null }) }],
    ['a download under way', { isIncomplete: true, sessionIds: ['7', ''] }, { contentId: URI, sessionIds: ['7'], incomplete: true }],
  ])('says of %s what is known', async (_name, fields, entry) => {
    await player('addRecords', [recordOf(fields)]);
    expect(await inventory()).toEqual([expect.objectContaining(entry)]);
  });

  test('leaves out what has no licence, and what is of another key system', async () => {
    const other = { ...recordOf().drmInfo, keySystem: 'com.widevine.alpha' };
    await player('addRecords', [recordOf({ sessionIds: [] }), recordOf({ drmInfo: null, sessionIds: [] }), recordOf({ drmInfo: other })]);
    expect(await inventory()).toEqual([]);
  });

  test('goes by the app\'s own ids where the app has some', async () => {
    await player('addRecords', [recordOf(), recordOf({ appMetadata: {} })]);
    const entries = await suite.app.window.page.evaluate(async (lane) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      return new ShakaDriver({ contentIdOf: ({ appMetadata }) => appMetadata.title }).inventory(lane);
    }, suite.app.lane);
    expect(entries.map(({ contentId }) => contentId)).toEqual(['Film', 'offline:manifest/idb/v5/2']);
  });

  describe('takes init data from', () => {
    const boxes = [1, 2, 3].map((n) => pssh(COMMON, `0${n}`));
    const others = [pssh(WIDEVINE, '01'), pssh(WIDEVINE, '02')];

    test.each([
      ['the init segments, each box once', [box('moov', boxes[0], others[0], boxes[0]), box('moof', boxes[1])], [boxes[0]]],
      ['media segments, where keys rotate', [box('ftyp'), box('moof', boxes[0], others[0]), box('moof', boxes[1]), box('moof', boxes[1], boxes[2])], boxes],
    ])('%s', async (_name, segments, expected) => {
      await player('addRecords', [recordOf({ segments: base64(...segments) })]);
      const [{ initData }] = await inventory();
      expect(Buffer.from(initData)).toEqual(Buffer.concat(expected));
    });

    test('nowhere, and then says so: it cannot be licensed again', async () => {
      await player('addRecords', [recordOf({ segments: base64(box('moov', others[0]), box('moof', others[1])) })]);
      const [entry] = await inventory();
      expect(entry).toMatchObject({ initData: null, metadata: { notRenewable: expect.stringContaining('no init data') } });
      await suite.app.launch();
      expect(await suite.app.reconcile()).toMatchObject({ added: 1, notRenewable: [URI] });
    });

    test('what an earlier search has found, while the record is the same, whichever lanes are asked for between', async () => {
      const widevine = { ...recordOf().drmInfo, keySystem: 'com.widevine.alpha' };
      await player('addRecords', [{}, { drmInfo: widevine }].map((fields) => recordOf({ ...fields, segments: base64(box('moov', boxes[0]), NOTHING) })));
      const ofWidevine = () => suite.app.driver().inventory({ ...suite.app.lane, keySystem: 'com.widevine.alpha' });
      const before = [await inventory(), await ofWidevine()];
      await suite.app.window.page.evaluate(() => new Promise((resolve) => {
        const opening = globalThis.indexedDB.open('shaka_offline_db');
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('segment-v5', 'readwrite');
          transaction.objectStore('segment-v5').clear();
          transaction.oncomplete = () => resolve(opening.result.close());
        };
      }));
      expect([await inventory(), await ofWidevine()]).toEqual(before);
      expect(before.map(([{ initData }]) => initData.length)).toEqual([boxes[0].length, boxes[0].length]);
    });

    test('no segment more, when it is no longer wanted', async () => {
      await player('addRecords', [recordOf({ segments: base64(box('moov', boxes[0]), NOTHING) })]);
      const outcome = suite.app.window.page.evaluate(async (lane) => {
        const { ShakaDriver } = await import('/js/shaka/index.mjs');
        return new ShakaDriver().inventory(lane, { signal: AbortSignal.abort() });
      }, suite.app.lane);
      await expect(outcome).rejects.toThrow('abort');
      expect(await inventory()).toMatchObject([{ initDataType: 'cenc' }]);
    });

    test.each([
      ['elsewhere', 'https://license.example.com/film/1', 'https://license.example.com/film/1'],
      ['where the content says', 'https://license.example.com/clearkey', 'https://license.example.com/clearkey?tenant=1'],
    ])('its recording, which says that the licence was asked for %s', async (_name, recorded, expected) => {
      await player('addRecords', [recordOf()]);
      await suite.app.window.page.evaluate(async (creationTime, licenseUrl) => {
        const { writeRecording } = await import('/js/shaka/recordings.mjs');
        await writeRecording(1, { creationTime, initDataType: 'cenc', initData: [new Uint8Array([1])], licenseUrl });
      }, recordOf().creationTime, recorded);
      expect(await inventory()).toMatchObject([{ licenseUrl: expected, initData: new Uint8Array([1]) }]);
    });

    test('what was recorded while its segments were searched, not what they hold', async () => {
      const kept = await suite.app.window.page.evaluate(async () => {
        const { addRecording, writeRecording } = await import('/js/shaka/recordings.mjs');
        const recording = (creationTime, n) => ({ creationTime, initDataType: 'cenc', initData: [new Uint8Array([n])] });
        await writeRecording(1, recording(7, 1));
        const outcomes = [await addRecording(1, recording(7, 2)), await addRecording(1, recording(8, 3)), await addRecording(2, recording(7, 4))];
        return outcomes.map(({ initData }) => initData[0][0]);
      });
      expect(kept).toEqual([1, 3, 4]);
    });

    test('what was recorded of a download that has ended since the records were read', async () => {
      const [kept, forgotten] = await suite.app.window.page.evaluate(async () => {
        const { readRecordings, writeRecording } = await import('/js/shaka/recordings.mjs');
        const recording = { creationTime: 1, initDataType: 'cenc', initData: [] };
        for (const key of [1, 3]) await writeRecording(key, recording);
        await readRecordings(new Map([[2, 1]]));
        const left = await readRecordings(new Map([[1, 1], [3, 1]]));
        return [left.has(3), !left.has(1)];
      });
      expect([kept, forgotten]).toEqual([true, true]);
    });
  });

  test('is never kept from being deleted or upgraded', async () => {
    await player('addRecords', Array.from({ length: 50 }, () => recordOf({ segments: base64(box('moov', pssh(COMMON, '01')), NOTHING) })));
    const [reading, deleting] = await suite.app.window.page.evaluate(async (lane) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      const inventory = new ShakaDriver().inventory(lane).then(() => 'read', (error) => `failed: ${error.name}`);
      const deletion = new Promise((resolve) => {
        const request = globalThis.indexedDB.deleteDatabase('shaka_offline_db');
        request.onsuccess = () => resolve('deleted');
        request.onblocked = () => resolve('blocked');
      });
      return Promise.all([inventory, deletion]);
    }, suite.app.lane);
    expect([reading, deleting]).toEqual([expect.stringMatching(/^read$|^failed/), 'deleted']);
  });
});
