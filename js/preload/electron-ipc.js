'use strict';

/** @returns {import('electron').IpcRenderer | null} null in a plain page, where there is no `require`, or one that is not Electron's */
function electronIpc() {
  try {
    return require('electron').ipcRenderer ?? null;
  } catch {
    return null;
  }
}

module.exports = { electronIpc };
