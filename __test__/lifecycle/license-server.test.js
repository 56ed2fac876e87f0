'use strict';

const { license } = require('../../testbed/clearkey.js');
const { useApp, keyId, never, next, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();
const BACKOFF_MS = 5_000;
const HOUR_MS = 3_600_000;
const MAX_BACKOFF_MS = 6 * HOUR_MS;

/** One title whose licence is lost. */
async function lost(options) {
  await app.open();
  // Of another id than the next licence has, so that each can be told from the other.
  app.cdm.store(LANE, []);
  await app.store(1);
  await app.quit();
  app.cdm.breakSalts();
  return app.open({ platform: UPDATED, ...options });
}

/** The run's report, and when the title's next attempt is, from the run's end. */
async function revalidate() {
  const before = Date.now();
  const report = await app.offline.revalidate();
  const session = await app.session('title 1');
  return { report, session, waitMs: session.nextAttemptAt === null ? null : session.nextAttemptAt - before, tookMs: Date.now() - before };
}

/** What a server asks for is kept, and up to a quarter more, never beyond the longest; of our own waits it is some part. */
const expectWait = (waitMs, expectedMs, tookMs) => {
  const isAsked = expectedMs !== BACKOFF_MS;
  // Dates have whole seconds.
  expect(waitMs).toBeGreaterThan(isAsked ? expectedMs - 1000 : 0);
  expect(waitMs).toBeLessThanOrEqual(Math.min(expectedMs * (isAsked ? 1.25 : 1), MAX_BACKOFF_MS) + tookMs);
};

/** The CDM holds nothing, under any id. */
const expectEmptyCdm = () => {
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual([]);
  expect([...app.cdm.storage(LANE).index]).toEqual([]);
};

/** What the app's functions did wrong, which was expected. */
const takeCallbackWarnings = () => app.warnings.splice(0).map(({ code, cause }) => {
  expect(code).toBe('ERR_CALLBACK');
  return String(cause?.message ?? cause);
});

const retryAfter = (value) => ({ 'retry-after': value });
const retryAfterDate = (seconds) => retryAfter(new Date(Date.now() + seconds * 1000).toUTCString());

describe('an answer that says nothing against the title leaves it lost, for later', () => {
  test.each([
    ['429 with seconds', () => ({ status: 429, headers: retryAfter('120') }), 'throttled', 120_000],
    ['429 with a date', () => ({ status: 429, headers: retryAfterDate(3600) }), 'throttled', HOUR_MS],
    ['429 with a year', () => ({ status: 429, headers: retryAfter('31536000') }), 'throttled', MAX_BACKOFF_MS],
    ['429 with nonsense', () => ({ status: 429, headers: retryAfter('soon') }), 'throttled', BACKOFF_MS],
    ['429 alone', () => ({ status: 429 }), 'throttled', BACKOFF_MS],
    // A server whose clock is behind must not be flooded for it.
    ['429 with a date that is over', () => ({ status: 429, headers: retryAfterDate(-60) }), 'throttled', BACKOFF_MS],
    ['429 with 0 seconds', () => ({ status: 429, headers: retryAfter('0') }), 'throttled', BACKOFF_MS],
    ['503 with seconds', () => ({ status: 503, headers: retryAfter('7') }), 'throttled', 7_000],
    ['503 with a date', () => ({ status: 503, headers: retryAfterDate(600) }), 'throttled', 600_000],
    ['503 alone', () => ({ status: 503 }), 'server-error', BACKOFF_MS],
    ['500', () => ({ status: 500, body: 'no' }), 'server-error', BACKOFF_MS],
    ['403, which nobody classifies', () => ({ status: 403, body: 'geo' }), 'unreachable', BACKOFF_MS],
    ['404', () => ({ status: 404 }), 'unreachable', BACKOFF_MS],
    ['a cut connection', () => 'reset', 'unreachable', BACKOFF_MS],
    ['a captive portal\'s page', () => 'garbage', 'unreachable', BACKOFF_MS],
    ['a captive portal\'s page as 403', () => ({ status: 403, body: '<!doctype html>', headers: { 'content-type': 'text/html' } }), 'unreachable', BACKOFF_MS],
    ['a redirect to nowhere', () => ({ status: 302, headers: { location: 'data:text/html,welcome' } }), 'unreachable', BACKOFF_MS],
  ])('%s', async (_what, behaviour, reason, expectedWaitMs) => {
    // A date counts from the moment of its answer.
    app.server.behave(behaviour, { times: 3 });
    await lost();
    const { report, session, waitMs, tookMs } = await revalidate();
    expect(report).toMatchObject({ checked: 1, proven: 0, lost: 1, licensed: 0, adopted: 0, blocked: 0, licenseRequests: 1, deferred: 1 });
    expect(report.nextAttemptAt).toBe(session.nextAttemptAt);
    expect(session).toMatchObject({ state: 'lost', reason: 'gone', suspect: false });
    expectWait(waitMs, expectedWaitMs, tookMs);
    expect(app.offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason, action: 'wait', retryAt: session.nextAttemptAt });
    expect(app.plays('title 1')).toBe(false);
    expectEmptyCdm();
  });

  test('a server that is not there', async () => {
    await app.server.close();
    await lost();
    const { session } = await revalidate();
    expect(session.state).toBe('lost');
    expect(app.offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason: 'unreachable', action: 'wait' });
  });

  test('waits are some part of what doubles, up to the longest', async () => {
    app.server.behave({ status: 500 });
    await lost({ policy: { backoffBaseMs: 1000, backoffMaxMs: 3000 } });
    const waits = [];
    for (let n = 0; n < 4; n++) {
      // Somebody who clicks does not wait.
      const before = Date.now();
      await app.offline.ensurePlayable('title 1');
      waits.push((await app.session('title 1')).nextAttemptAt - before);
    }
    expect(waits.map((wait, n) => wait > 0 && wait < [1000, 2000, 3000, 3000][n] + 1000)).toEqual([true, true, true, true]);
    expect(app.server.requests).toBe(4);
  });

  test('a server that asked for patience gets it, whoever clicks', async () => {
    app.server.behave({ status: 429, headers: retryAfter('3600') });
    const offline = await lost();
    await revalidate();
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'no', reason: 'throttled' });
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: 1 });
    expect(app.server.requests).toBe(1);
  });
});

describe('a refusal blocks the title', () => {
  test('401 is recognised, and waits for somebody to sign in', async () => {
    app.server.behave({ status: 401 });
    const offline = await lost();
    const { report, session } = await revalidate();
    expect(report).toMatchObject({ checked: 1, lost: 1, blocked: 1, deferred: 1, nextAttemptAt: null });
    expect(session).toMatchObject({ state: 'blocked', reason: 'auth', nextAttemptAt: null });
    expectEmptyCdm();
    await offline.revalidate();
    expect(app.server.requests).toBe(1);
    // Signed in, the viewer presses play.
    app.server.behave('ok');
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    // A new request, because the first was answered.
    expect(app.billed()).toHaveLength(2);
  });

  test('as the app classifies it, by all that the answer says', async () => {
    const body = JSON.stringify({ error: 'GEO_BLOCKED', padding: 'x'.repeat(20_000) });
    app.server.behave({ status: 403, body, headers: { 'x-reason': 'geo' } });
    const seen = [];
    const offline = await lost({ classifyRefusal: (response) => { seen.push(response); return 'geo'; } });
    const { report, session, waitMs } = await revalidate();
    expect(seen).toEqual([{ status: 403, headers: expect.any(Headers), body: body.slice(0, 16 * 1024), session: expect.objectContaining({ contentId: 'title 1' }) }]);
    expect(seen[0].headers.get('x-reason')).toBe('geo');
    expect(report).toMatchObject({ blocked: 1, deferred: 1 });
    expect(session).toMatchObject({ state: 'blocked', reason: 'geo' });
    expect(waitMs).toBeGreaterThanOrEqual(MAX_BACKOFF_MS);
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'blocked', reason: 'geo', action: 'change-location', retryAt: session.nextAttemptAt });
    // In another country it is tried again at once.
    app.server.behave('ok');
    const ready = next(offline, 'content-ready');
    offline.setConnectivity('online', { changedLocation: true });
    expect(await ready).toMatchObject({ contentId: 'title 1', playable: 'offline' });
  });

  test.each([
    ['knows nothing', () => null, []],
    ['promises nothing', async () => undefined, []],
    ['throws', () => { throw new Error('of the app'); }, ['of the app']],
    ['rejects', () => Promise.reject(new Error('of the app')), ['of the app']],
  ])('but not when the classifier %s', async (_what, classifyRefusal, causes) => {
    app.server.behave({ status: 403 });
    await lost({ classifyRefusal });
    expect((await revalidate()).session).toMatchObject({ state: 'lost', reason: 'gone', nextAttemptAt: expect.any(Number) });
    expect(takeCallbackWarnings()).toEqual(causes);
    expectEmptyCdm();
  });

  test('nor when it says a word that is none', async () => {
    app.server.behave({ status: 403 });
    await lost({ classifyRefusal: () => 'too expensive' });
    expect((await revalidate()).session).toMatchObject({ state: 'lost', nextAttemptAt: expect.any(Number) });
    expect(app.warnings.splice(0).length).toBeGreaterThan(0);
  });
});

describe('a licence that is none blocks the title, for a while', () => {
  test.each([
    ['nothing at all', 'empty', 'rejected', 0],
    ['what is no licence', { status: 200, body: '{"keys":[]}' }, 'rejected', 0],
    ['other keys than were asked for', 'wrong-keys', 'unverified', 1],
  ])('%s', async (_what, behaviour, reason, licensed) => {
    app.server.behave(behaviour);
    const offline = await lost();
    const { report, session, waitMs, tookMs } = await revalidate();
    expect(report).toMatchObject({ checked: 1, proven: 0, lost: 1, licensed, adopted: 0, blocked: 1, licenseRequests: 1, deferred: 1, nextAttemptAt: session.nextAttemptAt });
    expect(session).toMatchObject({ state: 'blocked', reason });
    expect(waitMs).toBeGreaterThanOrEqual(BACKOFF_MS);
    expect(waitMs).toBeLessThanOrEqual(BACKOFF_MS + tookMs);
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'blocked', reason, action: 'wait', retryAt: session.nextAttemptAt });
    expectEmptyCdm();
  });

  test('also when its id is the one that the title had before', async () => {
    await app.open();
    await app.store(1);
    await app.quit();
    app.cdm.breakSalts();
    app.server.behave('wrong-keys');
    await app.open({ platform: UPDATED });
    await app.offline.revalidate();
    expect(await app.session('title 1')).toMatchObject({ state: 'blocked', reason: 'unverified', sessionId: '1' });
    app.server.behave('ok');
    expect(await app.offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    await app.offline.revalidate();
    expect(app.leftovers()).toEqual([]);
  });

  test('while one with fewer keys than the content names is good', async () => {
    const [known, unknown] = [keyId(1), 'ee'.repeat(16)];
    await app.open();
    await app.offline.put(app.download('title 1', [known, unknown]));
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATED });
    expect(await offline.revalidate()).toMatchObject({ licensed: 1, adopted: 1, blocked: 0 });
    expect(await app.session('title 1')).toMatchObject({ state: 'active', suspect: false, keyIds: [known] });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(await offline.find({ keyIds: [unknown] })).toHaveLength(1);
    // From now on these are the keys that it must show.
    expect(await (await app.relaunch()).revalidate()).toMatchObject({ checked: 1, proven: 1, lost: 0 });
  });
});

test('a server that hangs is left after the time for a licence, and what was asked is asked under the same id', async () => {
  app.server.behave('hang');
  const offline = await lost({ policy: { licenseTimeoutMs: 100 } });
  const { report, session } = await revalidate();
  expect(report).toMatchObject({ lost: 1, licensed: 0, blocked: 0, licenseRequests: 1, deferred: 1 });
  expect(session).toMatchObject({ state: 'lost', reason: 'gone', nextAttemptAt: report.nextAttemptAt });
  expect(app.offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason: 'timeout', action: 'wait' });
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual([]);
  expect(app.warnings.splice(0)).toMatchObject([{ message: 'no answer in 100 ms' }]);
  app.server.behave('ok');
  // What the CDM may have of it is looked at first; then the licence is asked for again.
  expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  await offline.revalidate();
  expect(app.server.requests).toBe(2);
  expect(app.billed()).toHaveLength(1);
  expect(app.leftovers()).toEqual([]);
});

describe('the app\'s own hook', () => {
  test('is given what it needs, and its bytes go to the CDM', async () => {
    const requests = [];
    const offline = await lost({
      acquireLicense: async (request) => {
        requests.push(request);
        return (await fetch(app.server.url, { method: 'POST', body: request.message })).arrayBuffer();
      },
    });
    expect((await revalidate()).report).toMatchObject({ licensed: 1, adopted: 1, licenseRequests: 1 });
    expect(requests).toEqual([{
      session: expect.objectContaining({ contentId: 'title 1', lane: { ...LANE, partition: '' }, licenseUrl: app.server.url, metadata: null, account: null }),
      requestId: expect.stringMatching(/^[0-9a-f]{32}$/),
      messageType: 'license-request',
      message: expect.any(Uint8Array),
      replaces: '2',
      signal: expect.any(AbortSignal),
    }]);
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test.each([
    [{ kind: 'throttled', status: 429, retryAfterMs: 90_000 }, { state: 'lost', reason: 'throttled', waitMs: 90_000 }],
    [{ kind: 'throttled', status: 429, retryAfterMs: 90_000.5 }, { state: 'lost', reason: 'throttled', waitMs: 90_000 }],
    [{ kind: 'throttled', status: 503, retryAfterMs: null }, { state: 'lost', reason: 'throttled', waitMs: BACKOFF_MS }],
    [{ kind: 'refused', status: 403, reason: 'device-limit' }, { state: 'blocked', reason: 'device-limit', waitMs: MAX_BACKOFF_MS }],
    [{ kind: 'refused', reason: 'concurrency' }, { state: 'blocked', reason: 'concurrency', waitMs: BACKOFF_MS }],
    [{ kind: 'unreachable' }, { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS }],
    [{ kind: 'server-error', status: 502 }, { state: 'lost', reason: 'server-error', waitMs: BACKOFF_MS }],
    [Object.assign(new Error('no token'), { kind: 'refused', status: 401, reason: 'auth' }), { state: 'blocked', reason: 'auth', waitMs: null }],
    [new Error('no kind'), { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
    ['a string', { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
    [null, { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
    [{ kind: 'refused', status: 403 }, { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
    [{ kind: 'forbidden' }, { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
    [{ kind: 'server-error', status: '503' }, { state: 'lost', reason: 'unreachable', waitMs: BACKOFF_MS, warnings: 1 }],
  ])('may throw %j', async (thrown, { state, reason, waitMs: expected, warnings = 0 }) => {
    await lost({ acquireLicense: () => Promise.reject(thrown) });
    const { session, waitMs, tookMs } = await revalidate();
    expect(session.state).toBe(state);
    expect(app.offline.verdict('title 1').reason).toBe(reason);
    if (expected === null) expect(waitMs).toBeNull();
    else expectWait(waitMs, expected, tookMs);
    expect(takeCallbackWarnings()).toHaveLength(warnings);
    expectEmptyCdm();
  });

  test('that hangs is told to stop', async () => {
    let signal;
    await lost({ acquireLicense: (request) => { signal = request.signal; return never(); }, policy: { licenseTimeoutMs: 50 } });
    await revalidate();
    expect(signal.aborted).toBe(true);
    expect(app.warnings.splice(0)).toHaveLength(1);
    expect(app.offline.verdict('title 1')).toMatchObject({ state: 'lost', reason: 'timeout' });
  });

  test.each([['nothing', undefined], ['null', null], ['a string', 'licence'], ['a number', 9]])(
    'that gives %s has given no licence: nothing that the CDM could reject', async (_what, given) => {
      await lost({ acquireLicense: async () => given });
      const { session } = await revalidate();
      expect(session.state).toBe('lost');
      expect(app.offline.verdict('title 1').reason).toBe('unreachable');
      expect(takeCallbackWarnings()).toEqual(['acquireLicense gave no bytes']);
      expectEmptyCdm();
    });

  test.each([
    ['a buffer', (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)],
    ['a part of a buffer', (bytes) => Buffer.concat([Buffer.from('before'), bytes]).subarray(6)],
  ])('may give %s', async (_what, as) => {
    await lost({ acquireLicense: async () => as(license({ [keyId(1)]: keyId(1) })) });
    expect((await revalidate()).session).toMatchObject({ state: 'active', suspect: false });
  });
});
