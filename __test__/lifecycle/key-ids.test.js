'use strict';

const { license } = require('../../testbed/clearkey.js');
const { useApp, keyId, initDataOf, next, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { proven } = require('../helpers/store.js');

/** What the content names, and a key that it does not. Single keys and statuses are in broken-licences.test.js. */
const [A, B, X] = [keyId(1), keyId(2), keyId(3)];
const NEXT = { ...UPDATED, electron: '36.0.0' };
const app = useApp();

/** A title whose licence shows these statuses when an update has come; nothing of it was seen before if it is not proven. */
async function shows(statuses, { first, policy, ...more } = {}) {
  await app.open();
  const unproven = first ? { keyIds: [A, B], proven: undefined } : {};
  await app.offline.put(app.download('film', [A, B], { ...unproven, ...more }));
  await app.quit();
  app.cdm.record('1', app.lane).keyStatuses = { ...statuses };
  return app.open({ platform: UPDATED, policy });
}

const film = () => app.session('film');
const verdict = () => app.offline.verdict('film');

/** From now on it plays, expects these keys, and the next update costs a check and no licence. */
async function expectProven(keyIds) {
  expect(await film()).toMatchObject({ state: 'active', suspect: false, reason: null, keyIds });
  expect(verdict()).toMatchObject({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
  expect(app.leftovers()).toEqual([]);
  expect(await (await app.relaunch({ platform: NEXT })).revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1, nextAttemptAt: null });
  expect((await film()).keyIds).toEqual(keyIds);
}

const good = (...keyIds) => async (report) => {
  expect(report).toMatchObject({ ...NOTHING, checked: 1, proven: 1, nextAttemptAt: null });
  await expectProven(keyIds);
};

/** Asked again later, with nothing held against it, and good as soon as its keys are. */
const later = async (report) => {
  expect(report).toMatchObject({ ...NOTHING, checked: 1, deferred: 1, nextAttemptAt: expect.any(Number) });
  expect(await film()).toMatchObject({ state: 'active', suspect: true, keyIds: [A, B], nextAttemptAt: report.nextAttemptAt });
  expect(verdict()).toMatchObject({ playable: 'try', state: 'suspect', reason: 'keys-not-ready', action: 'try', retryAt: report.nextAttemptAt });
  expect(app.server.requests).toBe(0);
  app.cdm.record('1').keyStatuses = { [A]: 'usable', [B]: 'usable' };
  expect(await app.offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
  expect(app.server.requests).toBe(0);
  await expectProven([A, B]);
};

/** Down to a new licence, which the server gives with all its keys at the second attempt. */
const relicensed = (state, reason) => async (report) => {
  expect(report).toMatchObject({ ...NOTHING, checked: 1, lost: state === 'lost' ? 1 : 0, licenseRequests: 1, deferred: 1,
    // The session that got no licence.
    released: 1, nextAttemptAt: expect.any(Number) });
  expect(await film()).toMatchObject({ state, reason, suspect: false, keyIds: [A, B], sessionId: '1' });
  expect(verdict()).toMatchObject({ playable: 'no', state, reason: 'server-error', action: 'wait', retryAt: report.nextAttemptAt });
  // What is not ours by its keys is left alone; and of what is released, the last test of this file.
  if (reason === 'foreign-keys' || reason === 'released') app.cdm.storage().index.delete('1');
  expect(await app.offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
  expect(app.server.requests).toBe(2);
  expect(app.billed()).toHaveLength(1);
  await app.offline.revalidate();
  await expectProven([A, B]);
};
const foreign = relicensed('lost', 'foreign-keys');
const hollow = relicensed('lost', 'hollow');
const released = relicensed('lost', 'released');
const expired = relicensed('expired', 'expired');

const CHECKS = [
  // what it shows, the statuses, at the first proof, at a later one
  ['both keys, each good in its way', { [A]: 'output-restricted', [B]: 'usable-in-future' }, good(A, B), good(A, B)],
  ['both keys, one of them with a smaller picture', { [A]: 'usable', [B]: 'output-downscaled' }, good(A, B), good(A, B)],
  ['fewer keys', { [A]: 'usable' }, good(A), foreign],
  ['more keys', { [A]: 'usable', [B]: 'usable', [X]: 'usable' }, good(A, B), good(A, B)],
  ['more keys, one that nobody needs expired', { [A]: 'usable', [B]: 'usable', [X]: 'expired' }, good(A, B), good(A, B)],
  ['more keys, one that nobody needs released', { [A]: 'usable', [B]: 'usable', [X]: 'released' }, good(A, B), good(A, B)],
  ['more keys, one that nobody needs pending', { [A]: 'usable', [B]: 'usable', [X]: 'status-pending' }, good(A, B), good(A, B)],
  ['one of them and another', { [B]: 'usable', [X]: 'usable' }, good(B), foreign],
  ['none of them', { [X]: 'usable' }, foreign, foreign],
  ['none of them, and that pending', { [X]: 'status-pending' }, foreign, foreign],
  ['none of them, and that expired', { [X]: 'expired' }, foreign, foreign],
  ['nothing', {}, hollow, hollow],
  ['one pending', { [A]: 'usable', [B]: 'status-pending' }, later, later],
  ['one with an internal error', { [A]: 'internal-error', [B]: 'output-restricted' }, later, later],
  ['both not ready', { [A]: 'status-pending', [B]: 'internal-error' }, later, later],
  ['one pending, the other not at all', { [A]: 'status-pending' }, later, foreign],
  ['one expired', { [A]: 'usable', [B]: 'expired' }, expired, expired],
  ['one expired, the other pending', { [A]: 'status-pending', [B]: 'expired' }, expired, expired],
  ['one expired, the other not at all', { [B]: 'expired' }, expired, foreign],
  ['all released', { [A]: 'released', [B]: 'released' }, released, released],
  ['all released that it still lists', { [B]: 'released' }, released, released],
  // Nothing is paid for while a key of it is good: the CDM has not let go of the licence.
  ['some released', { [A]: 'usable', [B]: 'released' }, later, later],
];

describe('a check that shows', () => {
  beforeEach(() => app.server.behave({ status: 500 }, { times: 1 }));

  test.each(CHECKS)('%s, of a licence that nobody has seen yet', async (_what, statuses, expectFirst) => {
    const offline = await shows(statuses, { first: true });
    await expectFirst(await offline.revalidate());
  });

  test.each(CHECKS)('%s, of one that was proven before', async (_what, statuses, _first, expectLater) => {
    const offline = await shows(statuses);
    await expectLater(await offline.revalidate());
  });

  test.each([
    ['nothing', {}],
    ['none of them', { [X]: 'usable' }],
    ['fewer keys', { [B]: 'usable' }],
  ])('%s in a batch, and all of them alone, was told a lie', async (_what, statuses) => {
    const offline = await shows(statuses);
    const unhook = app.cdm.on('load', async () => { unhook(); return { kind: 'loaded', keyStatuses: statuses, expiration: null }; });
    app.cdm.record('1').keyStatuses = { [A]: 'usable', [B]: 'usable' };
    await good(A, B)(await offline.revalidate());
    expect(app.server.requests).toBe(0);
  });
});

describe('keys that are pending', () => {
  const PENDING = { [A]: 'status-pending', [B]: 'usable' };

  test('are never a strike, however often, so that one real failure after them is the first', async () => {
    const offline = await shows(PENDING, { policy: { strikeSpacingMs: 1 } });
    const states = new Set();
    offline.on('session-changed', ({ state }) => states.add(state));
    for (let n = 0; n < 4; n++) {
      expect(await offline.ensurePlayable('film')).toMatchObject({ state: 'suspect', reason: 'keys-not-ready' });
    }
    const unhook = app.cdm.on('load', () => {
      unhook();
      app.cdm.record('1').keyStatuses = { [A]: 'usable', [B]: 'usable' };
      throw new TypeError('');
    });
    const ready = next(offline, 'content-ready');
    await offline.ensurePlayable('film');
    expect(await ready).toMatchObject({ playable: 'offline' });
    expect([...states]).toEqual(['active']);
    expect(app.server.requests).toBe(0);
  });

  test('are looked at again by themselves, and proven when they are there', async () => {
    const offline = await shows(PENDING, { policy: { backoffBaseMs: 1 } });
    let looks = 0;
    app.cdm.on('load', () => { if (++looks === 5) app.cdm.record('1').keyStatuses = { [A]: 'usable', [B]: 'usable' }; });
    const ready = next(offline, 'content-ready');
    await offline.revalidate();
    expect(await ready).toMatchObject({ contentId: 'film', playable: 'offline' });
    expect(looks).toBe(5);
    expect(app.server.requests).toBe(0);
  });
});

test('keys that are expired wait for the viewer, if the policy has it so, and are the ones expected still', async () => {
  const offline = await shows({ [A]: 'usable', [B]: 'expired' }, { policy: { relicenseExpired: false } });
  expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, deferred: 1, nextAttemptAt: null });
  expect(await film()).toMatchObject({ state: 'expired', reason: 'expired', keyIds: [A, B] });
  expect(verdict()).toMatchObject({ playable: 'no', state: 'expired', reason: 'expired', action: 'renew', retryAt: null });
  expect(await offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
  await offline.revalidate();
  await expectProven([A, B]);
});

describe('put', () => {
  const put = async (more) => {
    await app.open();
    await app.offline.put(app.download('film', [A, B], more));
    return film();
  };
  /** Init data as many packagers write it: a PSSH box of version 0, which names no key. */
  const BOX = Buffer.from(`000000247073736800000000${'ab'.repeat(16)}0000000401020304`, 'hex');
  const NAMELESS = { proven: undefined, initDataType: 'cenc', initData: new Uint8Array(BOX) };

  test.each([
    ['no key ids', NAMELESS, { [A]: 'usable', [X]: 'output-restricted' }, [A, X]],
    ['no key ids, and init data that names one of them', { initData: initDataOf([A]) }, { [A]: 'usable', [X]: 'usable' }, [A, X]],
    ['key ids', { keyIds: [A, B] }, { [A]: 'usable', [B]: 'usable', [X]: 'usable' }, [A, B]],
  ])('with %s: expected are those given, else those first seen, and the licence is held to them', async (_what, more, statuses, keyIds) => {
    await put({ proven: undefined, ...more });
    app.cdm.record('1').keyStatuses = { ...statuses };
    expect(await app.offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1 });
    expect((await film()).keyIds).toEqual(keyIds);
    await app.quit();
    delete app.cdm.record('1').keyStatuses[A];
    app.server.behave({ status: 500 });
    expect(await (await app.open({ platform: UPDATED })).revalidate()).toMatchObject({ checked: 1, lost: 1 });
    expect(await film()).toMatchObject({ state: 'lost', reason: 'foreign-keys', keyIds });
  });

  test('without key ids, but with init data that names others than the licence holds: it is another content\'s', async () => {
    await put({ proven: undefined, initData: initDataOf([B]) });
    app.cdm.record('1').keyStatuses = { [A]: 'usable', [X]: 'usable' };
    expect(await app.offline.revalidate()).toMatchObject({ checked: 1, proven: 0, lost: 1, adopted: 1 });
    expect((await film()).keyIds).toEqual([B]);
  });

  test.each([
    ['not ready', { [A]: 'usable', [X]: 'status-pending' }, 'active', 0],
    ['expired', { [A]: 'usable', [X]: 'expired' }, 'expired', 1],
    ['released', { [A]: 'released', [X]: 'released' }, 'lost', 1],
    ['none', {}, 'lost', 1],
  ])('without key ids expects none yet of a licence whose keys are %s, but those of the next', async (_what, statuses, state, requests) => {
    await put(NAMELESS);
    app.cdm.record('1').keyStatuses = { ...statuses };
    app.server.behave({ status: 500 });
    expect(await app.offline.revalidate()).toMatchObject({ checked: 1, proven: 0, licenseRequests: requests });
    expect(await film()).toMatchObject({ state, keyIds: [] });
    app.server.behave({ status: 200, body: license({ [A]: A, [B]: B }) });
    if (requests === 0) app.cdm.record('1').keyStatuses = { [A]: 'usable', [B]: 'usable' };
    expect(await app.offline.ensurePlayable('film')).toMatchObject({ playable: 'offline' });
    expect((await film()).keyIds).toEqual([A, B]);
    expect(app.server.requests).toBe(2 * requests);
  });

  test.each([
    ['all', { [A]: 'usable', [B]: 'usable', [X]: 'usable' }, { suspect: false, keyIds: [A, B] }],
    ['some', { [B]: 'usable' }, { suspect: false, keyIds: [B] }],
    ['none of them', { [X]: 'usable' }, { suspect: true, reason: 'never-proven', keyIds: [A, B] }],
    ['some, and that pending', { [A]: 'status-pending', [B]: 'usable' }, { suspect: true, reason: 'never-proven', keyIds: [A, B] }],
    ['some, and the others released', { [A]: 'usable', [B]: 'released' }, { suspect: true, reason: 'never-proven', keyIds: [A, B] }],
  ])('with key ids and a proof that shows %s', async (_what, keyStatuses, expected) => {
    expect(await put({ keyIds: [A, B], proven: { keyStatuses } })).toMatchObject({ state: 'active', ...expected });
  });

  test('again with other key ids is believed until the licence was seen, and never after', async () => {
    const session = await put({ keyIds: [A], proven: undefined });
    expect((await app.offline.put({ ...session, keyIds: [A, B] }))[0].keyIds).toEqual([A, B]);
    await app.offline.revalidate();
    expect((await app.offline.put({ ...session, keyIds: [X] }))[0]).toMatchObject({ suspect: false, keyIds: [A, B] });
    // But for another licence: one that was proven as the player took it.
    expect((await app.offline.put({ ...session, keyIds: [A, X], proven: proven([X]) }))[0]).toMatchObject({ suspect: false, keyIds: [X] });
  });
});

test('a licence that was released is acknowledged: its id is removed from the CDM when there is a new one', async () => {
  const offline = await shows({ [A]: 'released', [B]: 'released' });
  expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1, adopted: 1, released: 1 });
  expect(app.plays('film')).toBe(true);
  expect(app.leftovers()).toEqual([]);
});
