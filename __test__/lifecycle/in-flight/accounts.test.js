'use strict';

const { useApp, keyId } = require('../../helpers/offline-app.js');
const { POINTS, TITLES, broken, during, expectWhole, settle } = require('../../helpers/in-flight.js');

const app = useApp();
const EVERYBODYS = 'title 4';
const ALL = [...TITLES, EVERYBODYS];

/** Ann's three titles and one that nobody owns; she is signed in. */
async function annsTitles() {
  const offline = await broken(app, { more: { account: 'ann' } });
  const session = app.download(EVERYBODYS, [keyId(4)]);
  app.cdm.deleteRecord(session.sessionId);
  await offline.put({ ...session, proven: undefined });
  await offline.setAccount('ann');
  return offline;
}

describe.each(POINTS)('in the middle of %s', (_where, point) => {
  test.each([
    ['another signs in', 'bob'],
    ['she signs out', null],
  ])('%s: none of hers is licensed any more, and all are when she is back', async (_what, account) => {
    const offline = await annsTitles();
    let before;
    await during(app, point, async () => {
      await offline.setAccount(account);
      before = app.server.requests;
    });
    const notHers = expect.objectContaining({ playable: 'no', reason: 'other-account', action: 'sign-in', sessions: [] });
    expect(TITLES.map((contentId) => offline.verdict(contentId))).toEqual([notHers, notHers, notHers]);
    // What nobody owns is licensed all the same, whenever.
    const asked = app.server.calls.slice(before).flatMap(({ keyIds }) => keyIds);
    expect(asked.filter((id) => id !== keyId(4))).toEqual([]);
    expect(offline.verdict(EVERYBODYS).playable).toBe('offline');
    await offline.setAccount('ann');
    await settle(app);
    await expectWhole(app, { contents: ALL, billed: ALL.length });
  });

  test('a change that is taken back at once changes nothing', async () => {
    const offline = await annsTitles();
    await during(app, point, async () => {
      await offline.setAccount('bob');
      await offline.setAccount('ann');
    });
    await settle(app);
    await expectWhole(app, { contents: ALL, billed: ALL.length });
  });
});
