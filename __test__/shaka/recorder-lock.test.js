'use strict';

const { installFakeEme } = require('../helpers/fake-eme.js');

const KEY_ID = '00112233445566778899aabbccddee01';
const [MANIFEST, SEGMENT, LICENSE] = [0, 1, 2];

/** A shaka.offline.Storage whose downloads the test brings to their ends. */
function fakeStorage() {
  const filters = { request: new Set(), response: new Set() };
  const networking = {
    registerRequestFilter: (filter) => filters.request.add(filter),
    registerResponseFilter: (filter) => filters.response.add(filter),
    unregisterRequestFilter: (filter) => filters.request.delete(filter),
    unregisterResponseFilter: (filter) => filters.response.delete(filter),
  };
  const storage = {
    filters,
    downloads: [],
    removals: [],
    getNetworkingEngine: () => networking,
    store(...args) {
      const download = { args, aborted: false };
      download.promise = new Promise((resolve, reject) => Object.assign(download, { resolve, reject }));
      storage.downloads.push(download);
      return { promise: download.promise, abort: async () => { download.aborted = true; download.reject(new Error('aborted')); } };
    },
    remove: (...args) => new Promise((resolve) => { storage.removals.push({ args, resolve }); }),
    removeEmeSessions: (...args) => new Promise((resolve) => { storage.removals.push({ args, resolve }); }),
    ask: (type, fields) => Promise.all([...filters.request].map((filter) => filter(type, { licenseRequestType: 'license-request', sessionId: '1', ...fields }))),
    answer: (type) => [...filters.response].forEach((filter) => filter(type)),
  };
  return storage;
}

describe('recordShaka of a storage', () => {
  let eme, storage, shakas, holds, recorder;
  const methods = () => [storage.store, storage.remove, storage.removeEmeSessions];
  const settle = () => jest.advanceTimersByTimeAsync(0);

  beforeEach(async () => {
    jest.useFakeTimers();
    eme = installFakeEme({});
    storage = fakeStorage();
    shakas = methods();
    holds = 0;
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    recorder = recordShaka(storage, { hold: async ({ kind }) => {
      holds += kind === 'downloading' ? 1 : NaN;
      return () => { holds -= 1; };
    } });
  });

  afterEach(() => {
    recorder.stop();
    expect([...methods(), storage.filters.request.size, storage.filters.response.size]).toEqual([...shakas, 0, 0]);
    expect({ held: eme.held, holds, timers: jest.getTimerCount() }).toEqual({ held: 0, holds: 0, timers: 0 });
    jest.useRealTimers();
  });

  test('holds the lock until five quiet seconds after the last licence, not for all of the download', async () => {
    const { promise } = storage.store('m.mpd', { title: 'Film' });
    await settle();
    expect(storage.downloads[0].args).toEqual(['m.mpd', { title: 'Film' }]);
    await jest.advanceTimersByTimeAsync(4_000);
    await storage.ask(LICENSE);
    await jest.advanceTimersByTimeAsync(4_000);
    storage.answer(LICENSE);
    await jest.advanceTimersByTimeAsync(4_999);
    expect([eme.held, holds]).toEqual([1, 1]);
    await jest.advanceTimersByTimeAsync(1);
    expect([eme.held, holds]).toEqual([0, 0]);

    await storage.ask(SEGMENT);
    storage.answer(SEGMENT);
    expect(eme.held).toBe(0);
    await storage.ask(LICENSE);
    expect([eme.held, holds]).toEqual([1, 1]);
    storage.downloads[0].resolve({ offlineUri: 'of another storage' });
    expect(await promise).toEqual({ offlineUri: 'of another storage' });
    await jest.advanceTimersByTimeAsync(5_000);
  });

  test('holds the lock while manifests come', async () => {
    storage.store('m.mpd').promise.catch(() => {});
    await settle();
    for (const hear of [storage.ask, storage.answer, storage.ask]) {
      await jest.advanceTimersByTimeAsync(4_000);
      await hear(MANIFEST);
    }
    await jest.advanceTimersByTimeAsync(4_999);
    expect(eme.held).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(eme.held).toBe(0);
  });

  test('waits for the lock once for licences that are asked for at once', async () => {
    await Promise.all([storage.ask(LICENSE), storage.ask(LICENSE)]);
    expect([eme.held, holds]).toEqual([1, 1]);
    await jest.advanceTimersByTimeAsync(5_000);
  });

  test('waits for the lock again when Shaka asks again', async () => {
    const request = { licenseRequestType: 'license-request', sessionId: '1' };
    for (let attempt = 0; attempt < 2; attempt++) {
      for (const filter of storage.filters.request) await filter(LICENSE, request);
      expect(eme.held).toBe(1);
      await jest.advanceTimersByTimeAsync(5_000);
      expect(eme.held).toBe(0);
    }
  });

  test('leaves the lock alone for temporary licences, and for what the driver asks for in a phase of its own', async () => {
    const { requestLicense } = await import('../../js/shaka/networking.mjs');
    await storage.ask(LICENSE, { drmInfo: { sessionType: 'temporary' } });
    expect(eme.held).toBe(0);
    const networking = {
      request: (type, request) => ({ promise: Promise.all([...storage.filters.request].map((filter) => filter(type, request))).then(() => ({ data: new Uint8Array([1]) })) }),
    };
    const shaka = { getNetworkingEngine: () => networking, getConfiguration: () => ({ drm: { servers: { 'org.w3.clearkey': 'https://license.example.com' } } }) };
    const message = { messageType: 'license-request', message: new Uint8Array([1]) };
    await requestLicense(shaka, message, { drmInfo: { keySystem: 'org.w3.clearkey' }, sessionId: '2' }, new AbortController().signal);
    expect(eme.held).toBe(0);
  });

  test('takes a hold as a page has it from the bridge, too', async () => {
    recorder.stop();
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    recorder = recordShaka(storage, { hold: async () => {
      holds += 1;
      return { release() { holds -= 1; } };
    } });
    const { promise } = storage.store('a');
    await settle();
    expect(holds).toBe(1);
    storage.downloads[0].resolve({ offlineUri: '' });
    await promise;
    expect(holds).toBe(0);
  });

  test('lets go of the lock when there can be no hold', async () => {
    recorder.stop();
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    recorder = recordShaka(storage, { hold() { throw new Error('no window'); } });
    await expect(storage.store('a').promise).rejects.toThrow('no window');
    expect([eme.held, storage.downloads]).toEqual([0, []]);
  });

  test('lets go at once when the download ends, well or not', async () => {
    const first = storage.store('a');
    await settle();
    storage.downloads[0].resolve({ offlineUri: '' });
    await first.promise;
    expect([eme.held, holds]).toEqual([0, 0]);
    expect(await new Promise((resolve) => { first.finally(resolve); })).toBe(true);
    const second = storage.store('b');
    await settle();
    const failed = expect(second.promise).rejects.toThrow('no space');
    storage.downloads[1].reject(new Error('no space'));
    await failed;
    expect(await new Promise((resolve) => { second.finally(resolve); })).toBe(false);
  });

  test('passes an abort on', async () => {
    const operation = storage.store('a');
    await settle();
    const failed = expect(operation.promise).rejects.toThrow('aborted');
    await operation.abort();
    await failed;
    expect(storage.downloads[0].aborted).toBe(true);
  });

  test.each(['remove', 'removeEmeSessions'])('has %s remove licences under the lock', async (method) => {
    const removed = storage[method]('offline:manifest/idb/v5/1');
    expect(storage.removals).toEqual([]);
    await settle();
    expect(storage.removals).toMatchObject([{ args: ['offline:manifest/idb/v5/1'] }]);
    expect([eme.held, holds]).toEqual([1, 1]);
    storage.removals[0].resolve(true);
    expect(await removed).toBe(true);
    expect([eme.held, holds]).toEqual([0, 0]);
  });

  test('lets go of the lock five quiet seconds after a removal that never ends, as in Firefox', async () => {
    let ended = false;
    storage.remove('offline:manifest/idb/v5/1').finally(() => { ended = true; });
    await settle();
    await jest.advanceTimersByTimeAsync(4_000);
    await storage.ask(LICENSE, { licenseRequestType: 'license-release' });
    await jest.advanceTimersByTimeAsync(4_999);
    expect([eme.held, holds]).toEqual([1, 1]);
    await jest.advanceTimersByTimeAsync(1);
    expect({ held: eme.held, holds, ended }).toEqual({ held: 0, holds: 0, ended: false });
  });

  test('begins no download that is aborted while it waits for the lock', async () => {
    const operation = storage.store('a');
    const failed = expect(operation.promise).rejects.toThrow();
    await operation.abort();
    await failed;
    expect(storage.downloads).toEqual([]);
  });
});

describe('recordShaka of a player', () => {
  let eme, player, sessions, record, ask;

  beforeEach(async () => {
    eme = installFakeEme({});
    const networking = { registerRequestFilter: (filter) => { ask = filter; }, unregisterRequestFilter() {} };
    sessions = [];
    player = Object.assign(new EventTarget(), {
      uri: 'offline:manifest/idb/v5/1',
      getNetworkingEngine: () => networking,
      getAssetUri: () => player.uri,
      getActiveSessionsMetadata: () => sessions,
      getKeyStatuses: () => ({ [KEY_ID]: 'usable' }),
      getExpiration: () => Infinity,
    });
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    record = (options) => recordShaka(player, options);
  });

  test.each([
    ['throws', () => { throw new Error('no window'); }],
    ['rejects', async () => { throw new Error('no window'); }],
  ])('lets a title go, that was open already, whose hold %s', async (_name, hold) => {
    const recorder = record({ hold });
    expect(eme.held).toBe(1);
    player.dispatchEvent(new Event('manifestparsed'));
    expect(eme.held).toBe(1);
    player.dispatchEvent(new Event('unloading'));
    await new Promise(setImmediate);
    expect(eme.held).toBe(0);
    recorder.stop();
  });

  test('writes licences that stay under the lock, and no others', async () => {
    jest.useFakeTimers();
    player.uri = null;
    const recorder = record();
    sessions = [{ sessionId: '1' }, { sessionId: '2' }];
    const request = (fields) => ({ uris: ['https://license.example.com'], sessionId: '1', drmInfo: { sessionType: 'persistent-license' }, ...fields });
    await ask(SEGMENT, request());
    await ask(LICENSE, request({ drmInfo: { sessionType: 'temporary' } }));
    await ask(LICENSE, request({ sessionId: 'of a storage' }));
    expect(eme.held).toBe(0);
    await Promise.all([ask(LICENSE, request()), ask(LICENSE, request({ sessionId: '2' }))]);
    await jest.advanceTimersByTimeAsync(4_999);
    expect(eme.held).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect([eme.held, jest.getTimerCount()]).toEqual([0, 0]);
    recorder.stop();
    jest.useRealTimers();
  });

  test.each(['player', 'storage'])('waits for the lock once where a storage that shares the networking is recorded, too, the %s first', async (first) => {
    jest.useFakeTimers();
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    player.uri = null;
    sessions = [{ sessionId: '1' }];
    const storage = fakeStorage();
    const recorders = [record(), recordShaka(storage)];
    const filters = [ask, ...storage.filters.request];
    const request = { uris: ['https://license.example.com'], sessionId: '1', drmInfo: { sessionType: 'persistent-license' } };
    for (const filter of first === 'player' ? filters : filters.reverse()) await filter(LICENSE, request);
    expect(eme.held).toBe(1);
    await jest.advanceTimersByTimeAsync(5_000);
    expect([eme.held, jest.getTimerCount()]).toEqual([0, 0]);
    for (const recorder of recorders) recorder.stop();
    jest.useRealTimers();
  });

  test('says what keys a session has only where it is the only one', () => {
    const told = [];
    const recorder = record({ onSessions: (some) => told.push(...some) });
    player.uri = 'https://cdn.example.com/m.mpd';
    const persistent = { sessionType: 'persistent-license', sessionId: '1', initDataType: 'cenc', initData: new Uint8Array([1]) };
    sessions = [persistent, { sessionType: 'temporary', sessionId: '2', initDataType: 'cenc', initData: new Uint8Array([2]) }];
    player.dispatchEvent(new Event('keystatuschanged'));
    sessions = [persistent];
    player.dispatchEvent(new Event('keystatuschanged'));
    const session = { contentId: player.uri, sessionId: '1', initDataType: 'cenc', initData: new Uint8Array([1]), expiration: null };
    expect(told).toEqual([session, { ...session, proven: { keyStatuses: { [KEY_ID]: 'usable' } } }]);
    recorder.stop();
  });
});
