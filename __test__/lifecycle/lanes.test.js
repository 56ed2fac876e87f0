'use strict';

const { createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { next, NOTHING } = require('../helpers/offline-app.js');
const { useLanesApp, LANES, NAMES, UPDATE, cdms, title, keyOf, perLane } = require('../helpers/lanes-app.js');

const app = useLanesApp();
const ALL = NAMES.flatMap((name) => [title(name, 1), title(name, 2)]);

const playing = () => NAMES.flatMap((name) => [title(name, 1), title(name, 2)].filter((contentId) => app.lanes[name].plays(contentId)));
const notReady = () => app.offline.unready().map(({ contentId, state, reason }) => `${contentId}: ${state} ${reason}`);
const inCdm = (name) => [...app.lanes[name].cdm.storage(LANES[name]).index];

describe('lanes of one store', () => {
  test('are each repaired by their own driver, under ids that all of them have', async () => {
    await app.stored(2);
    for (const name of NAMES) app.lanes[name].cdm.breakSalts();
    const offline = await app.open({ platform: UPDATE });
    expect(offline.launch.suspects).toBe(8);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 8, lost: 8, licensed: 8, adopted: 8, licenseRequests: 8 });
    expect(app.counts('adoptions')).toEqual(perLane(2));
    expect(playing()).toEqual(ALL);
    expect(notReady()).toEqual([]);
    expect(NAMES.map(inCdm)).toEqual(NAMES.map(() => ['1', '2']));
    expect(app.billed()).toHaveLength(8);
  });

  test.each(NAMES)('cost a check each, and no licence, when only those of %s are broken', async (broken) => {
    await app.stored(2);
    app.lanes[broken].cdm.breakSalts();
    const offline = await app.open({ platform: UPDATE });
    const changed = [];
    offline.on('session-changed', ({ contentId, state }) => changed.push(`${contentId} ${state}`));
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 8, proven: 6, lost: 2, licensed: 2, adopted: 2, licenseRequests: 2 });
    expect(app.counts('requests')).toEqual(perLane(0, { [broken]: 2 }));
    expect(app.counts('removes')).toEqual(perLane(0));
    expect(new Set(changed)).toEqual(new Set(ALL.flatMap((contentId) =>
      (contentId.startsWith(broken) ? [`${contentId} lost`, `${contentId} active`] : [`${contentId} active`]))));
    expect(playing()).toEqual(ALL);
  });

  test.each(NAMES)('are repaired while %s does not answer yet', async (slow) => {
    await app.stored(1);
    for (const name of NAMES) app.lanes[name].cdm.breakSalts();
    const offline = await app.open({ platform: UPDATE });
    let answer = () => {};
    const unhook = app.lanes[slow].cdm.on('load', () => new Promise((resolve) => { answer = () => resolve(undefined); }));
    const ready = new Set();
    const others = next(offline, 'content-ready', ({ contentId }) => ready.add(contentId).size === 3);
    const run = offline.revalidate();
    await others;
    expect(notReady()).toEqual([`${slow} 1: suspect new-generation`]);
    unhook();
    answer();
    expect(await run).toMatchObject({ ...NOTHING, checked: 4, lost: 4, licensed: 4, adopted: 4, licenseRequests: 4 });
    expect(notReady()).toEqual([]);
  });

  test('that share one window and its lock are repaired, too', async () => {
    const driver = () => createScriptedDriver(app.cdm, { catalogue: app.catalogue });
    await app.open({ driver: driver() });
    for (const name of NAMES) await app.offline.put(app.download(title(name), [keyOf(name)], LANES[name]));
    expect(await app.offline.revalidate()).toMatchObject(NOTHING);
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATE, driver: driver() });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 4, lost: 4, licensed: 4, adopted: 4, licenseRequests: 4 });
    for (const name of NAMES) {
      const [{ sessionId }] = app.catalogue.get(title(name));
      expect(app.cdm.record(sessionId, LANES[name]).keyStatuses).toEqual({ [keyOf(name)]: 'usable' });
    }
    expect(notReady()).toEqual([]);
  });
});

describe('ids that several lanes have', () => {
  test('are owed in one, and held in the others', async () => {
    await app.stored(2);
    await app.open({ driver: null });
    app.lanes.kids.catalogue.delete(title('kids'));
    await app.offline.removeContent(title('kids'));
    const offline = await app.relaunch();
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 1 });
    expect(app.counts('removes')).toEqual(perLane(0, { kids: 1 }));
    expect(NAMES.map(inCdm)).toEqual(NAMES.map((name) => (name === 'kids' ? ['2'] : ['1', '2'])));
    expect(notReady()).toEqual([]);
  });

  test('are owed in all, and forgiven in the one where a download has the id again', async () => {
    await app.stored(2);
    await app.open({ driver: null });
    for (const name of NAMES) {
      app.lanes[name].catalogue.delete(title(name));
      await app.offline.removeContent(title(name));
    }
    await app.offline.put(app.lanes.wide.download('other', [keyOf('wide', 3)], { sessionId: '1' }));
    const offline = await app.relaunch();
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 3 });
    expect(app.counts('removes')).toEqual(perLane(1, { wide: 0 }));
    expect(inCdm('wide')).toContain('1');
  });

  test('prove the row lost that had one, and its lane suspect, in that lane alone', async () => {
    await app.open();
    await app.store(2);
    const offline = app.offline;
    await offline.revalidate();
    app.lanes.main.cdm.breakSalts();
    offline.useDriver(() => null);
    await offline.put(app.lanes.main.download('other', [keyOf('main', 3)]));
    expect(notReady()).toEqual(['main 1: lost id-reused', 'main 2: suspect new-generation']);
    offline.useDriver(app.drivers());
    expect(await offline.revalidate()).toMatchObject({ lost: 1, licensed: 2, adopted: 2 });
    expect(app.counts('requests')).toEqual(perLane(0, { main: 2 }));
    expect(playing()).toEqual(ALL);
  });

  test('are told apart when one lane is wiped: its debts are dropped, and those of the others paid', async () => {
    await app.stored(2);
    await app.open({ driver: null });
    for (const name of NAMES) {
      app.lanes[name].catalogue.delete(title(name));
      await app.offline.removeContent(title(name));
    }
    await app.quit();
    app.lanes.web.cdm.wipe();
    const offline = await app.open();
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, lost: 1, licensed: 1, adopted: 1, licenseRequests: 1, released: 3 });
    // The new licence has the id that was owed before the wipe.
    expect(inCdm('web')).toEqual(['1']);
    expect(app.counts('removes')).toEqual(perLane(1, { web: 0 }));
    expect(app.lanes.web.plays(title('web', 2))).toBe(true);
  });
});

describe('what makes suspect', () => {
  const [CLEARKEY_LANES, WIDEVINE_LANES] = [['main', 'kids'], ['wide', 'web']];

  test.each([
    ['Electron', UPDATE, NAMES],
    ['Chromium', { chromium: '134.0.6998.179' }, NAMES],
    ['one key system\'s CDM', cdms({ clearkey: '4.10.3000.0' }), CLEARKEY_LANES],
    ['the other\'s', cdms({ widevine: '4.10.3000.0' }), WIDEVINE_LANES],
    ['one that was not observed', cdms({ widevine: null }), WIDEVINE_LANES],
    ['both', cdms({ clearkey: '4.10.3000.0', widevine: null }), NAMES],
  ])('is of its lanes: %s', async (_what, platform, suspect) => {
    await app.stored(1);
    const loads = app.counts('loads');
    expect(loads).toEqual(perLane(0));
    const check = async (offline) => {
      expect(offline.unready().map(({ contentId }) => contentId)).toEqual(suspect.map((name) => title(name)).sort());
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: suspect.length, proven: suspect.length });
      expect(app.counts('loads')).toEqual(perLane(0, Object.fromEntries(suspect.map((name) => [name, 1]))));
    };
    const offline = await app.open({ platform });
    expect(offline.launch.suspects).toBe(suspect.length);
    await check(offline);
  });

  test('is of its lanes when it comes late, and the others are not asked again', async () => {
    await app.stored(1);
    const offline = await app.open();
    await offline.revalidate();
    const probes = app.counts('probes');
    expect(await offline.updatePlatform(cdms({ widevine: '4.10.3000.0' }))).toMatchObject({ suspects: 2 });
    await offline.revalidate();
    expect(app.counts('loads')).toEqual(perLane(0, { wide: 1, web: 1 }));
    expect(app.counts('probes')).toEqual({ ...probes, wide: probes.wide + 1, web: probes.web + 1 });
  });

  test.each(NAMES)('is a witness that is missing, of %s alone', async (name) => {
    await app.stored(1);
    app.lanes[name].cdm.storage().witnesses.clear();
    const offline = await app.open();
    expect(offline.launch.suspects).toBe(0);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1 });
    expect(app.counts('loads')).toEqual(perLane(0, { [name]: 1 }));
    expect(notReady()).toEqual([]);
    const witnesses = NAMES.map((lane) => app.lanes[lane].cdm.storage().witnesses.get(LANES[lane].keySystem));
    expect(new Set(witnesses).size).toBe(NAMES.length);
  });
});

describe('a lane without a window', () => {
  test('keeps its licences and its debts waiting, and takes them up again where they were', async () => {
    await app.stored(2);
    for (const name of NAMES) app.lanes[name].cdm.breakSalts();
    const offline = await app.open({ platform: UPDATE, driver: app.drivers(['kids']) });
    await offline.removeContent(title('kids', 2));
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 6, lost: 6, licensed: 6, adopted: 6, licenseRequests: 6, deferred: 1 });
    expect(notReady()).toEqual(['kids 1: suspect no-driver']);
    expect(app.counts('loads').kids).toBe(0);
    // Somebody who clicks gets an answer, and at once.
    expect(await offline.ensurePlayable(title('kids'))).toMatchObject({ playable: 'try', reason: 'no-driver', action: 'try', retryAt: null });
    const others = app.counts('loads');
    offline.useDriver(app.drivers());
    expect(await offline.revalidate()).toMatchObject({ checked: 1, lost: 1, licensed: 1, adopted: 1, released: 1 });
    expect(app.counts('loads')).toEqual({ ...others, kids: expect.any(Number) });
    expect(notReady()).toEqual([]);
  });
});

describe('a title whose sessions lie in two lanes', () => {
  /** Its sessions in these lanes, put in this order; then an update that broke some of them, while others have no window. */
  async function film(names, { broken = [], without = [], capability = 'supported', ...options } = {}) {
    await app.open();
    for (const name of names) await app.offline.put(app.lanes[name].download('film', [keyOf(name)]));
    await app.offline.revalidate();
    await app.quit();
    for (const name of broken) app.lanes[name].cdm.breakSalts();
    app.lanes.wide.cdm.persistentLicense = capability;
    return app.open({ platform: UPDATE, driver: app.drivers(without), ...options });
  }

  const inBothOrders = (cases) => cases.flatMap(([what, ...rest]) =>
    [['main', 'wide'], ['wide', 'main']].map((order) => [`${what}, ${order.join(' before ')}`, order, ...rest]));

  test.each(inBothOrders([
    ['neither is broken', {}, { playable: 'offline', state: 'proven', action: 'play' }],
    ['one is refused a licence', { broken: ['wide'] }, { playable: 'no', state: 'blocked', reason: 'auth', action: 'sign-in' }],
    ['one has no window', { without: ['wide'] }, { playable: 'try', state: 'suspect', reason: 'no-driver', action: 'try' }],
    ['one is refused, the other has no window', { broken: ['wide'], without: ['main'] }, { playable: 'no', state: 'blocked', reason: 'auth' }],
    ['one is unsupported', { capability: 'unsupported' }, { playable: 'online', state: 'unsupported', reason: 'unsupported', action: 'connect' }],
    ['one is refused, the other unsupported', { broken: ['main'], capability: 'unsupported' }, { playable: 'online', state: 'unsupported' }],
    ['one is not there yet', { capability: 'unavailable' }, { playable: 'try', state: 'suspect', reason: 'unavailable', action: 'try' }],
  ]))('is as good as its worst: %s', async (_what, order, how, expected) => {
    app.server.behave({ status: 401 });
    const offline = await film(order, how);
    await offline.revalidate();
    const verdict = offline.verdict('film');
    expect(verdict).toMatchObject(expected);
    expect(verdict.sessions.map(({ keySystem }) => keySystem)).toEqual(order.map((name) => LANES[name].keySystem));
    expect(offline.unready()).toEqual(expected.playable === 'offline' ? [] : [verdict]);
  });

  test.each(inBothOrders([['the other has no window']]))('is not yet to be tried while one is being checked: %s', async (_what, order) => {
    const offline = await film(order, { without: ['main'] });
    const seen = [];
    app.lanes.wide.cdm.on('load', () => { seen.push(offline.verdict('film')); });
    await offline.revalidate();
    expect(seen).toMatchObject([{ playable: 'no', state: 'suspect', action: 'wait' }]);
    expect(offline.verdict('film')).toMatchObject({ playable: 'try', action: 'try' });
  });

  test('is ready once, when both are', async () => {
    const offline = await film(['main', 'wide'], { broken: ['main', 'wide'] });
    const ready = [];
    offline.on('content-ready', ({ contentId }) => ready.push(contentId));
    expect(await offline.ensurePlayable('film')).toMatchObject({ playable: 'offline', sessions: [{ sessionId: '1' }, { sessionId: '1' }] });
    // The event may come after the answer: two lanes record side by side.
    await offline.revalidate();
    expect(ready).toEqual(['film']);
    expect(app.lanes.main.plays('film') && app.lanes.wide.plays('film')).toBe(true);
  });

  test('is repaired in the one while it is held in the other', async () => {
    const offline = await film(['main', 'wide'], { broken: ['main', 'wide'] });
    const hold = offline.hold({ contentId: 'film', lane: LANES.main, kind: 'playing' });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, adopted: 1, deferred: 1 });
    expect([app.lanes.main.plays('film'), app.lanes.wide.plays('film')]).toEqual([false, true]);
    const ready = next(offline, 'content-ready');
    hold.release();
    expect(await ready).toMatchObject({ contentId: 'film', playable: 'offline' });
  });
});
