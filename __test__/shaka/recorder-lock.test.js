'use strict';

const { installFakeEme } = require('../helpers/fake-eme.js');

const [SEGMENT, LICENSE] = [1, 2];

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
    getNetworkingEngine: () => networking,
    store(...args) {
      const download = { args, aborted: false };
      download.promise = new Promise((resolve, reject) => Object.assign(download, { resolve, reject }));
      storage.downloads.push(download);
      return { promise: download.promise, abort: async () => { download.aborted = true; download.reject(new Error('aborted')); } };
    },
    ask: (type) => Promise.all([...filters.request].map((filter) => filter(type, { licenseRequestType: 'license-request', sessionId: '1' }))),
    answer: (type) => [...filters.response].forEach((filter) => filter(type)),
  };
  return storage;
}

describe('recordShaka of a storage', () => {
  let eme, storage, shakasStore, holds, recorder;
  const settle = () => jest.advanceTimersByTimeAsync(0);

  beforeEach(async () => {
    jest.useFakeTimers();
    eme = installFakeEme({});
    storage = fakeStorage();
    shakasStore = storage.store;
    holds = 0;
    const { recordShaka } = await import('../../js/shaka/index.mjs');
    recorder = recordShaka(storage, { hold: async ({ kind }) => {
      holds += kind === 'downloading' ? 1 : NaN;
      return () => { holds -= 1; };
    } });
  });

  afterEach(() => {
    recorder.stop();
    expect([storage.store, storage.filters.request.size, storage.filters.response.size]).toEqual([shakasStore, 0, 0]);
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

  test('begins no download that is aborted while it waits for the lock', async () => {
    const operation = storage.store('a');
    const failed = expect(operation.promise).rejects.toThrow();
    await operation.abort();
    await failed;
    expect(storage.downloads).toEqual([]);
  });
});
