'use strict';

/** @typedef {import('../js/types').Refusal} Refusal */

/** @param {number} status @param {string} errorCode @param {string} message */
const json = (status, errorCode, message) =>
  Object.freeze({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ errorCode, message }) });

/**
 * How licence servers refuse: a status that says little, and a body in JSON with a code of the vendor's own.
 * @type {Readonly<Record<Refusal, { status: number, headers: Record<string, string>, body: string }>>}
 */
const REFUSALS = Object.freeze({
  auth: json(401, 'TOKEN_EXPIRED', 'The access token has expired'),
  geo: json(403, 'GEO_BLOCKED', 'This title is not available in your region'),
  entitlement: json(403, 'NOT_ENTITLED', 'The subscription does not include this title'),
  'offline-not-allowed': json(403, 'PERSISTENCE_DENIED', 'This title may be streamed only'),
  'device-limit': json(403, 'DEVICE_LIMIT_EXCEEDED', 'Too many devices hold offline licences'),
  concurrency: json(403, 'TOO_MANY_STREAMS', 'Too many streams at a time'),
  revoked: json(403, 'CDM_REVOKED', 'This client has been revoked'),
});

/** An app's own `classifyRefusal` for these. @type {import('../js/types').ClassifyRefusalHook} */
function classifyRefusal({ body }) {
  const known = Object.entries(REFUSALS).find(([, { body: ours }]) => ours === body);
  return known ? /** @type {Refusal} */ (known[0]) : null;
}

module.exports = { REFUSALS, classifyRefusal };
