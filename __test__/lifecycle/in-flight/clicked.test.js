'use strict';

const { useApp } = require('../../helpers/offline-app.js');
const { POINTS, TITLE, broken, during, expectWhole, settle } = require('../../helpers/in-flight.js');

const app = useApp();

describe.each(POINTS)('in the middle of %s', (_where, point) => {
  test.each([
    ['that title', TITLE],
    ['the title before it', 'title 1'],
    ['the title after it', 'title 3'],
  ])('ensurePlayable of %s joins the work, and costs nothing more', async (_what, contentId) => {
    const offline = await broken(app);
    let verdict;
    await during(app, point, () => { verdict = offline.ensurePlayable(contentId); });
    expect(await verdict).toMatchObject({ contentId, playable: 'offline', state: 'proven', action: 'play' });
    await settle(app);
    await expectWhole(app);
  });
});
