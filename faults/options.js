'use strict';

const { availableParallelism } = require('node:os');
const { parseArgs } = require('node:util');

const USAGE = 'usage: node faults [--kills N] [--damaged N] [--disk N] [--fuzz N] [--firefox N] [--seed S] [--jobs N] [--json]';
const DEFAULTS = { kills: 1_000, damaged: 10_000, disk: 40, fuzz: 100_000, firefox: 20 };
const NOTHING = { kills: 0, damaged: 0, disk: 0, fuzz: 0, firefox: 0 };

/** @typedef {typeof DEFAULTS & { seed: number, jobs: number, json: boolean }} Options */

/** @param {string[]} argv @returns {Options} */
function readOptions(argv) {
  const type = /** @type {const} */ ('string');
  const { values } = parseArgs({
    args: argv,
    options: { kills: { type }, damaged: { type }, disk: { type }, fuzz: { type }, firefox: { type }, seed: { type }, jobs: { type }, json: { type: 'boolean' } },
  });
  const number = (/** @type {keyof typeof values} */ name, /** @type {number} */ otherwise) => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
    return value;
  };
  const size = (/** @type {keyof typeof DEFAULTS} */ name) => number(name, DEFAULTS[name]);
  return {
    kills: size('kills'), damaged: size('damaged'), disk: size('disk'), fuzz: size('fuzz'), firefox: size('firefox'),
    seed: number('seed', Date.now() % 1_000_000), jobs: Math.max(number('jobs', Math.min(availableParallelism(), 4)), 1), json: values.json === true,
  };
}

module.exports = { readOptions, NOTHING, USAGE };
