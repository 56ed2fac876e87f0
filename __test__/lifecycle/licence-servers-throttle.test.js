'use strict';

const { startLicenseServer } = require('../../testbed/servers.js');
const { useApp, keyId, next, titles, KEYS, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const MANY = 30;
/** Where time is waited for. */
const FEW = 8;
const CONCURRENCY = 4;
const LAST = `title ${MANY}`;
const AT_ONCE = { timeoutMs: 1_000 };

const inSeconds = (seconds) => ({ 'retry-after': String(seconds) });
/** A pause may be longer than was asked for, so that not all installs come back together. */
const MOST_OF_PAUSE = 1.25;
/** HTTP dates have whole seconds. */
const atDate = (seconds) => ({ 'retry-after': new Date(Date.now() + seconds * 1_000).toUTCString() });

/** The first `count` titles to become playable offline. @param {number} count */
function ready(count) {
  const contents = new Set();
  return next(app.offline, 'content-ready', ({ contentId }) => contents.add(contentId).size === count);
}

describe('a server that asks for patience gets it for all its titles, not only for the one that asked:', () => {
  test.each([
    ['429, in seconds', () => ({ status: 429, headers: inSeconds(600) })],
    ['429, with a date', () => ({ status: 429, headers: atDate(600) })],
    ['503, in seconds', () => ({ status: 503, headers: inSeconds(600) })],
    ['503, with a date', () => ({ status: 503, headers: atDate(600) })],
  ])('%s', async (_what, behaviour) => {
    app.server.behave(behaviour);
    const offline = await app.updateThatBroke(MANY);
    const before = Date.now();
    const report = await offline.revalidate();
    // No more than were out when the first answer came.
    expect(app.server.requests).toBeLessThanOrEqual(CONCURRENCY);
    expect(report).toMatchObject({ checked: MANY, lost: MANY, licensed: 0, blocked: 0, deferred: MANY, licenseRequests: app.server.requests });
    for (const verdict of offline.unready()) {
      expect(verdict).toMatchObject({ playable: 'no', state: 'lost', reason: 'throttled', action: 'wait' });
      expect(verdict.retryAt).toBeGreaterThan(before + 598_000);
      expect(verdict.retryAt).toBeLessThanOrEqual(Date.now() + 600_000 * MOST_OF_PAUSE);
    }
    expect(offline.unready()).toHaveLength(MANY);
    expect(report.nextAttemptAt).toBeGreaterThan(before + 598_000);
  });

  test('whoever clicks, retries or runs again', async () => {
    app.server.behave({ status: 429, headers: inSeconds(600) });
    const offline = await app.updateThatBroke(MANY);
    await offline.revalidate();
    const { requests } = app.server;
    await offline.retry(LAST);
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: MANY });
    expect(await offline.ensurePlayable(LAST, AT_ONCE)).toMatchObject({ playable: 'no', state: 'lost', reason: 'throttled' });
    expect(app.server.requests).toBe(requests);
  });

  test('titles that are lost later wait as well', async () => {
    app.server.behave({ status: 429, headers: inSeconds(600) });
    const offline = await app.updateThatBroke(1);
    await offline.revalidate();
    await offline.put(app.download('later', [keyId(50)], { proven: undefined }));
    app.cdm.deleteRecord(app.catalogue.get('later')[0].sessionId);
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licenseRequests: 0, deferred: 2 });
    expect(offline.verdict('later')).toMatchObject({ state: 'lost', retryAt: expect.any(Number) });
    expect(app.server.requests).toBe(1);
  });

  test('over a restart', async () => {
    app.server.behave({ status: 503, headers: inSeconds(600) });
    const offline = await app.updateThatBroke(MANY);
    const { nextAttemptAt } = await offline.revalidate();
    const { requests } = app.server;
    const again = await app.relaunch({ platform: UPDATED });
    expect(await again.revalidate()).toMatchObject({ licenseRequests: 0, deferred: MANY, nextAttemptAt });
    expect(await again.ensurePlayable(LAST, AT_ONCE)).toMatchObject({ playable: 'no', reason: 'throttled', retryAt: nextAttemptAt });
    expect(app.server.requests).toBe(requests);
  });

  test('when it is the app\'s own hook that says so', async () => {
    let calls = 0;
    const acquireLicense = async () => {
      calls++;
      throw { kind: 'throttled', status: 429, retryAfterMs: 600_000 };
    };
    const offline = await app.updateThatBroke(MANY, { acquireLicense });
    expect(await offline.revalidate()).toMatchObject({ deferred: MANY, licenseRequests: calls });
    expect(calls).toBeLessThanOrEqual(CONCURRENCY);
  });

  test('another path of the same origin is the same server', async () => {
    app.server.behave(({ url }) => (url === '/license' ? { status: 429, headers: inSeconds(600) } : 'ok'));
    await app.open();
    await app.store(10, { lastPlayedAt: Date.now() });
    await app.offline.put(app.download('other path', [keyId(50)], { licenseUrl: `${app.server.origin}/other` }));
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATED });
    expect(await offline.revalidate()).toMatchObject({ licensed: 0, deferred: 11 });
    expect(app.server.calls.filter(({ url }) => url === '/other')).toEqual([]);
  });

  test('another server is another matter', async () => {
    const other = await startLicenseServer({ keys: KEYS });
    try {
      app.server.behave({ status: 429, headers: inSeconds(600) });
      await app.open();
      await app.store(10);
      const others = titles(10).map((contentId, n) => `${contentId} of the other (${n})`);
      await app.offline.put(others.map((contentId, n) => app.download(contentId, [keyId(50 + n)], { licenseUrl: other.url })));
      await app.quit();
      app.cdm.breakSalts();
      const offline = await app.open({ platform: UPDATED });
      expect(await offline.revalidate()).toMatchObject({ licensed: 10, adopted: 10, deferred: 10 });
      expect(others.map((contentId) => offline.verdict(contentId).playable)).toEqual(others.map(() => 'offline'));
      expect(other.requests).toBe(10);
      expect(app.server.requests).toBeLessThanOrEqual(CONCURRENCY);
    } finally {
      await other.close();
    }
  });
});

describe('when the time is over', () => {
  // A date of whole seconds, two of them ahead, is between one and two away.
  test.each([
    ['in seconds', () => ({ status: 429, headers: inSeconds(1) }), 1_000],
    ['with a date', () => ({ status: 503, headers: atDate(2) }), 1_000],
  ])('that a server gave %s, and not before, all goes on by itself', async (_what, behaviour, leastMs) => {
    app.server.behave(behaviour, { times: 1 });
    const offline = await app.updateThatBroke(FEW, { policy: { licenseConcurrency: 1 } });
    await Promise.all([offline.revalidate(), ready(FEW)]);
    const [first, second] = app.server.calls;
    expect(second.at - first.at).toBeGreaterThanOrEqual(leastMs);
    expect(app.server.requests).toBe(FEW + 1);
    expect(offline.unready()).toEqual([]);
    expect(app.leftovers()).toEqual([]);
  });

  test('whoever clicked meanwhile goes first', async () => {
    app.server.behave({ status: 429, headers: inSeconds(1) }, { times: 1 });
    const offline = await app.updateThatBroke(FEW, { policy: { licenseConcurrency: 1 } });
    const all = ready(FEW);
    await offline.revalidate();
    offline.ensurePlayable(`title ${FEW}`, AT_ONCE);
    await all;
    expect(app.server.calls[1].keyIds).toEqual([keyId(FEW)]);
  });
});

describe('a server of limited capacity', () => {
  const SESSIONS = 60;
  const CAPACITY_PER_S = 20;
  const small = useApp({ capacityPerS: CAPACITY_PER_S });

  test('is not flooded, and nobody waits for long', async () => {
    // As the policy has it by default.
    const offline = await small.updateThatBroke(SESSIONS, { policy: { licenseRatePerS: 10 } });
    const contents = new Set();
    const all = next(offline, 'content-ready', ({ contentId }) => contents.add(contentId).size === SESSIONS);
    await Promise.all([offline.revalidate(), all]);
    // A few show where the limit is.
    expect(small.server.load.rejected).toBeLessThanOrEqual(0.15 * SESSIONS);
    expect(small.server.requests).toBe(SESSIONS + small.server.load.rejected);
    expect(small.leftovers()).toEqual([]);
  });
});
