'use strict';

const { NOTHING } = require('./options');

/**
 * @typedef {object} Failure
 * @property {string} figure what it counts for
 * @property {string} what
 * @property {Record<string, number>} repeat the options that repeat it
 * @property {string} [trace] a file that says what happened
 *
 * @typedef {(failure: Failure) => void} Fail
 */

/** More failures than this are counted, and not told. */
const MAX_TOLD = 20;

/** Tells every kind of failure of a case once, and not too many. @param {(text: string) => void} tell @returns {Fail} */
function tellOnce(tell) {
  const seen = new Set();
  return (failure) => {
    const kind = JSON.stringify([failure.figure, failure.repeat]);
    if (seen.has(kind)) return;
    seen.add(kind);
    if (seen.size <= MAX_TOLD) tell(describe(failure));
  };
}

/** @param {Failure} failure */
function describe({ figure, what, repeat, trace }) {
  const options = Object.entries({ ...NOTHING, ...repeat }).map(([name, value]) => `--${name} ${value}`).join(' ');
  return `  ${figure}: ${what.slice(0, 1_500)}\n    repeat with: node faults ${options}${trace ? `\n    what happened: ${trace}` : ''}`;
}

module.exports = { tellOnce };
