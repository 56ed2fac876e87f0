'use strict';

/** The test contents in turn. @type {readonly import('../../testbed/browser-app.js').Title[]} */
const titles = Array.from({ length: 12 }, (_, n) => ({
  contentId: `title-${String(n + 1).padStart(2, '0')}`,
  folder: n % 2 === 0 ? 'a' : 'b',
  separateSessions: n === 0,
}));

module.exports = { titles };
