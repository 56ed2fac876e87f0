'use strict';

const { useApp, keyId } = require('../../helpers/offline-app.js');
const { POINTS, TITLE, broken, during, expectWhole, settle } = require('../../helpers/in-flight.js');

const app = useApp();
const OTHERS = ['title 1', 'title 3'];
/** Whether the removed title's licence had been asked for; where both race, either is right. */
const licences = ({ asked, races }) => (races ? [2, 3] : [asked ? 3 : 2]);

async function remove() {
  app.catalogue.delete(TITLE);
  await app.offline.removeContent(TITLE);
}

describe.each(POINTS)('in the middle of %s', (_where, point) => {
  test('a title that is removed leaves nothing behind, and costs the others nothing', async () => {
    const offline = await broken(app);
    await during(app, point, remove);
    await settle(app);
    expect(offline.verdict(TITLE).state).toBe('unknown');
    await expectWhole(app, { contents: OTHERS, billed: licences(point) });
  });

  test('a title that is removed and downloaded again is the new one', async () => {
    const offline = await broken(app);
    await during(app, point, async () => {
      await remove();
      await offline.put(app.download(TITLE, [keyId(2)]));
    });
    await settle(app);
    await expectWhole(app, { billed: licences(point) });
  });

  test('a title that is removed and put again as the catalogue has it is repaired', async () => {
    const offline = await broken(app);
    const session = await app.session(TITLE);
    await during(app, point, async () => {
      await offline.removeContent(TITLE);
      await offline.put({ ...session, sessionId: app.catalogue.get(TITLE)[0].sessionId });
    });
    await settle(app);
    // What was on its way was given up with the title, unless the catalogue was just being given it.
    const more = point.asked && !point.inCatalogue && point.step !== 'adopt' ? [4] : [3];
    await expectWhole(app, { billed: point.races ? [3, 4] : more });
  });
});
