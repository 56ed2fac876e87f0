'use strict';

/**
 * W3C ClearKey's JSON messages (EME, section 9.1) and the key ids of init data:
 * what the licence server, the scripted CDM and the tests share.
 */

const COMMON_SYSTEM_ID = '1077efecc0b24d02ace33c1e52e2fb4b';

/** @param {string} hex */
const hexToBase64url = (hex) => Buffer.from(hex, 'hex').toString('base64url');

/** @param {unknown} text */
function base64urlToHex(text) {
  if (typeof text !== 'string' || !/^[\w-]{22}$/.test(text)) throw new TypeError('not a base64url value of 16 bytes');
  return Buffer.from(text, 'base64url').toString('hex');
}

/**
 * @param {string[]} keyIds hexadecimal
 * @returns {Uint8Array}
 */
function licenseRequest(keyIds) {
  return new TextEncoder().encode(JSON.stringify({ kids: keyIds.map(hexToBase64url), type: 'persistent-license' }));
}

/**
 * @param {Uint8Array} message
 * @param {string} [wanted] the session type that it must be for
 * @returns {string[]} key ids, hexadecimal
 */
function parseLicenseRequest(message, wanted = 'persistent-license') {
  const { kids, type } = JSON.parse(Buffer.from(message).toString());
  if (type !== wanted || !Array.isArray(kids)) throw new TypeError(`not a request for a ${wanted} session`);
  return kids.map(base64urlToHex);
}

/**
 * @param {Record<string, string>} keys key id → key, hexadecimal
 * @param {string} [type] of the session
 * @returns {Uint8Array}
 */
function license(keys, type = 'persistent-license') {
  const jwks = Object.entries(keys).map(([kid, k]) => ({ kty: 'oct', kid: hexToBase64url(kid), k: hexToBase64url(k) }));
  return new TextEncoder().encode(JSON.stringify({ keys: jwks, type }));
}

/**
 * Throws a TypeError for what a CDM's `update()` rejects.
 * @param {Uint8Array} body
 * @returns {Record<string, string>} key id → key, hexadecimal
 */
function parseLicense(body) {
  /** @type {any} */
  let answer;
  try {
    answer = JSON.parse(Buffer.from(body).toString());
  } catch {
    throw new TypeError('not a ClearKey licence');
  }
  if (!Array.isArray(answer?.keys) || answer.keys.length === 0) throw new TypeError('a ClearKey licence without keys');
  return Object.fromEntries(answer.keys.map((/** @type {any} */ key) => [base64urlToHex(key?.kid), base64urlToHex(key?.k)]));
}

/**
 * Key ids of `keyids` init data and of version 1 common PSSH boxes in `cenc` init data.
 * @param {string} initDataType
 * @param {Uint8Array} initData
 * @returns {string[]}
 */
function keyIdsOf(initDataType, initData) {
  const bytes = Buffer.from(initData);
  if (initDataType === 'keyids') return JSON.parse(bytes.toString()).kids.map(base64urlToHex);
  /** @type {string[]} */
  const keyIds = [];
  for (let at = 0; at + 32 <= bytes.length;) {
    const size = bytes.readUInt32BE(at);
    if (size < 32 || at + size > bytes.length) break;
    const common = bytes.toString('hex', at + 12, at + 28) === COMMON_SYSTEM_ID;
    if (bytes.toString('latin1', at + 4, at + 8) === 'pssh' && bytes[at + 8] === 1 && common) {
      const count = bytes.readUInt32BE(at + 28);
      for (let n = 0; n < count; n++) keyIds.push(bytes.toString('hex', at + 32 + 16 * n, at + 48 + 16 * n));
    }
    at += size;
  }
  return keyIds;
}

module.exports = { hexToBase64url, base64urlToHex, licenseRequest, parseLicenseRequest, license, parseLicense, keyIdsOf };
