import { serveDriver } from '../renderer/index.mjs';
import channels from '../channels.js';
import electron from './electron-ipc.js';

/** @typedef {import('../renderer/transport.mjs').WindowPort} WindowPort */

const { WORKER } = channels;

/**
 * As a preload serves a driver to Electron's main process; in a plain page it waits for `electronOfflineSessions.serve`.
 * @param {(options?: any) => object} createDriver a SessionDriver
 */
export function start(createDriver) {
  const ipc = electron.electronIpc();
  if (ipc) {
    /** @type {WindowPort} */
    const port = { postMessage: (message) => ipc.send(WORKER, message), onmessage: null };
    ipc.on(WORKER, (_event, data) => {
      // From a main process that has come to a page which was there already.
      if (data?.type === 'hello') port.postMessage({ type: 'ready' });
      else port.onmessage?.({ data });
    });
    serveDriver(port, createDriver());
  } else {
    /** @param {WindowPort} port @param {any} [options] the driver's */
    const serve = (port, options) => serveDriver(port, createDriver(options));
    Object.assign(globalThis, { electronOfflineSessions: Object.freeze({ serve }) });
  }
}
