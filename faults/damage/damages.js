'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { COMMITS, DATABASE, FILES } = require('./template');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {(random: Random, bytes: Buffer, other: Buffer) => Buffer} Damage `other`: the same file of another store
 */

const PAGE = 4096;
const WAL_HEADER = 32;
const FRAME_HEADER = 24;

/** What is looked at first of all: SQLite's header, a log's. */
const HEADER = 100;

/** @param {Random} random @param {Buffer} bytes @param {number} from @param {number} to */
function flip(random, bytes, from, to) {
  bytes[random.int(from, Math.max(from, to - 1))] ^= 1 << random.int(0, 7);
}

/** Where the pages of a file are: those of a log have headers between them. @param {Buffer} bytes */
function pagesOf(bytes) {
  const isLog = bytes.length > 4 && (bytes.readUInt32BE(0) & ~1) === 0x377f0682;
  const [first, step] = isLog ? [WAL_HEADER + FRAME_HEADER, PAGE + FRAME_HEADER] : [0, PAGE];
  const pages = [];
  for (let at = first; at + PAGE <= bytes.length; at += step) pages.push(at);
  return pages;
}

const FOREIGN = 'another store\'s';
const ID = 'offline-sessions.id';

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
  'pages of another store': (random, bytes, other) => {
    const [pages, others] = [pagesOf(bytes), pagesOf(other)];
    for (const [n, at] of pages.entries()) if (n < others.length && random.chance(0.15)) other.copy(bytes, at, others[n], others[n] + PAGE);
    return bytes;
  },
  [FOREIGN]: (_random, _bytes, other) => other,
  'a text': (random) => Buffer.from('Dear diary, today nothing was lost. '.repeat(random.int(1, 2_000))),
  'noise': (random, bytes) => Buffer.from(random.bytes(Math.min(bytes.length, random.int(1, 20_000)))),
  'another application\'s database': (_random, bytes) => {
    if (bytes.length >= HEADER) bytes.writeUInt32BE(0x12345678, 68);
    return bytes;
  },
  'empty': () => Buffer.alloc(0),
};

/** As often as it weighs. */
const TARGETS = { [DATABASE]: 6, [`${DATABASE}-wal`]: 5, 'offline-sessions.copy-1.sqlite3': 2, 'offline-sessions.copy-2.sqlite3': 1, [ID]: 1, [COMMITS]: 1 };

/**
 * Damages one file of a store, or several.
 * @param {Random} random
 * @param {string} store
 * @param {string} other a store of the same kind, with another id
 * @returns {{ file: string, how: string }[]} what was changed
 */
function damage(random, store, other) {
  const there = Object.fromEntries(Object.entries(TARGETS).filter(([name]) => fs.existsSync(path.join(store, name))));
  const files = new Set(Array.from({ length: random.pick([1, 1, 1, 1, 1, 2, 2, 3]) }, () => random.weighted(there)));
  /** @type {{ file: string, how: string }[]} */
  const done = [];
  for (const file of FILES.filter((name) => files.has(name))) {
    const place = path.join(store, file);
    const before = fs.readFileSync(place);
    const gone = random.chance(0.04);
    const how = gone ? 'gone' : random.pick(Object.keys(DAMAGES).filter((name) => name !== FOREIGN || mayBeForeign(file, files, done)));
    if (gone) fs.rmSync(place);
    else fs.writeFileSync(place, DAMAGES[how](random, Buffer.from(before), read(path.join(other, file))));
    if (gone || !before.equals(fs.readFileSync(place))) done.push({ file, how });
  }
  return done;
}

/**
 * Whose a folder is can be known as long as most of it agrees: one file may be another's, and what says whose it is is then whole.
 * @param {string} file
 * @param {Set<string>} files all that are to be damaged
 * @param {{ file: string, how: string }[]} done
 */
const mayBeForeign = (file, files, done) => !done.some(({ how }) => how === FOREIGN) && (file === ID ? files.size === 1 : !files.has(ID));

/** @param {string} file */
const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0));

module.exports = { damage };
