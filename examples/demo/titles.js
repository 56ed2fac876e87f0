'use strict';

const KEY_SYSTEM = 'org.w3.clearkey';

/**
 * @typedef {{ contentId: string, folder: string, separateSessions: boolean }} Title
 * separateSessions: one stored session for audio and one for video
 */

/** The test contents in turn. @type {readonly Title[]} */
const titles = Array.from({ length: 12 }, (_, n) => ({
  contentId: `title-${String(n + 1).padStart(2, '0')}`,
  folder: n % 2 === 0 ? 'a' : 'b',
  separateSessions: n === 0,
}));

module.exports = { KEY_SYSTEM, titles };
