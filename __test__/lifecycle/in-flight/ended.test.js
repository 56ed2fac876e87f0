'use strict';

const { useApp, never, UPDATED } = require('../../helpers/offline-app.js');
const { POINTS, POLICY, TITLES, broken, expectWhole, inTheMiddle, settle } = require('../../helpers/in-flight.js');

const app = useApp();
/** What the server was asked for, and the CDM had not taken, may be asked for again, under the same id. */
const onItsWay = ({ step }) => (['created', 'asked', 'update'].includes(step) ? 1 : 0);

const TIMEOUT_MS = 150;

/** Ends a run at a step that never ends by itself. */
async function endAt(point, code, end, options) {
  let ending;
  inTheMiddle(app, point, () => {
    setImmediate(() => { ending = end(); });
    return never();
  });
  const failure = await app.offline.revalidate(options).catch((error) => error);
  await ending;
  expect(failure).toMatchObject({ name: 'OfflineSessionsError', code });
}

describe.each(POINTS)('ended in the middle of %s', (_where, point) => {
  test('by an abort, the next call finishes and pays nothing twice', async () => {
    await broken(app);
    const controller = new AbortController();
    await endAt(point, 'ERR_ABORTED', () => controller.abort(), { signal: controller.signal });
    await settle(app);
    await expectWhole(app, { repeated: onItsWay(point) });
  });

  test('by a time-out, the same run finishes and pays nothing twice', async () => {
    await broken(app, { policy: { startPhaseTimeoutMs: TIMEOUT_MS, taskTimeoutMs: TIMEOUT_MS, licenseTimeoutMs: TIMEOUT_MS } });
    inTheMiddle(app, point, never);
    await settle(app);
    const warnings = app.warnings.splice(0).map(({ message }) => message);
    expect(new Set(warnings)).toEqual(new Set(point.races ? [] : [`no answer in ${TIMEOUT_MS} ms`]));
    await expectWhole(app, { repeated: onItsWay(point) });
  });

  test('by close(), the launch after a further update finishes and pays nothing twice', async () => {
    const offline = await broken(app);
    await endAt(point, 'ERR_CLOSED', () => offline.close());
    await app.relaunch({ platform: { ...UPDATED, electron: '36.0.0' }, policy: POLICY });
    await settle(app);
    await expectWhole(app, { repeated: onItsWay(point) });
  });

  test('by close(), a launch that first puts what is in the catalogue finishes and pays nothing twice', async () => {
    const offline = await broken(app);
    const before = await offline.list();
    await endAt(point, 'ERR_CLOSED', () => offline.close());
    await app.relaunch({ platform: UPDATED, policy: POLICY });
    await app.offline.put(TITLES.map((contentId, n) => ({ ...before[n], contentId, sessionId: app.catalogue.get(contentId)[0].sessionId })));
    await settle(app);
    await expectWhole(app, { repeated: onItsWay(point) });
  });
});
