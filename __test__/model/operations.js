'use strict';

const fc = require('fast-check');
const { TITLES } = require('./titles.js');

/**
 * What can happen to an app, as plain data: a failing sequence can be pasted into `regressions.js`. An operation that makes no
 * sense where it stands (an answer for a title that is not there) does nothing, so that a sequence can lose any part when it shrinks.
 *
 * @typedef {{ op: string, [detail: string]: any }} Operation
 */

const title = fc.constantFrom(...Object.keys(TITLES));
const lane = fc.constantFrom(0, 1);
/** How often something answers otherwise; null: until all is healed. */
const times = fc.constantFrom(1, 2, 3, null);
const version = fc.constantFrom(0, 1, 2);
/** null: not observed. */
const cdmVersion = fc.constantFrom(0, 1, null);
const STEPS = ['phase', 'probe', 'load', 'created', 'update', 'adopt', 'remove'];

/** What else the CDM and the player say, by step of the scripted CDM. */
const TROUBLE = /** @type {const} */ ({
  phase: ['throws'],
  probe: ['unsupported', 'unavailable', 'throws'],
  load: [70, 72, 75, 'gone', 'timeout', 72],
  created: ['rejected', 'timeout'],
  update: ['rejected', 'timeout', 'throws'],
  adopt: ['open-in-player', 'catalogue-changed', 'content-gone', 'throws', 'nonsense'],
  remove: ['failed', 'throws'],
});

const SERVER = ['geo', 'auth', 'throttled', 'unavailable', 'garbage', 'empty', 'wrong-keys', 'fewer-keys', 'reset', 'html-403',
  'entitlement', 'offline-not-allowed', 'device-limit', 'concurrency', 'revoked', 'throttled-at-once'];

const STATUSES = ['expired', 'released', 'output-restricted', 'output-downscaled', 'status-pending', 'internal-error', 'usable'];

const breaks = fc.constantFrom('none', 'salts', 'salts', 'wipe');

/** @type {[number, string, Record<string, fc.Arbitrary<any>>][]} weight, name, details */
const OPERATIONS = [
  [6, 'put', { title, how: fc.constantFrom('proven', 'proven', 'unproven', 'bare', 'again', 'again-unproven', 'stale') }],
  [2, 'remove', { title }],
  [8, 'revalidate', {}],
  [14, 'interrupt', {
    step: fc.constantFrom(...STEPS), nth: fc.nat(5), then: fc.constantFrom('abort', 'leave', 'leave', 'window', 'relaunch', 'hang'),
    // Whether the CDM has the licence by then, though nobody is told of it.
    arrives: fc.boolean(),
    // Else there is seldom anything to do.
    update: fc.option(breaks, { freq: 3 }),
  }],
  [6, 'ensure', { title, limit: fc.constantFrom(null, null, 0, 1, 'abort') }],
  [4, 'retry', { title }],
  [4, 'report', { title, how: fc.constantFrom('error', 'good', 'bad') }],
  [3, 'account', { who: fc.constantFrom('ann', 'bob', null) }],
  [5, 'connect', { state: fc.constantFrom('online', 'offline', 'unknown'), moved: fc.boolean() }],
  [4, 'hold', { kind: fc.constantFrom('playing', 'downloading'), title: fc.option(title), lane }],
  [2, 'letGo', {}],
  [4, 'platform', { electron: fc.option(version), cdm: cdmVersion }],
  [10, 'update', { breaks }],
  [6, 'relaunch', {
    electron: version, cdm: fc.constantFrom(0, 0, 0, 1, null), breaks,
    policy: fc.constantFrom('patient', 'patient', 'hasty', 'observe'), driver: fc.constantFrom(true, true, true, false),
  }],
  [8, 'damage', { title, session: fc.nat(1), how: fc.constantFrom('delete', 'flip', 'status', 'status'), status: fc.constantFrom(...STATUSES) }],
  [1, 'wipe', { keepWitnesses: fc.boolean() }],
  [2, 'capability', { answer: fc.constantFrom('supported', 'unsupported', 'unavailable') }],
  [3, 'driver', { what: fc.constantFrom('none', 'same', 'new', 'new') }],
  [8, 'server', { how: fc.constantFrom(...SERVER), times }],
  [1, 'stranger', { lane }],
  // `reconcile` will be one of these.
];

const trouble = fc.constantFrom('load', 'load', ...Object.keys(TROUBLE)).chain((step) => fc.record({
  op: fc.constant('trouble'), step: fc.constant(step), answer: fc.constantFrom(...TROUBLE[/** @type {keyof TROUBLE} */ (step)]), times,
}));

/** @type {fc.Arbitrary<Operation>} */
const operation = fc.oneof(
  ...OPERATIONS.map(([weight, op, details]) => ({ weight, arbitrary: fc.record({ op: fc.constant(op), ...details }) })),
  { weight: 10, arbitrary: trouble },
);

/** What there is to begin with: how each title is put; null: not at all. @type {fc.Arbitrary<Operation>} */
const library = fc.record({
  op: fc.constant('library'),
  cdm: fc.constantFrom(0, 0, 0, null),
  titles: fc.record(mapValues(TITLES, () => fc.constantFrom(null, null, 'proven', 'proven', 'proven', 'proven', 'unproven', 'unproven', 'bare'))),
});

/** @param {object} object @param {() => fc.Arbitrary<any>} value */
function mapValues(object, value) {
  return Object.fromEntries(Object.keys(object).map((name) => [name, value()]));
}

module.exports = { library, operation };
