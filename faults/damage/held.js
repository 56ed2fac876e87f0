'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { PAGE, allPages, currentPages, pagesOf, validLength } = require('./pages');
const { intactRows } = require('./records');

/**
 * @typedef {import('./records').Row} Row
 * @typedef {import('./records').Value} Value
 *
 * @typedef {object} Held what a store has to answer for
 * @property {Set<string>} titles the names of stored sessions, as `facts.js` has them
 * @property {Set<string>} sessionIds of stored sessions, pending licences and release debts, each with its lane
 * @property {Set<string>} unfinished of them those of pending licences and release debts
 */

const DATABASE = 'offline-sessions.sqlite3';
const LOG = `${DATABASE}-wal`;
const ID = 'offline-sessions.id';
/** How many there were: what a log that was cut off lacks is missed. */
const COMMITS = 'offline-sessions.commits';

const NO_LOG = Buffer.alloc(0);

/** @param {string} lane @param {Value} sessionId */
const inLane = (lane, sessionId) => `session ${sessionId} of ${lane}`;

/** @param {{ origin: string, partition: string, keySystem: string }} lane @param {string} sessionId */
const sessionOf = ({ origin, partition, keySystem }, sessionId) => inLane(JSON.stringify([origin, partition, keySystem]), sessionId);

/** @param {Row[]} rows @returns {Held} */
function heldBy(rows) {
  const of = (/** @type {string} */ table) => rows.filter((row) => row.table === table).map(({ values }) => values);
  /** A lane's number says nothing without the lane, which stands in its own row and in words in those of its sessions. @type {Map<Value, string>} */
  const lanes = new Map(of('session').map(([, lane, key]) => [lane, JSON.stringify(JSON.parse(String(key)))]));
  for (const [lane, ...key] of of('lane')) lanes.set(lane, JSON.stringify(key.slice(0, 3)));
  const laneOfSession = new Map(of('session').map(([session, lane]) => [session, lane]));
  const named = (/** @type {Value[][]} */ list) =>
    list.flatMap(([lane, sessionId]) => { const words = lanes.get(lane); return words === undefined ? [] : [inLane(words, sessionId)]; });
  const unfinished = new Set([
    ...named(of('debt').map(([, lane, , sessionId]) => [lane, sessionId])),
    // A pending licence is of a row: without that nobody knows what it is for.
    ...named(of('pending').map(([session, sessionId]) => [laneOfSession.get(session) ?? null, sessionId])),
  ]);
  return {
    titles: new Set(of('session').map(([, , , contentId, , , , , keyIds]) => `${contentId} ${JSON.parse(String(keyIds)).join()}`)),
    sessionIds: new Set([...unfinished, ...named(of('session').map(([, lane, , , sessionId]) => [lane, sessionId]))]),
    unfinished,
  };
}

/** @param {string} file */
const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0));

/** The id that is held beside a database; null: none that can be read, as `src/store/sums.rs` reads it. @param {string} store */
function heldId(store) {
  const [, id = '', check] = /^([0-9a-f]{32}) (.*)$/i.exec(read(path.join(store, ID)).toString().trim()) ?? [];
  const bytes = Buffer.from(id, 'hex');
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8) === check ? bytes.toString('hex') : null;
}

/** What a good store holds now, also while it is open; or what a copy has. @param {string} store @param {string} [name] @returns {Held} */
function holds(store, name = DATABASE) {
  const [database, log] = [path.join(store, name), path.join(store, `${name}-wal`)];
  for (;;) {
    // Pages that go from the log into the file meanwhile are in the log yet, unless that was emptied.
    const [before, bytes, after] = [read(log), read(database), read(log)];
    if (before.equals(after)) return heldBy(intactRows(currentPages(bytes, before).values(), heldId(store) ?? ''));
  }
}

/**
 * What stands whole in the files of a damaged store: in its database, in the valid part of its log. Nothing of it had to be lost.
 * Where the id is not to be known any more, nothing does: whose rows these are is then anybody's guess. It is known from the
 * file beside the database, or from an intact row of the database or of a copy that names it; but if the file names another, a
 * database alone may be what was put there, and a copy has to bear it out.
 * @param {string} store
 * @param {string} id in hex, as it was
 * @param {string[]} copies
 */
function standsIn(store, id, copies) {
  const own = intactRows(allPages(read(path.join(store, DATABASE)), read(path.join(store, LOG))), id);
  const names = (/** @type {Row[]} */ rows) => rows.some(({ table }) => table === 'meta');
  const namesCopy = (/** @type {string} */ copy) => names(intactRows(allPages(read(path.join(store, copy)), NO_LOG), id));
  const beside = heldId(store);
  const isKnown = beside === id || (beside === null && names(own)) || copies.some(namesCopy);
  return heldBy(isKnown ? own : []);
}

/**
 * Whether a log that was set aside is the one that was there. Damage may be met after a commit of the launch, which comes behind what is
 * valid; nothing before that may be another, and no page with a row of ours.
 * @param {Buffer} before
 * @param {Buffer} after
 * @param {string} id in hex
 */
function isLogOf(before, after, id) {
  const isSame = (/** @type {number} */ from, /** @type {number} */ to) => before.subarray(from, to).equals(after.subarray(from, to));
  const hasRows = (/** @type {number} */ at) => intactRows([before.subarray(at, at + PAGE)], id).length > 0;
  return isSame(0, validLength(before)) && pagesOf(before).every((at) => isSame(at, at + PAGE) || !hasRows(at));
}

module.exports = { COMMITS, DATABASE, ID, LOG, heldId, holds, isLogOf, read, sessionOf, standsIn };
