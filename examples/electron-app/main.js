'use strict';

const path = require('node:path');
const { app, BrowserWindow, dialog, ipcMain, protocol, session } = require('electron');
const { autoUpdater } = require('electron-updater');
const { attachElectron } = require('electron-offline-sessions/electron');
const { serveDownloads } = require('./downloads');
const { acquireLicense } = require('./license');
const { ORIGIN, SCHEME, servePage } = require('./pages');

const KEY_SYSTEM = process.env.KEY_SYSTEM ?? 'com.widevine.alpha';

// Before the app is ready. A standard scheme has an origin, IndexedDB and locks; a secure one has EME.
protocol.registerSchemesAsPrivileged([SCHEME]);

async function main() {
  // A repair that runs without windows is told by it that somebody opens the app.
  if (!app.requestSingleInstanceLock()) return app.quit();
  await app.whenReady();
  protocol.handle(SCHEME.scheme, servePage);
  session.defaultSession.setPermissionRequestHandler((_contents, permission, callback, { requestingUrl }) => {
    callback(permission === 'mediaKeySystem' && requestingUrl.startsWith(`${ORIGIN}/`));
  });
  session.defaultSession.registerPreloadScript({ type: 'frame', filePath: require.resolve('electron-offline-sessions/bridge') });

  const offline = await attachElectron({
    ...require('electron'),
    autoUpdater,
    lanes: [{ origin: ORIGIN, keySystem: KEY_SYSTEM, pageUrl: `${ORIGIN}/blank.html`, player: 'shaka' }],
    acquireLicense,
    confirmQuit,
    confirmUpdate,
  });
  offline.on('warning', (error) => console.warn(error));
  for (const { component, from, to } of offline.launch.changes) console.log(`${component}: ${from} -> ${to}`);
  serveDownloads(offline, ipcMain, { origin: ORIGIN, keySystem: KEY_SYSTEM });

  openWindow();
  app.on('second-instance', openWindow);
  app.on('activate', openWindow);
  app.on('window-all-closed', () => { if (process.platform !== 'darwin') app.quit(); });
  // Everything that an update has broken, while the viewer still looks around; what he clicks on goes first.
  offline.revalidate().catch((error) => { if (error.code !== 'ERR_CLOSED') console.warn(error); });
  if (app.isPackaged) autoUpdater.checkForUpdates().catch((error) => console.warn(error));
}

function openWindow() {
  const [open] = BrowserWindow.getAllWindows();
  if (open) return open.show();
  const window = new BrowserWindow({ width: 960, height: 640, webPreferences: { preload: path.join(__dirname, 'preload.js') } });
  window.loadURL(`${ORIGIN}/player.html`);
}

/** @param {{ contentId: string }[]} unready */
function confirmQuit(unready) {
  const answer = dialog.showMessageBoxSync({
    type: 'warning',
    message: `${unready.length} of your downloads would not play offline now.`,
    detail: 'Stay connected for a moment, and they are made ready.',
    buttons: ['Stay', 'Quit'],
    cancelId: 0,
  });
  return answer === 1;
}

/**
 * An update that is advised against. Until the viewer agrees nothing is downloaded or installed.
 * @param {{ stranded: string[], notRenewable: string[], reasons: { message: string }[] }} assessment
 */
async function confirmUpdate({ stranded, notRenewable, reasons }) {
  const { response } = await dialog.showMessageBox({
    type: 'warning',
    message: `After this update ${new Set([...stranded, ...notRenewable]).size} of your downloads may not play offline any more.`,
    detail: reasons.map(({ message }) => message).join('\n'),
    buttons: ['Not now', 'Update'],
    cancelId: 0,
  });
  return response === 1;
}

main().catch((error) => {
  console.error(error);
  app.exit(1);
});
