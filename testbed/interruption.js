'use strict';

const { Accounts } = require('./accounts.js');
const { InstalledApp } = require('./installed-app.js');
const { DriverWatch } = require('./watched-driver.js');

/**
 * A run of which every phase has work to do, struck by something in the middle, and its accounts.
 *
 * @typedef {object} Interruption
 * @property {(watch: DriverWatch) => Promise<unknown>} moment resolves when it is to strike
 * @property {() => Promise<unknown>} strike
 * @property {() => Promise<unknown>} [comeBack] gives the app its window again; nothing of the addon's runs until then
 * @property {'relaunch' | 'new driver' | 'same driver'} goesOn the addon is closed and opened again, or gets another driver, or neither
 *
 * @typedef {object} Aftermath
 * @property {string} struckIn the phase; 'no phase' between two of them
 * @property {string[]} good titles that had a good licence in the CDM after it
 * @property {string[]} askedBefore titles that a licence was asked for before it struck
 * @property {string[]} askedAfter
 * @property {string[]} paidTwice licence requests that were not needed, in words
 * @property {string[]} falselyLost titles whose licence was there, and that were called lost or did not play afterwards
 * @property {string[]} foundByPlayer titles whose licence the strike took from the CDM unseen, until the player met it
 * @property {{ contentId: string, error: string }[]} notPlaying titles that do not play in the end, or are not said to
 */

const TITLES = Object.freeze(InstalledApp.titles(5));
const [LOST_A, LOST_B, AGAIN, , LOST_TOO] = TITLES;
const LOST = [LOST_A, LOST_B, LOST_TOO].map(({ contentId }) => contentId);
const CONTENT_IDS = TITLES.map(({ contentId }) => contentId);

/**
 * An update of Electron has come, the CDM has lost the licences of three titles of five, and one of the others was downloaded once
 * more: there is something to probe, check, license, verify, adopt and release.
 * @param {InstalledApp} app with `TITLES` installed, all of them good
 */
async function makeWork(app) {
  const watch = new DriverWatch();
  const accounts = new Accounts(app);
  accounts.listenTo(watch);
  for (const session of await app.catalogue()) accounts.created(session);
  await app.loseLicences(LOST);
  app.updateElectron();
  const offline = await app.launch({ driver: watch.watch(app.driver()) });
  const again = await app.store(AGAIN);
  for (const session of again) accounts.created(session);
  await offline.put(again, { replace: true });
  return { offline, watch, accounts, good: await accounts.begin() };
}

/**
 * @param {InstalledApp} app with `TITLES` installed
 * @param {Interruption} interruption
 * @returns {Promise<Aftermath>}
 */
async function interrupt(app, { moment, strike, comeBack, goesOn }) {
  const { offline, watch, accounts, ...before } = await makeWork(app);
  let { good } = before;
  /** @type {Set<string>} */
  const falselyLost = new Set();
  const states = new Map((await offline.list()).map(({ contentId, state }) => [contentId, state]));
  const listen = (/** @type {InstalledApp['offline']} */ to) => to?.on('session-changed', ({ contentId, state }) => {
    if (states.get(contentId) === 'active' && state !== 'active' && good.has(contentId)) falselyLost.add(contentId);
    states.set(contentId, state);
  });
  listen(offline);
  const struck = moment(watch);
  const run = offline.revalidate().catch(() => {});
  await Promise.race([struck, run]);

  const struckIn = watch.phase ?? 'no phase';
  watch.holdBack();
  await Promise.all([strike(), goesOn === 'relaunch' && offline.close()]);
  await comeBack?.();
  const askedBefore = accounts.asked;
  good = await accounts.begin();
  watch.letThrough();
  if (goesOn === 'relaunch') listen(await app.launch({ driver: watch.watch(app.driver()) }));
  if (goesOn === 'new driver') offline.useDriver(watch.watch(app.driver()));
  await app.settle();
  const askedAfter = accounts.asked;

  let broken = await app.playAll(CONTENT_IDS);
  const foundByPlayer = broken.map(({ contentId }) => contentId);
  for (const contentId of foundByPlayer) if (good.has(contentId)) falselyLost.add(contentId);
  if (broken.length > 0) {
    await report(app, accounts, broken);
    broken = await app.playAll(CONTENT_IDS);
  }
  const unready = (await app.offline?.unready() ?? []).map(({ contentId, state, reason }) => ({ contentId, error: `${contentId} is ${state}, ${reason}` }));
  return {
    struckIn,
    good: [...good].sort(),
    askedBefore,
    askedAfter,
    paidTwice: accounts.paidTwice,
    falselyLost: [...falselyLost],
    foundByPlayer,
    notPlaying: [...broken, ...unready],
  };
}

/**
 * What an app does: a title that does not play is reported, and repaired. Firefox's ClearKey empties the list of its sessions before
 * it writes it again: killed in between it has lost every licence, and proofs of this launch are of no use.
 * @param {InstalledApp} app
 * @param {Accounts} accounts
 * @param {{ contentId: string, error: string }[]} broken
 */
async function report(app, accounts, broken) {
  await accounts.begin();
  for (const { contentId, error } of broken) await app.offline?.reportPlayback(contentId, { error });
  await app.settle();
  // Counts what was asked for.
  await accounts.begin();
}

/**
 * The same work, undisturbed: how long the first of each kind of phase takes.
 * @param {InstalledApp} app with `TITLES` installed
 * @returns {Promise<Map<string, number>>} milliseconds by phase
 */
async function rehearse(app) {
  // The first time in a browser takes much longer.
  await makeWork(app);
  await app.settle();
  const { watch } = await makeWork(app);
  let begun = 0;
  /** @type {Map<string, number>} */
  const durations = new Map();
  watch.on('phase', () => { begun = performance.now(); });
  watch.on('end', ({ phase }) => durations.set(phase, durations.get(phase) ?? performance.now() - begun));
  await app.settle();
  return durations;
}

/**
 * When the driver has been given something of a phase: its first task, or in 'license' the first licence's bytes.
 * @param {string} phase
 * @returns {Interruption['moment']}
 */
const inTheMiddleOf = (phase) => (watch) => new Promise((resolve) => {
  if (phase === 'license') watch.once('answered', resolve);
  else watch.on('task', (task) => task.phase === phase && resolve(undefined));
});

/**
 * So long after the first phase of a kind has begun.
 * @param {string} phase
 * @param {number} delayMs
 * @returns {Interruption['moment']}
 */
const after = (phase, delayMs) => (watch) => new Promise((resolve) => {
  const onPhase = (/** @type {{ phase: string }} */ begun) => {
    if (begun.phase !== phase) return;
    watch.off('phase', onPhase);
    setTimeout(resolve, delayMs);
  };
  watch.on('phase', onPhase);
});

module.exports = { interrupt, rehearse, inTheMiddleOf, after, TITLES };
