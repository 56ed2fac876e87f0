'use strict';

const { launchBrowser, createProfile, removeProfile } = require('../../testbed/browsers.js');
const { startLicenseServer } = require('../../testbed/servers.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { EmeLane, CONFIGURATION, KEYS, keyIdOf, untilWaitingForLock, licenseHook } = require('../helpers/eme-lane.js');

describeBrowser('EME driver on the ClearKey CDM of Firefox', 'firefox', (found) => {
  let profile, running, server, lane, driver, page;

  beforeAll(async () => {
    profile = await createProfile();
    running = await launchBrowser(found, profile);
    server = await startLicenseServer({ keys: KEYS });
  }, 60_000);

  afterAll(async () => {
    await server?.close();
    await running?.close();
    await removeProfile(profile);
  }, 60_000);

  beforeEach(async () => {
    server.behave('ok');
    lane = await EmeLane.create();
    ({ driver, page } = await lane.open(running.browser));
  });

  afterEach(async () => {
    expect(await lane.close()).toEqual({ unhandled: [], locks: [] });
  });

  const contextOf = (fields) => ({ requestId: 'request', sessionCreated: async () => {}, acquireLicense: licenseHook(server), ...fields });
  const license = (title, fields) => driver.license(title, contextOf(fields));
  const licenseAlone = (title, fields) => lane.inPhase(driver, 'license', () => license(title, fields));
  const checkAlone = (title, sessionId, options) => lane.inPhase(driver, 'check', () => driver.check({ ...title, sessionId }, options));

  /** A licence that hangs at `acquireLicense`, until the test aborts it. */
  async function hangingLicense(title) {
    const aborter = new AbortController();
    let created;
    let outcome;
    const atServer = new Promise((resolve) => {
      outcome = license(title, {
        signal: aborter.signal,
        sessionCreated: async (sessionId) => { created = sessionId; },
        acquireLicense: () => new Promise(() => resolve()),
      });
    });
    outcome.catch(() => {});
    await atServer;
    return { outcome, aborter, sessionId: created };
  }

  /** An id that loads and never shows a key: an aborted licence is closed, not removed. */
  async function hollowSession(title) {
    return lane.inPhase(driver, 'license', async () => {
      const { outcome, aborter, sessionId } = await hangingLicense(title);
      aborter.abort(new Error('enough'));
      await expect(outcome).rejects.toThrow('enough');
      return sessionId;
    });
  }

  test('a probe says that persistent licences are supported, and that there is no witness yet', async () => {
    await lane.inPhase(driver, 'probe', async () => {
      expect(await driver.probe(lane.lane, { configurations: [CONFIGURATION] })).toEqual({ persistentLicense: 'supported', witness: null });
      expect(await driver.probe(lane.lane, { configurations: [] })).toEqual({ persistentLicense: 'supported', witness: null });
      const stored = { ...CONFIGURATION, videoCapabilities: [{ contentType: 'video/mp4; codecs="avc1.42E01E"', robustness: null, encryptionScheme: null }] };
      expect(await driver.probe(lane.lane, { configurations: [stored] })).toMatchObject({ persistentLicense: 'supported' });
    });
  });

  test('a licence is announced, closed, and shows its keys to a check on a fresh MediaKeys', async () => {
    const announced = [];
    const licensed = await licenseAlone(lane.title(1), { sessionCreated: async (id) => announced.push(id) });
    const shown = { keyStatuses: { [keyIdOf(1)]: 'usable' }, expiration: null };
    expect(licensed).toEqual({ kind: 'licensed', sessionId: expect.stringMatching(/./), ...shown });
    expect(announced).toEqual([licensed.sessionId]);
    expect(await checkAlone(lane.title(1), licensed.sessionId)).toEqual({ kind: 'loaded', ...shown });
    // With no key ids on record, whatever shows is what there is.
    expect(await checkAlone(lane.title(1, { keyIds: [] }), licensed.sessionId)).toEqual({ kind: 'loaded', ...shown });
  });

  test('thirteen licences, four at a time on one MediaKeys, are all there in the next phase', async () => {
    const titles = Array.from({ length: 13 }, (_, n) => lane.title(n + 1));
    const outcomes = [];
    const waiting = [...titles.keys()];
    await lane.inPhase(driver, 'license', () => Promise.all(Array.from({ length: 4 }, async () => {
      for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) outcomes[n] = await license(titles[n]);
    })));
    expect(outcomes.map(({ kind }) => kind)).toEqual(titles.map(() => 'licensed'));
    expect(new Set(outcomes.map(({ sessionId }) => sessionId)).size).toBe(13);
    const checks = await lane.inPhase(driver, 'verify', () => Promise.all(titles.map((title, n) => driver.check({ ...title, sessionId: outcomes[n].sessionId }))));
    expect(checks).toEqual(titles.map(({ keyIds: [keyId] }) => ({ kind: 'loaded', keyStatuses: { [keyId]: 'usable' }, expiration: null })));
  });

  test('licences requested at once are all in the list that the CDM keeps on disk', async () => {
    const titles = [1, 2, 3, 4].map((n) => lane.title(n));
    const outcomes = await lane.inPhase(driver, 'license', () => Promise.all(titles.map((title) => license(title))));
    const checks = await lane.inPhase(driver, 'verify', () => Promise.all(titles.map((title, n) => driver.check({ ...title, sessionId: outcomes[n].sessionId }))));
    expect(checks.map(({ kind }) => kind)).toEqual(['loaded', 'loaded', 'loaded', 'loaded']);
  });

  test('a licence that hangs does not hold up the others', async () => {
    await lane.inPhase(driver, 'license', async () => {
      const { outcome, aborter } = await hangingLicense(lane.title(1));
      expect(await license(lane.title(2))).toMatchObject({ kind: 'licensed' });
      aborter.abort(new Error('enough'));
      await expect(outcome).rejects.toThrow('enough');
    });
  });

  test('an unknown id is gone, an empty one rejected', async () => {
    expect(await checkAlone(lane.title(1), '4711')).toEqual({ kind: 'gone' });
    expect(await checkAlone(lane.title(1), '')).toEqual({ kind: 'rejected', name: 'TypeError', message: expect.any(String), systemCode: null });
  });

  test('a key that the licence does not hold is waited for, and what is there is reported', async () => {
    const { sessionId } = await licenseAlone(lane.title(1));
    const before = performance.now();
    const outcome = await checkAlone(lane.title(1, { keyIds: [keyIdOf(1), keyIdOf(2)] }), sessionId);
    expect(outcome).toEqual({ kind: 'loaded', keyStatuses: { [keyIdOf(1)]: 'usable' }, expiration: null });
    expect(performance.now() - before).toBeGreaterThanOrEqual(290);
  });

  test('the waits of hollow sessions overlap', async () => {
    const sessionIds = [];
    for (let n = 1; n <= 6; n++) {
      let sessionId;
      // The CDM may drop the write of its index beside another instance's: what is not there is made again.
      do sessionId = await hollowSession(lane.title(n)); while ((await checkAlone(lane.title(n), sessionId)).kind === 'gone');
      sessionIds.push(sessionId);
    }
    const before = performance.now();
    const outcomes = await lane.inPhase(driver, 'check', () => Promise.all(sessionIds.map((sessionId, n) => (
      driver.check({ ...lane.title(n + 1), sessionId, keyStatusWaitMs: 1500 })))));
    expect(outcomes).toEqual(sessionIds.map(() => ({ kind: 'hollow' })));
    expect(performance.now() - before).toBeLessThan(6000);
  });

  test.each([
    ['refused', { status: 403 }, { kind: 'refused', status: 403, reason: 'geo' }],
    ['throttled', { status: 429, headers: { 'retry-after': '60' } }, { kind: 'throttled', status: 429, retryAfterMs: 60_000 }],
    ['cut off', 'reset', { kind: 'unreachable', message: 'fetch failed' }],
    ['garbage', 'garbage', { kind: 'rejected', name: 'TypeError', message: expect.any(String), systemCode: null }],
    ['empty', 'empty', { kind: 'rejected', name: 'TypeError', message: expect.any(String), systemCode: null }],
  ])('a licence that is %s leaves nothing that loads', async (_name, behaviour, outcome) => {
    server.behave(behaviour);
    let sessionId;
    expect(await licenseAlone(lane.title(1), { sessionCreated: async (id) => { sessionId = id; } })).toEqual(outcome);
    expect(await checkAlone(lane.title(1), sessionId)).toEqual({ kind: 'gone' });
  });

  test('a licence for other keys than were asked for is given as it is, for the engine to judge', async () => {
    server.behave('wrong-keys');
    const { kind, keyStatuses } = await licenseAlone(lane.title(1));
    expect(kind).toBe('licensed');
    expect(Object.values(keyStatuses)).toEqual(['usable']);
    expect(keyStatuses).not.toHaveProperty(keyIdOf(1));
  });

  test('what is not journalled is not asked for, and removed', async () => {
    const before = server.requests;
    let sessionId;
    const sessionCreated = async (id) => {
      sessionId = id;
      throw new Error('disk full');
    };
    await expect(licenseAlone(lane.title(1), { sessionCreated })).rejects.toThrow('disk full');
    expect(server.requests).toBe(before);
    expect(await checkAlone(lane.title(1), sessionId)).toEqual({ kind: 'gone' });
  });

  test('a request of 4000 key ids and an answer of 64 KiB cross whole', async () => {
    const kids = Array.from({ length: 4000 }, (_, n) => Buffer.from(keyIdOf(n), 'hex'));
    const size = Buffer.alloc(4);
    const count = Buffer.alloc(4);
    size.writeUInt32BE(36 + 16 * kids.length);
    count.writeUInt32BE(kids.length);
    const head = [size, Buffer.from('pssh'), Buffer.from('01000000', 'hex'), Buffer.from('1077efecc0b24d02ace33c1e52e2fb4b', 'hex'), count];
    const initData = Buffer.concat([...head, ...kids, Buffer.alloc(4)]).toString('base64');
    let request;
    const acquireLicense = async ({ messageType, message }) => {
      request = { messageType, kids: JSON.parse(Buffer.from(message).toString()).kids };
      return new Uint8Array(64 * 1024).fill(0x20);
    };
    const outcome = await licenseAlone(lane.title(1, { initDataType: 'cenc', initData }), { acquireLicense });
    expect(request).toEqual({ messageType: 'license-request', kids: kids.map((kid) => kid.toString('base64url')) });
    expect(outcome.kind).toBe('rejected');
  });

  test('an abort in the middle of a licence rejects at once, closes, and does not remove', async () => {
    const sessionId = await hollowSession(lane.title(1));
    expect(await checkAlone(lane.title(1), sessionId)).toEqual({ kind: 'hollow' });
  });

  test('an abort while the id is being journalled leaves nothing, for nothing was asked for', async () => {
    const before = server.requests;
    const aborter = new AbortController();
    let sessionId;
    const sessionCreated = (id) => {
      sessionId = id;
      aborter.abort(new Error('enough'));
      return new Promise(() => {});
    };
    await expect(licenseAlone(lane.title(1), { signal: aborter.signal, sessionCreated })).rejects.toThrow('enough');
    expect(server.requests).toBe(before);
    expect(await checkAlone(lane.title(1), sessionId)).toEqual({ kind: 'gone' });
  });

  test('an abort ends the wait for statuses', async () => {
    const sessionId = await hollowSession(lane.title(1));
    await lane.inPhase(driver, 'check', async () => {
      const aborter = new AbortController();
      const check = driver.check({ ...lane.title(1), sessionId, keyStatusWaitMs: 60_000 }, { signal: aborter.signal });
      aborter.abort(new Error('enough'));
      await expect(check).rejects.toThrow('enough');
    });
  });

  test('the end of a phase ends its checks, closes their sessions and frees the lock', async () => {
    const hollow = await hollowSession(lane.title(1));
    const { sessionId } = await licenseAlone(lane.title(2));
    await driver.startPhase(lane.lane, 'check', CONFIGURATION);
    const waits = driver.check({ ...lane.title(1), sessionId: hollow, keyStatusWaitMs: 60_000 });
    waits.catch(() => {});
    await driver.check({ ...lane.title(2), sessionId });
    await driver.endPhase(lane.lane, 'check');
    await expect(waits).rejects.toMatchObject({ name: 'AbortError' });
    expect(await page.evaluate(async () => (await navigator.locks.query()).held)).toEqual([]);
    await expect(driver.check({ ...lane.title(2), sessionId })).rejects.toThrow('no phase');
    expect(await checkAlone(lane.title(2), sessionId)).toMatchObject({ kind: 'loaded' });
  });

  test('a second window waits for the lock, and an abort ends the wait', async () => {
    const other = await lane.open(running.browser);
    const order = [];
    await driver.startPhase(lane.lane, 'license', CONFIGURATION);

    const aborter = new AbortController();
    const aborted = other.driver.startPhase(lane.lane, 'check', CONFIGURATION, { signal: aborter.signal });
    aborted.catch(() => {});
    await untilWaitingForLock(page);
    aborter.abort(new Error('the lease is over'));
    await expect(aborted).rejects.toThrow('the lease is over');
    await other.driver.endPhase(lane.lane, 'check');
    expect(await page.evaluate(async () => (await navigator.locks.query()).pending)).toEqual([]);

    const second = other.driver.startPhase(lane.lane, 'check', CONFIGURATION).then(() => order.push('second'));
    await untilWaitingForLock(page);
    const { sessionId } = await license(lane.title(1));
    order.push('licensed');
    await driver.endPhase(lane.lane, 'license');
    await second;
    expect(order).toEqual(['licensed', 'second']);
    expect(await other.driver.check({ ...lane.title(1), sessionId })).toMatchObject({ kind: 'loaded' });
    await other.driver.endPhase(lane.lane, 'check');
  });

  test('the lock of a window that closes is free for the next', async () => {
    const other = await lane.open(running.browser);
    await driver.startPhase(lane.lane, 'check', CONFIGURATION);
    const second = other.driver.startPhase(lane.lane, 'probe', null);
    await untilWaitingForLock(page);
    await page.close();
    await second;
    await expect(driver.check({ ...lane.title(1), sessionId: '1' })).rejects.toMatchObject({ code: 'ERR_DRIVER_GONE' });
    await driver.endPhase(lane.lane, 'check');
    await other.driver.endPhase(lane.lane, 'probe');
  });

  test('a reload in the middle of a licence fails it, and the next document serves again', async () => {
    await driver.startPhase(lane.lane, 'license', CONFIGURATION);
    const { outcome, sessionId } = await hangingLicense(lane.title(1));
    await page.reload();
    await expect(outcome).rejects.toMatchObject({ code: 'ERR_DRIVER_GONE' });
    await driver.endPhase(lane.lane, 'license');
    const { kind } = await checkAlone(lane.title(1), sessionId);
    expect(['gone', 'hollow']).toContain(kind);
    expect(await licenseAlone(lane.title(1))).toMatchObject({ kind: 'licensed' });
  });

  test('a removed session is gone, and removed again it is absent', async () => {
    const { sessionId } = await licenseAlone(lane.title(1));
    const kept = await licenseAlone(lane.title(2));
    const released = () => lane.inPhase(driver, 'release', () => driver.release({ ...lane.title(1), sessionId }, { acquireLicense: licenseHook(server) }));
    expect(await released()).toEqual({ kind: 'released' });
    expect(await released()).toEqual({ kind: 'absent' });
    expect(await checkAlone(lane.title(1), sessionId)).toEqual({ kind: 'gone' });
    expect(await checkAlone(lane.title(2), kept.sessionId)).toMatchObject({ kind: 'loaded' });
  });

  test('the page adopts into its own catalogue', async () => {
    const adopt = () => lane.inPhase(driver, 'adopt', () => driver.adopt(lane.title(1, { sessionId: 'old', initData: '' }), 'new'));
    expect(await adopt()).toBe('content-gone');
    await page.evaluate(async () => {
      const { store } = await import('/database.mjs');
      await store({ contentId: 'title-1', licenseUrl: '', tracks: [], capabilities: { audio: [], video: [] }, sessions: [{ sessionId: 'old' }] }, []);
    });
    expect(await adopt()).toBe('adopted');
    const [{ sessions }] = await page.evaluate(() => globalThis.player.catalogue());
    expect(sessions).toEqual([{ sessionId: 'new' }]);
  });

  test('a window of another origin refuses the lane', async () => {
    const elsewhere = { ...lane.lane, origin: 'app://bundle' };
    await expect(driver.startPhase(elsewhere, 'check', CONFIGURATION)).rejects.toThrow('app://bundle');
    await driver.endPhase(elsewhere, 'check');
  });

  test('malformed messages are ignored at both ends', async () => {
    const garbage = [null, 42, 'text', [], {}, { type: 'task' }, { type: 'task', id: 'x', method: 'constructor', args: [] },
      { type: 'task', id: 'x', method: 'check' }, { type: 'abort', id: 'nobody' }, { type: 'sessionJournalled', id: 'nobody' },
      { type: 'licenseResponse', id: 'nobody', messageId: 1, body: '*' }, { type: 'outcome', id: 'nobody', outcome: {} },
      { type: 'sessionCreated', id: 'nobody', sessionId: '1' }, { type: 'failure', id: 'nobody' }];
    const { driver: other, window: { port } } = await lane.open(running.browser);
    for (const data of garbage) {
      port.postMessage(data);
      port.onmessage({ data });
    }
    await lane.inPhase(other, 'probe', async () => {
      expect(await other.probe(lane.lane, { configurations: [] })).toMatchObject({ persistentLicense: 'supported' });
    });
  });
});
