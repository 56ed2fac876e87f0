'use strict';

/** In the main process, where the tokens are. An app has its own way to one. */
const accessToken = () => process.env.LICENSE_TOKEN ?? '';
const licenseUrl = () => process.env.LICENSE_URL ?? 'https://license.example.com/';

/**
 * At the app's licence server and no other: a token goes to no address that a page or a manifest names.
 * @param {Uint8Array<ArrayBuffer>} message
 * @param {Record<string, string>} [headers]
 * @param {AbortSignal} [signal]
 */
function request(message, headers = {}, signal) {
  const authorization = `Bearer ${accessToken()}`;
  return fetch(licenseUrl(), { method: 'POST', headers: { authorization, ...headers }, body: message, signal });
}

/**
 * A licence request of ours.
 * @param {Pick<import('electron-offline-sessions').LicenseRequest, 'requestId' | 'message' | 'signal'>} asked
 * @returns {Promise<Uint8Array>}
 */
async function acquireLicense({ requestId, message, signal }) {
  // The same id when a request is repeated after a crash: the server bills it once.
  const response = await request(message, { 'idempotency-key': requestId }, signal);
  const { status } = response;
  const retryAfterMs = Number(response.headers.get('retry-after')) * 1000 || null;
  if (status === 429 || status === 503) throw { kind: 'throttled', status, retryAfterMs };
  if (status >= 500) throw { kind: 'server-error', status };
  // Only what the server says plainly is a refusal: proxies and captive portals answer 403, too.
  if (status === 403 && (await response.text()).includes('NOT_ENTITLED')) throw { kind: 'refused', status, reason: 'entitlement' };
  if (!response.ok) throw { kind: 'unreachable', message: `HTTP ${status}` };
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * A licence request of the page's player.
 * @param {Uint8Array<ArrayBuffer>} message
 * @returns {Promise<{ status: number, data: Uint8Array }>}
 */
async function forwardLicense(message) {
  const response = await request(message);
  return { status: response.status, data: new Uint8Array(await response.arrayBuffer()) };
}

module.exports = { acquireLicense, forwardLicense, licenseUrl };
