'use strict';

const { contextBridge, ipcRenderer } = require('electron');

// Beside `offlineSessions`, which electron-offline-sessions/bridge gives the page.
contextBridge.exposeInMainWorld('downloads', {
  list: () => ipcRenderer.invoke('downloads:list'),
  stored: (/** @type {object[]} */ sessions) => ipcRenderer.invoke('downloads:stored', sessions),
  removed: (/** @type {string} */ contentId) => ipcRenderer.invoke('downloads:removed', contentId),
});
