'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

/**
 * @typedef {import('./process').AppProcess} AppProcess
 * @typedef {import('./app').App} App
 * @typedef {import('./titles').Title} Title
 */

/** More runs than any repair needs. */
const MAX_RUNS = 60;

/**
 * What was downloaded and never acknowledged. Nobody knows whether its licence is still good.
 * @param {App} app
 * @param {AppProcess} process
 * @param {Title} title
 */
function putAgain(app, process, title) {
  return app.put(process, [title], { replace: app.titles.of(title.contentId).length > 1 });
}

/** Ends what the app had begun, lets the work come to rest, and expects that nothing is missing. @param {App} app @param {AppProcess} process */
async function finish(app, process) {
  for (const title of app.titles.which('unrecorded')) await putAgain(app, process, title);
  for (const title of app.titles.which('doomed')) await app.remove(process, [title]);
  await rest(app, process);
  const rows = await app.call(process, 'list');
  app.titles.compare(rows);
  for (const verdict of await app.call(process, 'unready')) app.report('otherFailures', `unready in the end: ${JSON.stringify(verdict)}`);
  for (const title of app.titles.all.values()) {
    const row = rows.find((/** @type {import('../..').StoredSession} */ { keyIds }) => keyIds.includes(title.keyId));
    const inCatalogue = app.profile.entryOf(title)?.sessionId;
    if (row && row.sessionId !== inCatalogue) app.report('otherFailures', `${title.contentId} is ${inCatalogue} in the catalogue, and ${row.sessionId} on record`);
  }
  const { lost, strays } = app.leftovers();
  for (const sessionId of lost) app.report('recordsLost', `session ${sessionId} is left in the CDM, and nobody owes its release`);
  app.figures.strays += strays.length;
  for (const violation of app.profile.cdm.violations.splice(0)) app.report('otherFailures', `lane discipline: ${violation}`);
}

/** @param {App} app @param {AppProcess} process */
async function rest(app, process) {
  for (let n = 0; n < MAX_RUNS; n++) {
    const { deferred, nextAttemptAt } = await app.call(process, 'revalidate');
    if (deferred === 0 && nextAttemptAt === null) return;
    await sleep(Math.min(Math.max((nextAttemptAt ?? 0) - Date.now(), 1), 50));
  }
  app.report('otherFailures', `there is still work after ${MAX_RUNS} runs: ${JSON.stringify(await app.call(process, 'unready'))}`);
}

module.exports = { finish, putAgain };
