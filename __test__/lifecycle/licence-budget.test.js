'use strict';

const { useApp, keyId, UPDATED } = require('../helpers/offline-app.js');
const { failure } = require('../helpers/failure.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();
const titles = (/** @type {number} */ count, first = 1) => Array.from({ length: count }, (_, n) => `title ${n + first}`);
const playable = (/** @type {string[]} */ names) => names.filter((name) => app.offline.verdict(name).playable === 'offline');

describe('licences that nobody waits for', () => {
  const spread = { policy: { spreadMaxMs: 86_400_000 } };

  test('begin later, but for those of the ten titles played last and what somebody asks for', async () => {
    await app.open();
    await app.store(14);
    for (const [n, contentId] of titles(14).entries()) {
      const { sessionId } = await app.session(contentId);
      await app.offline.put({ ...LANE, contentId, sessionId, lastPlayedAt: 1_000 + n });
    }
    app.cdm.breakSalts();
    const offline = await app.relaunch({ platform: UPDATED, ...spread });
    const report = await offline.revalidate({ spread: true });
    expect(report).toMatchObject({ lost: 14, licensed: 10, deferred: 4 });
    expect(report.nextAttemptAt).toBeGreaterThan(Date.now());
    expect(report.nextAttemptAt).toBeLessThanOrEqual(Date.now() + 86_400_000);
    expect(playable(titles(14))).toEqual(titles(10, 5));
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.server.requests).toBe(11);
  });

  test('are those of a run that the addon began: an app\'s own does not wait, and ends the delay of one before it', async () => {
    const offline = await app.updateThatBroke(14, spread);
    const begun = offline.revalidate({ spread: true });
    expect(await offline.revalidate()).toMatchObject({ licensed: 14, deferred: 0 });
    expect(await begun).toMatchObject({ licensed: 14, deferred: 0 });
  });
});

describe('a share of licence requests', () => {
  test('of a session in a day is kept to, and said', async () => {
    app.server.behave({ status: 500 });
    const offline = await app.updateThatBroke(1, { policy: { licensesPerSessionPerDay: 2, backoffBaseMs: 1, backoffMaxMs: 1 } });
    for (let n = 0; n < 4; n++) await offline.ensurePlayable('title 1');
    const report = await offline.revalidate();
    expect(report).toMatchObject({ deferred: 1, heldBack: 1 });
    expect(report.nextAttemptAt % 86_400_000).toBe(0);
    const again = await app.relaunch({ platform: UPDATED, policy: { licensesPerSessionPerDay: 2 } });
    expect(await again.revalidate()).toMatchObject({ deferred: 1, heldBack: 1 });
    expect(app.server.requests).toBe(2);
  });

  test('of the install in an hour is kept to, also over a restart, and more may be allowed while it runs', async () => {
    const offline = await app.updateThatBroke(4, { policy: { licensesPerHour: 2 } });
    expect(await offline.revalidate()).toMatchObject({ licensed: 2, deferred: 2, heldBack: 2 });
    const again = await app.relaunch({ platform: UPDATED, policy: { licensesPerHour: 2 } });
    expect(await again.revalidate()).toMatchObject({ licensed: 0, deferred: 2, heldBack: 2 });
    expect(again.setPolicy({ licensesPerHour: 3 })).toMatchObject({ licensesPerHour: 3, batchSize: 25 });
    expect(await again.revalidate()).toMatchObject({ licensed: 1, deferred: 1, heldBack: 1 });
  });
});

describe('setPolicy', () => {
  test('is a switch that stops all work, and lets it go on', async () => {
    const offline = await app.updateThatBroke(2);
    offline.setPolicy({ mode: 'observe' });
    expect(await offline.revalidate()).toMatchObject({ checked: 0, licenseRequests: 0 });
    expect(app.cdm.counts.probes).toBe(0);
    offline.setPolicy({ mode: 'repair' });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, licensed: 2 });
  });

  test.each([
    ['an unknown field', { licencesPerHour: 1 }, 'policy.licencesPerHour: '],
    ['an unknown word', { mode: 'off' }, 'policy.mode: '],
    ['no number', { licensesPerHour: 'many' }, 'policy.licensesPerHour: '],
    ['a number out of bounds', { batchSize: 26 }, 'policy.batchSize: '],
    ['a rate of nothing', { licenseRatePerS: 0 }, 'policy.licenseRatePerS: '],
    ['no object', null, 'policy: '],
  ])('with %s changes nothing, and says what is wrong', async (_what, policy, at) => {
    const offline = await app.open();
    const before = offline.setPolicy({});
    expect(await failure(async () => offline.setPolicy(/** @type {any} */ (policy)))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(at) });
    expect(offline.setPolicy({})).toEqual(before);
  });
});

describe('preflight', () => {
  test('keeps titles that the server would refuse from being asked for, and from a check that could cost them; a click tries', async () => {
    const asked = [];
    const preflight = async (sessions) => { asked.push(sessions.length); return [{ contentId: 'title 2', reason: 'device-limit' }]; };
    await app.open();
    await app.store(3);
    const offline = await app.relaunch({ platform: UPDATED, preflight });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, proven: 2, deferred: 1, licenseRequests: 0 });
    expect(offline.verdict('title 2')).toMatchObject({ playable: 'try', state: 'suspect', reason: 'device-limit' });
    expect(asked).toEqual([3]);
    expect(await offline.ensurePlayable('title 2')).toMatchObject({ playable: 'offline' });
  });

  test.each([['no list', 'title 1'], ['an unknown reason', [{ contentId: 'title 1', reason: 'because' }]], ['no content', [{ reason: 'geo' }]]])(
    'that gives %s is told, and keeps nothing back', async (_what, given) => {
      const offline = await app.updateThatBroke(1, { preflight: async () => given });
      expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
      expect(app.warnings.splice(0)).toMatchObject([{ code: 'ERR_INVALID_ARGUMENT' }]);
    },
  );
});

describe('what a change did', () => {
  test('is in the history: from, to, kept and lost', async () => {
    await app.open();
    await app.store(3);
    await app.quit();
    app.cdm.deleteRecord('1');
    const offline = await app.open({ platform: UPDATED });
    await offline.revalidate();
    const [{ evidence }] = await offline.history();
    expect(evidence).toMatchObject([{ lane: LANE, kept: 2, lost: 1, unsupported: 0 }]);
    expect([evidence[0].from.electron, evidence[0].to.electron]).toEqual(['29.1.6', UPDATED.electron]);
  });

  test('is said of a lane that has no persistent licences any more', async () => {
    await app.open();
    await app.store(3);
    await app.quit();
    app.cdm.persistentLicense = 'unsupported';
    const offline = await app.open({ platform: UPDATED });
    await offline.revalidate();
    expect((await offline.history())[0].evidence).toMatchObject([{ kept: 0, lost: 0, unsupported: 3 }]);
  });
});

describe('a licence is renewed ahead', () => {
  const HOUR_MS = 3_600_000;
  /** @param {object} rules @param {object} [options] */
  async function expiring(rules, options) {
    await app.open();
    const expiration = Date.now() + HOUR_MS;
    await app.offline.put(app.download('title 1', [keyId(1)], { expiration, rules }));
    return app.relaunch(options);
  }

  test('once, where the app has asked for it, and plays all the time', async () => {
    const offline = await expiring({ renewAheadMs: 2 * HOUR_MS });
    expect(await offline.revalidate()).toMatchObject({ licensed: 1, adopted: 1, deferred: 0 });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(await offline.revalidate()).toMatchObject({ licensed: 0 });
    expect(app.leftovers()).toEqual([]);
  });

  test.each([
    ['it is not time yet', { renewAheadMs: HOUR_MS / 2 }],
    ['nobody has asked for it', {}],
    ['what was begun is over', { renewAheadMs: 2 * HOUR_MS, firstPlayedAt: 1, playbackDurationMs: 1 }],
  ])('not when %s', async (_why, rules) => {
    const offline = await expiring(rules);
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: 0 });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('not without a network; and one that fails leaves what is there', async () => {
    const offline = await expiring({ renewAheadMs: 2 * HOUR_MS });
    offline.setConnectivity('offline');
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: 0 });
    app.server.behave({ status: 403, body: '{"error":"GEO_BLOCKED"}' });
    offline.setConnectivity('online');
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 1, blocked: 0 });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
  });
});
