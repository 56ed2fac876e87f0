'use strict';

const { useApp } = require('../../helpers/offline-app.js');

/** What the app says while a request is out holds for what that request fails at. */

const app = useApp();
/** @returns {{ promise: Promise<void>, resolve: () => void }} */
const latch = () => {
  let resolve = () => {};
  const promise = new Promise((open) => { resolve = open; });
  return { promise, resolve };
};
const GEO = { status: 403, body: '{"error":"geo-blocked"}' };

/** Two titles are being asked for; both requests end with `refusal` when `say` has been said. */
async function refusedAfter(refusal, say) {
  const offline = await app.updateThatBroke(2, undefined, { account: 'ann' });
  await offline.setAccount('ann');
  const asked = latch();
  const said = latch();
  app.server.behave(async () => {
    if (app.server.requests === 2) asked.resolve();
    await said.promise;
    return refusal;
  }, { times: 2 });
  const run = offline.revalidate();
  await asked.promise;
  await say(offline);
  said.resolve();
  await run;
  return offline;
}

test.each([
  ['somebody signs in', { status: 401 }, (offline) => offline.setAccount('ann')],
  ['the location changes', GEO, (offline) => offline.setConnectivity('online', { changedLocation: true })],
])('%s: a refusal that was on its way is no answer to that', async (_what, refusal, say) => {
  const offline = await refusedAfter(refusal, say);
  expect(offline.unready()).toEqual([]);
  expect(app.server.requests).toBe(4);
});

test('a retry of one title is made of that one', async () => {
  const offline = await refusedAfter(GEO, (running) => running.retry('title 1'));
  expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline' });
  expect(offline.verdict('title 2')).toMatchObject({ state: 'blocked', reason: 'geo' });
  expect(app.server.requests).toBe(3);
});

test('a click joins the request that is out', async () => {
  let clicked;
  const offline = await refusedAfter(GEO, (running) => { clicked = running.ensurePlayable('title 1'); });
  expect(await clicked).toMatchObject({ state: 'blocked', reason: 'geo' });
  expect(offline.unready()).toHaveLength(2);
  expect(app.server.requests).toBe(2);
});

test('a window in place of one that does not answer is not put off for that one', async () => {
  const offline = await app.updateThatBroke(1);
  const old = app.driver();
  const starting = latch();
  offline.useDriver({ ...old, startPhase: (_lane, _phase, _configuration, { signal }) => new Promise((_resolve, reject) => {
    starting.resolve();
    signal.addEventListener('abort', () => reject(signal.reason));
    old.gone = () => reject(Object.assign(new Error('gone'), { code: 'ERR_DRIVER_GONE' }));
  }) });
  const run = offline.revalidate();
  await starting.promise;
  offline.useDriver(app.driver());
  old.gone();
  expect(await run).toMatchObject({ licensed: 1, deferred: 0 });
  expect(app.warnings.splice(0)).toMatchObject([{ code: 'ERR_DRIVER_GONE' }]);
});
