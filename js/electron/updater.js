'use strict';

const check = require('../arguments');
const { coded } = require('../errors');
const { switchesOf } = require('./updater-switches');

/**
 * @typedef {import('../types').UpdateAssessment} UpdateAssessment
 * @typedef {import('./parts').Updater} Updater
 *
 * @typedef {object} Assessor what of OfflineSessions is used
 * @property {(target: Partial<import('../types').PlatformInfo>) => Promise<UpdateAssessment>} assessUpdate emits `update-assessed`
 * @property {(target: Partial<import('../types').PlatformInfo>) => Promise<unknown>} prepareForUpdate
 * @property {(event: 'warning', error: import('../errors').OfflineSessionsError) => boolean} emit
 *
 * @typedef {object} UpdateInfo electron-updater's, of what is used
 * @property {string} version
 * @property {{ electron?: string, chromium?: string, cdms?: { keySystem: string, version: string | null }[] } | null} [vendor] what
 *   electron-builder's `releaseInfo.vendor` put into the feed: a hint, because it is not signed
 *
 * @typedef {(assessment: UpdateAssessment, info: UpdateInfo) => boolean | Promise<boolean>} ConfirmUpdate is asked about an update whose
 *   advice is not `install`, and may take as long as the viewer does (`dialog.showMessageBox`); true: it is downloaded
 *
 * @typedef {object} AttachedUpdater
 * @property {boolean} canHold false of Electron's own autoUpdater
 * @property {() => void} hold nothing is downloaded or installed on quit until `release`; updates are still assessed
 * @property {() => void} release an update that was announced meanwhile is assessed again
 * @property {() => void} stop ends it; the switches stay as they are, since the app may be quitting with an update that nobody agreed to
 */

const HINTS = /** @type {const} */ (['electron', 'chromium', 'cdms']);

/**
 * Has each update assessed before it is downloaded. With electron-updater `autoDownload` is false from now on: what is announced is
 * assessed, and downloaded when the advice is `install` or `confirmUpdate` says so; until then `autoInstallOnAppQuit` is false (in 7,
 * `autoInstallEvent` is `manual`), so that what the app downloads by itself is not installed either; an earlier one that was agreed to, and
 * has been downloaded, is. Of a feed's `vendor` field the versions
 * are told. Electron's own autoUpdater downloads what it finds and has no such switches: there the advice is given and nothing held back.
 * For a downloaded update the store is made ready (`prepareForUpdate`). Quitting never waits for any of it.
 *
 * What fails is a `warning` of the OfflineSessions, and the update is assessed anew when it is announced again. What fails in a
 * download, the updater itself tells.
 *
 * @param {Assessor | Promise<Assessor>} offline when the promise rejects, everything is as if the updater had never been attached,
 *   but for what is held
 * @param {Updater} autoUpdater
 * @param {{ confirmUpdate?: ConfirmUpdate }} [options]
 * @returns {AttachedUpdater}
 */
function attachUpdater(offline, autoUpdater, options) {
  check.object('offline', offline);
  if (typeof check.object('autoUpdater', autoUpdater).on !== 'function') throw check.invalid('autoUpdater', 'must be electron-updater\'s or Electron\'s');
  /** @type {ConfirmUpdate | undefined} */
  const confirmUpdate = check.optionalFunction('confirmUpdate', check.options(options, ['confirmUpdate']).confirmUpdate);
  const opened = Promise.resolve(offline);
  const switches = 'autoDownload' in autoUpdater ? switchesOf(autoUpdater) : null;
  /** What was announced last. @type {UpdateInfo | undefined} */
  let announced;
  /** The version that is being assessed, or about which the viewer is being asked. @type {string | undefined} */
  let pending;
  /** @type {string | undefined} */
  let agreed;
  /** @type {string | undefined} */
  let downloaded;
  let isHeld = false;
  let isStopped = false;

  /** @param {UpdateInfo} [info] Electron's own autoUpdater gives none */
  const onAvailable = (info) => {
    if (!switches) return void run((store) => store.assessUpdate({}));
    // Also when the app has set it again: the updater reads it after this event.
    switches.noDownload();
    announced = info;
    if (info && info.version !== pending) decide(info);
  };

  /** Withdrawn, as a roll-out that is stopped: the updater would still download it. */
  const onNotAvailable = () => {
    announced = undefined;
    pending = undefined;
  };

  /** What the updater would install now. */
  const isAgreed = () => downloaded !== undefined && downloaded === agreed;

  /** @param {UpdateInfo} info */
  const decide = (info) => {
    if (info.version === agreed) return download();
    if (!isAgreed()) switches?.hold();
    pending = info.version;
    run(async (store) => {
      const isCurrent = () => pending === info.version && !isHeld && !isStopped;
      try {
        const assessment = await assess(store, info);
        if (!isCurrent() || (assessment.advice !== 'install' && await confirmUpdate?.(assessment, info) !== true)) return;
        // The updater downloads what it was told of last, and that may be another one by now.
        if (!isCurrent()) return;
        agreed = info.version;
        download();
      } finally {
        if (pending === info.version) pending = undefined;
      }
    });
  };

  const download = () => {
    if (isHeld || !switches) return;
    // Until it is there, what the app has downloaded by itself would be installed.
    if (downloaded === undefined || isAgreed()) switches.release();
    switches.updater.downloadUpdate().catch(() => {});
  };

  /** @param {Assessor} store @param {UpdateInfo} info */
  const assess = (store, info) => withHints(info, (target) => store.assessUpdate(target), (error) => {
    warn(store, error);
    return 'unreadable';
  });

  /** @param {UpdateInfo} [info] electron-updater's; Electron's own autoUpdater gives an event, and no version */
  const onDownloaded = (info) => {
    downloaded = info?.version;
    // The updater looks at the switch after this event.
    if (isAgreed() && !isHeld) switches?.release();
    else if (announced) switches?.hold();
    run((store) => withHints(info, (target) => store.prepareForUpdate(target), () => {}));
  };

  /** @param {(store: Assessor) => Promise<unknown>} work */
  const run = (work) => {
    opened.then((store) => work(store).catch((error) => warn(store, error)), () => {});
  };

  const stop = () => {
    if (switches && !isStopped) switches.attached -= 1;
    isStopped = true;
    autoUpdater.off('update-available', onAvailable);
    autoUpdater.off('update-not-available', onNotAvailable);
    autoUpdater.off('update-downloaded', onDownloaded);
  };

  if (switches) switches.attached += 1;
  switches?.noDownload();
  autoUpdater.on('update-available', onAvailable);
  autoUpdater.on('update-not-available', onNotAvailable);
  autoUpdater.on('update-downloaded', onDownloaded);
  opened.catch(() => {
    stop();
    // Travel mode goes on without the store.
    if (!isHeld && switches?.attached === 0) switches.restore();
  });
  return {
    canHold: switches !== null,
    hold() {
      isHeld = true;
      switches?.hold();
    },
    release() {
      isHeld = false;
      if (!announced || isAgreed()) switches?.release();
      // The viewer may still be looking at the question.
      if (announced && announced.version !== pending) decide(announced);
    },
    stop,
  };
}

/**
 * A hint that cannot be read is no reason to know nothing of the update.
 * @template T
 * @param {Partial<UpdateInfo> | undefined} info
 * @param {(target: Partial<import('../types').PlatformInfo>) => Promise<T>} work
 * @param {(error: unknown) => string | void} refused may say what stands for a version that cannot be read
 */
async function withHints({ version, vendor } = {}, work, refused) {
  /** @type {Record<string, any>} */
  const target = typeof version === 'string' ? { app: version } : {};
  for (const name of HINTS) {
    const hint = vendor?.[name];
    // In YAML 43 is a number.
    if (hint !== undefined) target[name] = typeof hint === 'number' ? String(hint) : hint;
  }
  for (;;) {
    try {
      return await work(target);
    } catch (error) {
      const { code, field } = /** @type {any} */ (error) ?? {};
      const unread = HINTS.find((name) => name in target && String(field).startsWith(name));
      if (code !== 'ERR_INVALID_ARGUMENT' || unread === undefined) throw error;
      const instead = refused(error);
      if (instead === undefined || unread === 'cdms') delete target[unread];
      else target[unread] = instead;
    }
  }
}

/** @param {Assessor} store @param {unknown} error */
function warn(store, error) {
  if (/** @type {any} */ (error)?.code !== 'ERR_CLOSED') store.emit('warning', coded(error));
}

module.exports = { attachUpdater };
