'use strict';

const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp } = require('../helpers/installed-app.js');
const { KEY_IDS, recordOf } = require('../helpers/shaka-records.js');

const URI = 'offline:manifest/idb/v5/1';
const CONFIGURATION = { initDataTypes: [], audioCapabilities: [], videoCapabilities: [] };

describeBrowser('Adoption in Shaka\'s catalogue, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });
  const player = (method, ...args) => suite.app.player()(method, ...args);
  const session = (fields) => ({ lane: suite.app.lane, contentId: URI, sessionId: '7', previousSessionIds: [], keyIds: KEY_IDS, keyStatusWaitMs: 300, ...fields });

  /** @template T @param {string} phase @param {() => Promise<T>} work */
  async function inPhase(phase, work) {
    const { lane } = suite.app;
    const driver = suite.app.driver();
    await driver.startPhase(lane, phase, phase === 'adopt' ? null : CONFIGURATION);
    try {
      return await work(driver);
    } finally {
      await driver.endPhase(lane, phase);
    }
  }
  const adopt = (fields, newSessionId = '8') => inPhase('adopt', (driver) => driver.adopt(session(fields), newSessionId));

  test.each([
    ['replaces the old id, and only that', { sessionIds: ['6', '7'] }, 'adopted', ['6', '8']],
    ['has been done before', { sessionIds: ['8'] }, 'adopted', ['8']],
    ['finds neither id', { sessionIds: ['9'] }, 'catalogue-changed', ['9']],
    ['finds a download under way', { isIncomplete: true }, 'catalogue-changed', ['7']],
    ['finds content of other keys', { streams: [], drmInfo: { ...recordOf().drmInfo, keyIds: ['f'.repeat(32)] } }, 'catalogue-changed', ['7']],
    ['finds content of another key system', { drmInfo: { ...recordOf().drmInfo, keySystem: 'com.widevine.alpha' } }, 'catalogue-changed', ['7']],
  ])('%s', async (_name, fields, outcome, sessionIds) => {
    await player('addRecords', [recordOf(fields)]);
    const [before] = (await player('readDatabase')).records;
    expect(await adopt()).toBe(outcome);
    expect((await player('readDatabase')).records).toEqual([{ ...before, sessionIds }]);
  });

  test.each([
    ['an id that the session had before', ['5', '6'], ['6'], '8', ['5', '8']],
    ['the latest of those that it had', ['5', '6'], ['6', '5'], '8', ['5', '8']],
    ['its own id before the new one', ['8', '7'], [], '8', ['8', '8']],
  ])('replaces %s', async (_name, sessionIds, previousSessionIds, newSessionId, expected) => {
    await player('addRecords', [recordOf({ sessionIds })]);
    expect(await adopt({ previousSessionIds }, newSessionId)).toBe('adopted');
    expect((await player('readDatabase')).records).toEqual([expect.objectContaining({ sessionIds: expected })]);
  });

  test('goes by init data where it is known whose is whose: after a wipe sessions of a title may get each other\'s ids', async () => {
    await player('addRecords', [recordOf({ sessionIds: ['1', '2', '3'] })]);
    await suite.app.window.page.evaluate(async (creationTime) => {
      const { writeRecording } = await import('/js/shaka/recordings.mjs');
      await writeRecording(1, { creationTime, initDataType: 'cenc', initData: [1, 2, 3].map((n) => new Uint8Array([n])) });
    }, recordOf().creationTime);
    const initData = (n) => Buffer.from([n]).toString('base64');
    for (const [n, newSessionId] of [[1, '2'], [3, '1'], [2, '3']]) expect(await adopt({ sessionId: `${n}`, initData: initData(n) }, newSessionId)).toBe('adopted');
    expect(await adopt({ sessionId: '3', initData: initData(3) }, '1')).toBe('adopted');
    expect((await player('readDatabase')).records).toEqual([expect.objectContaining({ sessionIds: ['2', '3', '1'] })]);
    expect(await adopt({ sessionId: '3', initData: initData(1) }, '4')).toBe('catalogue-changed');
  });

  test('writes when the first of several licences ends', async () => {
    await player('addRecords', [recordOf({ sessionIds: ['6', '7'] })]);
    await suite.app.window.page.evaluate(async (judged, ends) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      const { EmeDriver } = await import('/js/renderer/index.mjs');
      EmeDriver.prototype.check = async ({ sessionId }) => ({ kind: 'loaded', keyStatuses: {}, expiration: ends[sessionId] });
      const driver = new ShakaDriver();
      for (const sessionId of ['6', '8']) await driver.check({ ...judged, sessionId });
      await driver.startPhase(judged.lane, 'adopt', null);
      await driver.adopt(judged, '8');
      await driver.endPhase(judged.lane);
    }, session(), { 6: 1_800_000_000_000, 8: 1_900_000_000_000 });
    expect((await player('readDatabase')).records).toEqual([expect.objectContaining({ sessionIds: ['6', '8'], expiration: '1800000000000' })]);
  });

  test('finds a lane\'s own contents, when another lane\'s phase was under way as it began', async () => {
    const widevine = { ...recordOf().drmInfo, keySystem: 'com.widevine.alpha' };
    await player('addRecords', [recordOf(), recordOf({ drmInfo: widevine, appMetadata: { title: 'Other' } })]);
    const outcomes = await suite.app.window.page.evaluate(async (judged) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      const driver = new ShakaDriver({ contentIdOf: ({ appMetadata }) => appMetadata.title });
      const lane = { ...judged.lane, keySystem: 'com.widevine.alpha' };
      await driver.startPhase(judged.lane, 'adopt', null);
      const starting = driver.startPhase(lane, 'adopt', null);
      const first = await driver.adopt({ ...judged, contentId: 'Film' }, '8');
      await driver.endPhase(judged.lane);
      await starting;
      const second = await driver.adopt({ ...judged, lane, contentId: 'Other' }, '8');
      await driver.endPhase(lane);
      return [first, second];
    }, session());
    expect(outcomes).toEqual(['adopted', 'adopted']);
  });

  test('finds the content gone', async () => {
    expect(await adopt()).toBe('content-gone');
    expect(await player('readDatabase')).toBeNull();
    await player('addRecords', [recordOf()]);
    expect(await adopt({ contentId: 'offline:manifest/idb/v5/2' })).toBe('content-gone');
  });

  test.each([['never', null, 'Infinity'], ['a moment', 1_900_000_000_000, '1900000000000']])('writes the new expiration, %s', async (_name, expiration, written) => {
    await player('addRecords', [recordOf({ expiration: 1_600_000_000_000 })]);
    await suite.app.window.page.evaluate(async (lane, keyIds, ends) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      const { EmeDriver } = await import('/js/renderer/index.mjs');
      // No ClearKey licence ends, so the CDM's answer is scripted.
      EmeDriver.prototype.check = async () => ({ kind: 'loaded', keyStatuses: {}, expiration: ends });
      const driver = new ShakaDriver();
      const judged = { lane, contentId: 'offline:manifest/idb/v5/1', keyIds };
      await driver.check({ ...judged, sessionId: '8' });
      await driver.startPhase(lane, 'adopt', null);
      await driver.adopt({ ...judged, sessionId: '7' }, '8');
      await driver.endPhase(lane);
    }, suite.app.lane, KEY_IDS, expiration);
    expect((await player('readDatabase')).records).toEqual([expect.objectContaining({ sessionIds: ['8'], expiration: written })]);
  });

  test('waits while the title is open in a player, in another window too', async () => {
    await player('addRecords', [recordOf()]);
    const other = await suite.app.openWindow();
    await other.page.evaluate(async (uri) => {
      const { holdOpen } = await import('/js/shaka/open-titles.mjs');
      globalThis.closeTitle = holdOpen(uri);
    }, URI);
    expect(await adopt()).toBe('open-in-player');
    await other.page.evaluate(() => globalThis.closeTitle());
    expect(await adopt()).toBe('adopted');
    await other.close();
  });

  test('goes by the app\'s own ids, among downloads that share one', async () => {
    await player('addRecords', [recordOf({ sessionIds: ['5'] }), recordOf(), recordOf({ appMetadata: { title: 'Another' } })]);
    const outcome = await suite.app.window.page.evaluate(async (judged) => {
      const { ShakaDriver } = await import('/js/shaka/index.mjs');
      const driver = new ShakaDriver({ contentIdOf: ({ appMetadata }) => appMetadata.title });
      await driver.startPhase(judged.lane, 'adopt', null);
      const adopted = await driver.adopt(judged, '8');
      await driver.endPhase(judged.lane);
      return adopted;
    }, session({ contentId: 'Film' }));
    expect(outcome).toBe('adopted');
    expect((await player('readDatabase')).records.map(({ sessionIds }) => sessionIds)).toEqual([['5'], ['8'], ['7']]);
  });

  test('takes the new id off Shaka\'s list of sessions to remove, which would cost the new licence', async () => {
    const entry = (sessionId, keySystem = 'org.w3.clearkey') => ({ sessionId, keySystem });
    await player('addRecords', [recordOf()], [entry('8'), entry('5'), entry('8', 'com.widevine.alpha')]);
    expect(await adopt()).toBe('adopted');
    expect((await player('readDatabase')).sessionIds).toEqual([entry('5'), entry('8', 'com.widevine.alpha')]);
  });

  test('so does a new session before its licence is asked for, since Shaka may remove what it lists meanwhile', async () => {
    const entry = (sessionId) => ({ sessionId, keySystem: 'org.w3.clearkey' });
    await player('addRecords', [recordOf()], [entry('1'), entry('5')]);
    const initData = Buffer.from(JSON.stringify({ kids: KEY_IDS.map((keyId) => Buffer.from(keyId, 'hex').toString('base64url')) })).toString('base64');
    let listed;
    const outcome = await inPhase('license', (driver) => driver.license(session({ initDataType: 'keyids', initData }), {
      requestId: 'r1',
      sessionCreated: async () => {},
      acquireLicense: async () => {
        listed = (await player('readDatabase')).sessionIds;
        throw { kind: 'unreachable' };
      },
      signal: new AbortController().signal,
    }));
    expect([outcome, listed]).toEqual([expect.objectContaining({ kind: 'unreachable' }), [entry('5')]]);
  });

  describe('release leaves alone', () => {
    test.each([
      ['what a stored content has', (sessionId) => [[recordOf({ sessionIds: [sessionId] })], []]],
      ['what a download under way has', (sessionId) => [[recordOf({ sessionIds: [sessionId], isIncomplete: true })], []]],
      ['what Shaka is going to remove', (sessionId) => [[], [{ sessionId, keySystem: 'org.w3.clearkey' }]]],
    ])('%s', async (_name, held) => {
      const uri = await suite.app.download({ contentId: 'title', folder: 'a' });
      const [{ sessionIds: [sessionId] }] = await suite.app.driver().inventory(suite.app.lane);
      await player('deleteRecord', uri);
      await player('addRecords', ...held(sessionId));
      expect(await inPhase('release', (driver) => driver.release(session({ sessionId }), {}))).toEqual({ kind: 'absent' });
      expect(Object.keys(await suite.app.inventory())).toEqual([sessionId]);
    });
  });

  test('release leaves alone what an older cell of the database has', async () => {
    await player('makeDatabase', { stores: ['manifest-v3', 'manifest-v5', 'segment-v5', 'session-ids'] });
    await player('deleteRecord', await suite.app.download({ contentId: 'title', folder: 'a' }));
    await suite.app.window.page.evaluate(() => new Promise((resolve) => {
      const opening = globalThis.indexedDB.open('shaka_offline_db');
      opening.onsuccess = () => {
        const transaction = opening.result.transaction('manifest-v3', 'readwrite');
        transaction.objectStore('manifest-v3').add({ sessionIds: ['1'], drmInfo: { keySystem: 'org.w3.clearkey' } });
        transaction.oncomplete = () => resolve(opening.result.close());
      };
    }));
    expect(await inPhase('release', (driver) => driver.release(session({ sessionId: '1' }), {}))).toEqual({ kind: 'absent' });
    expect(Object.keys(await suite.app.inventory())).toEqual(['1']);
  });

  test('a session that was restored is closed after use: opened again on the same MediaKeys, it is there', async () => {
    await suite.app.download({ contentId: 'title', folder: 'a' });
    const check = (driver) => driver.check(session({ sessionId: '1' }), {});
    const outcomes = await inPhase('check', async (driver) => [await check(driver), await check(driver)]);
    expect(outcomes).toEqual([expect.objectContaining({ kind: 'loaded' }), expect.objectContaining({ kind: 'loaded' })]);
  });

  test('release removes what nobody holds any more', async () => {
    await player('deleteRecord', await suite.app.download({ contentId: 'title', folder: 'a' }));
    expect(await suite.app.inventory()).toEqual({ 1: expect.any(Object) });
    expect(await inPhase('release', (driver) => driver.release(session({ sessionId: '1' }), {}))).toEqual({ kind: 'released' });
    expect(await suite.app.inventory()).toEqual({});
  });
});
