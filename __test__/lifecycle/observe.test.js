'use strict';

const { useApp, keyId, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();
const OBSERVE = { policy: { mode: 'observe', backoffBaseMs: 1, backoffMaxMs: 1 } };

/** A driver that is asked for nothing, and `useDriver`'s function that is not even asked for it. */
function watched() {
  /** @type {string[]} */
  const asked = [];
  const methods = ['startPhase', 'endPhase', 'probe', 'plantWitness', 'check', 'license', 'adopt', 'release', 'inventory'];
  const driver = Object.fromEntries(methods.map((method) => [method, async () => { asked.push(method); }]));
  return { asked, driver, driverFor: () => { asked.push('useDriver'); return driver; } };
}

/** A launch that observes: title 1 proven before it, title 2 never, title 3 lost, title 4 blocked, title 5 removed and in debt. */
async function observes(platform = UPDATED) {
  await app.open();
  await app.store(3);
  await app.offline.put(['title 4', 'title 5'].map((contentId, n) => app.download(contentId, [keyId(4 + n)])));
  await app.quit();
  for (const sessionId of ['3', '4']) app.cdm.deleteRecord(sessionId, LANE);
  const unhooks = [
    app.cdm.on('load', ({ contentId }) => (contentId === 'title 2' ? { kind: 'timeout' } : undefined)),
    app.cdm.on('remove', () => ({ kind: 'failed', message: 'busy' })),
  ];
  app.server.behave((call) => ({ status: call.keyIds[0] === keyId(4) ? 451 : 500 }));
  await app.open({ platform: UPDATED });
  app.catalogue.delete('title 5');
  await app.offline.removeContent('title 5');
  await app.offline.revalidate();
  await app.quit();
  for (const unhook of unhooks) unhook();
  const requests = app.server.requests;
  const { asked, driver, driverFor } = watched();
  const hooks = { acquireLicense: async () => { asked.push('acquireLicense'); }, adopt: async () => { asked.push('adopt'); } };
  const offline = await app.open({ platform, ...OBSERVE, ...hooks, driver: driverFor });
  return { offline, asked, driver, expectNothingAsked: () => expect([asked, app.server.requests]).toEqual([[], requests]) };
}

const states = () => Object.fromEntries(titles(4).map((contentId) => {
  const { playable, state, reason, retryAt } = app.offline.verdict(contentId);
  return [contentId, [playable, state, reason, retryAt]];
}));

describe('a launch that only observes', () => {
  test('tells what changed, what is suspect since, and what would not play', async () => {
    const { offline, expectNothingAsked } = await observes({ ...UPDATED, electron: '36.0.0' });
    expect(offline.launch).toMatchObject({ suspects: 2, changes: [{ component: 'electron', from: '35.1.4', to: '36.0.0', kind: 'upgrade' }] });
    expect(states()).toEqual({
      'title 1': ['try', 'suspect', 'new-generation', null], 'title 2': ['try', 'suspect', 'new-generation', null],
      'title 3': ['no', 'lost', 'hollow', null], 'title 4': ['no', 'blocked', 'geo', null],
    });
    expect(offline.unready().map(({ contentId }) => contentId)).toEqual(titles(4));
    expect((await offline.history())[0]).toMatchObject({ changes: offline.launch.changes });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 4, nextAttemptAt: null });
    expectNothingAsked();
  });

  test('of the same platform still holds what is proven for proven', async () => {
    const { offline, expectNothingAsked } = await observes();
    expect(offline.launch).toMatchObject({ changes: [], suspects: 1 });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(offline.unready().map(({ contentId }) => contentId)).toEqual(['title 2', 'title 3', 'title 4']);
    expectNothingAsked();
  });

  test('never asks a driver, whatever it is asked itself', async () => {
    const { offline, driver, expectNothingAsked } = await observes();
    const events = [];
    for (const event of ['content-ready', 'run-finished', 'content-blocked']) offline.on(event, () => events.push(event));
    const before = await offline.list();
    await offline.revalidate();
    for (const contentId of titles(4)) {
      await offline.retry(contentId);
      const verdict = offline.verdict(contentId);
      expect(await offline.ensurePlayable(contentId)).toEqual(verdict);
    }
    offline.setConnectivity('offline');
    offline.setConnectivity('online', { changedLocation: true });
    await offline.setAccount('ann');
    const hold = offline.hold({ contentId: 'title 1', lane: LANE, kind: 'playing' });
    hold.release();
    offline.useDriver(driver);
    await offline.put({ ...await app.session('title 1'), lastPlayedAt: 7 });
    await offline.updatePlatform({ app: '2.0.0' });
    await offline.revalidate();
    // Whatever a timer or a call before might have begun is begun by now.
    for (let n = 0; n < 5; n++) await offline.list();
    const [played, ...others] = before;
    expect(await offline.list()).toEqual([{ ...played, lastPlayedAt: 7 }, ...others]);
    expect(events).toEqual([]);
    expectNothingAsked();
  });

  test('writes down what the app and the player say, and leaves the rest to a launch that repairs', async () => {
    const { offline, expectNothingAsked } = await observes();
    const verdict = await offline.reportPlayback('title 1', { error: 'of the player' });
    expect(verdict).toMatchObject({ playable: 'try', state: 'suspect', reason: 'playback-broken' });
    await offline.removeContent('title 3');
    await offline.put(app.download('title 6', [keyId(6)]));
    expect(offline.verdict('title 6')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(await offline.updatePlatform({ chromium: '134.0.0.0' })).toMatchObject({ suspects: 3, changes: [{ component: 'chromium' }] });
    expect(offline.verdict('title 6')).toMatchObject({ playable: 'try', state: 'suspect', reason: 'new-generation' });
    await offline.revalidate();
    expectNothingAsked();
  });

  test('is followed by one that repairs, which finds everything as it was', async () => {
    const { expectNothingAsked } = await observes();
    app.catalogue.delete('title 3');
    await app.offline.removeContent('title 3');
    await app.offline.revalidate();
    expectNothingAsked();
    app.server.behave('ok');
    const { mode, ...policy } = OBSERVE.policy;
    const offline = await app.relaunch({ platform: UPDATED, policy });
    // Owed are the two that were removed, and the hollow licence in whose place there is a new one.
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1, licensed: 1, adopted: 1, licenseRequests: 1, released: 3 });
    expect(offline.unready()).toEqual([]);
    expect(app.leftovers()).toEqual([]);
  });
});

test('a lane that was unsupported before is told to be, and one that nobody has asked is not', async () => {
  await app.open();
  await app.store(1);
  app.cdm.persistentLicense = 'unsupported';
  await app.offline.revalidate();
  await app.quit();
  const { asked, driver } = watched();
  const offline = await app.open({ platform: UPDATED, ...OBSERVE, driver });
  await offline.put(app.download('elsewhere', [keyId(2)], { partition: 'persist:kids' }));
  expect(await offline.revalidate()).toMatchObject({ ...NOTHING, unsupported: 1, deferred: 0, nextAttemptAt: null });
  expect(offline.verdict('title 1')).toMatchObject({ playable: 'online', state: 'unsupported', action: 'connect' });
  expect(offline.verdict('elsewhere')).toMatchObject({ playable: 'offline', state: 'proven' });
  expect(asked).toEqual([]);
});
