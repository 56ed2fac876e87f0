'use strict';

const { execFile } = require('node:child_process');
const path = require('node:path');
const { promisify } = require('node:util');
const { tellOnce } = require('../../faults/failures');
const { readOptions } = require('../../faults/options');
const { Random } = require('../../faults/random');

/** @param {string} line */
const faults = (line) => promisify(execFile)(process.execPath, [path.join(__dirname, '../../faults'), ...line.split(' ')]);

test('what it has measured is on one last line, under the names that are agreed', async () => {
  const { stdout } = await faults('--kills 3 --damaged 3 --disk 0 --fuzz 40 --firefox 0 --seed 5 --json').catch((failed) => failed);
  const figure = expect.any(Number);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1))).toMatchObject({
    kills: 3, killsMidLicence: figure, recordsLost: figure, licencesPaidTwice: figure, answersLostInFlight: figure, wrongOfflineVerdicts: figure,
    damagedDatabases: 3, processCrashes: figure, notRecovered: figure, silentlyWrongRows: figure, rowsLostThatWereInACopy: figure,
    rowsLostThatStoodWhole: figure, setAsideChanged: figure, licencesOfLostRows: figure,
    fullDisk: { acknowledgedLost: figure }, fuzzInputs: figure, fuzzCrashes: figure, firefox: { kills: 0 }, seed: 5,
  });
}, 60_000);

describe('a failure', () => {
  /** @type {string[]} */
  let told;
  /** @type {import('../../faults/failures').Fail} */
  let fail;
  beforeEach(() => {
    told = [];
    fail = tellOnce((text) => told.push(text));
  });

  test('is told with a command that repeats its case alone', () => {
    fail({ figure: 'recordsLost', what: 'title 3 is not on record', repeat: { kills: 10, seed: 12 }, trace: '/tmp/12.trace' });
    expect(told).toEqual([expect.stringMatching(/^ {2}recordsLost: title 3 is not on record\n.*\n.*\/tmp\/12\.trace$/)]);
    const [, line] = /node faults (.*)/.exec(told[0]) ?? [];
    expect(readOptions(line.split(' '))).toMatchObject({ kills: 10, damaged: 0, disk: 0, fuzz: 0, firefox: 0, seed: 12 });
  });

  test('of a case is told once for each figure, and not without end', () => {
    for (let n = 0; n < 3; n++) fail({ figure: 'recordsLost', what: `${n}`, repeat: { kills: 10, seed: 1 } });
    fail({ figure: 'licencesPaidTwice', what: 'x', repeat: { kills: 10, seed: 1 } });
    expect(told).toHaveLength(2);
    for (let seed = 0; seed < 1_000; seed++) fail({ figure: 'recordsLost', what: 'x', repeat: { seed } });
    expect(told.length).toBeLessThan(30);
  });
});

test('a seed draws the same again, and another one something else', () => {
  const drawn = (/** @type {number} */ seed) => {
    const random = new Random('kills', seed);
    return [random.next(), random.int(1, 1_000_000), random.bytes(9)];
  };
  expect(drawn(7)).toEqual(drawn(7));
  expect(drawn(7)).not.toEqual(drawn(8));
});

test.each(['--kills many', '--damaged -1', '--fuzz 0.5', '--seed', '--kils 3'])('%s is refused', async (line) => {
  await expect(faults(line)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(/--(kills|damaged|fuzz|seed|kils)/) });
});
