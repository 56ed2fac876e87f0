'use strict';

/**
 * What the page tells of its downloads. It knows what a download is made of; the store remembers it.
 *
 * @typedef {object} Download one session that a download has made, with the keys that the CDM has just shown
 * @property {string} contentId
 * @property {string} title
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {Uint8Array} initData
 * @property {string} licenseUrl
 * @property {import('electron-offline-sessions').SessionInput['capabilities']} capabilities
 * @property {NonNullable<import('electron-offline-sessions').SessionInput['proven']>['keyStatuses']} keyStatuses
 */

/**
 * @param {import('electron-offline-sessions').OfflineSessions} offline
 * @param {Pick<import('electron').IpcMain, 'handle'>} ipcMain
 * @param {{ origin: string, keySystem: string }} lane
 */
function serveDownloads(offline, ipcMain, lane) {
  /** @param {string} channel @param {(...args: any[]) => Promise<unknown>} listener */
  const handle = (channel, listener) => ipcMain.handle(channel, (event, ...args) => {
    if (event.senderFrame?.origin !== lane.origin) throw new Error('this page may not ask');
    return listener(...args);
  });

  handle('downloads:list', async () => {
    const titles = new Map((await offline.list()).map(({ contentId, metadata }) => [contentId, /** @type {any} */ (metadata)?.title ?? contentId]));
    return [...titles].map(([contentId, title]) => ({ contentId, title }));
  });
  handle('downloads:stored', async (/** @type {Download[]} */ downloads) => {
    const sessions = downloads.map(({ title, keyStatuses, ...session }) => ({ ...lane, ...session, metadata: { title }, proven: { keyStatuses } }));
    await offline.put(sessions, { replace: true });
  });
  handle('downloads:removed', (/** @type {string} */ contentId) => offline.removeContent(contentId));
}

module.exports = { serveDownloads };
