'use strict';

const check = require('../arguments');
const { originOf } = require('./frames');

/**
 * Where an app's licences are, as it says it.
 *
 * @typedef {import('../types').Lane} Lane
 * @typedef {import('./attach').AttachedLane} AttachedLane
 */

const PAGE_FIELDS = /** @type {const} */ (['pageUrl', 'contents', 'player']);
const LANE_FIELDS = ['origin', 'partition', 'keySystem', 'pageUrl', 'contents', 'player'];

/** @param {Lane} lane */
const placeKey = ({ origin, partition }) => JSON.stringify([origin, partition ?? '']);

/** @param {unknown} given @returns {AttachedLane[]} */
function lanesOf(given) {
  const lanes = check.array('lanes', given);
  if (lanes.length === 0) throw check.invalid('lanes', 'must name at least one');
  const checked = lanes.map((lane, at) => {
    const field = (/** @type {string} */ name) => `lanes[${at}].${name}`;
    const { origin, partition, keySystem, pageUrl, contents, player, ...others } = check.object(`lanes[${at}]`, lane);
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw check.invalid(field(unknown), `is none of ${LANE_FIELDS.join(', ')}`);
    const place = originGiven(field('origin'), origin);
    check.string(field('keySystem'), keySystem);
    if (partition !== undefined && partition !== null) check.string(field('partition'), partition);
    if (player !== undefined && player !== 'shaka') throw check.invalid(field('player'), 'must be shaka');
    const own = check.optionalFunction(field('contents'), contents);
    if (!own && originOf(check.string(field('pageUrl'), pageUrl)) !== place) {
      throw check.invalid(field('pageUrl'), `must be a page of the origin ${place}`);
    }
    if (own && pageUrl !== undefined) throw check.invalid(field('pageUrl'), 'must not be given with contents');
    return { .../** @type {AttachedLane} */ (lane), origin: place };
  });
  for (const [at, lane] of checked.entries()) {
    // One page does the work of all lanes of a place.
    const first = /** @type {AttachedLane} */ (checked.find((other) => placeKey(other) === placeKey(lane)));
    const differs = PAGE_FIELDS.find((name) => lane[name] !== first[name]);
    if (differs) throw check.invalid(`lanes[${at}].${differs}`, `must be that of the other lanes of ${lane.origin}`);
  }
  return checked;
}

/** @param {unknown} given */
function originsOf(given) {
  if (given === undefined) return undefined;
  return check.array('allowedOrigins', given).map((origin, at) => originGiven(`allowedOrigins[${at}]`, origin));
}

/** As Chromium writes it. @param {string} field @param {unknown} given */
function originGiven(field, given) {
  const text = check.string(field, given);
  const origin = originOf(text);
  // `null` is that of every sandboxed frame and of every data: page.
  if (!origin || ![origin, `${origin}/`].includes(text.toLowerCase())) throw check.invalid(field, 'must be an origin, such as app://bundle');
  return origin;
}

module.exports = { lanesOf, originsOf, placeKey };
