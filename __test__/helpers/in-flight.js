'use strict';

const { keyId, next, titles, UPDATED } = require('./offline-app.js');
const { LANE } = require('./store.js');

/**
 * @typedef {import('./offline-app.js').OfflineApp} OfflineApp
 * @typedef {import('../../testbed/scripted-cdm.js').Step} Step
 *
 * @typedef {object} Point
 * @property {Step | 'asked'} step 'asked': while the licence server is asked
 * @property {string} [phase]
 * @property {number} [nth] how often that step comes until the point is reached
 * @property {boolean} [races] what happens here is not waited for
 * @property {boolean} [asked] the title's licence has been asked for by then
 * @property {boolean} [inCatalogue] the title's new licence is in the player's catalogue by then
 */

/** What an update has cost its licences; hollow, so that the ids of new ones are others. */
const TITLES = titles(3);
/** The one in the middle of whose repair something happens: what comes before it is done by then, what comes after it is queued. */
const TITLE = 'title 2';
const ASKED = { asked: true };
const WRITTEN = { asked: true, inCatalogue: true };

/** Waits that are over at once; and one licence at a time, so that others are queued. */
const POLICY = { backoffBaseMs: 1, backoffMaxMs: 20, licenseConcurrency: 1 };

/** Where the repair of a title can be, in order. @type {[where: string, Point][]} */
const POINTS = [
  ['the check\'s beginning', { step: 'phase', phase: 'check' }],
  ['the check', { step: 'load', phase: 'check' }],
  ['the lone recheck', { step: 'load', phase: 'check', nth: 2 }],
  ['the licence\'s beginning', { step: 'phase', phase: 'license' }],
  ['the licence, before the CDM created its session', { step: 'request' }],
  ['the licence, before its session was journalled', { step: 'created' }],
  ['the licence, while its session is journalled', { step: 'created', races: true }],
  ['the licence, while the server is asked', { step: 'asked', ...ASKED }],
  ['the licence, before the CDM took the answer', { step: 'update', ...ASKED }],
  ['the licence, after the CDM took it', { step: 'updated', ...ASKED }],
  ['verify\'s beginning', { step: 'phase', phase: 'verify', ...ASKED }],
  ['verify', { step: 'load', phase: 'verify', ...ASKED }],
  ['the adoption\'s beginning', { step: 'phase', phase: 'adopt', ...ASKED }],
  ['the adoption, before the catalogue was written', { step: 'adopt', ...ASKED }],
  ['the adoption, after the catalogue was written', { step: 'adopted', ...WRITTEN }],
  ['the release\'s beginning', { step: 'phase', phase: 'release', ...WRITTEN }],
  ['the release, before the CDM removed it', { step: 'remove', ...WRITTEN }],
  ['the release, after the CDM removed it', { step: 'removed', ...WRITTEN }],
];

/**
 * Three titles whose licences an update has cost, on the launch after it.
 * @param {OfflineApp} app
 * @param {{ policy?: object, more?: Record<string, any>, [option: string]: any }} [options] `more`: of each title
 */
async function broken(app, { policy, more, ...options } = {}) {
  await app.open();
  await app.store(TITLES.length, more);
  await app.quit();
  for (const sessionId of oldIds(app)) app.cdm.deleteRecord(sessionId, LANE);
  return app.open({ platform: UPDATED, policy: { ...POLICY, ...policy }, ...options });
}

/** The session ids of the catalogue. @param {OfflineApp} app */
const oldIds = (app) => [...app.catalogue.values()].flat().map(({ sessionId }) => sessionId);

/** The title that a step is about. What is released names only the id, which here is the number of its title. */
const titleOf = (/** @type {{ contentId?: string | null, sessionId?: string }} */ { contentId, sessionId }) => contentId ?? `title ${sessionId}`;

/**
 * Does `action` once, when the second title's work gets to `point`; the work waits for it.
 * @param {OfflineApp} app
 * @param {Point} point
 * @param {() => any} action
 * @returns {() => Promise<void>} waits for the action; rejects when the point was not reached
 */
function inTheMiddle(app, { step, phase, nth = 1, races }, action) {
  let left = nth;
  /** @type {Promise<void> | undefined} */
  let done;
  const reached = () => {
    if (--left !== 0) return undefined;
    done = Promise.resolve().then(action).then(() => {});
    const whatever = done.catch(() => {});
    return races ? undefined : whatever;
  };
  if (step === 'asked') {
    app.server.behave(async ({ keyIds }) => {
      if (keyIds[0] === keyId(2)) await reached();
      return 'ok';
    });
  } else {
    app.cdm.on(step, (what) => {
      const isHere = step === 'phase' || titleOf(what) === TITLE;
      return isHere && (!phase || what.phase === phase) ? reached() : undefined;
    });
  }
  return () => done ?? Promise.reject(new Error('the work did not get there'));
}

/**
 * A run in the middle of which `action` happens. Gives what became of the run.
 * @param {OfflineApp} app
 * @param {Point} point
 * @param {() => any} action
 * @param {() => Promise<any>} [run]
 */
async function during(app, point, action, run = () => app.offline.revalidate()) {
  const happened = inTheMiddle(app, point, action);
  const end = await run();
  await happened();
  return end;
}

/** Nothing is left that time alone could finish. @param {any} report */
const isDone = ({ deferred, nextAttemptAt }) => deferred === 0 && nextAttemptAt === null;

/** More than any repair needs. */
const MAX_RUNS = 50;

/** Runs, by timer too, until nothing is deferred. @param {OfflineApp} app */
async function settle(app) {
  let left = MAX_RUNS;
  const rested = next(app.offline, 'run-finished', (report) => isDone(report) || --left === 0);
  const report = await app.offline.revalidate();
  if (!isDone(report)) expect(await rested).toMatchObject({ deferred: 0, nextAttemptAt: null });
}

/**
 * Everything on record plays, under the id that the catalogue has; nothing of ours is left over in the CDM; and no more licences
 * were asked for than needed.
 * @param {OfflineApp} app
 * @param {{ contents?: string[], billed?: number | number[], repeated?: number }} [expected] `billed`: how many licences, or how many
 *   it may be; `repeated`: how many of them may have been asked for again under the same id
 */
async function expectWhole(app, { contents = TITLES, billed = TITLES.length, repeated = 0 } = {}) {
  const onRecord = await app.offline.list();
  expect(onRecord.map(({ contentId }) => contentId).sort()).toEqual(contents);
  expect(app.offline.unready()).toEqual([]);
  expect(contents.filter((contentId) => !app.plays(contentId))).toEqual([]);
  expect(onRecord.map(({ sessionId }) => sessionId).sort()).toEqual(oldIds(app).sort());
  expect(app.leftovers()).toEqual([]);
  expect([billed].flat()).toContain(app.billed().length);
  expect(app.server.requests).toBeLessThanOrEqual(app.billed().length + repeated);
}

module.exports = { POINTS, POLICY, TITLE, TITLES, broken, during, expectWhole, inTheMiddle, settle, titleOf };
