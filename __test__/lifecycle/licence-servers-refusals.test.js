'use strict';

const { REFUSALS, classifyRefusal } = require('../../testbed/refusals.js');
const { REASONS } = require('../..');
const { useApp, keyId, next, titles, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const MANY = 20;
const CONCURRENCY = 4;
const HOUR_MS = 3_600_000;
/** Nothing is tried again by itself while a test looks, whatever the jitter. */
const POLICY = { backoffBaseMs: 6 * HOUR_MS };
const AT_ONCE = { timeoutMs: 1_000 };

describe('what a licence server refuses is not asked for again before', () => {
  test.each([
    ['auth', 'somebody signs in', null],
    ['geo', 'the longest wait', 6 * HOUR_MS],
    ['entitlement', 'the longest wait', 6 * HOUR_MS],
    ['offline-not-allowed', 'somebody asks', null],
    ['device-limit', 'the longest wait', 6 * HOUR_MS],
    ['concurrency', 'a wait as after a failure', 0],
    ['revoked', 'somebody asks', null],
  ])('%s: %s', async (reason, _until, waitMs) => {
    app.server.behave(REFUSALS[reason]);
    const offline = await app.updateThatBroke(1, { classifyRefusal, policy: POLICY });
    const before = Date.now();
    const { nextAttemptAt, ...report } = await offline.revalidate();
    expect(report).toMatchObject({ lost: 1, blocked: 1, licensed: 0, deferred: 1, licenseRequests: 1 });
    const verdict = { playable: reason === 'offline-not-allowed' ? 'online' : 'no', state: 'blocked', reason, retryAt: nextAttemptAt };
    expect(offline.verdict('title 1')).toMatchObject({ ...verdict, action: REASONS[reason] });
    if (waitMs === null) expect(nextAttemptAt).toBeNull();
    else expect(nextAttemptAt).toBeGreaterThanOrEqual(before + waitMs);
    if (waitMs) expect(nextAttemptAt).toBeLessThanOrEqual(Date.now() + waitMs);

    const again = await app.relaunch({ platform: UPDATED, classifyRefusal, policy: POLICY });
    expect(again.verdict('title 1')).toMatchObject(verdict);
    expect(await again.revalidate()).toMatchObject({ licenseRequests: 0, deferred: 1, nextAttemptAt });

    app.server.behave('ok');
    expect(await again.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('and says nothing against other titles', async () => {
    app.server.behave(({ keyIds }) => (keyIds[0] === keyId(3) ? REFUSALS.entitlement : 'ok'));
    const offline = await app.updateThatBroke(MANY, { classifyRefusal });
    expect(await offline.revalidate()).toMatchObject({ licensed: MANY - 1, adopted: MANY - 1, blocked: 1 });
    expect(offline.unready()).toMatchObject([{ contentId: 'title 3', state: 'blocked', reason: 'entitlement' }]);
  });
});

describe('a viewer who is not signed in', () => {
  test('is found out with a few requests, and all the account\'s titles wait for setAccount', async () => {
    app.server.behave(REFUSALS.auth);
    const offline = await app.updateThatBroke(MANY, {}, { account: 'ann' });
    await offline.setAccount('ann');
    expect(await offline.revalidate()).toMatchObject({ licensed: 0, deferred: MANY, nextAttemptAt: null });
    const { requests } = app.server;
    expect(requests).toBeLessThanOrEqual(CONCURRENCY);
    const verdicts = offline.unready();
    expect(verdicts).toHaveLength(MANY);
    for (const verdict of verdicts) expect(verdict).toMatchObject({ playable: 'no', reason: 'auth', action: 'sign-in', retryAt: null });
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0 });

    app.server.behave('ok');
    const ready = new Set();
    const all = next(offline, 'content-ready', ({ contentId }) => ready.add(contentId).size === MANY);
    await offline.setAccount('ann');
    await all;
    expect(app.server.requests).toBe(requests + MANY);
  });

  test('does not keep another account\'s titles waiting', async () => {
    app.server.behave(({ keyIds }) => (keyIds[0] < keyId(50) ? REFUSALS.auth : 'ok'));
    await app.open();
    await app.store(MANY, { account: 'ann' });
    await app.offline.put(titles(MANY).map((title, n) => app.download(`bob's ${title}`, [keyId(50 + n)], { account: 'bob' })));
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATED });
    expect(await offline.revalidate()).toMatchObject({ licensed: MANY, adopted: MANY, deferred: MANY });
    expect(app.server.requests).toBeLessThanOrEqual(MANY + CONCURRENCY);
  });
});

test('a server that counts devices is told which licence the new one replaces', async () => {
  const replaced = [];
  const acquireLicense = async ({ replaces, message, requestId }) => {
    replaced.push({ replaces, requestId });
    if (replaced.length === 1) throw { kind: 'refused', status: 403, reason: 'device-limit' };
    return (await fetch(app.server.url, { method: 'POST', body: message })).arrayBuffer();
  };
  await app.open();
  const [{ sessionId }] = await app.store(1);
  await app.quit();
  app.cdm.breakSalts();
  const offline = await app.open({ platform: UPDATED, acquireLicense });
  expect(await offline.revalidate()).toMatchObject({ blocked: 1 });
  expect(offline.verdict('title 1')).toMatchObject({ reason: 'device-limit', action: 'free-device' });
  await offline.retry('title 1');
  await offline.revalidate();
  expect(offline.verdict('title 1').playable).toBe('offline');
  expect(replaced.map(({ replaces }) => replaces)).toEqual([sessionId, sessionId]);
  // The first was answered: this is another request.
  expect(new Set(replaced.map(({ requestId }) => requestId)).size).toBe(2);
});

describe('what is not recognised is unreachable, and never held against a title:', () => {
  test.each([
    ['a captive portal\'s page', 'garbage'],
    ['a captive portal that sends to its page', 'captive-portal'],
    ['a captive portal with 511', { status: 511, headers: { 'content-type': 'text/html' }, body: '<html>Log in to the network</html>' }],
    ['a captive portal with 403', { status: 403, headers: { 'content-type': 'text/html' }, body: '<html>Your region: please log in</html>' }],
    ['a proxy that wants a password', { status: 407 }],
    ['403 with a code that nobody knows', { status: 403, headers: { 'content-type': 'application/json' }, body: '{"errorCode":"E1047"}' }],
    ['404', { status: 404 }],
  ])('%s', async (_what, behaviour) => {
    app.server.behave(behaviour, { times: 1 });
    const offline = await app.updateThatBroke(1, { classifyRefusal });
    expect(await offline.revalidate()).toMatchObject({ blocked: 0, deferred: 1, nextAttemptAt: expect.any(Number) });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'lost', action: 'wait' });
    expect(['unreachable', 'server-error']).toContain(offline.verdict('title 1').reason);
    expect(await offline.ensurePlayable('title 1', AT_ONCE)).toMatchObject({ playable: 'offline' });
  });

  test('noise is no licence: the CDM rejects it, and it is not asked for again at once', async () => {
    app.server.behave('noise', { times: 1 });
    const offline = await app.updateThatBroke(1);
    expect(await offline.revalidate()).toMatchObject({ blocked: 1, licenseRequests: 1, nextAttemptAt: expect.any(Number) });
    expect(offline.verdict('title 1')).toMatchObject({ state: 'blocked', reason: 'rejected', action: 'wait' });
  });
});
