'use strict';

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { EXPECTED, mismatches } = require('../../examples/breaks/expected.js');
const { describeBrowser } = require('../helpers/browser-suite.js');

/** @param {string[]} args */
const breaks = (...args) => promisify(execFile)(process.execPath, [path.join(__dirname, '../../examples/breaks'), ...args]);

describe('What `npm run breaks` expects', () => {
  test('is what it is content with', () => {
    expect(mismatches(EXPECTED)).toEqual([]);
    expect(mismatches({ chromium: EXPECTED.chromium })).toEqual([]);
  });

  test.each([
    ['a figure too low', { kills: { count: 19, paidTwice: 0, lost: 0 } }, ['kills.count is 19, should be 20']],
    ['a figure too high', { twoWindows: { licensesLost: 3 } }, ['twoWindows.licensesLost is 3, should be 0']],
    ['a figure that is missing', { kills: { count: 20, paidTwice: 0 } }, ['kills.lost is undefined, should be 0']],
    ['one that nobody asked for', { chromium: { unsupported: 8, licenseRequests: 0, lost: 1 } }, ['chromium.lost is 1, should be undefined']],
    ['a case that is missing', { servers: { ...EXPECTED.servers, geo: undefined } }, [expect.stringContaining('servers.geo is undefined')]],
  ])('is not met by %s', (_name, figures, wrong) => {
    expect(mismatches(figures)).toEqual(wrong);
  });

  test('does not run a part that there is not', async () => {
    await expect(breaks('--json', 'chrome')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('there is no part chrome') });
  });
});

// All parts take minutes. The other suites prove what they show; these two are run as the command runs them.
describeBrowser('`npm run breaks`, the parts that take seconds, in Firefox', 'firefox', () => {
  describeBrowser('and in Chromium', 'chromium', () => {
    test('ends with what it has measured on one line', async () => {
      const { stdout } = await breaks('--json', 'twoWindows', 'chromium');
      const lines = stdout.trimEnd().split('\n');
      expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ twoWindows: { licensesLost: 0 }, chromium: { unsupported: 8, licenseRequests: 0 } });
      expect(stdout).toMatch(/All as it should be/);
    }, 120_000);
  });
});
