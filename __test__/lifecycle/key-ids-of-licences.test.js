'use strict';

const { license } = require('../../testbed/clearkey.js');
const { useApp, keyId, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

/** What the content names, and a key that it does not. Licences of fewer keys, and of none of them: license-server.test.js. */
const [A, B, X] = [keyId(1), keyId(2), keyId(3)];
const NEXT = { ...UPDATED, electron: '36.0.0' };
/** A run that finds a licence gone and gets another. */
const LICENSED = { checked: 1, lost: 1, licensed: 1, licenseRequests: 1 };
const app = useApp();

/** Of a title whose init data names no key. */
const NAMELESS = { proven: undefined, initDataType: 'webm', initData: new Uint8Array([7]) };

const film = () => app.session('film');
const verdict = () => app.offline.verdict('film');
const licenceOf = (...keyIds) => ({ status: 200, body: license(Object.fromEntries(keyIds.map((id) => [id, id]))) });

/** A title whose licence is lost. Its new one's id is 1, which it never had. */
async function lost({ policy, ...more } = {}) {
  await app.open();
  app.cdm.store(LANE, []);
  await app.offline.put(app.download('film', [A, B], more));
  await app.quit();
  app.cdm.breakSalts();
  return app.open({ platform: UPDATED, policy });
}

/** The new licence shows these statuses whenever it is looked at, until the function is called that this gives. */
function show(statuses, { once = false } = {}) {
  const unhook = app.cdm.on('load', ({ sessionId }) => {
    if (!app.cdm.storage().records.has(sessionId)) return undefined;
    if (once) unhook();
    return { kind: 'loaded', keyStatuses: statuses, expiration: null };
  });
  return unhook;
}

/** It plays, expects these keys, was paid for once, and the next update costs a check. */
async function expectAdopted(keyIds, requests = 1) {
  expect(await film()).toMatchObject({ state: 'active', suspect: false, reason: null, keyIds });
  expect(verdict()).toMatchObject({ playable: 'offline', state: 'proven', action: 'play' });
  expect(app.server.requests).toBe(requests);
  await app.offline.revalidate();
  expect(app.leftovers()).toEqual([]);
  expect(await (await app.relaunch({ platform: NEXT })).revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1, nextAttemptAt: null });
  expect((await film()).keyIds).toEqual(keyIds);
}

describe('a licence server that gives', () => {
  test.each([
    ['more keys', [A, B, X], {}, [A, B]],
    ['more keys, of a title that nobody has seen', [A, B, X], { keyIds: [A, B], proven: undefined }, [A, B]],
    ['one of them and another', [B, X], {}, [B]],
    ['one of them and another, of a title that nobody has seen', [B, X], { keyIds: [A, B], proven: undefined }, [B]],
    ['what it likes, of a title of which nothing is expected', [A, X], NAMELESS, [A, X]],
  ])('%s', async (_what, given, more, keyIds) => {
    app.server.behave(licenceOf(...given));
    const offline = await lost(more);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, ...LICENSED, adopted: 1 });
    await expectAdopted(keyIds);
  });

  test('fewer keys, and all of them the next time, is held to the fewer: a licence may always give less', async () => {
    app.server.behave(licenceOf(A));
    await (await lost()).revalidate();
    expect(await film()).toMatchObject({ suspect: false, keyIds: [A] });
    await app.quit();
    app.cdm.wipe();
    app.server.behave('ok');
    expect(await (await app.open({ platform: UPDATED })).revalidate()).toMatchObject({ lost: 1, adopted: 1 });
    await expectAdopted([A], 2);
  });
});

describe('a licence that shows, when it is verified,', () => {
  test.each([
    ['its keys, each good in its way', { [A]: 'output-restricted', [B]: 'usable-in-future' }, [A, B]],
    ['fewer keys', { [B]: 'output-downscaled' }, [B]],
    ['more keys, one that nobody needs expired', { [A]: 'usable', [B]: 'usable', [X]: 'expired' }, [A, B]],
    ['one of them, and another that is not ready', { [A]: 'usable', [X]: 'internal-error' }, [A]],
  ])('%s is adopted', async (_what, statuses, keyIds) => {
    const offline = await lost();
    const unhook = show(statuses);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, ...LICENSED, adopted: 1, nextAttemptAt: null });
    unhook();
    await expectAdopted(keyIds);
  });

  test.each([
    ['nothing', {}],
    ['none of them', { [X]: 'usable' }],
  ])('%s, and alone all of them, is adopted', async (_what, statuses) => {
    const offline = await lost();
    show(statuses, { once: true });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, ...LICENSED, adopted: 1 });
    await expectAdopted([A, B]);
  });

  test.each([
    ['one pending', { [A]: 'usable', [B]: 'status-pending' }],
    ['one with an internal error', { [A]: 'internal-error', [B]: 'usable' }],
    ['one pending and the other not at all', { [B]: 'status-pending' }],
  ])('%s is looked at again, and never paid for again', async (_what, statuses) => {
    const offline = await lost();
    const unhook = show(statuses);
    const report = await offline.revalidate();
    expect(report).toMatchObject({ ...NOTHING, ...LICENSED, deferred: 1, nextAttemptAt: expect.any(Number) });
    expect(await film()).toMatchObject({ state: 'lost', reason: 'gone', keyIds: [A, B], nextAttemptAt: report.nextAttemptAt });
    expect(verdict()).toMatchObject({ playable: 'no', state: 'lost', reason: 'keys-not-ready', action: 'wait', retryAt: report.nextAttemptAt });
    for (let click = 0; click < 3; click++) {
      expect(await offline.ensurePlayable('film')).toMatchObject({ playable: 'no', state: 'lost', reason: 'keys-not-ready' });
    }
    // Over a restart, too.
    unhook();
    await app.relaunch({ platform: UPDATED });
    expect(await app.offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
    await expectAdopted([A, B]);
  });

  test.each([
    ['none of them', { [X]: 'usable' }],
    ['none of them, and that pending', { [X]: 'status-pending' }],
    ['one expired', { [A]: 'usable', [B]: 'expired' }],
    ['one expired, the other pending', { [A]: 'status-pending', [B]: 'expired' }],
    ['all released', { [A]: 'released', [B]: 'released' }],
    ['nothing', {}],
  ])('%s is unverified: removed, and no other asked for at once', async (_what, statuses) => {
    const offline = await lost();
    const unhook = show(statuses);
    const report = await offline.revalidate();
    expect(report).toMatchObject({ ...NOTHING, ...LICENSED, blocked: 1, released: 1, deferred: 1, nextAttemptAt: expect.any(Number) });
    expect(await film()).toMatchObject({ state: 'blocked', reason: 'unverified', keyIds: [A, B], nextAttemptAt: report.nextAttemptAt });
    expect(verdict()).toMatchObject({ playable: 'no', state: 'blocked', reason: 'unverified', action: 'wait', retryAt: report.nextAttemptAt });
    expect([...app.cdm.storage().index]).toEqual([]);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 1 });
    unhook();
    expect(await offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
    await expectAdopted([A, B], 2);
  });
});
