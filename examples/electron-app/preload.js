'use strict';

const { contextBridge, ipcRenderer } = require('electron');

// Beside `offlineSessions`, which electron-offline-sessions/bridge gives the page.
contextBridge.exposeInMainWorld('downloads', {
  settings: () => ipcRenderer.invoke('downloads:settings'),
  license: (/** @type {Uint8Array} */ message) => ipcRenderer.invoke('downloads:license', message),
  stored: () => ipcRenderer.invoke('downloads:stored'),
  removed: (/** @type {string} */ contentId) => ipcRenderer.invoke('downloads:removed', contentId),
  sessions: (/** @type {string} */ contentId) => ipcRenderer.invoke('downloads:sessions', contentId),
});
