import { unwrapped } from './playready.mjs';

/**
 * Licence requests as Shaka makes them, so that the filters that the app has registered (tokens, wrapping) see what they are used to.
 *
 * @typedef {import('../session-driver.js').LicenseFailure} LicenseFailure
 * @typedef {import('../session-driver.js').LicenseMessage} LicenseMessage
 * @typedef {import('../types.js').Refusal | null | undefined} Classified
 *
 * @typedef {object} ShakaNetworking a shaka.Player or a shaka.offline.Storage
 * @property {() => any} getNetworkingEngine
 * @property {() => any} getConfiguration
 *
 * @typedef {object} Asked
 * @property {string} [requestId]
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {Uint8Array} initData
 * @property {any} drmInfo Shaka's
 */

/** shaka.net.NetworkingEngine.RequestType, and shaka.util.Error.Code: the same from 4.7 to 5.x. */
export const [MANIFEST, LICENSE] = [0, 2];
const [BAD_HTTP_STATUS, TIMEOUT] = [1001, 1003];
/** When to ask again is decided in the main process. */
const ONE_ATTEMPT = { maxAttempts: 1, baseDelay: 0, backoffFactor: 1, fuzzFactor: 0, timeout: 0, stallTimeout: 0, connectionTimeout: 0 };
/** Renewals, individualization and the like, as the main process has it (js/license-messages.js). */
const MAX_OTHER_MESSAGES = 4;

/** As the main process has them, too (js/license-request.js): a captive portal's page, most often, and the words of a server that refuses by region. */
const PAGE = /^\s*<(?:!doctype|html|head|body)/i;
const REGION = /geo[-_ ]?(?:block|fenc|restrict|location)|\b(?:region|country|territory|location)\b/i;
const namesRegion = (/** @type {unknown} */ body) => !PAGE.test(String(body)) && REGION.test(String(body));

/**
 * Who has the origin's lock for a licence request: the driver, in a phase, or a recorder. Another recorder that waited for the lock, too,
 * would wait in vain. @type {WeakMap<object, unknown>}
 */
export const keepers = new WeakMap();

/**
 * Here, too, a licence is one request, and other tasks ask for none. Widevine's request for a certificate is no licence request.
 * @param {number} requests
 * @returns {(message: LicenseMessage) => boolean} whether this one may be sent
 */
export function messageLimit(requests) {
  let others = MAX_OTHER_MESSAGES;
  return ({ messageType, message }) => {
    const isCertificateRequest = message.length === 2 && message[0] === 0x08 && message[1] === 0x04;
    return messageType === 'license-request' && !isCertificateRequest ? requests-- > 0 : others-- > 0;
  };
}

/**
 * @param {ShakaNetworking} shaka
 * @param {LicenseMessage} message
 * @param {Asked} asked
 * @param {AbortSignal} signal
 * @param {(answer: { status: number, headers: Headers, body: string }) => Classified | Promise<Classified>} [classify] a 4xx answer, before we do
 * @returns {Promise<Uint8Array>} rejects with a LicenseFailure
 */
export async function requestLicense(shaka, { messageType, message }, { drmInfo, ...asked }, signal, classify = () => null) {
  signal.throwIfAborted();
  const { keySystem, licenseServerUri } = drmInfo;
  const { servers, advanced = {} } = shaka.getConfiguration().drm;
  const individualization = messageType === 'individualization-request' && advanced[keySystem]?.individualizationServer;
  const url = individualization || servers[keySystem] || licenseServerUri;
  if (!url) throw { kind: 'unreachable', message: 'neither drm.servers nor the stored content names a licence server' };
  const { body, headers } = unwrapped(keySystem, message);
  const request = {
    uris: [url],
    method: 'POST',
    body,
    headers: { ...advanced[keySystem]?.headers, ...headers },
    allowCrossSiteCredentials: false,
    retryParameters: ONE_ATTEMPT,
    licenseRequestType: messageType,
    drmInfo,
    ...asked,
    streamDataCallback: null,
    attempt: 0,
  };
  keepers.set(request, 'driver');
  const operation = shaka.getNetworkingEngine().request(LICENSE, request, { isPreload: false });
  const abort = () => operation.abort();
  signal.addEventListener('abort', abort, { once: true });
  /** @type {Uint8Array} */
  let licence;
  try {
    licence = new Uint8Array((await operation.promise).data);
  } catch (error) {
    throw await classified(error, classify) ?? licenseFailure(error);
  } finally {
    signal.removeEventListener('abort', abort);
  }
  // The CDM would reject it, and the title be blocked.
  if (PAGE.test(new TextDecoder().decode(licence.subarray(0, 200)))) throw { kind: 'unreachable', message: 'a page came instead of a licence' };
  return licence;
}

/**
 * @param {any} error a shaka.util.Error
 * @param {NonNullable<Parameters<typeof requestLicense>[4]>} classify
 * @returns {Promise<LicenseFailure | null>}
 */
async function classified(error, classify) {
  const [, status, body, headers] = error?.code === BAD_HTTP_STATUS ? error.data : [];
  if (!(status >= 400 && status < 500) || status === 429) return null;
  const reason = await classify({ status, headers: new Headers(headers ?? {}), body: String(body ?? '') });
  return reason ? { kind: 'refused', status, reason } : null;
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
  const [, status, body, headers] = error.data;
  const retryAfterMs = retryAfter(headers?.['retry-after']);
  if (status === 429 || (status === 503 && retryAfterMs !== null)) return { kind: 'throttled', status, retryAfterMs };
  if (status === 401) return { kind: 'refused', status, reason: 'auth' };
  if (status === 451 || (status === 403 && namesRegion(body))) return { kind: 'refused', status, reason: 'geo' };
  return status >= 500 ? { kind: 'server-error', status } : { kind: 'unreachable', message: `HTTP ${status}` };
}

/** Seconds or an HTTP date (RFC 9110, section 10.2.3). @param {string | undefined} value @returns {number | null} */
function retryAfter(value) {
  if (!value) return null;
  const at = /^\s*\d+\s*$/.test(value) ? Date.now() + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
