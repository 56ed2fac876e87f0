'use strict';

const { OfflineSessionsError } = require('./errors');

/**
 * @typedef {import('./types').LicenseRequest} LicenseRequest
 * @typedef {import('./types').ClassifyRefusalHook} ClassifyRefusalHook
 * @typedef {import('./types').Refusal} Refusal
 */

/** A licence is a few KiB; the body of a refusal is read for the classifier only. */
const MAX_LICENSE_BYTES = 1024 * 1024;
const MAX_REFUSAL_BYTES = 16 * 1024;

/**
 * The default `acquireLicense`: POSTs the CDM's message to the session's `licenseUrl`. An answer that is not recognised is
 * `unreachable`, never `refused`: a captive portal must not cost a viewer a title.
 *
 * @param {ClassifyRefusalHook} [classifyRefusal]
 */
function createAcquireLicense(classifyRefusal) {
  /** @param {LicenseRequest} request @returns {Promise<Uint8Array>} */
  return async ({ session, requestId, message, signal }) => {
    if (!session.licenseUrl) throw new OfflineSessionsError('ERR_INVALID_ARGUMENT', 'no licenseUrl is stored, and no acquireLicense is given', { field: 'licenseUrl' });
    const response = await post(session.licenseUrl, requestId, message, signal);
    if (!response.ok) throw await failure(response, session, classifyRefusal);
    const licence = await read(response, MAX_LICENSE_BYTES + 1);
    if (licence.length > MAX_LICENSE_BYTES) throw { kind: 'unreachable', message: `more than ${MAX_LICENSE_BYTES} bytes came` };
    if (isPage(response, licence)) throw { kind: 'unreachable', message: 'a page came instead of a licence' };
    return new Uint8Array(licence);
  };
}

/**
 * @param {Response} response
 * @param {number} limit bytes that are enough; what follows is not read
 * @returns {Promise<Buffer>}
 */
async function read(response, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= limit) break;
  }
  return Buffer.concat(chunks).subarray(0, limit);
}

/** The status has said it all; a connection that breaks now adds nothing. @param {Response} response */
async function discard(response) {
  await response.body?.cancel().catch(() => {});
}

/** A captive portal's, most often. @param {Response} response @param {Buffer} body */
function isPage(response, body) {
  return /html/i.test(response.headers.get('content-type') ?? '') || /^\s*<(?:!doctype|html|head|body)/i.test(body.toString('latin1', 0, 200));
}

/** @param {string} url @param {string} requestId @param {Uint8Array} message @param {AbortSignal} signal */
async function post(url, requestId, message, signal) {
  try {
    const headers = { 'content-type': 'application/octet-stream', 'idempotency-key': requestId };
    return await fetch(url, { method: 'POST', headers, body: Buffer.from(message), signal });
  } catch (error) {
    if (signal.aborted) throw { kind: 'timeout' };
    const { message: text, cause } = /** @type {Error} */ (error);
    throw { kind: 'unreachable', message: /** @type {any} */ (cause)?.code ?? text };
  }
}

/**
 * @param {Response} response
 * @param {LicenseRequest['session']} session
 * @param {ClassifyRefusalHook} [classifyRefusal]
 */
async function failure(response, session, classifyRefusal) {
  const { status, headers } = response;
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now());
  if (status === 429 || (status === 503 && retryAfterMs !== null)) {
    await discard(response);
    return { kind: 'throttled', status, retryAfterMs };
  }
  if (status >= 500) {
    await discard(response);
    return { kind: 'server-error', status };
  }
  const bytes = await read(response, MAX_REFUSAL_BYTES).catch(() => Buffer.alloc(0));
  const body = bytes.toString('utf8');
  const reason = await classifyRefusal?.({ status, headers, body, session }) ?? (isPage(response, bytes) ? null : recognised(status, body));
  return reason ? { kind: 'refused', status, reason } : { kind: 'unreachable', status, message: `HTTP ${status}` };
}

/** Words of licence servers that refuse by region, in a body that is not a page. */
const NAMES_A_REGION = /geo[-_ ]?(?:block|fenc|restrict|location)|\b(?:region|country|territory|location)\b/i;

/**
 * What is said plainly. A bare 403 is not: proxies and captive portals say it too.
 * @param {number} status
 * @param {string} body
 * @returns {Refusal | null}
 */
function recognised(status, body) {
  if (status === 401) return 'auth';
  if (status === 451) return 'geo';
  return status === 403 && NAMES_A_REGION.test(body) ? 'geo' : null;
}

/**
 * Retry-After in seconds or as an HTTP date (RFC 9110, section 10.2.3).
 * @param {string | null} value
 * @param {number} now
 * @returns {number | null}
 */
function parseRetryAfter(value, now) {
  if (value === null) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

module.exports = { createAcquireLicense, parseRetryAfter };
