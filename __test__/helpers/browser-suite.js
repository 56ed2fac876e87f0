'use strict';

/**
 * A suite for a real browser. Where there is none it is skipped with a line that says so; with CI set it fails instead.
 *
 * @param {string} name
 * @param {'firefox' | 'chromium'} browser
 * @param {(found: import('../../testbed/browsers').Found | null) => void} declareTests called with null only to name the skipped tests
 */
function describeBrowser(name, browser, declareTests) {
  const found = globalThis.BROWSERS[browser];
  if (found) {
    describe(name, () => declareTests(found));
  } else if (process.env.CI) {
    test(name, () => {
      throw new Error(`${browser} was not found, and with CI set every browser suite must run`);
    });
  } else {
    process.stderr.write(`skipped: ${name} (${browser} was not found)\n`);
    describe.skip(name, () => declareTests(null));
  }
}

module.exports = { describeBrowser };
