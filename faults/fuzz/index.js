'use strict';

const path = require('node:path');
const { runCases } = require('../workers');

/** Inputs on one store. */
const BLOCK = 500;
const BLOCK_TIMEOUT_MS = 120_000;

/**
 * Random and mutated values into every public call, a window's messages, outcomes of drivers.
 * @param {import('../index').Campaign} campaign
 */
async function runFuzz({ count, seed, jobs, progress, fail }) {
  const figures = { fuzzInputs: 0, fuzzCrashes: 0 };
  const blocks = Array.from({ length: Math.ceil(count / BLOCK) }, (_, n) => ({ seed: seed + n, inputs: Math.min(BLOCK, count - n * BLOCK) }));
  await runCases(path.join(__dirname, 'block.js'), blocks, jobs, BLOCK_TIMEOUT_MS, (block, result, end) => {
    figures.fuzzInputs += result?.inputs ?? 0;
    const failures = result?.failures ?? [`the process died: ${end}`];
    figures.fuzzCrashes += failures.length;
    for (const what of failures) fail({ figure: 'fuzzCrashes', what, repeat: { fuzz: block.inputs, seed: block.seed } });
    progress(figures);
  });
  return figures;
}

module.exports = { runFuzz };
