'use strict';

const { useApp } = require('../../helpers/offline-app.js');
const { LANE } = require('../../helpers/store.js');
const { POINTS, POLICY, TITLE, TITLES, broken, during, expectWhole, settle } = require('../../helpers/in-flight.js');

const app = useApp();
const UPDATES = {
  Electron: { electron: '36.0.0' },
  'the CDM': { cdms: [{ keySystem: LANE.keySystem, version: '4.10.3000.0' }] },
};

/** The session ids whose load begins from now on. */
function loadsFromNowOn() {
  const loaded = new Set();
  app.cdm.on('load', ({ sessionId }) => { loaded.add(sessionId); });
  return loaded;
}

describe.each(Object.entries(UPDATES))('%s turns out to be another', (_what, platform) => {
  test.each(POINTS)('in the middle of %s: what is proven is proven in the new generation, and nothing is asked for twice', async (_where, point) => {
    const offline = await broken(app);
    let loaded;
    await during(app, point, async () => {
      await offline.updatePlatform(platform);
      loaded = loadsFromNowOn();
      expect(TITLES.filter((contentId) => offline.verdict(contentId).playable === 'offline')).toEqual([]);
    });
    await settle(app);
    await expectWhole(app);
    for (const { sessionId } of await offline.list()) expect(loaded).toContain(sessionId);
  });
});

describe('the update comes between what loaded and its report, and takes every licence', () => {
  /** Whether a title that no longer plays was said to do so. */
  let untrue;

  /** The first check of the second title that `isIt` is the last of its generation. */
  function updateAfter(driver, isIt) {
    untrue = [];
    let updated = false;
    app.offline.on('session-changed', ({ contentId }) => {
      if (updated && !app.plays(contentId) && app.offline.verdict(contentId).playable === 'offline') untrue.push(contentId);
    });
    const check = async (session, context) => {
      const outcome = await driver.check(session, context);
      if (updated || session.contentId !== TITLE || !isIt(outcome)) return outcome;
      updated = true;
      await app.offline.updatePlatform(UPDATES.Electron);
      for (const id of app.cdm.storage(LANE).records.keys()) app.cdm.deleteRecord(id, LANE);
      return outcome;
    };
    app.offline.useDriver({ ...driver, check });
    return () => updated;
  }

  test('a stored licence', async () => {
    await app.open({ policy: POLICY });
    await app.store(TITLES.length, { proven: undefined });
    const updated = updateAfter(app.driver(), () => true);
    await settle(app);
    expect(updated()).toBe(true);
    expect(untrue).toEqual([]);
    await expectWhole(app);
  });

  test('a new licence', async () => {
    await broken(app, { driver: null });
    const updated = updateAfter(app.driver(), ({ kind }) => kind === 'loaded');
    await settle(app);
    expect(updated()).toBe(true);
    expect(untrue).toEqual([]);
    // All three were paid for and are lost again: asked for under the same ids.
    await expectWhole(app, { repeated: TITLES.length });
  });
});
