'use strict';

// SQLite's files as bytes, read without SQLite, because what it says of a damaged one is what is to be judged.
// Format: https://www.sqlite.org/fileformat2.html

const PAGE = 4096;
const WAL_HEADER = 32;
const FRAME_HEADER = 24;

/** @param {Buffer} bytes */
const isLog = (bytes) => bytes.length > 4 && (bytes.readUInt32BE(0) & ~1) === 0x377f0682;

/** Where the pages of a file are: those of a log have headers between them. @param {Buffer} bytes */
function pagesOf(bytes) {
  const [first, step] = isLog(bytes) ? [WAL_HEADER + FRAME_HEADER, PAGE + FRAME_HEADER] : [0, PAGE];
  const pages = [];
  for (let at = first; at + PAGE <= bytes.length; at += step) pages.push(at);
  return pages;
}

/**
 * The frames of a log as far as it is valid: up to the last commit before anything is wrong.
 * @param {Buffer} log
 * @returns {{ number: number, page: Buffer }[]}
 */
function validFrames(log) {
  if (!isLog(log) || log.length < WAL_HEADER) return [];
  const isBigEndian = (log.readUInt32BE(0) & 1) === 1;
  let sum = checksum(log.subarray(0, 24), [0, 0], isBigEndian);
  if (!isSum(log, 24, sum)) return [];
  const frames = [];
  let committed = 0;
  for (const at of pagesOf(log)) {
    const header = at - FRAME_HEADER;
    const page = log.subarray(at, at + PAGE);
    sum = checksum(page, checksum(log.subarray(header, header + 8), sum, isBigEndian), isBigEndian);
    if (!isSum(log, header + 16, sum) || !log.subarray(header + 8, header + 16).equals(log.subarray(16, 24))) break;
    frames.push({ number: log.readUInt32BE(header), page });
    if (log.readUInt32BE(header + 4) > 0) committed = frames.length;
  }
  return frames.slice(0, committed);
}

/** Where the valid part of a log ends. @param {Buffer} log */
const validLength = (log) => {
  const frames = validFrames(log).length;
  return frames > 0 ? WAL_HEADER + frames * (FRAME_HEADER + PAGE) : 0;
};

/** @param {Buffer} log @param {number} at @param {[number, number]} sum */
const isSum = (log, at, [a, b]) => log.readUInt32BE(at) === a && log.readUInt32BE(at + 4) === b;

/** @param {Buffer} bytes @param {[number, number]} sum of what comes before @param {boolean} isBigEndian @returns {[number, number]} */
function checksum(bytes, [a, b], isBigEndian) {
  const word = (/** @type {number} */ at) => (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at));
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + word(at) + b) >>> 0;
    b = (b + word(at + 4) + a) >>> 0;
  }
  return [a, b];
}

/**
 * Every page that stands in a database file or in the valid part of its log, also where a later one takes its place.
 * @param {Buffer} database
 * @param {Buffer} log
 */
const allPages = (database, log) =>
  [...pagesOf(database).map((at) => database.subarray(at, at + PAGE)), ...validFrames(log).map(({ page }) => page)];

/** The pages of a good database, by number from 1. @param {Buffer} database @param {Buffer} log */
function currentPages(database, log) {
  const pages = new Map(pagesOf(database).map((at, n) => [n + 1, database.subarray(at, at + PAGE)]));
  for (const { number, page } of validFrames(log)) pages.set(number, page);
  return pages;
}

module.exports = { PAGE, allPages, currentPages, pagesOf, validLength };
