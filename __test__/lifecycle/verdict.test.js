'use strict';

const { useApp, keyId, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();

/** A title whose licence is lost and that the server answers like this. */
async function lostAndAnswered(behaviour, options) {
  await app.open();
  await app.store(1);
  await app.quit();
  app.cdm.breakSalts();
  app.server.behave(behaviour);
  const offline = await app.open({ platform: UPDATED, ...options });
  await offline.revalidate();
  return offline;
}

/** The title's verdict, and the same among what is not ready. */
function expectVerdict(expected) {
  const verdict = app.offline.verdict('title 1');
  expect(verdict).toEqual({ contentId: 'title 1', retryAt: null, sessions: [expect.objectContaining({ keySystem: LANE.keySystem })], ...expected });
  expect(app.offline.unready()).toEqual(expected.playable === 'offline' ? [] : [verdict]);
}

describe('the verdict on a title that is', () => {
  test('proven', async () => {
    await app.open();
    await app.store(1);
    expectVerdict({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
  });

  test('suspect, and can be checked', async () => {
    await app.open();
    await app.store(1, { proven: undefined });
    expectVerdict({ playable: 'no', state: 'suspect', reason: 'never-proven', action: 'wait' });
  });

  test('suspect, and nobody can check it', async () => {
    await app.open({ driver: null });
    await app.store(1, { proven: undefined });
    await app.offline.revalidate();
    expectVerdict({ playable: 'try', state: 'suspect', reason: 'no-driver', action: 'try' });
  });

  test('suspect, and could not be licensed again', async () => {
    await app.open();
    await app.offline.put(app.download('title 1', [keyId(1)], { initDataType: undefined, initData: null, proven: undefined }));
    expect(await app.offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 1 });
    expect(app.cdm.counts.loads).toBe(0);
    expectVerdict({ playable: 'try', state: 'suspect', reason: 'no-license-data', action: 'try' });
    // A click has nothing left to lose.
    expect(await app.offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
  });

  test('suspect, because its time is over by our clock', async () => {
    await app.open();
    await app.store(1, { expiration: Date.now() - 1 });
    // Proof of this launch holds whatever our clock says.
    expectVerdict({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
    await app.relaunch();
    expectVerdict({ playable: 'no', state: 'suspect', reason: 'expiration-passed', action: 'wait' });
    expect(await app.offline.revalidate()).toMatchObject({ checked: 1, proven: 1 });
    expectVerdict({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
  });

  test('lost, while it waits', async () => {
    const offline = await lostAndAnswered({ status: 500 });
    const { nextAttemptAt } = await app.session('title 1');
    expect(nextAttemptAt).toBeGreaterThan(Date.now());
    expectVerdict({ playable: 'no', state: 'lost', reason: 'server-error', action: 'wait', retryAt: nextAttemptAt });
    offline.setConnectivity('offline');
    expectVerdict({ playable: 'no', state: 'lost', reason: 'offline', action: 'connect' });
  });

  test('lost, and could not be licensed again', async () => {
    await app.open();
    await app.offline.put(app.download('title 1', [keyId(1)], { initDataType: undefined, initData: null, proven: undefined }));
    app.cdm.breakSalts();
    app.offline.useDriver(app.driver());
    await app.offline.ensurePlayable('title 1');
    expectVerdict({ playable: 'no', state: 'lost', reason: 'no-license-data', action: 'download-again' });
  });

  test('expired, and licensed again as the policy has it', async () => {
    await app.open();
    await app.store(1);
    await app.quit();
    const [{ sessionId }] = app.catalogue.get('title 1');
    app.cdm.record(sessionId, LANE).keyStatuses[keyId(1)] = 'expired';
    const offline = await app.open({ platform: UPDATED, policy: { relicenseExpired: false } });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 0, lost: 0, licenseRequests: 0, deferred: 1, nextAttemptAt: null });
    expect(await app.session('title 1')).toMatchObject({ state: 'expired', reason: 'expired', sessionId });
    expectVerdict({ playable: 'no', state: 'expired', reason: 'expired', action: 'renew' });
    // Asked for, it is licensed; and by the default policy unasked.
    await app.relaunch({ platform: UPDATED });
    expect(await app.offline.revalidate()).toMatchObject({ licensed: 1, adopted: 1, released: 1, licenseRequests: 1 });
    expectVerdict({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
    expect(app.leftovers()).toEqual([]);
  });

  test.each([
    ['auth', 'no', 'sign-in'], ['geo', 'no', 'change-location'], ['entitlement', 'no', 'renew'], ['device-limit', 'no', 'free-device'],
    ['concurrency', 'no', 'wait'], ['revoked', 'no', 'download-again'], ['offline-not-allowed', 'online', 'connect'],
  ])('blocked: %s', async (reason, playable, action) => {
    await lostAndAnswered({ status: 403 }, { classifyRefusal: () => reason });
    const { nextAttemptAt, ...session } = await app.session('title 1');
    expect(session).toMatchObject({ state: 'blocked', reason, suspect: false });
    expectVerdict({ playable, state: 'blocked', reason, action, retryAt: nextAttemptAt });
  });

  test('unsupported', async () => {
    await app.open();
    await app.store(1);
    app.cdm.persistentLicense = 'unsupported';
    expect(await app.offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 1, nextAttemptAt: null });
    expectVerdict({ playable: 'online', state: 'unsupported', reason: 'unsupported', action: 'connect' });
  });

  test('in a lane whose CDM is not there yet', async () => {
    await app.open();
    await app.store(1, { proven: undefined });
    app.cdm.persistentLicense = 'unavailable';
    const report = await app.offline.revalidate();
    expect(report).toMatchObject({ ...NOTHING, deferred: 1 });
    expect(report.nextAttemptAt).toBeGreaterThan(Date.now());
    expectVerdict({ playable: 'try', state: 'suspect', reason: 'unavailable', action: 'try', retryAt: report.nextAttemptAt });
  });

  test('unknown, and never among what is not ready', async () => {
    await app.open();
    expect(app.offline.verdict('title 1')).toEqual({ contentId: 'title 1', playable: 'online', state: 'unknown', reason: 'unknown', action: 'connect', retryAt: null, sessions: [] });
    expect(app.offline.unready()).toEqual([]);
  });
});

describe('a title of several sessions', () => {
  const sound = () => app.download('title 1', [keyId(1)]);
  const picture = () => app.download('title 1', [keyId(2)]);

  test('is as good as its worst', async () => {
    await app.open();
    await app.offline.put([sound(), picture()]);
    expect(app.offline.verdict('title 1')).toMatchObject({ playable: 'offline', sessions: [{ sessionId: '1' }, { sessionId: '2' }] });
    await app.quit();
    app.cdm.deleteRecord('2');
    app.server.behave({ status: 401 });
    await app.open({ platform: UPDATED });
    await app.offline.revalidate();
    expect((await app.offline.list()).map(({ state, suspect }) => [state, suspect])).toEqual([['active', false], ['blocked', false]]);
    expect(app.offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'blocked', reason: 'auth', action: 'sign-in', sessions: [{}, {}] });
    expect(app.offline.unready()).toHaveLength(1);
  });

  test('is ready when all of them are', async () => {
    await app.open();
    await app.offline.put([sound(), picture()]);
    await app.quit();
    app.cdm.breakSalts();
    await app.open({ platform: UPDATED });
    const ready = [];
    app.offline.on('content-ready', ({ contentId }) => ready.push(contentId));
    expect(await app.offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(ready).toEqual(['title 1']);
    expect(app.plays('title 1')).toBe(true);
  });
});

test('in mode observe nothing is done, and all is told', async () => {
  await app.open();
  await app.store(2);
  const offline = await app.relaunch({ platform: UPDATED, policy: { mode: 'observe' } });
  expect(offline.launch.suspects).toBe(2);
  expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 2, nextAttemptAt: null });
  expect(titles(2).map((contentId) => offline.verdict(contentId))).toMatchObject([{ playable: 'try', state: 'suspect' }, { playable: 'try', state: 'suspect' }]);
  expect(await offline.ensurePlayable('title 1')).toMatchObject({ state: 'suspect' });
  expect(app.cdm.counts).toMatchObject({ probes: 0, loads: 0, requests: 0 });
});

describe('an unsupported lane', () => {
  test('is remembered until it is asked again, and floods no server', async () => {
    await app.open();
    await app.store(3);
    app.cdm.persistentLicense = 'unsupported';
    await app.offline.revalidate();
    const offline = await app.relaunch({ platform: UPDATED });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'online', state: 'unsupported' });
    await offline.removeContent('title 3');
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 2 });
    expect(app.cdm.counts).toMatchObject({ loads: 0, requests: 0, removes: 0 });
    expect(app.server.requests).toBe(0);
    // The licence of the removed title waits there, too, and goes when the lane is supported again.
    app.cdm.persistentLicense = 'supported';
    await app.relaunch({ platform: UPDATED });
    app.catalogue.delete('title 3');
    expect(await app.offline.revalidate()).toMatchObject({ checked: 2, proven: 2, released: 1, unsupported: 0 });
    expect(app.leftovers()).toEqual([]);
  });
});
