'use strict';

const { useApp, keyId, initDataOf, UPDATED } = require('../helpers/offline-app.js');
const { failure } = require('../helpers/failure.js');
const { PLATFORM } = require('../helpers/store.js');

const app = useApp();
const { lane } = app;
beforeEach(() => { app.lane = { ...lane, keySystem: 'com.widevine.alpha' }; });
const platform = { cdms: [{ keySystem: 'com.widevine.alpha', version: '4.10.2891.0' }] };
const titles = ['title 1', 'title 2', 'title 3'];
const codes = (/** @type {{ reasons: { code: string }[] }} */ { reasons }) => reasons.map(({ code }) => code);

/** @param {object} [options] */
async function stored(options) {
  await app.open({ platform, ...options });
  await app.store(3);
  return app.offline;
}

test('an update that changes nothing that licences are bound to may be installed', async () => {
  const offline = await stored();
  const assessment = await offline.assessUpdate({ app: '2.0.0', electron: PLATFORM.electron, chromium: PLATFORM.chromium });
  expect(assessment).toEqual({ advice: 'install', reasons: [expect.objectContaining({ code: 'nothing-at-risk' })], atRisk: [], stranded: [], notRenewable: [] });
});

test('an update to a Chromium that is said to have no persistent licences strands every title: it is put off, with who says so', async () => {
  const offline = await stored();
  const assessed = new Promise((resolve) => { offline.once('update-assessed', resolve); });
  const assessment = await offline.assessUpdate({ electron: '42.0.0', chromium: '144.0.7559.0' });
  expect(assessment).toMatchObject({ advice: 'defer', atRisk: titles, stranded: titles, notRenewable: [] });
  expect(codes(assessment)).toEqual(['persistent-license-unsupported', 'binding-changes']);
  expect(assessment.reasons[0].message).toContain('#9524');
  expect(await assessed).toEqual(assessment);
});

test.each([
  ['what the app\'s fleet has seen', 'kept', 'install', 'licenses-kept-before'],
  ['what the app\'s fleet has seen lost', 'lost', 'install', 'licenses-lost-before'],
])('%s comes before what is publicly known', async (_what, outcome, advice, code) => {
  const known = { keySystem: 'com.widevine.alpha', component: 'chromium', since: '140.0.0.0', until: '150.0.0.0', outcome, confidence: 'certain', source: 'our fleet' };
  const offline = await stored({ knowledge: [known] });
  const assessment = await offline.assessUpdate({ electron: '42.0.0', chromium: '144.0.7559.0' });
  expect(assessment).toMatchObject({ advice, stranded: [] });
  expect(codes(assessment)).toEqual([code, 'binding-changes']);
});

test.each([
  ['since', { since: '140' }, 'knowledge[1].since: a version of the chromium, like 134.0.6998.179'],
  ['until', { until: 'v150.0.0.0' }, 'knowledge[1].until: '],
  ['component', { component: 'browser' }, 'knowledge[1].component: '],
])('knowledge whose %s cannot be understood is refused when the app opens, not silently useless', async (_what, wrong, message) => {
  const known = { keySystem: 'com.widevine.alpha', component: 'chromium', since: '140.0.0.0', outcome: 'kept', confidence: 'certain', source: 'our fleet' };
  const refused = await failure(() => app.open({ knowledge: [known, { ...known, ...wrong }] }));
  expect(refused).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) });
});

test('an app\'s own switch overrules what is found, until it is taken back', async () => {
  const offline = await stored();
  const target = { electron: '42.0.0', chromium: '144.0.7559.0' };
  offline.setPolicy({ updateAdvice: 'install' });
  const overruled = await offline.assessUpdate(target);
  expect(overruled).toMatchObject({ advice: 'install', stranded: titles });
  expect(codes(overruled)).toEqual(['persistent-license-unsupported', 'binding-changes', 'policy']);
  offline.setPolicy({ updateAdvice: null });
  expect(await offline.assessUpdate(target)).toMatchObject({ advice: 'defer' });
  expect(await failure(async () => offline.setPolicy(/** @type {any} */ ({ updateAdvice: 'never' })))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});

test('what this install has seen comes first of all', async () => {
  await stored();
  const target = { electron: '42.0.0', chromium: '144.0.7559.0' };
  const updated = await app.relaunch({ platform: { ...platform, ...target } });
  await updated.revalidate();
  const back = await app.relaunch({ platform });
  const assessment = await back.assessUpdate(target);
  expect(assessment).toMatchObject({ advice: 'install', stranded: [], reasons: [{ code: 'licenses-kept-before', message: 'seen on this install' }, {}] });
});

test('titles that could not be licensed again are named: no init data, refused, or refused by the app\'s server if it were asked', async () => {
  const asked = [];
  const preflight = async (sessions) => { asked.push(sessions.map(({ contentId }) => contentId)); return [{ contentId: 'title 3', reason: 'entitlement' }]; };
  const offline = await stored({ preflight });
  await offline.put(app.download('bare', [keyId(9)], { initData: null, initDataType: null }));
  const assessment = await offline.assessUpdate({ electron: '30.0.0', chromium: '124.0.0.0' });
  expect(assessment).toMatchObject({ advice: 'warn', stranded: [], notRenewable: ['bare', 'title 3'] });
  expect(asked).toEqual([[...titles, 'bare']]);
  offline.setConnectivity('offline');
  expect(await offline.assessUpdate({ electron: '30.0.0' })).toMatchObject({ advice: 'warn', notRenewable: ['bare', ...titles] });
});

test('an update that says nothing of Electron puts everything at risk, and is only told so', async () => {
  const offline = await stored();
  const assessment = await offline.assessUpdate({ app: '2.0.0' });
  expect(assessment).toMatchObject({ advice: 'install', atRisk: titles, stranded: [] });
  expect(codes(assessment)).toEqual(['target-unknown']);
});

test('a preflight that fails is told, and hides nothing', async () => {
  const offline = await stored({ preflight: async () => { throw new Error('backend down'); } });
  expect(await offline.assessUpdate({ electron: UPDATED.electron })).toMatchObject({ atRisk: titles, notRenewable: [] });
  expect(app.warnings.splice(0)).toMatchObject([{ message: 'backend down' }]);
});

describe('before an update is installed', () => {
  test('there is a copy; one that is as new is not made again', async () => {
    const offline = await stored();
    expect(await offline.prepareForUpdate()).toEqual({ copied: true, notRenewable: [] });
    expect(await offline.prepareForUpdate()).toEqual({ copied: false, notRenewable: [] });
  });

  test('it is noted: the next launch tells what was expected, and one that was never announced is found as well', async () => {
    const offline = await stored();
    const before = Date.now();
    await offline.prepareForUpdate({ app: '2.0.0', electron: UPDATED.electron, machine: 'my machine' });
    const updated = await app.relaunch({ platform: { ...platform, ...UPDATED, app: '2.0.0' } });
    const { expected, changes } = updated.launch;
    expect(Object.entries(expected.target).filter(([, value]) => value !== null)).toEqual([['app', '2.0.0'], ['electron', UPDATED.electron]]);
    expect(expected.atMs).toBeGreaterThanOrEqual(before);
    expect(changes.map(({ component }) => component)).toEqual(['app', 'electron']);
    const back = await app.relaunch({ platform });
    expect(back.launch).toMatchObject({ expected: null, changes: [{ component: 'app' }, { component: 'electron' }] });
    expect((await back.history()).map((launch) => launch.expected?.target.app)).toEqual([undefined, undefined, '2.0.0']);
  });

  test('what a new licence needs is completed from what the driver lists', async () => {
    const offline = await stored();
    await offline.put(app.download('bare', [keyId(9)], { initData: null, initDataType: null }));
    await offline.put(app.download('bare too', [keyId(8)], { initData: null, initDataType: null }));
    const inventory = async () => (await offline.list()).map(({ contentId, sessionId, keyIds, initDataType, initData }) => (
      { contentId, sessionIds: [sessionId], keyIds, ...(contentId === 'bare' ? { initDataType: 'keyids', initData: initDataOf(keyIds) } : { initDataType, initData }) }));
    offline.useDriver({ ...app.driver(), inventory });
    expect(await offline.prepareForUpdate()).toEqual({ copied: true, notRenewable: ['bare too'] });
    const updated = await offline.assessUpdate({ electron: UPDATED.electron });
    expect(updated.notRenewable).toEqual(['bare too']);
  });

  test('a catalogue that cannot be listed is told, and stops nothing', async () => {
    const offline = await stored();
    const layout = Object.assign(new Error('version 6'), { code: 'ERR_SHAKA_LAYOUT' });
    offline.useDriver({ ...app.driver(), inventory: async () => { throw layout; } });
    expect(await offline.prepareForUpdate()).toEqual({ copied: true, notRenewable: [] });
    expect(app.warnings.splice(0)).toMatchObject([{ code: 'ERR_CALLBACK', cause: layout }]);
  });

  test('renewals that are due are made where sessions have opted in, if work was ever begun', async () => {
    await app.open({ platform });
    const expiring = (contentId, key, rules) => app.download(contentId, [keyId(key)], { rules, expiration: Date.now() + 3_600_000 });
    const { offline } = app;
    await offline.put(expiring('opted in', 1, { renewAheadMs: 2 * 3_600_000 }));
    await offline.put(expiring('not', 2));
    await offline.prepareForUpdate();
    expect(app.server.requests).toBe(0);
    await offline.ensurePlayable('not');
    await offline.prepareForUpdate();
    expect(app.server.requests).toBe(1);
    expect((await app.session('opted in')).sessionId).not.toBe((await app.session('not')).sessionId);
  });
});

test.each([
  ['nothing', undefined], ['a list', []], ['an unknown field', { electorn: '1.0.0' }], ['a number', { electron: 42 }],
])('a target that is %s is refused', async (_what, target) => {
  const offline = await app.open();
  expect(await failure(() => offline.assessUpdate(/** @type {any} */ (target)))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});
