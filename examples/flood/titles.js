'use strict';

const { hexToBase64url } = require('../../testbed/clearkey.js');

/** @typedef {{ contentId: string, keyId: string, initData: Uint8Array }} Title */

/**
 * Of one key each, the last played first.
 * @param {number} count
 * @returns {Title[]}
 */
function titles(count) {
  return Array.from({ length: count }, (_, n) => {
    const keyId = (n + 1).toString(16).padStart(32, '0');
    return { contentId: `title-${n + 1}`, keyId, initData: Buffer.from(JSON.stringify({ kids: [hexToBase64url(keyId)] })) };
  });
}

module.exports = { titles };
