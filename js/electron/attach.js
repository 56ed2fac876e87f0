'use strict';

const path = require('node:path');
const check = require('../arguments');
const { OfflineSessionsError, coded } = require('../errors');
const { OfflineSessions } = require('../manager');
const { serveIpc } = require('./ipc');
const { lanesOf, originsOf, placeKey } = require('./lanes');
const { electronPlatform } = require('./platform');
const { watchQuit } = require('./quit');
const { isRepairLaunch, RepairLaunch } = require('./repair');
const { TravelMode } = require('./travel-mode');
const { attachUpdater } = require('./updater');
const { watchCdm, watchConnectivity } = require('./watch');
const { WindowDriver } = require('./window-driver');
const { HiddenWindows } = require('./windows');
const { WorkerIpc, WorkerPage } = require('./worker-page');

/**
 * @typedef {import('../types').Lane} Lane
 * @typedef {import('./worker-page').Place} Place
 * @typedef {Lane & Place} AttachedLane with `pageUrl` or `contents`
 *
 * @typedef {object} ElectronParts what `...require('electron')` gives
 * @property {import('./parts').App} app
 * @property {import('./parts').IpcMain} ipcMain
 * @property {import('./parts').BrowserWindows} BrowserWindow
 * @property {import('./parts').Windows} [BaseWindow]
 * @property {import('./parts').Views} [WebContentsView] without it, as before Electron 30, a hidden window is used in place of a view
 * @property {import('./parts').PowerMonitor} [powerMonitor]
 * @property {import('./parts').Net} [net]
 * @property {import('./parts').Components} [components]
 * @property {import('./parts').Updater} [autoUpdater] electron-updater's, or Electron's own
 * @property {{ versions: NodeJS.ProcessVersions, argv: string[] }} [process] default: this one
 *
 * @typedef {object} AttachOptions
 * @property {AttachedLane[]} lanes
 * @property {string} [directory] default: `offline-sessions` in the app's `userData`
 * @property {number} [lockWaitMs] default 10,000: `quitAndInstall` starts the new process while the old one leaves
 * @property {string[]} [allowedOrigins] of pages with `exposeOfflineSessions`; default: the origins of the lanes
 * @property {import('./quit').ConfirmQuit} [confirmQuit]
 * @property {import('./updater').ConfirmUpdate} [confirmUpdate] without it only an update whose advice is `install` is downloaded by us; of the others
 *   the app hears by `update-assessed`, and may call `downloadUpdate` and `quitAndInstall` itself
 * @property {import('./repair').OnRepaired} [onRepaired] with `--offline-sessions-repair` on the command line; default: "12 of 12 ready" on
 *   standard output
 *
 * @typedef {Omit<import('../types').OpenOptions, 'directory' | 'platform' | 'lockWaitMs'>} Hooks
 *
 * @typedef {object} TravelModeCalls for a viewer who will be where licences cannot be had
 * @property {(options?: { untilMs?: number }) => Promise<import('./travel-mode').TravelModeReport>} startTravelMode makes ready what can be made
 *   ready, then holds back updates of the CDM, once that is installed, and of the app, until `untilMs` (default and most: 30 days from now,
 *   or `policy.travelModeMaxDays`) or `endTravelMode`, whatever is started in between. Called again it sets another end. Rejects with
 *   ERR_INVALID_ARGUMENT, ERR_STORAGE (its end could not be written, and nothing is held), ERR_ABORTED (ended meanwhile) or ERR_CLOSED
 * @property {() => Promise<void>} endTravelMode an update that was announced meanwhile is assessed
 * @property {() => { untilMs: number } | null} travelMode null: it is off
 *
 * @typedef {OfflineSessions & TravelModeCalls} AttachedSessions
 */

const LOCK_WAIT_MS = 10_000;

/**
 * Everything that an Electron app needs, in one call: opens the store for what this launch runs on, does the EME of its lanes in pages
 * that nobody sees, answers the app's own pages, hears of sleep, network and late CDMs, and closes with the app. When something has changed
 * since the last launch, or a repair was cut short in it, it begins at once: lanes with a `player` are reconciled with what that has stored, as they are in the first launch of
 * all, and what is stored is checked; licences follow after a random delay, as `revalidate({ spread: true })` has it. Otherwise nothing is
 * checked or licensed before `revalidate()` or `ensurePlayable()`. What fails later is a `warning` of the OfflineSessions; a page that cannot
 * be used is one with ERR_WORKER_PAGE.
 *
 * With `--offline-sessions-repair` on the command line it does not resolve: it repairs, reports and quits the app, so windows that are opened
 * after it stay closed. It does resolve when somebody opens the app meanwhile.
 *
 * Rejects as `OfflineSessions.open` does.
 *
 * @param {ElectronParts & AttachOptions & Hooks} options
 * @returns {Promise<AttachedSessions>}
 */
async function attachElectron(options) {
  const { autoUpdater, confirmUpdate } = partsOf(options);
  /** @type {(attaching: Promise<AttachedSessions>) => void} */
  let begin = () => {};
  const attached = new Promise((/** @type {(attaching: any) => void} */ resolve) => { begin = resolve; });
  // At once: an app need not wait for the store before it asks for updates.
  const updater = autoUpdater ? attachUpdater(attached, autoUpdater, { confirmUpdate }) : undefined;
  const repair = isRepairLaunch((options.process ?? process).argv) ? new RepairLaunch(options.app) : null;
  const attaching = attach(options, attached, updater, repair);
  attaching.catch(() => repair?.end());
  begin(attaching);
  return attached;
}

/**
 * @param {ElectronParts & AttachOptions & Hooks} options
 * @param {Promise<AttachedSessions>} attached what this resolves with
 * @param {import('./updater').AttachedUpdater | undefined} updater
 * @param {RepairLaunch | null} repair
 * @returns {Promise<AttachedSessions>}
 */
async function attach(options, attached, updater, repair) {
  const { app, ipcMain } = options;
  const lanes = lanesOf(options.lanes);
  const allowedOrigins = originsOf(options.allowedOrigins) ?? lanes.map(({ origin }) => origin);
  /** @type {import('./quit').ConfirmQuit | undefined} */
  const confirmQuit = check.optionalFunction('confirmQuit', options.confirmQuit);
  const onRepaired = check.optionalFunction('onRepaired', options.onRepaired);
  const plainLanes = lanes.map(({ origin, partition, keySystem }) => ({ origin, partition, keySystem }));

  const stopServing = serveIpc(attached, { ipcMain, allowedOrigins, lanes: plainLanes });
  const { offline, travel, platform } = await open(options, updater).catch((error) => {
    stopServing();
    throw error;
  });
  let isClosed = false;
  /** @param {any} error */
  const warn = (error) => { if (!isClosed && error?.code !== 'ERR_CLOSED') offline.emit('warning', coded(error)); };
  travel.warn = warn;
  const takeUp = () => Promise.all(plainLanes.filter((_, at) => lanes[at]?.player).map((lane) => offline.reconcile(lane).catch(warn)));
  const begin = () => {
    // At once: a `revalidate()` of the app's own comes after it, and ends the delay.
    offline.revalidate({ spread: true }).catch(warn);
    takeUp();
  };
  /** @type {(() => void)[]} */
  const stops = [() => travel.close(), stopServing];
  if (updater) stops.push(updater.stop);
  /** @type {(() => void) | undefined} */
  let closeWindows;
  const { close } = offline;
  // Whoever closes the store; its windows are there until their work has been called off.
  offline.close = () => {
    isClosed = true;
    for (const stop of stops.splice(0)) stop();
    return close.call(offline).finally(closeWindows);
  };
  try {
    stops.push(watchCdm(offline, options, platform.cdms?.[0]?.version ?? null, begin, warn));
    stops.push(watchConnectivity(offline, options));
    // Who could be asked in a repair? Whoever has opened the app meanwhile.
    stops.push(watchQuit(offline, app, confirmQuit && ((unready) => (!repair || repair.isOpened ? confirmQuit(unready) : true)), warn));
    closeWindows = driveWindows(offline, options, lanes, warn);
  } catch (error) {
    await offline.close();
    throw error;
  }
  const { changes, firstRun, recovered, unfinished } = offline.launch;
  const isNew = changes.length > 0 || firstRun || recovered !== null || unfinished > 0;
  if (!repair) {
    if (isNew) begin();
    return offline;
  }
  if (isNew) await takeUp();
  return await repair.run(offline, onRepaired, warn) ? offline : new Promise(() => {});
}

/**
 * @param {ElectronParts & AttachOptions & Hooks} options
 * @param {import('./updater').AttachedUpdater | undefined} updater
 */
async function open(options, updater) {
  const { app, lockWaitMs = LOCK_WAIT_MS, policy, acquireLicense, classifyRefusal, adopt, knowledge, preflight } = options;
  const platform = await electronPlatform(options);
  const directory = check.string('directory', options.directory ?? path.join(app.getPath('userData'), 'offline-sessions'));
  const travel = new TravelMode(directory, options, updater);
  await travel.resume();
  const opened = await OfflineSessions.open({
    directory, platform, policy, acquireLicense, classifyRefusal, adopt, knowledge, preflight, lockWaitMs,
  }).catch((error) => {
    travel.close();
    throw error;
  });
  const offline = Object.assign(opened, /** @type {TravelModeCalls} */ ({
    startTravelMode: (given) => travel.start(opened, given),
    endTravelMode: () => travel.end(),
    travelMode: () => travel.current,
  }));
  return { offline, travel, platform };
}

/**
 * One driver for each origin and partition.
 * @param {OfflineSessions} offline
 * @param {ElectronParts} electron
 * @param {AttachedLane[]} lanes
 * @param {(error: unknown) => void} warn
 * @returns {() => void} ends it
 */
function driveWindows(offline, electron, lanes, warn) {
  /** @type {Map<string, WindowDriver>} */
  const drivers = new Map();
  const closePages = () => { for (const driver of drivers.values()) driver.closePage(); };
  const windows = new HiddenWindows(electron, closePages);
  const ipc = new WorkerIpc(electron.ipcMain);
  for (const lane of lanes) {
    if (drivers.has(placeKey(lane))) continue;
    drivers.set(placeKey(lane), new WindowDriver(() => new WorkerPage(lane, windows, ipc), { lists: lane.player !== undefined }));
  }
  /** @type {Set<string>} */
  const unserved = new Set();
  offline.useDriver((lane) => {
    const driver = drivers.get(placeKey(lane));
    if (driver) return driver;
    const { origin, partition } = lane;
    if (!unserved.has(placeKey(lane))) warn(new OfflineSessionsError('ERR_NO_DRIVER', `no lane has origin ${JSON.stringify(origin)} and partition ${JSON.stringify(partition)}`));
    unserved.add(placeKey(lane));
    return null;
  });
  return () => {
    closePages();
    windows.stop();
    ipc.stop();
  };
}

/** @param {ElectronParts & AttachOptions & Hooks} options */
function partsOf(options) {
  check.object('options', options);
  refuseMisspelt(options);
  for (const name of /** @type {const} */ (['app', 'ipcMain'])) check.object(name, options[name]);
  if (typeof options.BrowserWindow !== 'function') throw check.invalid('BrowserWindow', 'must be Electron\'s');
  return options;
}

const OPTIONS = [
  'lanes', 'directory', 'lockWaitMs', 'allowedOrigins', 'confirmQuit', 'confirmUpdate', 'onRepaired', 'policy', 'acquireLicense', 'classifyRefusal',
  'adopt', 'knowledge', 'preflight',
];

/** All of Electron may be given, too: classes, and objects. What is neither was meant for us. @param {object} options */
function refuseMisspelt(options) {
  const isClass = (/** @type {string} */ name) => /^[A-Z]/.test(name);
  const isObject = (/** @type {unknown} */ value) => value === undefined || (typeof value === 'object' && !Array.isArray(value));
  const misspelt = Object.entries(options).find(([name, value]) => !OPTIONS.includes(name) && !isClass(name) && !isObject(value));
  if (misspelt) throw check.invalid(misspelt[0], `is none of the options ${OPTIONS.join(', ')}`);
}

module.exports = { attachElectron };
