'use strict';

const { useApp, keyId } = require('../../helpers/offline-app.js');
const { proven } = require('../../helpers/store.js');
const { POINTS, TITLE, broken, during, expectWhole, settle } = require('../../helpers/in-flight.js');

const app = useApp();
const OLD_ID = '2';
const idInCatalogue = () => app.catalogue.get(TITLE)[0].sessionId;

describe.each(POINTS)('in the middle of %s', (_where, point) => {
  test('a title that is downloaded again is the new one, and what was made for the old one goes', async () => {
    const offline = await broken(app);
    await during(app, point, async () => {
      app.catalogue.delete(TITLE);
      await offline.put(app.download(TITLE, [keyId(2)]), { replace: true });
    });
    await settle(app);
    await expectWhole(app, { billed: point.races ? [2, 3] : point.asked ? 3 : 2 });
  });

  test('a title that is put again as the catalogue has it loses nothing', async () => {
    const offline = await broken(app);
    const session = await app.session(TITLE);
    await during(app, point, () => offline.put({ ...session, sessionId: idInCatalogue(), metadata: 'from the catalogue' }));
    await settle(app);
    await expectWhole(app);
    expect(await app.session(TITLE)).toMatchObject({ metadata: 'from the catalogue', suspect: false });
  });
});

describe.each(POINTS.filter(([, { inCatalogue }]) => inCatalogue))('in the middle of %s', (_where, point) => {
  test('a title that is put again under the id that it had first loses nothing', async () => {
    const offline = await broken(app);
    const session = await app.session(TITLE);
    await during(app, point, () => offline.put({ ...session, sessionId: OLD_ID, metadata: 'from a backup' }));
    await settle(app);
    await expectWhole(app);
    expect(await app.session(TITLE)).toMatchObject({ metadata: 'from a backup', suspect: false });
  });

  test('a title that the player has just shown good under its new id is the same title', async () => {
    const offline = await broken(app);
    const session = await app.session(TITLE);
    await during(app, point, () => offline.put({ ...session, sessionId: idInCatalogue(), proven: proven([keyId(2)]) }));
    await settle(app);
    await expectWhole(app);
  });
});
