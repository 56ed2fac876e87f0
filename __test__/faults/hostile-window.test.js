'use strict';

const { setImmediate: turn } = require('node:timers/promises');
const { useApp, titles } = require('../helpers/offline-app.js');
const { createTransportDriver } = require('../..');

const app = useApp();
const TITLES = titles(3);
/** What was given up is not due again before somebody says so. */
const POLICY = { taskTimeoutMs: 60, licenseTimeoutMs: 60, backoffBaseMs: 3_600_000 };

/** What a window says when nobody waits for it any more. @type {(() => void)[]} */
const late = [];

/**
 * The scripted driver in a window whose outcomes, and no other messages, pass through `tamper`. The main process's end.
 * @param {(message: any, deliver: (message: any) => void) => void} tamper
 */
async function windowThat(tamper) {
  const { serveDriver } = await import('../../js/renderer/transport.mjs');
  /** @type {any} */
  const [main, window] = [{ onmessage: null }, { onmessage: null }];
  const deliver = (/** @type {any} */ data) => setImmediate(() => main.onmessage?.({ data }));
  main.postMessage = (/** @type {any} */ data) => setImmediate(() => window.onmessage?.({ data }));
  window.postMessage = (/** @type {any} */ message) => (message.type === 'outcome' ? tamper(message, deliver) : deliver(message));
  const driver = createTransportDriver(main);
  serveDriver(window, app.driver());
  return driver;
}

/** Outcomes of tasks; a phase that does not begin or end is another story. @param {any} message */
const isOfTask = ({ outcome }) => outcome !== null && outcome?.persistentLicense === undefined;

/** Another window, which is honest, and somebody who asks for every title. */
async function heal() {
  app.cdm.restart();
  app.warnings.splice(0);
  app.offline.useDriver(app.driver());
  for (const contentId of TITLES) await app.offline.retry(contentId);
  expect(await app.offline.revalidate()).toMatchObject({ deferred: 0, nextAttemptAt: null });
  expect(app.offline.unready()).toEqual([]);
  expect(TITLES.filter((contentId) => !app.plays(contentId))).toEqual([]);
}

test('a window that gives every answer twice is heard once', async () => {
  const offline = await app.updateThatBroke(3);
  offline.useDriver(await windowThat((message, deliver) => {
    deliver(message);
    deliver(message);
  }));
  expect(await offline.revalidate()).toMatchObject({ lost: 3, licensed: 3, adopted: 3, licenseRequests: 3, deferred: 0 });
  expect(TITLES.filter((contentId) => !app.plays(contentId))).toEqual([]);
});

describe.each([['good', false, 0], ['lost', true, 3]])('titles whose licences are %s', (_how, lost, cost) => {
  test.each([
    ['answers for tasks that are over', () => {
      let before = 'none';
      return (/** @type {any} */ message, /** @type {any} */ deliver) => {
        deliver(isOfTask(message) ? { ...message, id: before } : message);
        before = message.id;
      };
    }],
    ['answers for tasks that nobody has given', () => (/** @type {any} */ message, /** @type {any} */ deliver) =>
      deliver(isOfTask(message) ? { ...message, id: `${message.id}0` } : message)],
    ['answers after the lease has run out', () => (/** @type {any} */ message, /** @type {any} */ deliver) => {
      if (isOfTask(message)) late.push(() => deliver(message));
      else deliver(message);
    }],
  ])('in a window that %s are not called ready, and cost no licence more', async (_what, tamper) => {
    await app.open();
    await app.store(3);
    await app.quit();
    if (lost) app.cdm.breakSalts();
    const offline = await app.open({ platform: { electron: '35.1.4' }, policy: POLICY, driver: await windowThat(tamper()) });
    await offline.revalidate();
    for (const deliver of late.splice(0)) deliver();
    await turn();
    expect(offline.unready().map(({ contentId }) => contentId)).toEqual(TITLES);
    await heal();
    expect(app.server.calls).toHaveLength(cost);
  });
});
