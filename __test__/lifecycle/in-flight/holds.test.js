'use strict';

const { useApp } = require('../../helpers/offline-app.js');
const { LANE } = require('../../helpers/store.js');
const { POINTS, TITLE, TITLES, broken, during, expectWhole, settle, titleOf } = require('../../helpers/in-flight.js');

const app = useApp();

/**
 * Holds in the middle, until the run has come to rest. Gives what began meanwhile although the hold forbids it.
 * @param {import('../../helpers/in-flight.js').Point} point
 * @param {{ contentId?: string, kind: 'playing' | 'downloading' }} hold
 * @param {import('../../../testbed/scripted-cdm.js').Step[]} forbidden
 */
async function holdAt(point, hold, forbidden) {
  const offline = await broken(app);
  let held;
  const begun = [];
  // Before the hook that holds, so that what has begun is not taken for what begins.
  for (const step of forbidden) {
    app.cdm.on(step, (what) => {
      if (held && (!hold.contentId || titleOf(what) === hold.contentId)) begun.push(`${step} of ${titleOf(what)}`);
    });
  }
  await during(app, point, () => { held = offline.hold({ lane: LANE, ...hold }); });
  return { begun, release: () => { held.release(); held = undefined; } };
}

describe.each(POINTS)('in the middle of %s', (_where, point) => {
  test.each([
    ['that title', TITLE],
    ['a title that is queued', 'title 3'],
    ['any title', undefined],
  ])('%s begins to play: it is not checked, adopted or released until playback ends', async (_what, contentId) => {
    const { begun, release } = await holdAt(point, { contentId, kind: 'playing' }, ['load', 'adopt', 'remove']);
    expect(begun).toEqual([]);
    // The others are as good as ever.
    const others = contentId ? TITLES.filter((other) => other !== contentId) : [];
    expect(others.map((other) => app.offline.verdict(other).playable)).toEqual(others.map(() => 'offline'));
    release();
    await settle(app);
    await expectWhole(app);
  });

  test('a download begins to write licences: no licence and no release begins until it has ended', async () => {
    const { begun, release } = await holdAt(point, { kind: 'downloading' }, ['request', 'remove']);
    expect(begun).toEqual([]);
    release();
    await settle(app);
    await expectWhole(app);
  });

  test('a hold that ends at once changes nothing', async () => {
    const offline = await broken(app);
    await during(app, point, () => {
      for (const kind of ['playing', 'downloading']) offline.hold({ lane: LANE, kind }).release();
    });
    await settle(app);
    await expectWhole(app);
  });
});
