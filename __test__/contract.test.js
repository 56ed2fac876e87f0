'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { OfflineSessions, OfflineSessionsError } = require('..');
const { hexToBase64url } = require('../testbed/clearkey.js');
const { holdOpen, workAndReturn } = require('./helpers/child.js');
const { refusesBadInput } = require('./helpers/bad-input.js');
const { failure } = require('./helpers/failure.js');
const { asOrdinaryUser } = require('./helpers/ordinary-user.js');
const { makeDirectory, removeDirectory, psshOf, input, proven, LANE, CDM_VERSION, PLATFORM, KEY_IDS_A, KEY_IDS_B } = require('./helpers/store.js');

const VERDICT_OF_UNKNOWN = {
  contentId: 'x', playable: 'online', state: 'unknown', reason: 'unknown', action: 'connect', retryAt: null, sessions: [],
};

describe('a store', () => {
  let root;
  let directory;
  let offline;
  const open = (options) => OfflineSessions.open({ directory, platform: PLATFORM, ...options });
  beforeEach(async () => {
    root = makeDirectory();
    directory = path.join(root, 'app', 'licences');
    offline = await open();
  });
  afterEach(async () => {
    await offline.close();
    removeDirectory(root);
  });

  describe('a launch', () => {
    test('is reported, and compared with the one before', async () => {
      expect(offline.launch).toEqual({ launchId: 1, firstRun: true, changes: [], expected: null, suspects: 0, unfinished: 0, recovered: null });
      await offline.close();
      offline = await open({ platform: { ...PLATFORM, electron: '30.0.0', cdms: [{ ...PLATFORM.cdms[0], version: '4.10.2.0' }] } });
      expect(offline.launch).toEqual({
        launchId: 2,
        firstRun: false,
        suspects: 0,
        unfinished: 0,
        expected: null,
        recovered: null,
        changes: [
          { component: 'electron', from: '29.1.6', to: '30.0.0', kind: 'upgrade' },
          { component: 'cdm', keySystem: LANE.keySystem, from: CDM_VERSION, to: '4.10.2.0', kind: 'downgrade' },
        ],
      });
    });

    test('takes facts that come late, and keeps the others', async () => {
      await offline.close();
      offline = await open({ platform: { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139' } });
      const report = await offline.updatePlatform({ chromium: '123.0.0.0', cdms: PLATFORM.cdms });
      expect(report).toEqual(offline.launch);
      expect(report).toEqual({ launchId: 2, firstRun: false, suspects: 0, unfinished: 0, expected: null, recovered: null, changes: expect.any(Array) });
      expect(report.changes).toContainEqual({ component: 'chromium', from: '122.0.6261.139', to: '123.0.0.0', kind: 'upgrade' });
      expect(report.changes).not.toContainEqual(expect.objectContaining({ component: 'cdm' }));
      expect((await offline.updatePlatform({})).changes).toEqual(report.changes);
    });

    test('stays in the history, newest first, with the machine hashed', async () => {
      const before = Date.now();
      await offline.close();
      offline = await open({ platform: { ...PLATFORM, arch: 'arm64' } });
      const history = await offline.history();
      expect(history.map(({ launchId }) => launchId)).toEqual([2, 1]);
      expect(await offline.history({ limit: 1 })).toEqual(history.slice(0, 1));
      expect(history[0]).toEqual({
        launchId: 2,
        atMs: expect.any(Number),
        platform: expect.objectContaining({ electron: '29.1.6', arch: 'arm64' }),
        changes: [{ component: 'arch', from: 'x86_64', to: 'arm64', kind: 'change' }],
        expected: null,
        evidence: [],
      });
      expect(history[0].atMs).toBeGreaterThanOrEqual(before);
      expect(JSON.stringify(history)).not.toContain(PLATFORM.machine);
    });
  });

  describe('put', () => {
    const full = () => input('full', {
      partition: 'persist:player',
      account: 'me',
      initDataType: 'cenc',
      initData: psshOf('a'),
      keyIds: [...KEY_IDS_A],
      expiration: 4e12,
      licenseUrl: 'https://licences.example/widevine',
      capabilities: {
        audio: [{ contentType: 'audio/mp4; codecs="mp4a.40.2"' }],
        video: [{ contentType: 'video/mp4; codecs="avc1.42c01e"', robustness: 'SW_SECURE_CRYPTO', encryptionScheme: 'cenc' }],
      },
      lastPlayedAt: 1.7e12,
      rules: { licenseDurationMs: 1, rentalDurationMs: 2, playbackDurationMs: 3, firstPlayedAt: 4, renewAheadMs: 5 },
      canary: true,
      metadata: { title: 'é\0', list: [1, null, { a: false }] },
    });
    const facts = { id: expect.any(Number), state: 'active', suspect: true, reason: 'never-proven', provenAt: null, nextAttemptAt: null };

    test('gives back all it was given, and what is known beside', async () => {
      expect(await offline.put(full())).toEqual([{ ...full(), ...facts }]);
      expect(await offline.put(input('least'))).toEqual([{
        ...input('least'), ...facts,
        partition: '', account: null, initDataType: null, initData: null, keyIds: [], expiration: null, licenseUrl: null,
        capabilities: { audio: [], video: [] }, lastPlayedAt: null, rules: {}, canary: false, metadata: null,
      }]);
      const [{ initData }] = await offline.list({ contentId: 'full' });
      expect(initData).toBeInstanceOf(Uint8Array);
    });

    test('outlives the process that called it', async () => {
      const stored = await offline.put([full(), input('least', { proven: proven(KEY_IDS_B) })]);
      await offline.close();
      offline = await open();
      expect(await offline.list()).toEqual(stored);
    });

    test('proves a row only by keys that are good', async () => {
      const before = Date.now();
      const [good, none, expired] = await offline.put([
        input('good', { proven: proven(KEY_IDS_A) }),
        input('none', { proven: { keyStatuses: {} } }),
        input('expired', { proven: { keyStatuses: { [KEY_IDS_B[0]]: 'expired' } } }),
      ]);
      expect(good).toMatchObject({ state: 'active', suspect: false, reason: null, keyIds: KEY_IDS_A });
      expect(good.provenAt).toBeGreaterThanOrEqual(before);
      for (const session of [none, expired]) expect(session).toMatchObject({ state: 'active', suspect: true, reason: 'never-proven', provenAt: null });
    });

    test('matches lane, content and session id, and takes what is new', async () => {
      const [first] = await offline.put(input('a', { account: 'me', metadata: 1 }));
      const [again] = await offline.put(input('a', { metadata: { two: 2 } }));
      expect(again).toEqual({ ...first, metadata: { two: 2 } });
      const others = await offline.put([
        input('b'), input('a', { sessionId: 'other' }), input('a', { partition: 'other' }), input('a', { keySystem: 'other' }), input('a', { origin: 'app://other' }),
      ]);
      expect(new Set([first, ...others].map(({ id }) => id)).size).toBe(6);
      const [one, two] = await offline.put([input('twice', { account: 'me' }), input('twice', { metadata: 1 })]);
      expect([one.id, two]).toEqual([two.id, expect.objectContaining({ account: 'me', metadata: 1 })]);
    });

    test('takes a stored session as it is', async () => {
      const stored = await offline.put([full(), input('least'), input('good', { proven: proven(KEY_IDS_B) })]);
      expect(await offline.put(stored)).toEqual(stored);
      expect(await offline.list()).toEqual(stored);
    });

    test('with replace removes the content\'s other sessions, and nobody else\'s', async () => {
      await offline.put([input('a', { sessionId: '1' }), input('a', { sessionId: '2' }), input('b')]);
      const [kept] = await offline.put([input('a', { sessionId: '3' })], { replace: true });
      expect(await offline.list({ contentId: 'a' })).toEqual([kept]);
      expect(await offline.list({ contentId: 'b' })).toHaveLength(1);
      expect(await offline.put([], { replace: true })).toEqual([]);
    });

    test('keeps of a licence URL origin and path, its query only if the policy says so', async () => {
      const licenseUrl = 'https://licences.example/path?token=secret#part';
      expect(await offline.put(input('a', { licenseUrl }))).toMatchObject([{ licenseUrl: 'https://licences.example/path' }]);
      await offline.close();
      expect(fs.readFileSync(path.join(directory, 'offline-sessions.sqlite3')).includes('secret')).toBe(false);
      offline = await open({ policy: { keepLicenseQuery: true } });
      expect(await offline.put(input('b', { licenseUrl }))).toMatchObject([{ licenseUrl: 'https://licences.example/path?token=secret' }]);
    });

    test('takes values at their limits, and key ids of either case', async () => {
      const id = 'é'.repeat(512);
      const biggest = { sessionId: id, initData: new Uint8Array(65_536).fill(7), initDataType: 'cenc', metadata: 'x'.repeat(65_534) };
      const [stored] = await offline.put(input(id, { ...biggest, keyIds: [KEY_IDS_A[0].toUpperCase()], expiration: Infinity }));
      expect(stored).toMatchObject({ contentId: id, ...biggest, keyIds: [KEY_IDS_A[0]], expiration: null });
      // As MediaKeySession.expiration says never; and a buffer is as good as a view.
      const [buffered] = await offline.put(input('a', { expiration: NaN, initDataType: 'cenc', initData: psshOf('b').buffer }));
      expect(buffered).toMatchObject({ expiration: null, initData: psshOf('b') });
    });

    test('gives back numbers in metadata to the last bit', async () => {
      const metadata = [0.1 + 0.2, 5e-324, Number.MAX_VALUE, -95892.42746631385, 99060735569487.03, 9.999118601072671e+32, 4.121184852417566e-10];
      expect(await offline.put(input('a', { metadata }))).toMatchObject([{ metadata }]);
    });
  });

  describe('what is stored', () => {
    beforeEach(() => offline.put([
      input('a', { account: 'me', initDataType: 'cenc', initData: psshOf('a'), proven: proven(KEY_IDS_A) }),
      input('b', { partition: 'other', keyIds: KEY_IDS_B }),
      input('c', { origin: 'https://example.com', initDataType: 'cenc', initData: psshOf('a') }),
    ]));
    const contents = (sessions) => sessions.map(({ contentId }) => contentId);

    test.each([
      [undefined, 'abc'],
      [{}, 'abc'],
      [{ contentId: 'b' }, 'b'],
      [{ contentId: 'x' }, ''],
      [{ origin: LANE.origin }, 'ab'],
      [{ partition: '' }, 'ac'],
      [{ keySystem: LANE.keySystem }, 'abc'],
      [{ account: 'me' }, 'a'],
      [{ state: 'active' }, 'abc'],
      [{ state: 'lost' }, ''],
      [{ suspect: true }, 'bc'],
      [{ suspect: false, origin: LANE.origin }, 'a'],
      [{ suspect: true, partition: 'other', state: 'active' }, 'b'],
    ])('is listed by %j', async (filter, expected) => {
      expect(contents(await offline.list(filter)).join('')).toBe(expected);
    });

    test.each([
      ['contentId', { contentId: 'b' }, 'b'],
      ['keyIds', { keyIds: [KEY_IDS_A[1]] }, 'ac'],
      ['several keyIds', { keyIds: [...KEY_IDS_A, KEY_IDS_B[0].toUpperCase()] }, 'abc'],
      ['no keyIds', { keyIds: [] }, ''],
      ['initData', { initData: psshOf('a') }, 'ac'],
      ['initData of another type', { initData: Buffer.from(`{"kids":["${hexToBase64url(KEY_IDS_B[0])}"]}`), initDataType: 'keyids' }, 'b'],
      ['contentId and initData', { contentId: 'c', initData: psshOf('a') }, 'c'],
      ['contentId and keyIds of another', { contentId: 'c', keyIds: KEY_IDS_B }, ''],
    ])('is found by %s', async (_name, query, expected) => {
      expect(contents(await offline.find(query)).join('')).toBe(expected);
    });

    test('goes with its content', async () => {
      expect(await offline.removeContent('a')).toBeUndefined();
      expect(await offline.removeContent('never stored')).toBeUndefined();
      expect(contents(await offline.list())).toEqual(['b', 'c']);
      expect(contents(await offline.find({ initData: psshOf('a') }))).toEqual(['c']);
      expect(offline.verdict('a').state).toBe('unknown');
    });

    test('has a verdict, at once', () => {
      const withSession = (contentId, verdict) => ({
        contentId, ...verdict, retryAt: null, sessions: [{ sessionId: `session of ${contentId}`, keySystem: LANE.keySystem, expiration: null }],
      });
      expect(offline.verdict('a')).toEqual(withSession('a', { playable: 'offline', state: 'proven', reason: null, action: 'play' }));
      expect(offline.verdict('b')).toEqual(withSession('b', { playable: 'try', state: 'suspect', reason: 'no-license-data', action: 'try' }));
      expect(offline.verdict('x')).toEqual(VERDICT_OF_UNKNOWN);
      expect(offline.unready()).toEqual([offline.verdict('b'), offline.verdict('c')]);
    });
  });

  describe('work', () => {
    const driver = {
      probe: async () => ({ persistentLicense: 'supported', witness: null }),
      plantWitness: async () => {},
      check: async () => ({ kind: 'loaded', keyStatuses: proven(KEY_IDS_A).keyStatuses, expiration: null }),
      license: async () => ({ kind: 'unreachable' }),
      adopt: async () => 'adopted',
      release: async () => ({ kind: 'released' }),
    };
    const counts = { checked: 0, proven: 0, lost: 0, licensed: 0, adopted: 0, blocked: 0, released: 0, licenseRequests: 0 };
    const nothing = { ...counts, unsupported: 0, deferred: 0, heldBack: 0, nextAttemptAt: null, durationMs: expect.any(Number) };
    const suspect = () => input('a', { initDataType: 'cenc', initData: psshOf('a') });

    test('is reported', async () => {
      expect(await offline.revalidate()).toEqual(nothing);
      await offline.put(suspect());
      expect(offline.useDriver(driver)).toBeUndefined();
      const seen = [];
      const report = await offline.revalidate({ onProgress: (progress) => seen.push(progress), signal: new AbortController().signal });
      expect(report).toEqual({ ...nothing, checked: 1, proven: 1 });
      expect(seen.at(-1)).toEqual({ done: 1, total: 1, expectedLicenseRequests: 0, remainingMs: 0, ...counts, checked: 1, proven: 1 });
    });

    test('is done for a content that somebody waits for', async () => {
      await offline.put(suspect());
      offline.useDriver((lane) => (lane.origin === LANE.origin ? driver : null));
      expect(await offline.ensurePlayable('a', { timeoutMs: 5000 })).toEqual(offline.verdict('a'));
      expect(offline.verdict('a')).toMatchObject({ playable: 'offline', action: 'play' });
      expect(await offline.ensurePlayable('x')).toEqual(VERDICT_OF_UNKNOWN);
    });

    test('waits for the network where a check could destroy', async () => {
      await offline.put(suspect());
      offline.useDriver(driver);
      expect(offline.setConnectivity('offline')).toBeUndefined();
      expect(await offline.revalidate()).toEqual({ ...nothing, deferred: 1 });
      offline.setConnectivity('unknown');
      offline.setConnectivity('online', { changedLocation: true });
      expect(await offline.revalidate()).toMatchObject({ proven: 1, deferred: 0 });
    });
  });

  describe('a directory', () => {
    const modeOf = (name) => fs.statSync(path.join(directory, name)).mode & 0o777;

    test('is private, and so is every file in it', async () => {
      await offline.put(input('a'));
      const modes = Object.fromEntries(['', ...fs.readdirSync(directory)].map((name) => [name, modeOf(name)]));
      expect(modes).toMatchObject({ '': 0o700, 'offline-sessions.sqlite3': 0o600, 'offline-sessions.sqlite3-wal': 0o600 });
      expect(Object.values(modes).filter((mode) => mode & 0o077)).toEqual([]);
    });

    test('that was open to others is made private', async () => {
      await offline.close();
      fs.chmodSync(directory, 0o755);
      fs.chmodSync(path.join(directory, 'offline-sessions.sqlite3'), 0o644);
      offline = await open();
      expect(['', 'offline-sessions.sqlite3'].map(modeOf)).toEqual([0o700, 0o600]);
    });

    test('serves one at a time, and says whom', async () => {
      const error = await failure(open);
      expect(error).toBeInstanceOf(OfflineSessionsError);
      expect(error).toMatchObject({ code: 'ERR_IN_USE', message: expect.stringMatching(new RegExp(`\\b${process.pid}\\b`)) });
      const waiting = open({ lockWaitMs: 10_000 });
      await offline.close();
      offline = await waiting;
      expect(offline.launch.launchId).toBe(2);
    });

    test('is waited for no longer than was said', async () => {
      const before = performance.now();
      expect(await failure(() => open({ lockWaitMs: 100 }))).toMatchObject({ code: 'ERR_IN_USE' });
      expect(performance.now() - before).toBeGreaterThanOrEqual(100);
    });

    test('is held by another process until that ends, however it does', async () => {
      await offline.close();
      const holder = holdOpen(directory);
      expect(await holder.line()).toBe('open');
      expect(await failure(open)).toMatchObject({ code: 'ERR_IN_USE', message: expect.stringMatching(new RegExp(`\\b${holder.pid}\\b`)) });
      const waiting = open({ lockWaitMs: 10_000 });
      holder.kill();
      offline = await waiting;
      await holder.ended;
      expect(await offline.list()).toMatchObject([{ contentId: 'of the child' }]);
    });

    test.each([['that is a file', ''], ['inside a file', 'inside']])('%s is refused', async (_what, inside) => {
      const file = path.join(root, 'file');
      fs.writeFileSync(file, 'mine');
      const error = await failure(() => open({ directory: path.join(file, inside) }));
      expect(error).toBeInstanceOf(OfflineSessionsError);
      expect(error).toMatchObject({ code: 'ERR_READ_ONLY', field: undefined });
      expect(fs.readFileSync(file, 'utf8')).toBe('mine');
    });

    test('that cannot be made is refused', async () => {
      const locked = path.join(root, 'locked');
      fs.chmodSync(root, 0o755);
      fs.mkdirSync(locked, { mode: 0o555 });
      const error = await asOrdinaryUser(() => failure(() => open({ directory: path.join(locked, 'inside') })));
      expect(error).toBeInstanceOf(OfflineSessionsError);
      expect(error.code).toBe('ERR_READ_ONLY');
      expect(fs.readdirSync(locked)).toEqual([]);
    });
  });

  describe('close', () => {
    const calls = {
      put: () => offline.put(input('a')),
      list: () => offline.list(),
      find: () => offline.find({ contentId: 'a' }),
      removeContent: () => offline.removeContent('a'),
      verdict: () => offline.verdict('a'),
      unready: () => offline.unready(),
      useDriver: () => offline.useDriver(() => null),
      ensurePlayable: () => offline.ensurePlayable('a'),
      revalidate: () => offline.revalidate(),
      setConnectivity: () => offline.setConnectivity('online'),
      history: () => offline.history(),
      updatePlatform: () => offline.updatePlatform({ electron: '99.0.0' }),
    };

    test.each(Object.entries(calls))('ends %s', async (_name, call) => {
      await offline.put(input('a', { proven: proven(KEY_IDS_A) }));
      await offline.close();
      const error = await failure(call);
      expect(error).toBeInstanceOf(OfflineSessionsError);
      expect(error).toMatchObject({ code: 'ERR_CLOSED', field: undefined });
    });

    test('may be called again and at once, keeps what was under way, and lets go of the directory', async () => {
      const put = offline.put(input('a'));
      const [first, second] = [offline.close(), offline.close()];
      await expect(put).resolves.toHaveLength(1);
      expect(await Promise.all([first, second, offline.close()])).toEqual([undefined, undefined, undefined]);
      expect(offline.launch.launchId).toBe(1);
      offline = await open();
      expect(await offline.list()).toHaveLength(1);
    });
  });

  test.each([true, false])('keeps no process alive that has done its work (closed: %s)', async (closes) => {
    await offline.close();
    const child = workAndReturn(directory, { closes });
    expect(await child.line()).toBe('done');
    expect(await child.ended).toEqual({ code: 0, signal: null, errors: '' });
    offline = await open();
    expect(await offline.list()).toMatchObject([{ contentId: 'of the child' }]);
  });
});

describe('bad input', refusesBadInput);
