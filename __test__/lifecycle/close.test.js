'use strict';

const { useApp, keyId, never, titles, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const TITLES = titles(3);

/** Three titles whose licences an update has cost; the CDM's next ids are others than theirs. */
async function updateThatBroke(options) {
  await app.open();
  await app.store(3);
  await app.quit();
  for (const { sessionId } of [...app.catalogue.values()].flat()) app.cdm.storage().records.delete(sessionId);
  return app.open({ platform: UPDATED, ...options });
}

/** Closes at the first `step` of a run, which then never ends, and gives what became of the run. */
async function closeAt(offline, step) {
  let closing;
  const unhook = app.cdm.on(step, () => {
    unhook();
    setImmediate(() => { closing = offline.close(); });
    return never();
  });
  const failure = await offline.revalidate().catch((error) => error);
  await closing;
  return failure;
}

/** Opened again, the app finishes what it had begun: every title plays, and nothing of what is dead is left in the CDM. */
async function expectFinished() {
  const offline = await app.relaunch({ platform: UPDATED });
  expect(await offline.list()).toHaveLength(3);
  expect(await offline.revalidate()).toMatchObject({ deferred: 0, nextAttemptAt: null });
  expect(offline.unready()).toEqual([]);
  expect(TITLES.filter((contentId) => app.plays(contentId))).toEqual(TITLES);
  expect(offline.verdict('title 1').sessions[0].sessionId).toBe(app.catalogue.get('title 1')[0].sessionId);
  expect(app.leftovers()).toEqual([]);
}

describe('closed in the middle, the next launch finishes and pays nothing twice', () => {
  // How many requests had been answered by the server, and their licences not yet taken by the CDM.
  test.each([['phase', 0], ['probe', 0], ['load', 0], ['created', 0], ['update', 3], ['adopt', 0], ['remove', 0]])('at step %s', async (step, onTheirWay) => {
    const offline = await updateThatBroke();
    expect(await closeAt(offline, step)).toMatchObject({ name: 'OfflineSessionsError', code: 'ERR_CLOSED' });
    const before = app.server.requests;
    await expectFinished();
    expect(app.billed()).toHaveLength(3);
    expect(app.server.requests).toBeLessThanOrEqual(3 + onTheirWay);
    if (step === 'remove') expect(app.server.requests).toBe(before);
  });

  test('while the server is asked: the request is repeated, its id too', async () => {
    const offline = await updateThatBroke();
    let closing;
    app.server.behave(() => {
      closing ??= offline.close();
      return 'hang';
    });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    const asked = app.billed();
    expect(asked).not.toEqual([]);
    app.server.behave('ok');
    await expectFinished();
    expect(app.billed()).toHaveLength(3);
    expect(app.billed()).toEqual(expect.arrayContaining(asked));
  });

  test('after the CDM took the licence, before that was recorded: it is verified and adopted', async () => {
    const offline = await updateThatBroke({ driver: null, policy: { licenseConcurrency: 1 } });
    const driver = app.driver();
    let closing;
    offline.useDriver({ ...driver, license: async (...args) => {
      expect(await driver.license(...args)).toMatchObject({ kind: 'licensed' });
      closing ??= offline.close();
      return never();
    } });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    expect(app.server.requests).toBe(1);
    await expectFinished();
    expect(app.server.requests).toBe(3);
  });

  test('after the catalogue was changed, before that was recorded', async () => {
    const offline = await updateThatBroke({ driver: null });
    const driver = app.driver();
    let closing;
    offline.useDriver({ ...driver, adopt: async (...args) => {
      expect(await driver.adopt(...args)).toBe('adopted');
      closing ??= offline.close();
      return never();
    } });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    await expectFinished();
    expect(app.server.requests).toBe(3);
  });

  test('after the old licence was removed, before that was recorded', async () => {
    const offline = await updateThatBroke({ driver: null });
    const driver = app.driver();
    let closing;
    offline.useDriver({ ...driver, release: async (...args) => {
      expect(await driver.release(...args)).toEqual({ kind: 'released' });
      closing ??= offline.close();
      return never();
    } });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    await expectFinished();
    expect(app.server.requests).toBe(3);
  });

  test('by an update that comes between: what was paid for is verified where it must play', async () => {
    const offline = await updateThatBroke();
    await closeAt(offline, 'adopt');
    expect(app.server.requests).toBe(3);
    const later = await app.relaunch({ platform: { ...UPDATED, electron: '36.0.0' } });
    expect(later.unready()).toHaveLength(3);
    await later.revalidate();
    expect(later.unready()).toEqual([]);
    expect(app.server.requests).toBe(3);
  });

  test('by a wipe that comes between: what was paid for is gone, and asked for under the same id', async () => {
    const offline = await updateThatBroke();
    await closeAt(offline, 'adopt');
    const asked = app.billed();
    await app.quit();
    app.cdm.wipe();
    const later = await app.open({ platform: UPDATED });
    await later.revalidate();
    expect(later.unready()).toEqual([]);
    expect(TITLES.every((contentId) => app.plays(contentId))).toBe(true);
    expect(app.server.requests).toBe(6);
    expect(app.billed()).toEqual(asked);
    expect(app.leftovers()).toEqual([]);
  });
});

describe('close()', () => {
  test('ends everybody who waits', async () => {
    const offline = await updateThatBroke({ policy: { backoffBaseMs: 1 } });
    app.server.behave(() => { offline.close(); return 'hang'; });
    const waiting = [offline.revalidate(), offline.revalidate(), ...TITLES.map((contentId) => offline.ensurePlayable(contentId, { timeoutMs: 60_000 }))];
    const ends = await Promise.allSettled(waiting);
    expect(ends.map(({ reason }) => reason?.code)).toEqual(waiting.map(() => 'ERR_CLOSED'));
    expect(app.server.requests).toBe(app.billed().length);
  });

  test('keeps the outcomes that are on their way to the disk', async () => {
    const offline = await updateThatBroke({ driver: null });
    let closing;
    offline.useDriver({ ...app.driver(), check: async ({ keyIds }) => {
      // In the turn after this one every outcome has been handed over, and none is durable yet.
      closing ??= new Promise((resolve) => { setImmediate(() => resolve(offline.close())); });
      return { kind: 'loaded', keyStatuses: { [keyIds[0]]: 'usable' }, expiration: null };
    } });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    const again = await app.relaunch({ platform: UPDATED });
    expect(again.launch.suspects).toBe(0);
    expect(again.unready()).toEqual([]);
  });

  test('does not wait for a driver that hangs and hears nothing', async () => {
    const offline = await updateThatBroke({ driver: null });
    let asked;
    const hangs = new Promise((resolve) => { asked = resolve; });
    const driver = app.driver();
    offline.useDriver({ ...driver, startPhase: async () => {}, endPhase: never, probe: () => { asked(); return never(); } });
    const run = offline.revalidate().catch((error) => error);
    await hangs;
    await offline.close();
    expect(await run).toMatchObject({ code: 'ERR_CLOSED' });
    // The directory is free at once.
    await app.open({ platform: UPDATED });
  });
});

describe('a content removed in the middle', () => {
  test.each(['load', 'created', 'update', 'adopt'])('at step %s leaves nothing behind, and costs the others nothing', async (step) => {
    const offline = await updateThatBroke();
    const unhook = app.cdm.on(step, async ({ contentId }) => {
      if (contentId !== 'title 2') return;
      unhook();
      app.catalogue.delete('title 2');
      await offline.removeContent('title 2');
    });
    expect(await offline.revalidate()).toMatchObject({ deferred: 0, nextAttemptAt: null });
    expect((await offline.list()).map(({ contentId }) => contentId)).toEqual(['title 1', 'title 3']);
    expect(offline.verdict('title 2').state).toBe('unknown');
    expect(offline.unready()).toEqual([]);
    expect(app.leftovers()).toEqual([]);
    expect(app.server.requests).toBe({ load: 2, created: 2, update: 3, adopt: 3 }[step]);
  });

  test('and gone from the catalogue, too, is found out when the new licence is written down', async () => {
    const offline = await updateThatBroke();
    app.catalogue.delete('title 2');
    expect(await offline.revalidate()).toMatchObject({ licensed: 3, adopted: 2, deferred: 0 });
    expect((await offline.list()).map(({ contentId }) => contentId)).toEqual(['title 1', 'title 3']);
    expect(app.leftovers()).toEqual([]);
  });

  test('and downloaded again meanwhile, is the new one', async () => {
    const offline = await updateThatBroke();
    const unhook = app.cdm.on('update', async ({ contentId }) => {
      if (contentId !== 'title 2') return;
      unhook();
      app.catalogue.delete('title 2');
      await offline.put(app.download('title 2', [keyId(2)]), { replace: true });
    });
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    expect(app.plays('title 2')).toBe(true);
    expect((await app.session('title 2')).sessionId).toBe(app.catalogue.get('title 2')[0].sessionId);
    expect(app.leftovers()).toEqual([]);
  });
});

describe('a call that close() overtakes', () => {
  test.each([
    ['ensurePlayable', (offline) => offline.ensurePlayable('title 1', { timeoutMs: 20 })],
    ['prepareForUpdate', (offline) => offline.prepareForUpdate()],
    ['revalidate', (offline) => offline.revalidate()],
  ])('is ended: %s', async (_name, call) => {
    const offline = await updateThatBroke();
    await offline.revalidate({ signal: AbortSignal.timeout(1) }).catch(() => {});
    const called = expect(call(offline)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await offline.close();
    await called;
    // Past the time-out: what came of it then would be nobody's.
    await new Promise((resolve) => { setTimeout(resolve, 40); });
  });
});

describe('a function of the app\'s that never answers', () => {
  const hangs = { preflight: never };

  test.each([
    ['revalidate, whose preflight hangs', hangs, (offline) => offline.revalidate()],
    ['assessUpdate, whose preflight hangs', hangs, (offline) => offline.assessUpdate({ electron: '36.0.0' })],
    ['reconcile, whose inventory hangs', {}, (offline) => offline.reconcile(app.lane)],
    ['prepareForUpdate, whose inventory hangs', {}, (offline) => offline.prepareForUpdate()],
  ])('is waited for until close(), and no longer, by %s', async (_name, options, call) => {
    const offline = await app.updateThatBroke(1, options);
    offline.useDriver({ ...app.driver(), inventory: never });
    const called = expect(call(offline)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await new Promise(setImmediate);
    await offline.close();
    await called;
  });

  test('nor longer than the caller wants', async () => {
    const offline = await app.updateThatBroke(1, hangs);
    const caller = new AbortController();
    const run = expect(offline.revalidate({ signal: caller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await new Promise(setImmediate);
    caller.abort();
    await run;
  });

  test.each([
    ['a driver function that throws', (offline) => offline.useDriver(() => { throw new Error('of the app'); })],
    ['an inventory that throws', (offline) => offline.useDriver({ ...app.driver(), inventory() { throw new Error('of the app'); } })],
  ])('%s is told by its code', async (_what, use) => {
    const offline = await app.updateThatBroke(1);
    use(offline);
    await expect(offline.reconcile(app.lane)).rejects.toMatchObject({ code: 'ERR_CALLBACK', cause: { message: 'of the app' } });
  });
});
