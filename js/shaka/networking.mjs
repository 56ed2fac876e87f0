/**
 * Licence requests as Shaka makes them, so that the filters that the app has registered (tokens, wrapping) see what they are used to.
 *
 * @typedef {import('../session-driver.js').LicenseFailure} LicenseFailure
 * @typedef {import('../session-driver.js').LicenseMessage} LicenseMessage
 *
 * @typedef {object} ShakaNetworking a shaka.Player or a shaka.offline.Storage
 * @property {() => any} getNetworkingEngine
 * @property {() => any} getConfiguration
 *
 * @typedef {object} Asked
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {Uint8Array} initData
 * @property {any} drmInfo Shaka's
 */

/** shaka.net.NetworkingEngine.RequestType, and shaka.util.Error.Code: the same from 4.7 to 5.x. */
export const LICENSE = 2;
const [BAD_HTTP_STATUS, TIMEOUT] = [1001, 1003];
/** When to ask again is decided in the main process. */
const ONE_ATTEMPT = { maxAttempts: 1, baseDelay: 0, backoffFactor: 1, fuzzFactor: 0, timeout: 0, stallTimeout: 0, connectionTimeout: 0 };

/**
 * @param {ShakaNetworking} shaka
 * @param {LicenseMessage} message
 * @param {Asked} asked
 * @param {AbortSignal} signal
 * @returns {Promise<Uint8Array>} rejects with a LicenseFailure
 */
export async function requestLicense(shaka, { messageType, message }, { drmInfo, ...asked }, signal) {
  const { drm } = shaka.getConfiguration();
  const url = drm.servers[drmInfo.keySystem] || drmInfo.licenseServerUri;
  if (!url) throw { kind: 'unreachable', message: 'neither drm.servers nor the stored content names a licence server' };
  const operation = shaka.getNetworkingEngine().request(LICENSE, {
    uris: [url],
    method: 'POST',
    body: new Uint8Array(message),
    headers: { ...drm.advanced?.[drmInfo.keySystem]?.headers },
    allowCrossSiteCredentials: false,
    retryParameters: ONE_ATTEMPT,
    licenseRequestType: messageType,
    drmInfo,
    ...asked,
    streamDataCallback: null,
    attempt: 0,
  });
  const abort = () => operation.abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return new Uint8Array((await operation.promise).data);
  } catch (error) {
    throw licenseFailure(error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * What a networking error of Shaka's says of a licence. Only what a server says plainly is a refusal: proxies and captive portals
 * answer 403, too.
 * @param {any} error a shaka.util.Error
 * @returns {LicenseFailure}
 */
export function licenseFailure(error) {
  if (error?.code === TIMEOUT) return { kind: 'timeout' };
  if (error?.code !== BAD_HTTP_STATUS) return { kind: 'unreachable', message: String(error?.message ?? error) };
  const [, status, , headers] = error.data;
  const retryAfterMs = retryAfter(headers?.['retry-after']);
  if (status === 429 || (status === 503 && retryAfterMs !== null)) return { kind: 'throttled', status, retryAfterMs };
  if (status === 401) return { kind: 'refused', status, reason: 'auth' };
  if (status === 451) return { kind: 'refused', status, reason: 'geo' };
  return status >= 500 ? { kind: 'server-error', status } : { kind: 'unreachable', message: `HTTP ${status}` };
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). @param {string | undefined} value @returns {number | null} */
function retryAfter(value) {
  if (!value) return null;
  const at = /^\s*\d+\s*$/.test(value) ? Date.now() + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
