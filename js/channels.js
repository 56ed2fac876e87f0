'use strict';

/** Electron's IPC channels, as both ends name them. */
module.exports = {
  /** Between the main process and the page that does EME. */
  WORKER: 'electron-offline-sessions:worker',
  /** What the app's own pages ask, and what they are told. */
  PAGE: 'electron-offline-sessions:page',
  PROGRESS: 'electron-offline-sessions:progress',
};
