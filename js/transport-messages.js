'use strict';

const { REFUSALS } = require('./words.js');

/**
 * The shapes of what a window may say. A window runs the app's page, so nothing it says is taken on trust.
 *
 * @typedef {{ type: 'ready' }
 *   | { type: 'outcome', id: string, outcome: unknown }
 *   | { type: 'failure', id: string, name: string, message: string, code?: string }
 *   | { type: 'sessionCreated', id: string, sessionId: string }
 *   | { type: 'licenseMessage', id: string, messageId: string | number, messageType: string, message: string }} WindowMessage
 */

const MAX_ID_LENGTH = 1024;
const MAX_MESSAGE_LENGTH = 1024 * 1024;
const MESSAGE_TYPES = ['license-request', 'license-renewal', 'license-release', 'individualization-request'];
const LICENSE_FAILURES = ['throttled', 'refused', 'unreachable', 'timeout', 'server-error', 'rejected'];
const ADOPT_OUTCOMES = ['adopted', 'catalogue-changed', 'content-gone', 'open-in-player'];
const CAPABILITIES = ['supported', 'unsupported', 'unavailable'];

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {unknown} value @returns {value is string} */
const isText = (value, maxLength = MAX_MESSAGE_LENGTH) => typeof value === 'string' && value.length <= maxLength;

/** @param {unknown} value */
const isSessionId = (value) => isText(value, MAX_ID_LENGTH) && value !== '';

/** @param {unknown} value */
const isNumberOrNull = (value) => value === null || Number.isFinite(value);

/** @param {unknown} value */
const isBase64 = (value) => isText(value) && value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);

/** @param {unknown} value */
const isKeyStatuses = (value) => isObject(value)
  && Object.entries(value).every(([keyId, status]) => /^[0-9a-f]{32}$/.test(keyId) && isText(status, 64));

/** @param {Record<string, unknown>} outcome */
const showsKeys = ({ keyStatuses, expiration }) => isKeyStatuses(keyStatuses) && isNumberOrNull(expiration);

/** @param {Record<string, unknown>} outcome */
const isRejected = ({ name, message, systemCode }) => isText(name) && isText(message) && isNumberOrNull(systemCode);

/** @param {Record<string, unknown>} outcome */
function isLicenseFailure(outcome) {
  const { kind, message, status = null, retryAfterMs = null, reason } = outcome;
  if (!LICENSE_FAILURES.includes(String(kind)) || !isNumberOrNull(status) || !isNumberOrNull(retryAfterMs)) return false;
  if (kind === 'rejected') return isRejected(outcome);
  return (message === undefined || isText(message)) && (kind !== 'refused' || REFUSALS.includes(/** @type {any} */ (reason)));
}

/**
 * The plain fields of a LicenseFailure, which may have been thrown as an Error.
 * @param {any} error
 * @returns {import('./session-driver').LicenseFailure | null} null: it is none
 */
function licenseFailure(error) {
  const { kind, status, reason, retryAfterMs, name, message, systemCode } = error ?? {};
  const given = kind === 'rejected'
    ? { kind, name: name ?? 'Error', message: message ?? '', systemCode: systemCode ?? null }
    : { kind, status, reason, retryAfterMs, message };
  const failure = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return isLicenseFailure(failure) ? /** @type {any} */ (failure) : null;
}

/**
 * By method, whether a value is an outcome of it. Methods that are not listed resolve with nothing; `reconcile` checks what an
 * inventory says.
 * @type {Record<string, (outcome: any) => boolean>}
 */
const OUTCOMES = {
  probe: (outcome) => isObject(outcome) && CAPABILITIES.includes(String(outcome.persistentLicense))
    && (outcome.witness === null || isText(outcome.witness, MAX_ID_LENGTH)),
  check: (outcome) => isObject(outcome) && (['gone', 'hollow', 'timeout'].includes(String(outcome.kind))
    || (outcome.kind === 'loaded' && showsKeys(outcome)) || (outcome.kind === 'rejected' && isRejected(outcome))),
  license: (outcome) => isObject(outcome) && (isLicenseFailure(outcome)
    || (outcome.kind === 'licensed' && isSessionId(outcome.sessionId) && showsKeys(outcome))),
  adopt: (outcome) => ADOPT_OUTCOMES.includes(outcome),
  release: (outcome) => isObject(outcome) && (['released', 'absent'].includes(String(outcome.kind))
    || (outcome.kind === 'failed' && isText(outcome.message))),
};

/** @param {string} method @param {unknown} outcome */
const isOutcomeOf = (method, outcome) => OUTCOMES[method]?.(outcome) ?? true;

/**
 * @param {unknown} data
 * @returns {WindowMessage | null} null: malformed, to be ignored
 */
function parseWindowMessage(data) {
  if (!isObject(data)) return null;
  const message = /** @type {any} */ (data);
  if (message.type === 'ready') return message;
  if (!isText(message.id, MAX_ID_LENGTH)) return null;
  switch (message.type) {
    case 'outcome':
      return 'outcome' in message ? message : null;
    case 'failure':
      return isText(message.name) && isText(message.message) && (message.code === undefined || isText(message.code, 64)) ? message : null;
    case 'sessionCreated':
      return isSessionId(message.sessionId) ? message : null;
    case 'licenseMessage':
      return (Number.isSafeInteger(message.messageId) || isText(message.messageId, MAX_ID_LENGTH))
        && MESSAGE_TYPES.includes(message.messageType) && isBase64(message.message) ? message : null;
    default:
      return null;
  }
}

module.exports = { parseWindowMessage, isOutcomeOf, licenseFailure };
