'use strict';

const { useApp, keyId, next, titles, UPDATED } = require('../helpers/offline-app.js');
const { LANE, proven } = require('../helpers/store.js');

const app = useApp();
const [KEY_1, KEY_2] = [keyId(1), keyId(2)];

/** A title whose licence has this happen to it while an update comes. */
async function updateAfter(happen, { more, ...options } = {}) {
  await app.open();
  const [session] = await app.store(1, more);
  await app.quit();
  await happen(session);
  return app.open({ platform: UPDATED, ...options });
}

const named = (name, message) => Object.assign(new Error(message), { name });

describe('a licence that is', () => {
  test('hollow is licensed again, and its leftover removed', async () => {
    const offline = await updateAfter(({ sessionId }) => app.cdm.deleteRecord(sessionId));
    const changes = [];
    offline.on('session-changed', ({ state, reason }) => changes.push([state, reason]));
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1, adopted: 1, released: 1, licenseRequests: 1 });
    expect(changes[0]).toEqual(['lost', 'hollow']);
    expect(await app.session('title 1')).toMatchObject({ state: 'active', suspect: false, reason: null, sessionId: '2' });
    expect(app.plays('title 1')).toBe(true);
    expect(app.leftovers()).toEqual([]);
  });

  test('of another key id is licensed again, and what is there left alone: it is not ours', async () => {
    const offline = await updateAfter(({ sessionId }) => app.cdm.flipKeyId(sessionId));
    const changed = next(offline, 'session-changed');
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 0, lost: 1, licensed: 1, adopted: 1, released: 0 });
    expect(await changed).toMatchObject({ state: 'lost', reason: 'foreign-keys' });
    expect(app.plays('title 1')).toBe(true);
    expect(app.cdm.counts.removes).toBe(0);
    expect(app.cdm.record('1').keyStatuses).not.toHaveProperty(KEY_1);
  });

  test('gone once, and there when looked at alone, is good', async () => {
    const offline = await updateAfter(() => {});
    const unhook = app.cdm.on('load', () => { unhook(); return { kind: 'gone' }; });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1, lost: 0, licenseRequests: 0 });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('of fewer keys than it once showed is lost', async () => {
    await app.open();
    await app.offline.put(app.download('title 1', [KEY_1, KEY_2]));
    await app.quit();
    delete app.cdm.record('1', LANE).keyStatuses[KEY_2];
    const offline = await app.open({ platform: UPDATED });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1, adopted: 1 });
    expect(app.plays('title 1')).toBe(true);
  });

  test('of fewer keys than its init data names is good, when it is first looked at', async () => {
    await app.open();
    await app.offline.put(app.download('title 1', [KEY_1, KEY_2], { proven: undefined }));
    delete app.cdm.record('1', LANE).keyStatuses[KEY_2];
    expect(await app.offline.revalidate()).toMatchObject({ checked: 1, proven: 1, lost: 0 });
    expect(await app.session('title 1')).toMatchObject({ suspect: false, keyIds: [KEY_1] });
    expect(await (await app.relaunch({ platform: UPDATED })).revalidate()).toMatchObject({ checked: 1, proven: 1 });
  });
});

describe('of the statuses that a licence shows', () => {
  test.each(['usable', 'output-restricted', 'output-downscaled', 'usable-in-future'])('%s is good', async (status) => {
    const offline = await updateAfter(({ sessionId }) => { app.cdm.record(sessionId).keyStatuses[KEY_1] = status; });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1 });
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test.each(['status-pending', 'internal-error'])('%s says nothing yet', async (status) => {
    const offline = await updateAfter(({ sessionId }) => { app.cdm.record(sessionId).keyStatuses[KEY_1] = status; });
    const report = await offline.revalidate();
    expect(report).toMatchObject({ checked: 1, proven: 0, lost: 0, licenseRequests: 0, deferred: 1 });
    expect(await app.session('title 1')).toMatchObject({ state: 'active', suspect: true, nextAttemptAt: report.nextAttemptAt });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'try', state: 'suspect', reason: 'keys-not-ready', action: 'try' });
  });

  test('released means lost, while the catalogue still has it', async () => {
    const offline = await updateAfter(({ sessionId }) => { app.cdm.record(sessionId).keyStatuses[KEY_1] = 'released'; });
    const changed = next(offline, 'session-changed');
    await offline.revalidate();
    expect(await changed).toMatchObject({ state: 'lost', reason: 'released' });
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test.each([['whole', 0], ['with a fraction, which EME allows', 0.5]])('expiration is taken from the CDM: %s', async (_what, fraction) => {
    const end = Date.now() + 1_000_000_000 + fraction;
    const offline = await updateAfter(({ sessionId }) => { app.cdm.record(sessionId).expiration = end; });
    expect(await offline.revalidate()).toMatchObject({ proven: 1 });
    expect(Math.abs((await app.session('title 1')).expiration - end)).toBeLessThanOrEqual(1);
    expect(offline.verdict('title 1').sessions[0].expiration).toBe((await app.session('title 1')).expiration);
  });

  test.each([NaN, Infinity, null])('expiration is never, if the CDM says %s', async (expiration) => {
    const offline = await updateAfter(({ sessionId }) => { app.cdm.record(sessionId).expiration = expiration; }, { more: { expiration: 4e12 } });
    expect(await offline.revalidate()).toMatchObject({ proven: 1 });
    expect(await app.session('title 1')).toMatchObject({ expiration: null, suspect: false });
  });
});

describe('a load that is rejected', () => {
  test.each([
    ['because it is open elsewhere', named('QuotaExceededError', 'in use')],
    ['because it is open elsewhere, in Widevine\'s words', named('InvalidStateError', 'Session in use, system code (70)')],
  ])('%s is never a strike', async (_what, error) => {
    const offline = await updateAfter(() => {}, { policy: { backoffBaseMs: 1, strikeSpacingMs: 1 } });
    app.cdm.on('load', () => { throw error; });
    for (let run = 0; run < 3; run++) {
      await offline.ensurePlayable('title 1');
      expect(await app.session('title 1')).toMatchObject({ state: 'active', suspect: true });
    }
    expect(offline.verdict('title 1')).toMatchObject({ state: 'suspect', reason: 'in-use' });
    expect(app.server.requests).toBe(0);
  });

  test('with 75 is lost at once, when it was looked at alone', async () => {
    const offline = await updateAfter(() => {});
    let loads = 0;
    app.cdm.on('load', ({ sessionId }) => {
      if (sessionId !== '1') return;
      loads++;
      throw named('InvalidStateError', 'Unexpected, system code (75)');
    });
    const changed = next(offline, 'session-changed');
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1, adopted: 1 });
    expect(loads).toBe(2);
    expect(await changed).toMatchObject({ state: 'lost', reason: 'system-id-changed' });
  });

  test.each([['with 72', named('InvalidStateError', 'Failed to load, system code (72)')], ['without saying why', new TypeError('')]])(
    '%s is lost the second time, in another run and later', async (_what, error) => {
      const offline = await updateAfter(() => {}, { policy: { strikeSpacingMs: 100 } });
      app.cdm.on('load', ({ sessionId }) => { if (sessionId === '1') throw error; });
      const first = await offline.revalidate();
      expect(first).toMatchObject({ checked: 1, lost: 0, licenseRequests: 0, deferred: 1, nextAttemptAt: expect.any(Number) });
      expect(await app.session('title 1')).toMatchObject({ state: 'active', suspect: true });
      // By timer, in a run of its own.
      const changed = next(offline, 'session-changed', ({ state }) => state === 'lost');
      expect(await changed).toMatchObject({ reason: 'load-failed' });
      await offline.revalidate();
      expect(offline.verdict('title 1').playable).toBe('offline');
      expect(app.server.requests).toBe(1);
    });

  test('twice in one moment is one strike', async () => {
    const offline = await updateAfter(() => {});
    app.cdm.on('load', () => { throw new TypeError(''); });
    await offline.revalidate();
    // A click does not wait, but it is no 60 seconds later.
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ state: 'suspect', reason: 'load-failed' });
    expect(app.cdm.counts.requests).toBe(0);
  });
});

describe('after a wipe, when ids are handed out again', () => {
  /** Two titles in a CDM of nothing, of which the second is licensed first and so has the first one's id. */
  async function wiped() {
    await app.open();
    await app.store(2, { lastPlayedAt: 1 });
    await app.offline.put({ ...await app.session('title 2'), lastPlayedAt: 2 });
    await app.offline.revalidate();
    await app.quit();
    app.cdm.wipe();
    return app.open({ policy: { licenseConcurrency: 1 } });
  }

  test('two titles that swap ids both play, and neither licence is removed', async () => {
    const offline = await wiped();
    expect(await offline.revalidate()).toMatchObject({ checked: 2, lost: 2, licensed: 2, adopted: 2, released: 0, licenseRequests: 2 });
    expect((await offline.list()).map(({ contentId, sessionId }) => [contentId, sessionId])).toEqual([['title 1', '2'], ['title 2', '1']]);
    expect(Object.keys(app.cdm.record('1').keyStatuses)).toEqual([KEY_2]);
    expect(Object.keys(app.cdm.record('2').keyStatuses)).toEqual([KEY_1]);
    expect(titles(2).map((contentId) => [app.plays(contentId), offline.verdict(contentId).playable])).toEqual([[true, 'offline'], [true, 'offline']]);
    expect(app.cdm.counts.removes).toBe(0);
    expect(await (await app.relaunch({ platform: UPDATED })).revalidate()).toMatchObject({ checked: 2, proven: 2 });
  });

  test('a new licence under the id of another title proves that one lost, though nobody has looked', async () => {
    const offline = await wiped();
    const lost = next(offline, 'session-changed', ({ contentId }) => contentId === 'title 1');
    expect(await offline.ensurePlayable('title 2')).toMatchObject({ playable: 'offline', sessions: [{ sessionId: '1' }] });
    expect((await app.session('title 1')).state).not.toBe('active');
    expect(await lost).toMatchObject({ state: 'lost' });
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    expect(titles(2).every((contentId) => app.plays(contentId))).toBe(true);
    expect(app.server.requests).toBe(2);
  });

  test('in the middle of a launch, the whole lane is suspect', async () => {
    const offline = await app.open({ policy: { licenseConcurrency: 1 } });
    await app.store(3);
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    // What was proven in this very launch is gone, and a new download is the first to see it: it has title 1's id.
    offline.useDriver(() => null);
    app.cdm.breakSalts();
    await offline.put(app.download('new', [keyId(4)]));
    expect((await app.session('new')).sessionId).toBe('1');
    expect(await app.session('title 1')).toMatchObject({ state: 'lost', reason: 'id-reused' });
    expect(offline.unready().map(({ contentId, state }) => [contentId, state])).toEqual([['title 1', 'lost'], ['title 2', 'suspect'], ['title 3', 'suspect']]);
    offline.useDriver(app.driver());
    await offline.revalidate();
    expect(offline.unready()).toEqual([]);
    expect(['new', ...titles(3)].every((contentId) => app.plays(contentId))).toBe(true);
    expect(app.leftovers()).toEqual([]);
  });

  test('debt from before the wipe removes nobody\'s licence', async () => {
    await app.open();
    await app.store(2);
    await app.offline.revalidate();
    await app.quit();
    // Removed where no window is; then the wipe. The new licence has the old one's id.
    await app.open({ driver: null });
    app.catalogue.delete('title 1');
    await app.offline.removeContent('title 1');
    await app.quit();
    app.cdm.wipe();
    await app.open();
    await app.offline.revalidate();
    expect(await app.session('title 2')).toMatchObject({ sessionId: '1', suspect: false });
    expect(app.plays('title 2')).toBe(true);
    expect(app.cdm.counts.removes).toBe(0);
  });
});

describe('a session that is put again', () => {
  test('under an id that it once had is the same, and keeps the id it has now', async () => {
    const offline = await updateAfter(({ sessionId }) => app.cdm.deleteRecord(sessionId));
    await offline.revalidate();
    const session = await app.session('title 1');
    expect(session.sessionId).toBe('2');
    const [again] = await offline.put({ ...session, sessionId: '1', metadata: 'from an old backup' });
    expect(again).toEqual({ ...session, metadata: 'from an old backup' });
    expect(await offline.list()).toHaveLength(1);
  });

  test('under that id and with proof is another', async () => {
    const offline = await updateAfter(({ sessionId }) => app.cdm.deleteRecord(sessionId));
    await offline.revalidate();
    const [other] = await offline.put({ ...await app.session('title 1'), sessionId: '1', proven: proven([KEY_1]) });
    expect(await offline.list()).toHaveLength(2);
    expect(other).toMatchObject({ sessionId: '1', suspect: false });
  });
});
