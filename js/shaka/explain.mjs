import { licenseFailure } from './networking.mjs';

/**
 * @typedef {import('../words.js').Action} Action
 * @typedef {import('../words.js').Reason} Reason
 *
 * @typedef {object} Explanation
 * @property {Reason} reason why it does not play, in the words of our verdicts
 * @property {Action} action what to offer the viewer, if the verdict does not know better
 * @property {{ error: string, systemCode: number | null }} report for `offline.reportPlayback(contentId, report)`: it takes the title's
 *   proof away, so that it is checked and licensed again, and resolves with the verdict
 */

/** Codes of shaka.util.Error, the same from 4.7 to 5.x. @type {Record<number, [string, Reason, Action]>} */
const CODES = {
  6001: ['REQUESTED_KEY_SYSTEM_CONFIG_UNAVAILABLE', 'unsupported', 'connect'],
  6005: ['FAILED_TO_CREATE_SESSION', 'load-failed', 'wait'],
  6006: ['FAILED_TO_GENERATE_LICENSE_REQUEST', 'rejected', 'wait'],
  6007: ['LICENSE_REQUEST_FAILED', 'unreachable', 'connect'],
  6008: ['LICENSE_RESPONSE_REJECTED', 'rejected', 'wait'],
  6013: ['OFFLINE_SESSION_REMOVED', 'gone', 'wait'],
  6014: ['EXPIRED', 'expired', 'renew'],
};
const [FAILED_TO_CREATE_SESSION, FAILED_TO_GENERATE_LICENSE_REQUEST, LICENSE_REQUEST_FAILED] = [6005, 6006, 6007];
/** Widevine's. @type {Record<number, Reason>} */
const SYSTEM_CODES = { 70: 'in-use', 72: 'load-failed', 75: 'system-id-changed' };
/** @type {Record<string, [Reason, Action]>} */
const REFUSALS = { auth: ['auth', 'sign-in'], geo: ['geo', 'change-location'] };

/**
 * What an error of Shaka's says of a title's licence. While a player has the title open it is left alone: it is unloaded first, and then
 * repaired.
 * @param {any} error a shaka.util.Error, the `error` event that it came in, the `stalldetected` event, or 'stall': no picture, and no
 *   error either
 * @returns {Explanation | null} null: it says nothing of a licence
 */
export function explainShakaError(error) {
  if (error === 'stall' || error?.type === 'stalldetected') return { reason: 'hollow', action: 'wait', report: { error: 'stall', systemCode: null } };
  const { code, data = [] } = error?.detail ?? error ?? {};
  const known = CODES[code];
  if (!known) return null;
  const [name, reason, action] = known;
  const said = /system code \((\d+)\)/i.exec(data.map(String).join(' '))?.[1];
  const systemCode = said === undefined ? null : Number(said);
  const report = { error: name, systemCode };
  const isOfCdm = code === FAILED_TO_CREATE_SESSION || code === FAILED_TO_GENERATE_LICENSE_REQUEST;
  if (isOfCdm && systemCode !== null) return { reason: SYSTEM_CODES[systemCode] ?? reason, action, report };
  if (code === LICENSE_REQUEST_FAILED) {
    const failure = licenseFailure(data[0]);
    const [refused, offered] = failure.kind === 'refused' ? REFUSALS[failure.reason] : [/** @type {Reason} */ (failure.kind), action];
    return { reason: refused, action: offered, report };
  }
  return { reason, action, report };
}
