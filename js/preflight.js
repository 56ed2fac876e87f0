'use strict';

const check = require('./arguments');
const { bounded } = require('./bounded');
const { REFUSALS } = require('./words');

/** @typedef {import('./types').Refusal} Refusal */

/**
 * Which titles the app's server would refuse.
 * @param {import('./types').PreflightHook} preflight
 * @param {import('./types').StoredSession[]} sessions
 * @param {(AbortSignal | undefined)[]} signals that end the wait
 * @returns {Promise<Record<string, Refusal>>} by content id
 */
async function refusedByServer(preflight, sessions, signals) {
  const refused = check.array('preflight', await bounded(() => preflight(sessions), signals));
  return check.reading('preflight', () => Object.fromEntries(refused.map((one) => {
    const { contentId, reason } = /** @type {any} */ (one);
    if (!REFUSALS.includes(reason)) throw check.invalid('preflight.reason', `must be one of ${REFUSALS.join(', ')}`);
    return [check.string('preflight.contentId', contentId), reason];
  })));
}

module.exports = { refusedByServer };
