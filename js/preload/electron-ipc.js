'use strict';

/** @returns {import('electron').IpcRenderer | null} null in a plain page, where there is no `require`, or one that is not Electron's */
function electronIpc() {
  try {
    return require('electron').ipcRenderer ?? null;
  } catch {
    return null;
  }
}

/** What a preload has of Electron. */
function electron() {
  const { contextBridge, ipcRenderer } = require('electron');
  return { contextBridge, ipcRenderer };
}

module.exports = { electron, electronIpc };
