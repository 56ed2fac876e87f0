'use strict';

/** An app's main process: does with the addon what it is told, over IPC. What it knows dies with it. */

const { OfflineSessions, OfflineSessionsError, createTransportDriver } = require('../..');

/** @typedef {import('../../js/transport').TransportPort} TransportPort */

/** @param {object} message */
const send = (message) => process.send?.(message);

/** To the window, which is in another process as it is in Electron. @type {TransportPort} */
const port = { postMessage: (data) => send({ type: 'window', data }), onmessage: null };
const driver = createTransportDriver(port);

/** @type {Map<number, { resolve: (bytes: Uint8Array) => void, reject: (failure: unknown) => void }>} */
const requests = new Map();
let lastRequest = 0;
/** @type {OfflineSessions | undefined} */
let offline;

/** @param {import('../..').LicenseRequest} request @returns {Promise<Uint8Array>} */
function acquireLicense({ session, requestId, message, replaces }) {
  return new Promise((resolve, reject) => {
    requests.set(++lastRequest, { resolve, reject });
    send({ type: 'request', id: lastRequest, request: { contentId: session.contentId, requestId, message, replaces } });
  });
}

/** @param {any} options */
async function open(options) {
  offline = await OfflineSessions.open({ ...options, acquireLicense });
  for (const event of /** @type {const} */ (['session-changed', 'content-ready', 'run-finished'])) {
    offline.on(event, (/** @type {any} */ value) => send({ type: 'event', event, value }));
  }
  offline.on('warning', (warning) => send({ type: 'event', event: 'warning', value: plainError(warning) }));
  offline.useDriver(driver);
  return offline.launch;
}

/** @param {any} error */
function plainError(error) {
  const { name, code, field, message = String(error), recovered, cause } = error ?? {};
  const ours = error instanceof OfflineSessionsError;
  return { ours, name, code, field, message: String(message), recovered, cause: cause === undefined ? undefined : String(cause) };
}

/** @param {{ id: number, method: string, args: any[], watch: string[] }} call `watch`: contents whose verdicts are wanted after it */
async function run({ id, method, args, watch }) {
  try {
    const value = method === 'open' ? await open(args[0]) : await /** @type {any} */ (offline)[method](...args);
    send({ type: 'reply', id, value, verdicts: method === 'close' ? [] : watch.map((contentId) => offline?.verdict(contentId)) });
  } catch (error) {
    send({ type: 'reply', id, error: plainError(error) });
  }
}

process.on('message', (/** @type {any} */ message) => {
  if (message.type === 'call') run(message);
  else if (message.type === 'window') port.onmessage?.({ data: message.data });
  else if (message.type === 'answer') {
    const waiting = requests.get(message.id);
    requests.delete(message.id);
    if (message.failure) waiting?.reject(message.failure);
    else waiting?.resolve(message.bytes);
  }
});
process.on('disconnect', () => process.exit());
send({ type: 'ready' });
