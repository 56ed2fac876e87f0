'use strict';

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {import('../types').Verdict} Verdict
 *
 * @typedef {(unready: Verdict[]) => boolean | void} ConfirmQuit is given the titles that would not play offline, and that waiting or a network would help; there being some,
 *   it may ask the viewer (`dialog.showMessageBoxSync`); false: the app stays. Not asked when Windows logs off: nothing is told then. Of `quitAndInstall` it is
 *   asked too, when the installer runs or the windows are closed already: an app that calls that had better agree
 */

/**
 * The store is closed as the app quits; nothing waits for that.
 * @param {OfflineSessions} offline
 * @param {Pick<import('./parts').App, 'off' | 'on'>} app
 * @param {ConfirmQuit | undefined} confirmQuit
 * @param {(error: unknown) => void} warn
 * @returns {() => void} ends it
 */
function watchQuit(offline, app, confirmQuit, warn) {
  const onQuit = () => { offline.close().catch(warn); };
  /** @param {{ preventDefault(): void }} event */
  const onBeforeQuit = (event) => {
    try {
      const unready = offline.unready().filter(canBeHelped);
      if (unready.length > 0 && confirmQuit?.(unready) === false) event.preventDefault();
    } catch (error) {
      warn(error);
    }
  };
  app.on('will-quit', onQuit);
  if (confirmQuit) app.on('before-quit', onBeforeQuit);
  return () => {
    app.off('will-quit', onQuit);
    app.off('before-quit', onBeforeQuit);
  };
}

/** Nobody is asked at each quitting about what will never play offline. @param {Verdict} verdict */
const canBeHelped = ({ state, action }) => state !== 'unsupported' && ['wait', 'connect', 'try'].includes(action);

module.exports = { watchQuit };
