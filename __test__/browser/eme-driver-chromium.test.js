'use strict';

const { launchBrowser, createProfile, removeProfile } = require('../../testbed/browsers.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { EmeLane, CONFIGURATION } = require('../helpers/eme-lane.js');

describeBrowser('EME driver in Chromium, which refuses persistent licences', 'chromium', (found) => {
  let profile, running, lane, driver, page;

  beforeAll(async () => {
    profile = await createProfile();
    running = await launchBrowser(found, profile);
  }, 60_000);

  afterAll(async () => {
    await running?.close();
    await removeProfile(profile);
  }, 60_000);

  beforeEach(async () => {
    lane = await EmeLane.create();
    ({ driver, page } = await lane.open(running.browser));
  });

  afterEach(async () => {
    expect(await lane.close()).toEqual({ unhandled: [], locks: [] });
  });

  const probe = (configurations, where = lane.lane) => lane.inPhase(driver, 'probe', () => driver.probe(where, { configurations }));
  const UNKNOWN_TO_CHROMIUM = { ...CONFIGURATION, videoCapabilities: [{ contentType: 'video/mp4; codecs="none"' }] };

  /** Writes down what is asked of Chromium, and refuses the `refuse` first requests of a session type itself. */
  const watchRequests = (refuse = {}) => page.evaluate((left) => {
    const real = navigator.requestMediaKeySystemAccess.bind(navigator);
    globalThis.asked = [];
    navigator.requestMediaKeySystemAccess = async (keySystem, [configuration]) => {
      const [type] = configuration.sessionTypes;
      globalThis.asked.push(`${type}, ${configuration.persistentState}`);
      if (left[type]-- > 0) throw new DOMException('refused by the test', 'NotSupportedError');
      return real(keySystem, [configuration]);
    };
  }, refuse);

  test('a probe says unsupported, having asked twice in one document', async () => {
    await watchRequests();
    expect(await probe([CONFIGURATION])).toEqual({ persistentLicense: 'unsupported', witness: null });
    const round = ['persistent-license, optional', 'temporary, optional'];
    expect(await page.evaluate(() => globalThis.asked)).toEqual([...round, ...round]);
  });

  test('without configurations it asks with its own', async () => {
    expect(await probe([])).toMatchObject({ persistentLicense: 'unsupported' });
  });

  test('what is refused altogether says nothing of persistent licences: beside another it is unsupported, alone unavailable', async () => {
    expect(await probe([CONFIGURATION, UNKNOWN_TO_CHROMIUM])).toMatchObject({ persistentLicense: 'unsupported' });
    expect(await probe([UNKNOWN_TO_CHROMIUM])).toMatchObject({ persistentLicense: 'unavailable' });
  });

  test('a refusal of temporary sessions too, in one of the rounds, makes it unavailable', async () => {
    await watchRequests({ temporary: 1 });
    expect(await probe([CONFIGURATION])).toMatchObject({ persistentLicense: 'unavailable' });
  });

  test('a key system without a CDM is unavailable', async () => {
    const keySystem = 'com.widevine.alpha';
    const widevine = { ...lane.lane, keySystem };
    await driver.startPhase(widevine, 'probe', null);
    expect(await driver.probe(widevine, { configurations: [CONFIGURATION] })).toMatchObject({ persistentLicense: 'unavailable' });
    await driver.endPhase(widevine, 'probe');
  });

  test('a phase that needs a MediaKeys does not start, and keeps no lock', async () => {
    await expect(driver.startPhase(lane.lane, 'check', CONFIGURATION)).rejects.toMatchObject({ name: 'NotSupportedError' });
    expect(await page.evaluate(async () => (await navigator.locks.query()).held)).toEqual([]);
    await driver.endPhase(lane.lane, 'check');
  });

  test('a witness planted is read back', async () => {
    await driver.plantWitness(lane.lane, 'witness');
    expect(await probe([])).toMatchObject({ witness: 'witness' });
    await page.close();
    ({ driver } = await lane.open(running.browser));
    expect(await probe([])).toMatchObject({ witness: 'witness' });
  });
});
