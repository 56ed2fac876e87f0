/**
 * The player's own EME, as an app has it: this is not the addon's driver.
 *
 * @typedef {import('./database.mjs').Title} Title
 */

const KEY_SYSTEM = 'org.w3.clearkey';
const TIMEOUT_MS = 10_000;
/** Statuses come with `load()` and `update()`; a hollow session never gets any. */
const KEY_STATUS_WAIT_MS = 2_000;

/** The origin's one lock for writing and loading licences, which the addon's driver takes too. @template T @param {() => Promise<T>} work */
export const withCdmLock = (work) => navigator.locks.request('electron-offline-sessions', work);

/** @param {Pick<Title, 'capabilities'>} title @returns {Promise<MediaKeys>} */
export async function createMediaKeys({ capabilities }) {
  const access = await navigator.requestMediaKeySystemAccess(KEY_SYSTEM, [{
    initDataTypes: ['cenc', 'keyids'],
    audioCapabilities: capabilities.audio,
    videoCapabilities: capabilities.video,
    persistentState: 'required',
    sessionTypes: ['persistent-license'],
  }]);
  return access.createMediaKeys();
}

/**
 * A new persistent licence. Its bytes go from the licence server to the CDM, unread.
 * @param {MediaKeys} mediaKeys
 * @param {{ initDataType: string, initData: Uint8Array<ArrayBuffer>, keyIds: string[], licenseUrl: string }} wanted
 */
export async function createLicense(mediaKeys, { initDataType, initData, keyIds, licenseUrl }) {
  const session = mediaKeys.createSession('persistent-license');
  const message = within(new Promise((resolve) => {
    session.addEventListener('message', (event) => resolve(event.message), { once: true });
  }), 'a licence request');
  try {
    await session.generateRequest(initDataType, initData);
    const response = await fetch(licenseUrl, { method: 'POST', body: await message, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`the licence server answered ${response.status}`);
    await session.update(await response.arrayBuffer());
    const keyStatuses = await statuses(session, keyIds);
    const { sessionId, expiration } = session;
    await session.close();
    return { sessionId, keyStatuses, expiration: Number.isNaN(expiration) ? null : expiration };
  } catch (error) {
    // Only closed it would stay in the CDM, hollow.
    await session.remove().catch(() => {});
    throw error;
  }
}

/**
 * @param {MediaKeys} mediaKeys
 * @param {{ sessionId: string, keyIds: string[] }} stored
 * @returns {Promise<MediaKeySession>} with a status for every key id
 */
export async function loadSession(mediaKeys, { sessionId, keyIds }) {
  const session = mediaKeys.createSession('persistent-license');
  if (!await session.load(sessionId)) throw new Error(`load('${sessionId}') gave false`);
  await statuses(session, keyIds);
  return session;
}

/**
 * @param {MediaKeySession} session
 * @param {string[]} keyIds
 * @returns {Promise<Record<string, string>>}
 */
async function statuses(session, keyIds) {
  const complete = () => keyIds.every((keyId) => keyId in readStatuses(session));
  await within(new Promise((resolve) => {
    const look = () => complete() && resolve(undefined);
    session.addEventListener('keystatuseschange', look);
    look();
  }), `a status for every key of session '${session.sessionId}'`, KEY_STATUS_WAIT_MS);
  return readStatuses(session);
}

/** @param {MediaKeySession} session @returns {Record<string, string>} by key id */
export function readStatuses({ keyStatuses }) {
  return Object.fromEntries([...keyStatuses].map(([keyId, status]) => [hex(keyId), status]));
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what
 * @param {number} [timeoutMs]
 * @returns {Promise<T>}
 */
export function within(promise, what, timeoutMs = TIMEOUT_MS) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms for ${what}`)), timeoutMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** @param {BufferSource} bytes */
const hex = (bytes) => Array.from(new Uint8Array('buffer' in bytes ? bytes.buffer : bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
