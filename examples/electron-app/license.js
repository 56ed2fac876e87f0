'use strict';

/** In the main process, where the tokens are. An app has its own way to one. */
const accessToken = () => process.env.LICENSE_TOKEN ?? '';

/**
 * A licence request of ours, at the app's licence server.
 * @param {Pick<import('electron-offline-sessions').LicenseRequest, 'session' | 'requestId' | 'message' | 'signal'>} request
 * @returns {Promise<Uint8Array>}
 */
async function acquireLicense({ session, requestId, message, signal }) {
  // The same id when a request is repeated after a crash: the server bills it once.
  const headers = { authorization: `Bearer ${accessToken()}`, 'idempotency-key': requestId };
  const response = await fetch(String(session.licenseUrl), { method: 'POST', headers, body: /** @type {any} */ (message), signal });
  const { status } = response;
  const retryAfterMs = Number(response.headers.get('retry-after')) * 1000 || null;
  if (status === 429 || status === 503) throw { kind: 'throttled', status, retryAfterMs };
  if (status >= 500) throw { kind: 'server-error', status };
  // Only what the server says plainly is a refusal: proxies and captive portals answer 403, too.
  if (status === 403 && (await response.text()).includes('NOT_ENTITLED')) throw { kind: 'refused', status, reason: 'entitlement' };
  if (!response.ok) throw { kind: 'unreachable', message: `HTTP ${status}` };
  return new Uint8Array(await response.arrayBuffer());
}

module.exports = { acquireLicense };
