'use strict';

const { useApp, never, next, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const MANY = 60;

const playing = (n) => titles(n).filter((contentId) => app.plays(contentId) && app.offline.verdict(contentId).playable === 'offline');

describe('a run', () => {
  test('in batches, reports every figure, and goes on from there', async () => {
    const offline = await app.updateThatBroke(MANY);
    expect(await offline.revalidate()).toEqual({ ...NOTHING, checked: MANY, lost: MANY, licensed: MANY, adopted: MANY, licenseRequests: MANY,
      nextAttemptAt: null, durationMs: expect.any(Number) });
    expect(app.server.requests).toBe(MANY);
    expect(playing(MANY)).toHaveLength(MANY);
    expect(await offline.revalidate()).toEqual({ ...NOTHING, nextAttemptAt: null, durationMs: expect.any(Number) });
    expect(app.leftovers()).toEqual([]);
  });

  test('mixes what is good, lost, refused and missing its means', async () => {
    await app.open();
    const [, lost, refused] = await app.store(4);
    await app.offline.put(app.download('without means', [], { initDataType: undefined, initData: null, proven: undefined }));
    await app.quit();
    for (const { sessionId } of [lost, refused]) app.cdm.deleteRecord(sessionId);
    app.server.behave((call) => (call.keyIds[0] === refused.keyIds[0] ? { status: 401 } : 'ok'));
    const offline = await app.open({ platform: UPDATED });
    expect(await offline.revalidate()).toEqual({ ...NOTHING, checked: 4, proven: 2, lost: 2, licensed: 1, adopted: 1, blocked: 1, licenseRequests: 2,
      // Of what was lost, the old hollow id; of what was refused, the new one.
      released: 2, deferred: 2, nextAttemptAt: null, durationMs: expect.any(Number) });
    expect(offline.unready().map(({ contentId, state, reason }) => [contentId, state, reason]))
      .toEqual([['title 3', 'blocked', 'auth'], ['without means', 'suspect', 'no-license-data']]);
  });

  test('tells its progress, which never goes back and ends with everything done', async () => {
    const offline = await app.updateThatBroke(MANY);
    const seen = [];
    const emitted = [];
    offline.on('progress', (progress) => emitted.push(progress));
    await offline.revalidate({ onProgress: (progress) => seen.push(progress) });
    expectProgress(seen);
    expect(seen.at(-1)).toEqual({ done: MANY, total: MANY, expectedLicenseRequests: 0, remainingMs: expect.any(Number), checked: MANY, proven: 0, lost: MANY, licensed: MANY, adopted: MANY, blocked: 0, released: 0, licenseRequests: MANY });
    expect(new Set(seen.map(({ done }) => done)).size).toBeGreaterThan(2);
    expect(emitted).toEqual(seen);
  });

  test('tells progress that never goes back though sessions fail and are due again meanwhile', async () => {
    const offline = await app.updateThatBroke(MANY, { policy: { backoffBaseMs: 1, backoffMaxMs: 1 } });
    app.server.behave({ status: 500 }, { times: 40 });
    const seen = [];
    await offline.revalidate({ onProgress: (progress) => seen.push(progress) });
    expectProgress(seen);
  });

  /** Never back, never beyond the total, and in the end all of it. */
  function expectProgress(seen) {
    for (const [n, { done, total }] of seen.entries()) {
      expect(done).toBeGreaterThanOrEqual(seen[n - 1]?.done ?? 0);
      expect(total).toBeGreaterThanOrEqual(Math.max(done, seen[n - 1]?.total ?? 0));
    }
    expect(seen.at(-1).done).toBe(seen.at(-1).total);
  }

  test('is shared by calls that overlap', async () => {
    const offline = await app.updateThatBroke(MANY);
    const finished = [];
    offline.on('run-finished', (report) => finished.push(report));
    const runs = [offline.revalidate(), offline.revalidate()];
    await next(offline, 'session-changed');
    runs.push(offline.revalidate());
    const reports = await Promise.all(runs);
    expect(app.server.requests).toBe(MANY);
    expect(app.cdm.counts.requests).toBe(MANY);
    expect(reports[0]).toMatchObject({ checked: MANY, licensed: MANY, adopted: MANY, licenseRequests: MANY });
    expect(reports).toEqual(reports.map(() => reports[0]));
    expect(finished).toEqual([reports[0]]);
    expect(playing(MANY)).toHaveLength(MANY);
  });

  test('works on several lanes side by side, each serially', async () => {
    await app.open();
    const places = [{}, { partition: 'persist:kids' }, { origin: 'https://example.com' }, { keySystem: 'com.widevine.alpha' }];
    await app.offline.put(places.map((place, n) => app.download(`lane ${n}`, [`${n}`.repeat(32)], { ...place, proven: undefined })));
    let together = 0;
    let arrived;
    const all = new Promise((resolve) => { arrived = resolve; });
    // No lane's check ends before three have begun: two of the four share an origin, and with it a lock.
    app.cdm.on('load', () => { if (++together === 3) arrived(); return all; });
    expect(await app.offline.revalidate()).toMatchObject({ checked: 4, proven: 4 });
  });
});

describe('an abort', () => {
  test('before the call does nothing at all', async () => {
    const offline = await app.updateThatBroke(3);
    await expect(offline.revalidate({ signal: AbortSignal.abort('no') })).rejects.toMatchObject({ name: 'OfflineSessionsError', code: 'ERR_ABORTED', cause: 'no' });
    await expect(offline.ensurePlayable('title 1', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(app.cdm.counts).toMatchObject({ probes: 0, loads: 0 });
  });

  /** Aborts at the first `step`, which then never ends; the next call must finish. */
  async function abortAt(step, policy, abort) {
    const offline = await app.updateThatBroke(3, { policy });
    const controller = new AbortController();
    const unhook = app.cdm.on(step, () => {
      unhook();
      abort(controller);
      return never();
    });
    const error = await offline.revalidate({ signal: controller.signal }).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'OfflineSessionsError', code: 'ERR_ABORTED' });
    expect(await offline.list()).toHaveLength(3);
    expect(await offline.revalidate()).toMatchObject({ deferred: 0, nextAttemptAt: null });
    expect(playing(3)).toHaveLength(3);
  }

  test.each([['phase', 0], ['probe', 0], ['load', 0], ['created', 0], ['update', 3], ['adopt', 0]])(
    'at step %s loses nothing, and the next call finishes', async (step, repeated) => {
      await abortAt(step, {}, (controller) => setImmediate(() => controller.abort()));
      // Only what was on its way into the CDM is asked for again, under the same id.
      expect(app.billed()).toHaveLength(3);
      expect(app.server.requests).toBeLessThanOrEqual(3 + repeated);
      expect(app.leftovers()).toEqual([]);
    });

  test('while the engine is being asked starts nothing', async () => {
    const offline = await app.updateThatBroke(3);
    const controller = new AbortController();
    const aborted = offline.revalidate({ signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    // Each of these is answered after what was asked before it.
    for (let n = 0; n < 5; n++) await offline.list();
    expect(app.cdm.counts).toMatchObject({ probes: 0, loads: 0 });
    expect(await offline.revalidate()).toMatchObject({ checked: 3, licensed: 3 });
  });

  test('from within the driver is an abort, too', async () => {
    await abortAt('phase', { startPhaseTimeoutMs: 500 }, (controller) => controller.abort());
  });

  test('of one caller does not end the work of another', async () => {
    const offline = await app.updateThatBroke(3);
    const controller = new AbortController();
    const aborted = offline.revalidate({ signal: controller.signal });
    const other = offline.revalidate();
    const unhook = app.cdm.on('load', () => { unhook(); controller.abort(); });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await other).toMatchObject({ licensed: 3, adopted: 3, licenseRequests: 3 });
    expect(app.server.requests).toBe(3);
  });

  test('does not count as a failure of anybody', async () => {
    const offline = await app.updateThatBroke(1);
    for (let n = 0; n < 3; n++) {
      const controller = new AbortController();
      const unhook = app.cdm.on('load', () => { unhook(); controller.abort(); return never(); });
      await expect(offline.revalidate({ signal: controller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
    expect(await app.session('title 1')).toMatchObject({ state: 'active', nextAttemptAt: null });
    expect(app.server.requests).toBe(0);
  });
});

describe('due work goes on by timer', () => {
  test('without another call, until the title is ready', async () => {
    const offline = await app.updateThatBroke(2, { policy: { backoffBaseMs: 1 } });
    app.server.behave({ status: 500 }, { times: 6 });
    const ready = new Set();
    const all = next(offline, 'content-ready', ({ contentId }) => ready.add(contentId).size === 2);
    await offline.revalidate();
    await all;
    expect(app.server.requests).toBe(8);
    expect(app.billed()).toHaveLength(2);
    expect(playing(2)).toHaveLength(2);
  });

  test('and not before somebody asked', async () => {
    const offline = await app.updateThatBroke(2);
    await offline.put(app.download('title 3', ['ab'.repeat(16)]));
    await offline.removeContent('title 2');
    offline.setConnectivity('online');
    await offline.updatePlatform({ app: '1.0.1' });
    expect(await offline.history()).toHaveLength(2);
    expect(app.cdm.counts).toMatchObject({ probes: 0, loads: 0, requests: 0, removes: 0 });
  });

  test.each([
    ['the network comes back', (offline) => offline.setConnectivity('offline'), (offline) => offline.setConnectivity('online')],
    ['a driver comes', (offline) => offline.useDriver(() => null), (offline) => offline.useDriver(app.driver())],
  ])('also when it could not at first: %s', async (_what, hinder, help) => {
    const offline = await app.updateThatBroke(1);
    hinder(offline);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 1, nextAttemptAt: null });
    const ready = next(offline, 'content-ready');
    help(offline);
    expect(await ready).toMatchObject({ contentId: 'title 1', playable: 'offline' });
  });

  test.each([
    ['a session is put', async (offline) => { await offline.put(app.download('new', ['ab'.repeat(16)], { proven: undefined })); return 'new'; }],
    ['the platform turns out to be another', async (offline) => { await offline.updatePlatform({ chromium: '135.0.0.0' }); return 'title 1'; }],
  ])('also when all was done before: %s', async (_what, happen) => {
    await app.open();
    await app.store(1);
    await app.offline.revalidate();
    const changed = next(app.offline, 'session-changed', ({ suspect }) => !suspect);
    const contentId = await happen(app.offline);
    expect(await changed).toMatchObject({ contentId, state: 'active' });
  });
});
