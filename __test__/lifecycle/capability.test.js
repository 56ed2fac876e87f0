'use strict';

const { next, keyId, NOTHING } = require('../helpers/offline-app.js');
const { useLanesApp, LANES, NAMES, UPDATE, cdms, title, keyOf, perLane } = require('../helpers/lanes-app.js');

const app = useLanesApp();
/** Longer waits than the longest there are were dated by another clock: those of an earlier launch hold nothing up here. */
const POLICY = { backoffBaseMs: 1, backoffMaxMs: 1, relicenseExpired: false };
/** What may bring a lane back, or cost it: the next launch's platform. */
const CHANGES = [['Electron', { electron: '36.0.0' }], ['Chromium', { chromium: '136.0.7103.48' }], ['CDM', cdms({ widevine: '4.10.3000.0' })]];

const wide = () => app.lanes.wide;
/** What is written down of each title of the lane: all that must outlast a lane's being unsupported. */
const rows = async () => Object.fromEntries((await app.offline.list({ keySystem: LANES.wide.keySystem, origin: LANES.wide.origin }))
  .map(({ suspect, ...row }) => [row.contentId, row]));
const states = async () => Object.fromEntries(Object.entries(await rows()).map(([contentId, { state, reason }]) => [contentId, [state, reason]]));
const inCdm = () => [...wide().cdm.storage(LANES.wide).index];

/** The last launch in which the lane was supported: a title of every state in it, one paid for and not adopted, and debt. */
async function everyState() {
  const names = ['proven', 'suspect', 'lost', 'blocked', 'expired', 'pending', 'removed'];
  const keyIds = Object.fromEntries(names.map((contentId, n) => [contentId, keyId(50 + n)]));
  await app.open();
  const sessions = names.map((contentId) => wide().download(contentId, [keyIds[contentId]], contentId === 'suspect' ? { proven: undefined } : {}));
  await app.offline.put(sessions);
  await app.quit();
  const { cdm } = wide();
  const [, , lost, blocked, expired, pending] = sessions.map(({ sessionId }) => sessionId);
  for (const sessionId of [lost, blocked, pending]) cdm.storage().index.delete(sessionId);
  cdm.record(expired).keyStatuses[keyIds.expired] = 'expired';
  const unhooks = [
    cdm.on('load', ({ contentId }) => (contentId === 'suspect' ? { kind: 'timeout' } : undefined)),
    cdm.on('adopt', () => 'open-in-player'),
    cdm.on('remove', () => ({ kind: 'failed', message: 'busy' })),
  ];
  app.server.behave(({ keyIds: [asked] }) => (asked === keyIds.blocked ? { status: 401 } : asked === keyIds.lost ? { status: 500 } : 'ok'));
  await app.open({ platform: UPDATE, policy: { relicenseExpired: false } });
  await app.offline.revalidate();
  wide().catalogue.delete('removed');
  await app.offline.removeContent('removed');
  await app.offline.revalidate();
  expect(await states()).toEqual({
    proven: ['active', null], suspect: ['active', 'never-proven'], lost: ['lost', 'gone'], blocked: ['blocked', 'auth'],
    expired: ['expired', 'expired'], pending: ['lost', 'gone'],
  });
  for (const unhook of unhooks) unhook();
  app.server.behave('ok');
  await app.quit();
  cdm.persistentLicense = 'unsupported';
  return { asked: app.server.requests, before: { ...cdm.counts }, had: inCdm() };
}

/** Nothing was asked of the CDM and the server, but whether they could. */
function expectUntouched({ asked, before, had }) {
  expect({ ...wide().cdm.counts, probes: 0 }).toEqual({ ...before, probes: 0 });
  expect(app.server.requests).toBe(asked);
  expect(inCdm()).toEqual(had);
}

describe('a lane that becomes unsupported', () => {
  test('keeps every row as it is, over launches, whatever is asked', async () => {
    const marks = await everyState();
    await app.open({ platform: { electron: '35.2.0' }, policy: POLICY });
    const kept = await rows();
    for (const electron of ['35.2.0', '35.3.0', '35.3.0']) {
      const offline = await app.relaunch({ platform: { electron }, policy: POLICY });
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 6, nextAttemptAt: null });
      for (const contentId of Object.keys(kept)) {
        await offline.retry(contentId);
        expect(await offline.ensurePlayable(contentId)).toEqual({ contentId, playable: 'online', state: 'unsupported', reason: 'unsupported',
          action: 'connect', retryAt: null, sessions: [expect.anything()] });
      }
      await offline.setAccount('ann');
      offline.setConnectivity('online', { changedLocation: true });
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 6, nextAttemptAt: null });
      expect(await rows()).toEqual(kept);
      expect(offline.unready()).toHaveLength(6);
    }
    expectUntouched(marks);
  });

  test.each(CHANGES)('comes back with another %s, and goes on where it was', async (_what, platform) => {
    const marks = await everyState();
    const unsupported = { electron: '35.2.0' };
    await app.open({ platform: unsupported, policy: POLICY });
    await app.offline.revalidate();
    expectUntouched(marks);
    wide().cdm.persistentLicense = 'supported';
    const offline = await app.relaunch({ platform: { ...unsupported, ...platform }, policy: POLICY });
    // Until it is asked, the last answer stands.
    expect(offline.verdict('proven')).toMatchObject({ playable: 'online', state: 'unsupported' });
    const report = await offline.revalidate();
    // Lost and blocked are looked at once more before anything is asked for; the expired one waits for the viewer.
    expect(report).toMatchObject({ checked: 4, proven: 2, licensed: 1, adopted: 2, blocked: 0, unsupported: 0, licenseRequests: 1, deferred: 2 });
    expect(await states()).toEqual({
      proven: ['active', null], suspect: ['active', null], lost: ['active', null], pending: ['active', null],
      blocked: ['blocked', 'auth'], expired: ['expired', 'expired'],
    });
    // What had been paid for is not paid for again.
    expect(app.server.requests).toBe(marks.asked + 1);
    await offline.setAccount('ann');
    await offline.revalidate();
    await offline.ensurePlayable('expired');
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    expect(app.server.requests).toBe(marks.asked + 3);
    expect(wide().leftovers()).toEqual([]);
    expect(['proven', 'suspect', 'lost', 'blocked', 'expired', 'pending'].filter((contentId) => !wide().plays(contentId))).toEqual([]);
  });

  test('comes back in the same generation: what is not proven in it is looked at, and nothing else', async () => {
    const marks = await everyState();
    await app.open({ platform: UPDATE, policy: POLICY });
    await app.offline.revalidate();
    expectUntouched(marks);
    wide().cdm.persistentLicense = 'supported';
    const offline = await app.relaunch({ platform: UPDATE, policy: POLICY });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1, lost: 0, licensed: 1, adopted: 2, licenseRequests: 1, released: 1 });
    expect(offline.unready().map(({ contentId, state }) => [contentId, state])).toEqual([['blocked', 'blocked'], ['expired', 'expired']]);
  });

  test.each(CHANGES)('in the middle of a launch, with another %s, is asked at once, and so it comes back', async (_what, platform) => {
    await app.stored(1);
    const offline = await app.open();
    await offline.revalidate();
    wide().cdm.persistentLicense = 'unsupported';
    await offline.updatePlatform(platform);
    expect(await offline.revalidate()).toMatchObject({ lost: 0, unsupported: 1, licenseRequests: 0 });
    expect(offline.unready().map(({ contentId, state }) => [contentId, state])).toEqual([[title('wide'), 'unsupported']]);
    wide().cdm.persistentLicense = 'supported';
    await offline.updatePlatform({ ...cdms({ widevine: '4.10.4000.0' }) });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, proven: 2, unsupported: 0 });
    expect(offline.unready()).toEqual([]);
  });

  test('costs the others nothing: they are repaired', async () => {
    await app.stored(1);
    for (const name of NAMES) app.lanes[name].cdm.breakSalts();
    for (const name of ['wide', 'web']) app.lanes[name].cdm.persistentLicense = 'unsupported';
    const offline = await app.open({ platform: UPDATE });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, lost: 2, licensed: 2, adopted: 2, unsupported: 2, deferred: 0 });
    expect(app.counts('loads')).toMatchObject({ wide: 0, web: 0 });
    expect(offline.unready().map(({ contentId }) => contentId)).toEqual([title('web'), title('wide')]);
    expect(app.server.requests).toBe(2);
  });

  test('takes downloads on record, and forgets what is removed, without a word to the CDM', async () => {
    await app.stored(2);
    wide().cdm.persistentLicense = 'unsupported';
    const offline = await app.open({ platform: UPDATE });
    await offline.revalidate();
    const { probes, ...counts } = wide().cdm.counts;
    await offline.put(wide().download('new', [keyOf('wide', 3)]));
    expect(offline.verdict('new')).toMatchObject({ playable: 'online', state: 'unsupported' });
    expect(await offline.reportPlayback('new', { error: 'of the player' })).toMatchObject({ playable: 'online', state: 'unsupported' });
    wide().catalogue.delete(title('wide'));
    await offline.removeContent(title('wide'));
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 2 });
    expect(wide().cdm.counts).toMatchObject(counts);
    wide().cdm.persistentLicense = 'supported';
    expect(await (await app.relaunch({ platform: UPDATE })).revalidate()).toMatchObject({ checked: 2, proven: 2, released: 1, licenseRequests: 0 });
    expect(wide().leftovers()).toEqual([]);
  });

  test('and is wiped meanwhile, owes nothing when it comes back', async () => {
    await everyState();
    await app.open({ platform: UPDATE, policy: POLICY });
    await app.offline.revalidate();
    await app.quit();
    wide().cdm.wipe();
    wide().cdm.persistentLicense = 'supported';
    const { removes } = wide().cdm.counts;
    const offline = await app.open({ platform: UPDATE, policy: { ...POLICY, licenseConcurrency: 1 } });
    await offline.setAccount('ann');
    await offline.revalidate();
    await offline.ensurePlayable('expired');
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    expect(wide().leftovers()).toEqual([]);
    expect(wide().cdm.counts.removes).toBe(removes);
  });
});

describe('a lane that is unavailable', () => {
  /** The lane's next probes find no CDM yet; gives what verdict they came upon. */
  function unavailable(times) {
    const seen = [];
    const unhook = wide().cdm.on('probe', () => {
      seen.push(app.offline.verdict(title('wide')).state);
      if (seen.length === times) unhook();
      return { persistentLicense: 'unavailable', witness: null };
    });
    return seen;
  }

  test('is asked again by itself until it is there, and is never unsupported', async () => {
    await app.stored(1);
    for (const name of NAMES) app.lanes[name].cdm.breakSalts();
    const seen = unavailable(6);
    const offline = await app.open({ platform: UPDATE, policy: { backoffBaseMs: 1 } });
    const ready = next(offline, 'content-ready', ({ contentId }) => contentId === title('wide'));
    await offline.revalidate();
    expect(await ready).toMatchObject({ playable: 'offline' });
    expect(seen).toEqual(Array(6).fill('suspect'));
    expect(app.billed()).toHaveLength(4);
    expect(app.server.requests).toBe(4);
  });

  test('waits longer each time, and a click asks at once', async () => {
    await app.stored(1);
    unavailable(Infinity);
    const offline = await app.open({ platform: UPDATE, policy: { backoffBaseMs: 1000, backoffMaxMs: 3000 } });
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3, deferred: 1, unsupported: 0, licenseRequests: 0 });
    const waits = [];
    for (let n = 0; n < 3; n++) {
      const before = Date.now();
      const verdict = await offline.ensurePlayable(title('wide'));
      expect(verdict).toMatchObject({ playable: 'try', state: 'suspect', reason: 'unavailable', action: 'try' });
      waits.push(Math.floor((verdict.retryAt - before) / 1000));
    }
    expect(waits).toEqual([2, 3, 3]);
    expect(app.counts('probes')).toEqual(perLane(2, { wide: 5 }));
    expect(app.counts('loads')).toEqual(perLane(1, { wide: 0 }));
  });

  test('releases nothing, and what it says of its witness is not believed', async () => {
    await app.stored(2);
    wide().catalogue.delete(title('wide'));
    const seen = unavailable(3);
    const offline = await app.open({ policy: { backoffBaseMs: 1 } });
    await offline.removeContent(title('wide'));
    const removes = [];
    wide().cdm.on('remove', () => { removes.push(seen.length); });
    const released = next(offline, 'run-finished', (report) => report.released === 1);
    await offline.revalidate();
    expect(await released).toMatchObject({ checked: 0 });
    expect(removes).toEqual([3]);
    expect(offline.unready()).toEqual([]);
  });

  test('over restarts stays what it is, and so does what was unsupported and is now asked in vain', async () => {
    await app.stored(1);
    wide().cdm.persistentLicense = 'unavailable';
    for (let launch = 0; launch < 3; launch++) {
      const offline = await app.relaunch({ platform: UPDATE });
      expect(await offline.revalidate()).toMatchObject({ deferred: 1, unsupported: 0, nextAttemptAt: expect.any(Number) });
      expect(offline.verdict(title('wide'))).toMatchObject({ playable: 'try', state: 'suspect', reason: 'unavailable' });
    }
    wide().cdm.persistentLicense = 'unsupported';
    await (await app.relaunch({ platform: UPDATE })).revalidate();
    wide().cdm.persistentLicense = 'unavailable';
    const offline = await app.relaunch({ platform: UPDATE });
    expect(await offline.revalidate()).toMatchObject({ deferred: 1, unsupported: 0, licenseRequests: 0, nextAttemptAt: expect.any(Number) });
    expect(offline.verdict(title('wide'))).toMatchObject({ playable: 'try', state: 'suspect', reason: 'unavailable' });
    expect(wide().cdm.counts).toMatchObject({ loads: 0, requests: 0, removes: 0 });
  });
});
