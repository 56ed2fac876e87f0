const CENC_KEY_ID_LENGTH = 16;

/** @param {BufferSource} source */
function toHex(source) {
  const bytes = ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * @param {MediaKeySession} session
 * @returns {import('../session-driver.js').KeyStatuses}
 */
export function readKeyStatuses(session) {
  /** @type {Record<string, string>} */
  const keyStatuses = {};
  for (const [keyId, status] of session.keyStatuses) {
    // An id of another length is no id that content can name.
    if (keyId.byteLength === CENC_KEY_ID_LENGTH) keyStatuses[toHex(keyId)] = status;
  }
  return keyStatuses;
}

/**
 * Whether waiting longer could not tell more: each expected id has a status that is not pending.
 * @param {import('../session-driver.js').KeyStatuses} keyStatuses
 * @param {string[]} expected empty when none are known: then whatever is there, if there is something
 */
export function areSettled(keyStatuses, expected) {
  const keyIds = expected.length > 0 ? expected : Object.keys(keyStatuses);
  return keyIds.length > 0 && keyIds.every((keyId) => (keyStatuses[keyId] ?? 'status-pending') !== 'status-pending');
}
