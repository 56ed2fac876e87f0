'use strict';

const { launchBrowser, createProfile, removeProfile } = require('../../testbed/browsers.js');
const { deleteRecord, flipKeyId, rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { startLicenseServer } = require('../../testbed/servers.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { EmeLane, KEYS, keyIdOf, licenseHook } = require('../helpers/eme-lane.js');

describeBrowser('EME driver over restarts of Firefox', 'firefox', (found) => {
  let profile, running, server, lane, driver;

  async function restart(whileClosed = async () => {}) {
    await running?.close();
    await whileClosed();
    running = await launchBrowser(found, profile);
    ({ driver } = await lane.open(running.browser));
  }

  beforeEach(async () => {
    profile = await createProfile();
    server = await startLicenseServer({ keys: KEYS });
    lane = await EmeLane.create();
    await restart();
  }, 60_000);

  afterEach(async () => {
    const left = await lane.close();
    await server.close();
    await running.close();
    await removeProfile(profile);
    expect(left).toEqual({ unhandled: [], locks: [] });
  }, 60_000);

  const licenses = (titles) => lane.inPhase(driver, 'license', () => Promise.all(titles.map(async (title) => {
    const { sessionId } = await driver.license(title, { sessionCreated: async () => {}, acquireLicense: licenseHook(server) });
    return { ...title, sessionId };
  })));
  const checks = (titles) => lane.inPhase(driver, 'check', () => Promise.all(titles.map((title) => driver.check(title))));
  const probe = () => lane.inPhase(driver, 'probe', () => driver.probe(lane.lane, { configurations: [] }));
  const loaded = (keyId) => ({ kind: 'loaded', keyStatuses: { [keyId]: 'usable' }, expiration: null });

  test('a record deleted is hollow, one with flipped bytes shows a foreign key id, the others are loaded', async () => {
    const titles = await licenses([1, 2, 3].map((n) => lane.title(n)));
    await restart(async () => {
      await deleteRecord(profile, titles[0].sessionId);
      await flipKeyId(profile, titles[1].sessionId);
    });
    expect(await checks(titles)).toEqual([{ kind: 'hollow' }, loaded(keyIdOf(2).replace(/^00/, 'ff')), loaded(keyIdOf(3))]);
  }, 60_000);

  test('salts rewritten: every session is gone, the witness is still there', async () => {
    const titles = await licenses([1, 2, 3].map((n) => lane.title(n)));
    await lane.inPhase(driver, 'probe', async () => {
      await driver.plantWitness(lane.lane, 'first');
      await driver.plantWitness(lane.lane, 'second');
      await driver.plantWitness({ ...lane.lane, keySystem: 'com.widevine.alpha' }, 'another');
    });
    expect(await probe()).toEqual({ persistentLicense: 'supported', witness: 'second' });
    await restart(() => rewriteSalts(profile));
    expect(await checks(titles)).toEqual(titles.map(() => ({ kind: 'gone' })));
    expect(await probe()).toEqual({ persistentLicense: 'supported', witness: 'second' });
  }, 60_000);
});
