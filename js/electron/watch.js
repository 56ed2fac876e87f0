'use strict';

const { widevineNow, widevineWhenReady } = require('./platform');

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {Pick<import('./parts').PowerMonitor, 'off' | 'on'> | undefined} PowerMonitor
 */

/** The main process has no event for it, and asking costs nothing. */
const ONLINE_CHECK_MS = 10_000;

/**
 * Tells of a CDM that became ready after the launch, or that seems to be another one after a sleep. Which of the two runs then is not known: a
 * CDM that was downloaded runs from the next start, and may be shown before (design, section 2). So its version counts as not observed: what it
 * proves is proof until the next launch, which compares.
 * @param {OfflineSessions} offline
 * @param {{ components?: import('./parts').Components, powerMonitor?: PowerMonitor }} electron
 * @param {string | null} known the version that the launch began with
 * @param {() => void} changed called when it is not, or may not be, that of the launch before
 * @param {(error: unknown) => void} warn
 * @returns {() => void} ends it
 */
function watchCdm(offline, { components, powerMonitor }, known, changed, warn) {
  if (!components) return () => {};
  /** @param {import('./platform').Cdm} cdm */
  const tell = (cdm) => {
    // Not observed now says nothing against what was.
    if (ended || cdm.version === null || cdm.version === known) return;
    const before = known;
    known = cdm.version;
    const seems = before === null ? cdm : { ...cdm, version: null };
    offline.updatePlatform({ cdms: [seems] }).then(({ changes }) => {
      if (before !== null || changes.some(({ component }) => component === 'cdm')) changed();
    }).catch((error) => {
      known = before;
      warn(error);
    });
  };
  const onResume = () => tell(widevineNow(components));
  let ended = false;
  if (known === null) widevineWhenReady(components).then(tell);
  powerMonitor?.on('resume', onResume);
  return () => {
    ended = true;
    powerMonitor?.off('resume', onResume);
  };
}

/**
 * Tells when there is no network, and when there may be one again: `net.isOnline()` is certain only of the former.
 * @param {OfflineSessions} offline
 * @param {{ net?: import('./parts').Net, powerMonitor?: PowerMonitor }} electron
 * @returns {() => void} ends it
 */
function watchConnectivity(offline, { net, powerMonitor }) {
  if (!net) return () => {};
  let wasOnline = true;
  const look = () => {
    const isOnline = net.isOnline();
    if (isOnline !== wasOnline) offline.setConnectivity(isOnline ? 'unknown' : 'offline');
    wasOnline = isOnline;
  };
  look();
  const timer = setInterval(look, ONLINE_CHECK_MS).unref();
  powerMonitor?.on('resume', look);
  return () => {
    clearInterval(timer);
    powerMonitor?.off('resume', look);
  };
}

module.exports = { watchCdm, watchConnectivity };
