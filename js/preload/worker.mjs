import { EmeDriver, serveDriver } from '../renderer/index.mjs';
import electron from './electron-ipc.js';

/**
 * @typedef {import('../renderer/transport.mjs').WindowPort} WindowPort
 * @typedef {import('../renderer/eme-driver.mjs').AdoptHook} AdoptHook
 */

const CHANNEL = 'electron-offline-sessions:worker';

/**
 * @param {WindowPort} port
 * @param {{ adopt?: AdoptHook }} [hooks]
 */
function serve(port, hooks) {
  serveDriver(port, new EmeDriver(hooks));
}

const ipc = electron.electronIpc();
if (ipc) {
  /** @type {WindowPort} */
  const port = { postMessage: (message) => ipc.send(CHANNEL, message), onmessage: null };
  ipc.on(CHANNEL, (_event, data) => port.onmessage?.({ data }));
  serve(port);
} else {
  Object.assign(globalThis, { electronOfflineSessions: Object.freeze({ serve }) });
}
