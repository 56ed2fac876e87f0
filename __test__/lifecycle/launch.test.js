'use strict';

const { useApp, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { CDM_VERSION, LANE, PLATFORM } = require('../helpers/store.js');

const app = useApp();
const TITLES = titles(3);
const HASH = expect.stringMatching(/^[0-9a-f]{64}$/);
const cdm = (version) => ({ cdms: [{ keySystem: LANE.keySystem, version }] });

async function launchWith(platform, options) {
  await app.open();
  await app.store(TITLES.length);
  // The first run plants the witness; there is nothing to check.
  expect(await app.offline.revalidate()).toMatchObject({ ...NOTHING, nextAttemptAt: null });
  return app.relaunch({ platform, ...options });
}

/** Every title has this verdict. */
function expectVerdicts(expected) {
  expect(TITLES.map((contentId) => app.offline.verdict(contentId))).toEqual(TITLES.map(() => expect.objectContaining(expected)));
}

describe('a launch checks nothing', () => {
  test.each([
    ['nothing has changed', {}, []],
    ['the app alone is new', { app: '2.0.0' }, [{ component: 'app', from: '1.0.0', to: '2.0.0', kind: 'upgrade' }]],
    ['Node alone is new', { node: '22.1.0' }, [{ component: 'node', from: '20.9.0', to: '22.1.0', kind: 'upgrade' }]],
    ['the version of the OS alone is new', { os: { name: 'Debian', version: '13' } }, [{ component: 'osVersion', from: '12', to: '13', kind: 'change' }]],
    ['another lane\'s CDM alone is new', { cdms: [...PLATFORM.cdms, { keySystem: 'com.widevine.alpha', version: '4.10.2.0' }] }, []],
  ])('where %s', async (_what, platform, changes) => {
    const offline = await launchWith(platform);
    expect(offline.launch).toMatchObject({ changes, suspects: 0 });
    expectVerdicts({ playable: 'offline', state: 'proven' });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, nextAttemptAt: null });
    expect(app.cdm.counts).toMatchObject({ loads: 0, requests: 0, removes: 0 });
    expect(app.server.requests).toBe(0);
  });
});

describe('a launch makes every session suspect', () => {
  test.each([
    ['Electron', { electron: '30.0.0' }, { component: 'electron', from: '29.1.6', to: '30.0.0', kind: 'upgrade' }],
    ['Electron, by its build alone', { electron: '29.1.6+wvcus' }, { component: 'electron', from: '29.1.6', to: '29.1.6+wvcus' }],
    ['Electron, backwards', { electron: '28.0.0' }, { component: 'electron', from: '29.1.6', to: '28.0.0', kind: 'downgrade' }],
    ['Chromium', { chromium: '122.0.6261.140' }, { component: 'chromium', from: '122.0.6261.139', to: '122.0.6261.140', kind: 'upgrade' }],
    ['its CDM', cdm('4.10.3000.0'), { component: 'cdm', keySystem: LANE.keySystem, from: CDM_VERSION, to: '4.10.3000.0', kind: 'upgrade' }],
    ['the OS', { os: { name: 'Fedora', version: '12' } }, { component: 'os', from: 'Debian', to: 'Fedora', kind: 'change' }],
    ['the architecture', { arch: 'arm64' }, { component: 'arch', from: 'x86_64', to: 'arm64', kind: 'change' }],
    ['the profile', { profile: 'other' }, { component: 'profile', from: 'main', to: 'other', kind: 'change' }],
    ['the machine', { machine: 'another machine' }, { component: 'machine', kind: 'change', from: HASH, to: HASH }],
  ])('where %s has changed', async (_what, platform, change) => {
    const offline = await launchWith(platform);
    expect(offline.launch).toMatchObject({ changes: [change], suspects: TITLES.length });
    expectVerdicts({ playable: 'no', state: 'suspect', reason: 'new-generation', action: 'wait' });
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3, lost: 0, licenseRequests: 0 });
    expectVerdicts({ playable: 'offline', state: 'proven', reason: null, action: 'play' });
    expect((await app.relaunch({ platform })).launch).toMatchObject({ changes: [], suspects: 0 });
  });

  test('where an update is taken back that nobody looked at', async () => {
    await launchWith(UPDATED);
    const offline = await app.relaunch();
    expect(offline.launch).toMatchObject({ changes: [{ component: 'electron', from: '35.1.4', to: '29.1.6', kind: 'downgrade' }], suspects: 3 });
    expectVerdicts({ playable: 'no', state: 'suspect' });
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3 });
  });

  test('of the lane whose CDM has changed, and of no other', async () => {
    const widevine = (version) => ({ cdms: [...PLATFORM.cdms, { keySystem: 'com.widevine.alpha', version }] });
    let offline = await app.open({ platform: widevine('4.10.1.0') });
    await app.store(1);
    await offline.put(app.download('other lane', [], { keySystem: 'com.widevine.alpha', proven: { keyStatuses: { ['ab'.repeat(16)]: 'usable' } } }));
    offline = await app.relaunch({ platform: widevine('4.10.2.0') });
    expect(offline.launch.suspects).toBe(1);
    expect(offline.unready()).toMatchObject([{ contentId: 'other lane', state: 'suspect' }]);
  });

  test('where facts that come late differ, though nothing differed at first', async () => {
    const offline = await launchWith({ cdms: [] });
    expect(offline.launch).toMatchObject({ changes: [], suspects: 3 });
    expectVerdicts({ playable: 'no', state: 'suspect', reason: 'cdm-not-observed' });
    const report = await offline.updatePlatform(cdm('4.10.3000.0'));
    expect(report).toEqual(offline.launch);
    expect(report).toMatchObject({ suspects: 3, changes: [{ component: 'cdm', from: CDM_VERSION, to: '4.10.3000.0' }] });
    expectVerdicts({ playable: 'no', state: 'suspect', reason: 'new-generation' });
    expect((await offline.history())[0].changes).toEqual(report.changes);
  });
});

describe('a CDM of version null', () => {
  test('makes suspect while it lasts, and heals when it is observed again', async () => {
    const offline = await launchWith(cdm(null));
    expect(offline.launch).toMatchObject({ changes: [], suspects: 3 });
    expectVerdicts({ playable: 'no', state: 'suspect', reason: 'cdm-not-observed' });
    expect(await offline.updatePlatform(cdm(CDM_VERSION))).toMatchObject({ changes: [], suspects: 0 });
    expectVerdicts({ playable: 'offline', state: 'proven' });
    expect(await offline.revalidate()).toMatchObject(NOTHING);
  });

  test('heals at the next launch, too', async () => {
    await launchWith(cdm(null));
    const offline = await app.relaunch();
    expect(offline.launch).toMatchObject({ changes: [], suspects: 0 });
    expectVerdicts({ playable: 'offline' });
  });

  test('does not stand against a check of this launch', async () => {
    const offline = await launchWith(cdm(null));
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3 });
    expectVerdicts({ playable: 'offline' });
    expect((await app.relaunch({ platform: cdm(null) })).launch.suspects).toBe(3);
  });

  test('hides no change: another version after it starts a generation', async () => {
    await launchWith(cdm(null));
    const offline = await app.relaunch({ platform: cdm('4.10.3000.0') });
    expect(offline.launch.suspects).toBe(3);
    expectVerdicts({ playable: 'no', state: 'suspect', reason: 'new-generation' });
  });
});

describe('the witness', () => {
  test('that is missing starts a generation, once', async () => {
    let offline = await launchWith();
    app.cdm.storage().witnesses.clear();
    expect(offline.launch.suspects).toBe(0);
    // Until the probe has answered, the last answer stands.
    expectVerdicts({ playable: 'offline' });
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3, lost: 0 });
    expectVerdicts({ playable: 'offline' });
    offline = await app.relaunch();
    expect(await offline.revalidate()).toMatchObject(NOTHING);
  });

  test('that is another than ours starts one, too, and is replaced', async () => {
    const offline = await launchWith();
    const { witnesses } = app.cdm.storage();
    const ours = witnesses.get(LANE.keySystem);
    expect(ours).toMatch(/^[0-9a-f]{32}$/);
    witnesses.set(LANE.keySystem, 'planted by somebody else');
    expect(await offline.revalidate()).toMatchObject({ checked: 3, proven: 3 });
    expect(witnesses.get(LANE.keySystem)).toMatch(/^[0-9a-f]{32}$/);
    expect(witnesses.get(LANE.keySystem)).not.toBe(ours);
  });

  test('that tells a wipe gets every licence back, each once', async () => {
    await launchWith();
    await app.quit();
    app.cdm.wipe();
    const offline = await app.open();
    expect(offline.launch.suspects).toBe(0);
    expect(await offline.revalidate()).toMatchObject({ checked: 3, lost: 3, licensed: 3, adopted: 3, licenseRequests: 3 });
    expect(TITLES.every((contentId) => app.plays(contentId))).toBe(true);
    expect(app.server.requests).toBe(3);
    expect(app.leftovers()).toEqual([]);
  });
});

test('two launches offline leave suspects suspect, and touch nothing', async () => {
  await launchWith(UPDATED);
  for (let launch = 0; launch < 2; launch++) {
    const offline = await app.relaunch({ platform: UPDATED });
    expect(offline.launch).toMatchObject({ changes: [], suspects: 3 });
    offline.setConnectivity('offline');
    expectVerdicts({ playable: 'try', state: 'suspect', reason: 'offline', action: 'try' });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: 3 });
    expectVerdicts({ playable: 'try', state: 'suspect', reason: 'offline', action: 'try' });
  }
  expect(app.cdm.counts).toMatchObject({ loads: 0, requests: 0 });
  app.offline.setConnectivity('online');
  expect(await app.offline.revalidate()).toMatchObject({ checked: 3, proven: 3 });
});

test('an update missed while the app was not opened, or left halfway, cannot leave a wrong proof', async () => {
  await launchWith(UPDATED, { policy: { batchSize: 1 } });
  // The second check of the run never ends: the app is closed in the middle.
  let checks = 0;
  app.cdm.on('load', () => (++checks > 1 ? app.offline.close().then(() => new Promise(() => {})) : undefined));
  await expect(app.offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  const offline = await app.relaunch({ platform: UPDATED });
  expect(offline.launch).toMatchObject({ changes: [], suspects: 2 });
  expect(offline.unready()).toHaveLength(2);
});
