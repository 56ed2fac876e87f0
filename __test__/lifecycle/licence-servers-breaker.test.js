'use strict';

const { startLicenseServer } = require('../../testbed/servers.js');
const { useApp, keyId, next, titles, KEYS, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const MANY = 40;
/** Far from all: a server that is down need not be told so by every title. */
const A_FEW = 10;
/** Nothing is tried again by itself while a test looks, whatever the jitter. */
const LONG = { backoffBaseMs: 21_600_000 };
const SHORT = { backoffBaseMs: 50, backoffMaxMs: 200, licenseTimeoutMs: 200 };

/** Resolves with what lets the next request be answered, as soon as that request is there. */
function holdNext() {
  return new Promise((arrived) => {
    app.server.behave(() => new Promise((answer) => { arrived(answer); }), { times: 1 });
  });
}

describe('a server that fails again and again', () => {
  test.each([
    ['with 500', { status: 500 }, 'server-error'],
    ['with 503 and no word of when', { status: 503 }, 'server-error'],
    ['with 502, as a page', { status: 502, body: '<html>Bad Gateway</html>', headers: { 'content-type': 'text/html' } }, 'server-error'],
    ['by cutting the connection', 'reset', 'unreachable'],
    ['as a captive portal does', 'captive-portal', 'unreachable'],
  ])('%s is left alone, for all its titles', async (_what, behaviour, reason) => {
    app.server.behave(behaviour);
    const offline = await app.updateThatBroke(MANY, { policy: LONG });
    const report = await offline.revalidate();
    expect(app.server.requests).toBeLessThanOrEqual(A_FEW);
    expect(report).toMatchObject({ checked: MANY, lost: MANY, licensed: 0, blocked: 0, deferred: MANY, nextAttemptAt: expect.any(Number) });
    const asked = offline.unready().filter((verdict) => verdict.reason === reason);
    expect(asked.length).toBeGreaterThan(0);
    // Nothing is said against any title.
    expect(new Set(offline.unready().map(({ state, action }) => `${state}, ${action}`))).toEqual(new Set(['lost, wait']));
    expect([...app.cdm.storage(app.lane).records.keys()]).toEqual([]);
  });

  test('is asked with one request whether it is well again, and then gets the rest', async () => {
    app.server.behave({ status: 500 });
    const offline = await app.updateThatBroke(MANY, { policy: SHORT });
    await offline.revalidate();
    const failed = app.server.requests;

    let answer = await holdNext();
    // While it is out, nobody else asks.
    const run = offline.revalidate();
    await offline.list();
    app.server.behave({ status: 500 });
    answer({ status: 500 });
    await run;
    expect(app.server.requests).toBe(failed + 1);

    answer = await holdNext();
    const ready = new Set();
    const all = next(offline, 'content-ready', ({ contentId }) => ready.add(contentId).size === MANY);
    answer('ok');
    await all;
    expect(app.server.requests).toBe(failed + 2 + MANY - 1);
    expect(app.billed()).toHaveLength(MANY);
    expect(app.leftovers()).toEqual([]);
  });

  test('is not asked more often because the app is started again', async () => {
    app.server.behave({ status: 500 });
    await app.updateThatBroke(MANY, { policy: LONG });
    await app.offline.revalidate();
    const { requests } = app.server;
    for (let launch = 0; launch < 3; launch++) {
      const offline = await app.relaunch({ platform: UPDATED, policy: LONG });
      expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: MANY, nextAttemptAt: expect.any(Number) });
    }
    expect(app.server.requests).toBe(requests);
  });

  test('does not keep another server waiting', async () => {
    const other = await startLicenseServer({ keys: KEYS });
    try {
      app.server.behave('reset');
      await app.open();
      await app.store(20);
      await app.offline.put(titles(20).map((title, n) => app.download(`other ${title}`, [keyId(50 + n)], { licenseUrl: other.url })));
      await app.quit();
      app.cdm.breakSalts();
      const offline = await app.open({ platform: UPDATED, policy: LONG });
      expect(await offline.revalidate()).toMatchObject({ licensed: 20, adopted: 20, deferred: 20 });
      expect(other.requests).toBe(20);
      expect(app.server.requests).toBeLessThanOrEqual(A_FEW);
    } finally {
      await other.close();
    }
  });

  test('may be asked by whoever clicks, once', async () => {
    app.server.behave({ status: 500 });
    const offline = await app.updateThatBroke(MANY, { policy: LONG });
    await offline.revalidate();
    const { requests } = app.server;
    expect(await offline.ensurePlayable('title 7')).toMatchObject({ playable: 'no', state: 'lost', reason: 'server-error' });
    expect(app.server.requests).toBe(requests + 1);
    app.server.behave('ok');
    expect(await offline.ensurePlayable('title 7')).toMatchObject({ playable: 'offline' });
  });
});

test('waits grow, and are different for each install: full jitter', async () => {
  const installs = [];
  for (let n = 0; n < 12; n++) {
    app.server.behave({ status: 500 });
    const offline = await app.updateThatBroke(1, { policy: { backoffBaseMs: 60_000, backoffMaxMs: 240_000 } });
    const waits = [];
    for (let failure = 0; failure < 4; failure++) {
      const before = Date.now();
      await offline.ensurePlayable('title 1');
      waits.push(Math.round((offline.verdict('title 1').retryAt - before) / 1_000));
    }
    expect(app.server.requests).toBe(4);
    installs.push(waits);
    await app.end();
    await app.start();
  }
  // Within the longest of each failure any wait is as likely as another.
  [60, 120, 240, 240].forEach((longest, failure) => {
    const waits = installs.map((of) => of[failure]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(longest + 10);
    expect(new Set(waits).size).toBeGreaterThan(5);
  });
  expect(Math.max(...installs.flat())).toBeGreaterThan(60 + 10);
});
