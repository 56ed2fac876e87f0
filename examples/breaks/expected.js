'use strict';

const all = { titles: 8, lost: 8, licensed: 8, licenseRequests: 8, played: 8 };
const one = { titles: 8, lost: 1, licensed: 1, licenseRequests: 1, played: 8 };
const later = { blocked: 0, deferred: 8, requests: 8, played: 8 };

/** What each part must come to. @type {Record<string, any>} */
const EXPECTED = {
  breaks: { salts: all, storage: all, record: one, flip: one, none: { titles: 8, lost: 0, licensed: 0, licenseRequests: 0, played: 8 } },
  servers: { geo: { blocked: 8, requests: 8, played: 8 }, 503: later, hang: later, garbage: later },
  twoWindows: { licensesLost: 0 },
  chromium: { unsupported: 8, licenseRequests: 0 },
  kills: { count: 20, paidTwice: 0, lost: 0 },
};

/**
 * @param {any} figures the parts that were run
 * @param {Record<string, any>} [expected]
 * @returns {string[]} what is not as it should be, in words
 */
function mismatches(figures, expected = EXPECTED) {
  return Object.keys(figures).flatMap((part) => differences(part, figures[part], expected[part]));
}

/**
 * @param {string} name
 * @param {any} is
 * @param {any} should
 * @returns {string[]}
 */
function differences(name, is, should) {
  if (typeof should !== 'object' || typeof is !== 'object') {
    return is === should ? [] : [`${name} is ${JSON.stringify(is)}, should be ${JSON.stringify(should)}`];
  }
  const fields = new Set([...Object.keys(should), ...Object.keys(is)]);
  return [...fields].flatMap((field) => differences(`${name}.${field}`, is[field], should[field]));
}

module.exports = { EXPECTED, mismatches };
