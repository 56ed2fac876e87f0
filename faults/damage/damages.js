'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { COMMITS, DATABASE, ID, LOG, read } = require('./held');
const { PAGE, pagesOf } = require('./pages');
const { FILES, OLDER_LOG } = require('./template');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {{ foreign: Buffer, older: Buffer }} Others the same file of another store; a log of this one, of an earlier launch
 * @typedef {(random: Random, bytes: Buffer, others: Others) => Buffer} Damage
 */

/** What is looked at first of all: SQLite's header, a log's. */
const HEADER = 100;

/** @param {Random} random @param {Buffer} bytes @param {number} from @param {number} to */
function flip(random, bytes, from, to) {
  bytes[random.int(from, Math.max(from, to - 1))] ^= 1 << random.int(0, 7);
}

const FOREIGN = 'another store\'s';
const OLDER = 'its own of an earlier launch';

/** @type {Record<string, Damage>} */
const DAMAGES = {
  'a flipped bit': (random, bytes) => {
    if (bytes.length > 0) flip(random, bytes, 0, bytes.length);
    return bytes;
  },
  'flipped bits': (random, bytes) => {
    for (let n = bytes.length > 0 ? random.int(2, 64) : 0; n > 0; n--) flip(random, bytes, 0, bytes.length);
    return bytes;
  },
  'flipped bits of the header': (random, bytes) => {
    for (let n = bytes.length > 0 ? random.int(1, 3) : 0; n > 0; n--) flip(random, bytes, 0, Math.min(HEADER, bytes.length));
    return bytes;
  },
  'cut off': (random, bytes) => bytes.subarray(0, random.chance(0.5) ? random.int(0, bytes.length) : Math.floor(random.int(0, bytes.length) / PAGE) * PAGE),
  'longer than it was': (random, bytes) => Buffer.concat([bytes, Buffer.alloc(random.int(1, 2 * PAGE), random.int(0, 255))]),
  'zeroed pages': (random, bytes) => {
    for (const at of random.some(pagesOf(bytes), random.pick([0.02, 0.1, 0.5]))) bytes.fill(0, at, at + PAGE);
    return bytes;
  },
  'swapped pages': (random, bytes) => {
    const pages = pagesOf(bytes);
    for (let n = pages.length > 1 ? random.int(1, 3) : 0; n > 0; n--) {
      const [a, b] = [random.pick(pages), random.pick(pages)];
      const page = Buffer.from(bytes.subarray(a, a + PAGE));
      bytes.copy(bytes, a, b, b + PAGE);
      page.copy(bytes, b);
    }
    return bytes;
  },
  'pages of another store': (random, bytes, { foreign }) => {
    const [pages, others] = [pagesOf(bytes), pagesOf(foreign)];
    for (const [n, at] of pages.entries()) if (n < others.length && random.chance(0.15)) foreign.copy(bytes, at, others[n], others[n] + PAGE);
    return bytes;
  },
  [FOREIGN]: (_random, _bytes, { foreign }) => foreign,
  [OLDER]: (_random, _bytes, { older }) => older,
  'a text': (random) => Buffer.from('Dear diary, today nothing was lost. '.repeat(random.int(1, 2_000))),
  'noise': (random, bytes) => Buffer.from(random.bytes(Math.min(bytes.length, random.int(1, 20_000)))),
  'another application\'s database': (_random, bytes) => {
    if (bytes.length >= HEADER) bytes.writeUInt32BE(0x12345678, 68);
    return bytes;
  },
  'empty': () => Buffer.alloc(0),
};

/** As often as it weighs. */
const TARGETS = { [DATABASE]: 6, [LOG]: 5, 'offline-sessions.copy-1.sqlite3': 2, 'offline-sessions.copy-2.sqlite3': 1, [ID]: 1, [COMMITS]: 1 };

/**
 * Damages one file of a store, or several. Where there is no log, one may come: another's, or an old one of its own.
 * @param {Random} random
 * @param {string} store
 * @param {string} template what the store is made of
 * @param {string} other a template of the same kind, with another id
 * @returns {{ file: string, how: string }[]} what was changed: something
 */
function damage(random, store, template, other) {
  const there = Object.fromEntries(Object.entries(TARGETS).filter(([name]) => name === LOG || fs.existsSync(path.join(store, name))));
  const files = new Set(Array.from({ length: random.pick([1, 1, 1, 1, 1, 2, 2, 3]) }, () => random.weighted(there)));
  /** @type {{ file: string, how: string }[]} */
  const done = [];
  for (const file of FILES.filter((name) => files.has(name))) {
    const place = path.join(store, file);
    const before = read(place);
    const gone = before.length > 0 && random.chance(0.04);
    const may = Object.keys(DAMAGES).filter((name) => mayBe(name, file, before.length > 0, files, done));
    if (!gone && may.length === 0) continue;
    const how = gone ? 'gone' : random.pick(may);
    const older = read(path.join(template, OLDER_LOG));
    if (gone) fs.rmSync(place);
    else fs.writeFileSync(place, DAMAGES[how](random, Buffer.from(before), { foreign: foreign(other, file), older }));
    if (gone || !before.equals(read(place))) done.push({ file, how });
  }
  return done.length > 0 ? done : damage(random, store, template, other);
}

/** A log that has been folded into its database is none; then one of an earlier launch. @param {string} other @param {string} file */
function foreign(other, file) {
  const bytes = read(path.join(other, 'files', file));
  return file === LOG && bytes.length === 0 ? read(path.join(other, OLDER_LOG)) : bytes;
}

/**
 * Whose a folder is can be known as long as most of it agrees: one file may be another's, and what says whose it is is then whole. That a log is
 * of the past can be known from the file's own count of commits, or from the one beside it: one of them is then whole.
 * @param {string} how
 * @param {string} file
 * @param {boolean} exists
 * @param {Set<string>} files all that are to be damaged
 * @param {{ file: string, how: string }[]} done
 */
function mayBe(how, file, exists, files, done) {
  if (how === FOREIGN) return !done.some((other) => other.how === FOREIGN) && (file === ID ? files.size === 1 : !files.has(ID));
  if (how === OLDER) return file === LOG && !(files.has(DATABASE) && files.has(COMMITS));
  return exists;
}

module.exports = { damage };
