'use strict';

const { useApp, keyId, never, next, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();
const POLICY = { taskTimeoutMs: 60, licenseTimeoutMs: 60, startPhaseTimeoutMs: 60 };

/** Titles after an update; `lost`: which cost every licence. No driver yet. */
async function update(n, { lost = false, policy = POLICY } = {}) {
  await app.open();
  await app.store(n);
  await app.quit();
  if (lost) app.cdm.breakSalts();
  return app.open({ platform: UPDATED, driver: null, policy });
}

/** Which titles are how, by state and reason of their verdict. */
const verdicts = () => app.offline.unready().map(({ state, reason }) => `${state} ${reason}`);
/** The warnings so far, as what they say. */
// What the app's driver threw by its message, what is ours by its code.
const takeWarnings = () => app.warnings.splice(0).map(({ code, message }) => (code === 'ERR_CALLBACK' ? message : code));

describe('no driver', () => {
  test.each([
    ['was given', () => {}],
    ['serves the lane: null', (offline) => offline.useDriver(() => null)],
    ['serves the lane: nothing', (offline) => offline.useDriver(() => {})],
  ])('%s: the work is deferred, and done when one comes', async (_what, give) => {
    const offline = await update(3);
    give(offline);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 3, nextAttemptAt: null });
    expect(titles(3).map((contentId) => offline.verdict(contentId))).toEqual(titles(3).map(() =>
      expect.objectContaining({ playable: 'try', state: 'suspect', reason: 'no-driver', action: 'try', retryAt: null })));
    const ready = next(offline, 'content-ready');
    offline.useDriver(app.driver());
    expect(await ready).toMatchObject({ playable: 'offline' });
    expect(await offline.revalidate()).toMatchObject({ deferred: 0 });
    expect(offline.unready()).toEqual([]);
  });

  test('that takes the configuration of one title keeps none of the others waiting, and asks for no licence of that one', async () => {
    const hevc = { capabilities: { audio: [], video: [{ contentType: 'video/mp4; codecs="hvc1.1.6.L93.B0"' }] } };
    await app.open();
    await app.store(3);
    await app.offline.put(app.download('uhd', [keyId(9)], hevc));
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATED, driver: null });
    const driver = app.driver();
    offline.useDriver({ ...driver, startPhase: async (lane, phase, configuration, context) => {
      if (configuration?.videoCapabilities[0]?.contentType.includes('hvc1')) throw Object.assign(new Error('no HEVC here'), { name: 'NotSupportedError' });
      return driver.startPhase(lane, phase, configuration, context);
    } });
    expect(await offline.revalidate()).toMatchObject({ adopted: 3, deferred: 1, licenseRequests: 3 });
    expect(offline.unready()).toMatchObject([{ contentId: 'uhd', state: 'suspect', reason: 'timeout', retryAt: expect.any(Number) }]);
    expect(takeWarnings()).toEqual(['no HEVC here']);
  });

  test('for one lane does not keep the others', async () => {
    const offline = await update(2);
    await offline.put(app.download('elsewhere', ['ab'.repeat(16)], { partition: 'persist:kids', proven: undefined }));
    const lanes = [];
    const driver = app.driver();
    offline.useDriver((lane) => { lanes.push(lane); return lane.partition === 'persist:kids' ? null : driver; });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, proven: 2, deferred: 1 });
    expect(offline.unready()).toMatchObject([{ contentId: 'elsewhere', reason: 'no-driver' }]);
    expect(lanes).toEqual(expect.arrayContaining([{ ...LANE, partition: '' }, { ...LANE, partition: 'persist:kids' }]));
  });

  test.each([['throws', () => { throw new Error('no window'); }], ['gives what is no driver', () => ({ check() {} })]])(
    'is what a function has that %s, and it is told', async (_what, driverFor) => {
      const offline = await update(1);
      offline.useDriver(driverFor);
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 1 });
      expect(offline.verdict('title 1')).toMatchObject({ playable: 'try', reason: 'no-driver' });
      expect(takeWarnings()).toHaveLength(1);
    });
});

describe('a driver that hangs', () => {
  test.each([
    ['probe', 'probe', 'unavailable', false],
    ['check', 'load', 'timeout', false],
    ['license', 'created', 'timeout', true],
  ])('in %s is given up, and the work comes later', async (_method, step, reason, lost) => {
    const offline = await update(3, { lost });
    offline.useDriver(app.driver());
    const unhook = app.cdm.on(step, never);
    const report = await offline.revalidate();
    expect(report).toMatchObject({ proven: 0, adopted: 0, blocked: 0, deferred: 3, nextAttemptAt: expect.any(Number) });
    expect(verdicts()).toEqual(Array(3).fill(`${lost ? 'lost' : 'suspect'} ${reason}`));
    expect(takeWarnings().length).toBeGreaterThan(0);
    unhook();
    for (const contentId of titles(3)) expect(await offline.ensurePlayable(contentId)).toMatchObject({ playable: 'offline' });
    expect(app.server.requests).toBe(lost ? 3 : 0);
  });

  test('in startPhase: so is the phase', async () => {
    const offline = await update(3);
    offline.useDriver(app.driver());
    const unhook = app.cdm.on('phase', never);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 3, nextAttemptAt: expect.any(Number) });
    expect(app.offline.unready()).toHaveLength(3);
    expect(takeWarnings()).toEqual(['ERR_NO_ANSWER']);
    unhook();
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('in adopt: the paid licence stays pending, and is adopted later without another', async () => {
    const offline = await update(2, { lost: true });
    offline.useDriver(app.driver());
    const unhook = app.cdm.on('adopt', never);
    expect(await offline.revalidate()).toMatchObject({ licensed: 2, adopted: 0, deferred: 2, nextAttemptAt: expect.any(Number) });
    expect(verdicts()).toEqual(['lost catalogue-changed', 'lost catalogue-changed']);
    takeWarnings();
    unhook();
    for (const contentId of titles(2)) expect(await offline.ensurePlayable(contentId)).toMatchObject({ playable: 'offline' });
    expect(app.server.requests).toBe(2);
  });

  test('in release: the debt is paid later', async () => {
    const offline = await update(1, { policy: { ...POLICY, backoffBaseMs: 1 } });
    offline.useDriver(app.driver());
    await offline.removeContent('title 1');
    app.catalogue.delete('title 1');
    const unhook = app.cdm.on('remove', never);
    await offline.revalidate();
    expect(app.leftovers()).toEqual(['1']);
    expect(takeWarnings().length).toBeGreaterThan(0);
    unhook();
    await next(offline, 'run-finished', ({ released }) => released === 1);
    expect(app.leftovers()).toEqual([]);
    takeWarnings();
  });

  test('whatever it is asked, and that hears no signal, holds up nobody', async () => {
    const offline = await update(2);
    offline.useDriver({ ...app.driver(), startPhase: async () => {}, endPhase: async () => {}, probe: never, check: never });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 2 });
    takeWarnings();
    // Another driver has nothing of its fate to bear.
    offline.useDriver(app.driver());
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });
});

describe('a driver that throws', () => {
  test.each([
    ['probe', { probe: () => Promise.reject(new Error('of the driver')) }, 'suspect unavailable', false],
    ['probe, at once', { probe: () => { throw new Error('of the driver'); } }, 'suspect unavailable', false],
    ['check', { check: () => Promise.reject(new Error('of the driver')) }, 'suspect timeout', false],
    ['check, what is no error', { check: () => Promise.reject(undefined) }, 'suspect timeout', false],
    ['license', { license: () => Promise.reject(new Error('of the driver')) }, 'lost timeout', true],
    ['adopt', { adopt: () => Promise.reject(new Error('of the driver')) }, 'lost catalogue-changed', true],
  ])('in %s says nothing against a licence', async (_what, methods, expected, lost) => {
    const offline = await update(2, { lost });
    const driver = app.driver();
    offline.useDriver({ ...driver, ...methods });
    expect(await offline.revalidate()).toMatchObject({ proven: 0, adopted: 0, blocked: 0, deferred: 2, nextAttemptAt: expect.any(Number) });
    expect(verdicts()).toEqual([expected, expected]);
    expect(app.warnings.splice(0).length).toBeGreaterThan(0);
    offline.useDriver(driver);
    for (const contentId of titles(2)) expect(await offline.ensurePlayable(contentId)).toMatchObject({ playable: 'offline' });
    expect(app.server.requests).toBe(lost ? 2 : 0);
  });

  test.each([
    ['startPhase', () => ({ startPhase: () => Promise.reject(new Error('of the driver')) }), 0],
    ['plantWitness', () => ({ plantWitness: () => Promise.reject(new Error('of the driver')) }), 1],
    ['endPhase', (driver) => ({ endPhase: async (...args) => { await driver.endPhase(...args); throw new Error('of the driver'); } }), 1],
  ])('in %s does not end the run', async (method, methods, proven) => {
    await app.open({ driver: null });
    await app.store(1, { proven: undefined });
    const driver = app.driver();
    app.offline.useDriver({ ...driver, ...methods(driver) });
    expect(await app.offline.revalidate()).toMatchObject({ proven });
    expect(new Set(takeWarnings())).toEqual(new Set(method === 'endPhase' ? [] : ['of the driver']));
    expect(app.offline.verdict('title 1').state).toBe(proven ? 'proven' : 'suspect');
  });
});

describe('a driver that answers rubbish', () => {
  const RUBBISH = [
    undefined, null, 7, 'loaded', 'adoptd', [], {}, { kind: 'fine' }, { kind: 7 }, { kind: 'loaded' }, { kind: 'licensed' }, { kind: 'rejected' },
    { kind: 'loaded', keyStatuses: { zz: 'usable' }, expiration: null }, { kind: 'loaded', keyStatuses: 'usable', expiration: null },
    { kind: 'loaded', keyStatuses: {}, expiration: 'never' }, { kind: 'refused', reason: 'too expensive' }, { persistentLicense: 'yes', witness: null },
  ];
  const cyclic = { kind: 'loaded' };
  cyclic.self = cyclic;

  test.each([['probe', 'suspect unavailable', false], ['check', 'suspect timeout', false], ['license', 'lost timeout', true], ['adopt', 'lost catalogue-changed', true]])(
    'of %s has said nothing', async (method, expected, lost) => {
      const offline = await update(1, { lost, policy: {} });
      const driver = app.driver();
      for (const answer of RUBBISH) {
        offline.useDriver({ ...driver, [method]: async () => answer });
        expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: expect.stringMatching(/no|try/) });
        expect(verdicts()).toEqual([expected]);
        expect(takeWarnings()).toEqual(['ERR_INVALID_ARGUMENT']);
      }
      expect(await offline.list()).toHaveLength(1);
      offline.useDriver(driver);
      expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
      expect(app.server.requests).toBe(lost ? 1 : 0);
    });

  test.each([['a BigInt', { kind: 'loaded', keyStatuses: {}, expiration: 7n }], ['a cycle', cyclic]])('with %s in it has said nothing', async (_what, answer) => {
    const offline = await update(1);
    offline.useDriver({ ...app.driver(), check: async () => answer });
    const verdict = await offline.ensurePlayable('title 1').catch((error) => error);
    expect(verdict).toMatchObject({ playable: 'try', state: 'suspect', reason: 'timeout' });
    expect(takeWarnings()).toHaveLength(1);
  });

  test('of license, with an id that was never journalled, is believed in nothing, and not asked again at once', async () => {
    const offline = await update(1, { lost: true });
    let asked = 0;
    const license = async () => (++asked > 5 ? { kind: 'unreachable' } : { kind: 'licensed', sessionId: '99', keyStatuses: {}, expiration: null });
    offline.useDriver({ ...app.driver(), license });
    expect(await offline.revalidate()).toMatchObject({ licensed: 0, adopted: 0, deferred: 1 });
    expect(await app.session('title 1')).toMatchObject({ state: 'lost' });
    expect(takeWarnings()).toEqual(['ERR_INVALID_ARGUMENT']);
    expect(asked).toBe(1);
  });

  test('of sessionCreated, with an id that is none, gets no licence', async () => {
    const offline = await update(1, { lost: true });
    const failures = [];
    offline.useDriver({ ...app.driver(), license: async (_session, { sessionCreated, acquireLicense }) => {
      for (const id of ['', 'x'.repeat(1025), 'a\0b']) await sessionCreated(id).catch(({ code, field }) => failures.push([code, field]));
      expect(acquireLicense).toBeInstanceOf(Function);
      return { kind: 'timeout' };
    } });
    await offline.revalidate();
    expect(failures).toEqual(Array(3).fill(['ERR_INVALID_ARGUMENT', 'sessionId']));
    expect(app.server.requests).toBe(0);
  });
});

test('a window that goes takes no licence with it, and the next one goes on', async () => {
  const offline = await update(30, { lost: true, policy: { licenseConcurrency: 1 } });
  const driver = app.driver();
  offline.useDriver(driver);
  const unhook = app.cdm.on('adopt', () => { unhook(); driver.close(); });
  await offline.revalidate();
  expect(app.offline.unready().length).toBeGreaterThan(0);
  app.warnings.splice(0);
  offline.useDriver(app.driver());
  for (const contentId of titles(30)) expect(await offline.ensurePlayable(contentId)).toMatchObject({ playable: 'offline' });
  expect(app.server.requests).toBe(30);
  expect(titles(30).filter((contentId) => !app.plays(contentId))).toEqual([]);
});
