'use strict';

const { NOTHING } = require('../helpers/offline-app.js');
const { useLanesApp, LANES, NAMES, UPDATE, cdms, title, keyOf } = require('../helpers/lanes-app.js');

const app = useLanesApp();
const suspects = () => app.offline.unready().map(({ contentId, state, reason }) => `${contentId}: ${state} ${reason}`);

describe('a CDM that was never observed before', () => {
  test('is no change when it is observed in the launch that stored its first licence', async () => {
    const offline = await app.open({ platform: cdms({ widevine: null }) });
    await app.store(1);
    expect(await offline.updatePlatform(cdms())).toMatchObject({ suspects: 0 });
    expect((await app.relaunch()).launch.suspects).toBe(0);
    expect(suspects()).toEqual([]);
  });

  test('is one later, when nobody knows what came between, for its own lanes', async () => {
    await app.open({ platform: cdms({ widevine: null }) });
    await app.store(1);
    const offline = await app.relaunch();
    expect(offline.launch.suspects).toBe(2);
    expect(suspects()).toEqual(['web 1: suspect new-generation', 'wide 1: suspect new-generation']);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: 2, proven: 2 });
    expect((await app.relaunch()).launch.suspects).toBe(0);
  });
});

test('a lane that is new in the middle of things is proven as of now, and changes nothing for the others', async () => {
  await app.open();
  await app.offline.put(app.lanes.main.download(title('main'), [keyOf('main')]));
  const offline = await app.relaunch({ platform: UPDATE });
  await offline.put(app.lanes.kids.download(title('kids'), [keyOf('kids')]));
  expect(suspects()).toEqual(['main 1: suspect new-generation']);
  expect((await app.relaunch({ platform: UPDATE })).launch.suspects).toBe(1);
  expect(await app.offline.revalidate()).toMatchObject({ ...NOTHING, checked: 1, proven: 1 });
  expect(suspects()).toEqual([]);
});

describe('over many launches', () => {
  const VALUES = {
    electron: ['29.1.6', '35.1.4'],
    chromium: ['122.0.6261.139', '134.0.6998.179'],
    clearkey: ['4.1.0.0', '4.2.0.0', null],
    widevine: ['4.10.1.0', '4.10.2.0', null],
  };

  /** A number below n, and the same ones for the same seed. @param {number} seed */
  const random = (seed) => (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };

  /** What a lane must be like, said in the words of the design: generations, and what was proven in which. */
  class LaneModel {
    generation = 1;
    /** @type {{ generation: number, launch: number }} */
    proof = { generation: 1, launch: 0 };
    /** @type {Record<string, string>} */
    bound = {};

    constructor(name) {
      this.cdm = LANES[name].keySystem === LANES.main.keySystem ? 'clearkey' : 'widevine';
    }

    launch(platform) {
      const { electron, chromium, [this.cdm]: cdm } = platform;
      const now = { electron, chromium, cdm: cdm ?? this.bound.cdm };
      if (this.bound.electron && JSON.stringify(now) !== JSON.stringify(this.bound)) this.generation++;
      this.bound = now;
      this.observed = cdm !== null;
    }

    isSuspect(launch) {
      return this.proof.generation !== this.generation || (!this.observed && this.proof.launch !== launch);
    }
  }

  test.each([1, 2, 3, 4, 5, 6])('exactly those are suspect that were not proven since their own lane changed (%i)', async (seed) => {
    const below = random(seed);
    const platform = Object.fromEntries(Object.entries(VALUES).map(([part, [first]]) => [part, first]));
    const models = Object.fromEntries(NAMES.map((name) => [name, new LaneModel(name)]));
    for (let launch = 0; launch < 12; launch++) {
      if (launch > 0 && below(4) > 0) {
        const part = Object.keys(VALUES)[below(4)];
        platform[part] = VALUES[part][below(VALUES[part].length)];
      }
      const without = NAMES.filter(() => below(3) === 0);
      const { electron, chromium } = platform;
      await app.quit();
      const offline = await app.open({ platform: { electron, chromium, ...cdms(platform) }, driver: app.drivers(without) });
      for (const model of Object.values(models)) model.launch(platform);
      if (launch === 0) await app.store(1);
      const expected = () => NAMES.filter((name) => models[name].isSuspect(launch));
      const unready = () => offline.unready().map(({ contentId }) => contentId);

      const due = expected().filter((name) => !without.includes(name));
      expect(offline.launch.suspects).toBe(launch === 0 ? 0 : expected().length);
      expect(unready()).toEqual(expected().map((name) => title(name)).sort());
      const left = expected().length - due.length;
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, checked: due.length, proven: due.length, deferred: left, nextAttemptAt: null });
      for (const name of due) models[name].proof = { generation: models[name].generation, launch };
      expect(unready()).toEqual(expected().map((name) => title(name)).sort());
    }
  });
});
