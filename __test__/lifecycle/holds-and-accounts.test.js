'use strict';

const { useApp, keyId, titles, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();

describe('a title that is playing', () => {
  test('is left alone while the rest is licensed, and repaired when playback ends', async () => {
    await app.open();
    await app.store(3);
    await app.quit();
    for (const sessionId of ['1', '2']) app.cdm.deleteRecord(sessionId);
    const offline = await app.open({ platform: UPDATED });
    const hold = offline.hold({ contentId: 'title 2', lane: LANE, kind: 'playing' });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, proven: 1, licensed: 1, deferred: 1 });
    expect(await app.session('title 2')).toMatchObject({ state: 'active', suspect: true });
    expect(await offline.ensurePlayable('title 2')).toMatchObject({ state: 'suspect' });

    const ready = new Promise((resolve) => { offline.once('content-ready', resolve); });
    hold.release();
    hold.release();
    expect(await ready).toMatchObject({ contentId: 'title 2', playable: 'offline' });
    expect(app.server.requests).toBe(2);
  });

  test('whose id the CDM gives to another is licensed meanwhile, and adopted when playback ends', async () => {
    const offline = await app.updateThatBroke(2);
    const hold = offline.hold({ contentId: 'title 1', lane: LANE, kind: 'playing' });
    // The second title's new licence gets the id "1".
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 2, licensed: 2, adopted: 1 });
    expect(await app.session('title 1')).toMatchObject({ sessionId: '1', state: 'lost', reason: 'id-reused' });
    hold.release();
    expect(await offline.revalidate()).toMatchObject({ adopted: 1, licenseRequests: 0 });
    expect(titles(2).filter((contentId) => app.plays(contentId))).toHaveLength(2);
  });

  test('keeps its licence in the CDM although it was removed, until it has ended', async () => {
    const offline = await app.open();
    await app.store(1);
    const hold = offline.hold({ lane: LANE, kind: 'playing' });
    await offline.removeContent('title 1');
    expect(await offline.revalidate()).toMatchObject({ released: 0 });
    expect(app.cdm.record('1').keyStatuses).toEqual({ [keyId(1)]: 'usable' });
    hold.release();
    expect(await offline.revalidate()).toMatchObject({ released: 1 });
  });
});

describe('a download that writes licences', () => {
  test('lets checks run and holds every writer of its lane back', async () => {
    const offline = await app.updateThatBroke(2);
    const hold = offline.hold({ lane: LANE, kind: 'downloading' });
    expect(await offline.revalidate()).toMatchObject({ checked: 2, lost: 2, licensed: 0, deferred: 2, licenseRequests: 0 });
    hold.release();
    expect(await offline.revalidate()).toMatchObject({ licensed: 2 });
  });

  test('in another lane holds nothing here', async () => {
    const offline = await app.updateThatBroke(1);
    offline.hold({ lane: { ...LANE, partition: 'persist:other' }, kind: 'downloading' });
    expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
  });
});

test.each([
  ['nothing', undefined, 'hold'],
  ['an unknown kind', { lane: LANE, kind: 'sleeping' }, 'kind'],
  ['no lane', { kind: 'playing' }, 'lane'],
  ['a lane that is none', { lane: { ...LANE, origin: 'nowhere' }, kind: 'playing' }, 'lane.origin'],
  ['an empty content id', { contentId: '', lane: LANE, kind: 'playing' }, 'contentId'],
])('a hold of %s is refused', async (_what, hold, field) => {
  const offline = await app.open();
  expect(() => offline.hold(hold)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', field }));
});

describe('titles of an account', () => {
  test('of another one are neither played nor licensed, and come back with it', async () => {
    const offline = await app.updateThatBroke(2, {}, { account: 'ann' });
    await offline.setAccount('bob');
    expect(await offline.revalidate()).toMatchObject({ checked: 0, licensed: 0, licenseRequests: 0, deferred: 2 });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'no', reason: 'other-account', action: 'sign-in', sessions: [] });
    await offline.setAccount('ann');
    expect(await offline.revalidate()).toMatchObject({ licensed: 2 });
    await offline.setAccount(null);
    expect(titles(2).map((contentId) => offline.verdict(contentId).playable)).toEqual(['no', 'no']);
  });

  test('that nobody owns are everybody\'s', async () => {
    const offline = await app.updateThatBroke(1);
    await offline.setAccount(null);
    expect(await offline.revalidate()).toMatchObject({ licensed: 1 });
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test('that were blocked for want of a sign-in are tried again after it', async () => {
    const offline = await app.updateThatBroke(1);
    app.server.behave({ status: 401 }, { times: 1 });
    expect(await offline.revalidate()).toMatchObject({ blocked: 1, nextAttemptAt: null });
    expect(offline.verdict('title 1')).toMatchObject({ state: 'blocked', reason: 'auth', action: 'sign-in' });
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0 });
    await offline.setAccount('ann');
    await offline.revalidate();
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test.each([['nothing', undefined], ['an empty one', ''], ['a number', 7]])('%s is no account', async (_what, account) => {
    const offline = await app.open();
    await expect(offline.setAccount(account)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'account' });
  });
});

describe('what the player reports', () => {
  test('as an error takes the proof away, and the next run checks', async () => {
    const offline = await app.open();
    await app.store(2);
    app.cdm.deleteRecord('1');
    expect(await offline.reportPlayback('title 1', { error: new Error('6013'), systemCode: 75 })).toMatchObject({ playable: 'no', state: 'suspect', reason: 'playback-broken' });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1 });
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test('as key statuses that are not good does so too; good ones only date the playback', async () => {
    const offline = await app.open();
    await app.store(1);
    const before = Date.now();
    expect(await offline.reportPlayback('title 1', { keyStatuses: { [keyId(1)]: 'usable' }, expiration: Infinity })).toMatchObject({ playable: 'offline' });
    expect((await app.session('title 1')).lastPlayedAt).toBeGreaterThanOrEqual(before);
    expect(await offline.reportPlayback('title 1', { keyStatuses: { [keyId(1)]: 'expired' } })).toMatchObject({ state: 'suspect' });
  });

  test('never proves a suspect', async () => {
    const offline = await app.updateThatBroke(1);
    expect(await offline.reportPlayback('title 1', { keyStatuses: { [keyId(1)]: 'usable' } })).toMatchObject({ playable: 'no', state: 'suspect' });
  });

  test('of an unknown title is no error, and rubbish is', async () => {
    const offline = await app.open();
    expect(await offline.reportPlayback('none', { error: 'x' })).toMatchObject({ state: 'unknown' });
    await expect(offline.reportPlayback('none', { keyStatuses: { short: 'usable' } })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'keyStatuses.short' });
    await expect(offline.reportPlayback('none', null)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'report' });
  });
});

test('retry skips the wait of a title, but not one that a server asked for', async () => {
  const offline = await app.updateThatBroke(2);
  // One that asks for patience is left alone with all its titles, so the second is of another one.
  const { sessionId } = await app.session('title 2');
  await offline.put({ ...LANE, contentId: 'title 2', sessionId, licenseUrl: app.server.url.replace('127.0.0.1', 'localhost') });
  app.server.behave((call) => (call.keyIds[0] === keyId(1) ? { status: 500 } : { status: 429, headers: { 'retry-after': '600' } }), { times: 2 });
  expect(await offline.revalidate()).toMatchObject({ licensed: 0, deferred: 2 });
  await offline.retry('title 1');
  await offline.retry('title 2');
  await offline.retry('unknown');
  await offline.revalidate();
  expect(titles(2).map((contentId) => offline.verdict(contentId).playable)).toEqual(['offline', 'no']);
});

test.each([
  [{ status: 403, body: '{"error":"GEO_BLOCKED"}' }, 'geo'],
  [{ status: 403, body: 'Not available in your country' }, 'geo'],
  [{ status: 451, body: '' }, 'geo'],
  [{ status: 401, body: '' }, 'auth'],
])('an answer that says plainly why it refuses is understood: %j', async (answer, reason) => {
  const offline = await app.updateThatBroke(1);
  app.server.behave(answer);
  expect(await offline.revalidate()).toMatchObject({ blocked: 1 });
  expect(offline.verdict('title 1')).toMatchObject({ state: 'blocked', reason });
});

test('a title that is blocked is counted once, not again when its retry is only delayed', async () => {
  const offline = await app.updateThatBroke(1);
  app.server.behave({ status: 451 }, { times: 1 });
  expect(await offline.revalidate()).toMatchObject({ blocked: 1 });
  app.server.behave({ status: 500 }, { times: 1 });
  await offline.retry('title 1');
  expect(await offline.revalidate()).toMatchObject({ blocked: 0, licenseRequests: 1, deferred: 1 });
  expect(offline.verdict('title 1')).toMatchObject({ state: 'blocked', reason: 'geo' });
});

test('a region that refused is asked again after the location changed', async () => {
  const offline = await app.updateThatBroke(1);
  app.server.behave({ status: 451 }, { times: 1 });
  await offline.revalidate();
  offline.setConnectivity('online', { changedLocation: true });
  await offline.revalidate();
  expect(offline.verdict('title 1').playable).toBe('offline');
});
