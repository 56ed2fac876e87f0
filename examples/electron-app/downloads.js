'use strict';

const { forwardLicense, licenseUrl } = require('./license');

/**
 * What the page asks for its downloads, beside what electron-offline-sessions/bridge gives it.
 *
 * @param {import('electron-offline-sessions').OfflineSessions} offline
 * @param {Pick<import('electron').IpcMain, 'handle'>} ipcMain
 * @param {{ origin: string, keySystem: string }} lane
 */
function serveDownloads(offline, ipcMain, lane) {
  /** @param {string} channel @param {(...args: any[]) => Promise<unknown>} listener */
  const handle = (channel, listener) => ipcMain.handle(channel, async (event, ...args) => {
    const { senderFrame } = event;
    if (senderFrame?.origin !== lane.origin || senderFrame.parent) throw new Error('this page may not ask');
    return listener(...args);
  });

  handle('downloads:settings', async () => ({ keySystem: lane.keySystem, licenseUrl: licenseUrl() }));
  // The page's player asks for the licence of a download in this way: tokens never leave the main process.
  handle('downloads:license', (/** @type {Uint8Array<ArrayBuffer>} */ message) => forwardLicense(message));
  // Without a catalogue: what Shaka Player has stored is listed in the hidden page.
  handle('downloads:stored', async () => { await offline.reconcile(lane); });
  handle('downloads:removed', (/** @type {string} */ contentId) => offline.removeContent(contentId));
  handle('downloads:sessions', (/** @type {string} */ contentId) => offline.find({ contentId }));
}

module.exports = { serveDownloads };
