'use strict';

/**
 * Keys of `content/`, key id → key. For the licence server alone: no page reads this file.
 * @type {Readonly<Record<string, string>>}
 */
const CONTENT_KEYS = Object.freeze({
  '00112233445566778899aabbccddee01': '0f0e0d0c0b0a09080706050403020101',
  '00112233445566778899aabbccddee02': '0f0e0d0c0b0a09080706050403020102',
  '00112233445566778899aabbccddee03': '0f0e0d0c0b0a09080706050403020103',
});

module.exports = { CONTENT_KEYS };
