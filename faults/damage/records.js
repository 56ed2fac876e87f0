'use strict';

const { createHash } = require('node:crypto');

/**
 * @typedef {null | bigint | number | string | Buffer} Value
 * @typedef {{ rowid: bigint, values: Value[] }} Entry
 * @typedef {{ table: string, values: Value[] }} Row
 */

const LEAF = 13;
const INTERIOR = 5;
/** More than this goes on in other pages (the format's U - 35). No row of a campaign is so long. */
const MAX_PAYLOAD = 4_061;
const INTEGER_SIZES = [0, 1, 2, 3, 4, 6, 8];

/** Tables whose rows are looked for. */
const TABLES = ['session', 'debt', 'pending', 'lane', 'launch', 'meta'];

/**
 * The records on a leaf of a table that can be read; none on another page.
 * @param {Buffer} page
 * @param {number} [at] where its header is: behind that of the file on the first page
 * @returns {Entry[]}
 */
function entriesOf(page, at = 0) {
  if (page[at] !== LEAF) return [];
  const entries = [];
  for (let n = 0; n < page.readUInt16BE(at + 3); n++) {
    const pointer = at + 8 + 2 * n;
    if (pointer + 2 > page.length) break;
    const entry = readable(() => readEntry(page, page.readUInt16BE(pointer)));
    if (entry) entries.push(entry);
  }
  return entries;
}

/** @template T @param {() => T} read @returns {T | null} null: it is damaged, and says that it ends behind the page */
function readable(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** @param {Buffer} page @param {number} at @returns {Entry | null} */
function readEntry(page, at) {
  const next = () => {
    const { value, end } = varint(page, at);
    at = end;
    return value;
  };
  if (next() > MAX_PAYLOAD) return null;
  const rowid = next();
  const start = at;
  const header = Number(next());
  const types = [];
  while (at < start + header) types.push(Number(next()));
  const values = types.map((type) => {
    const { value, size } = valueOf(page, at, type);
    at += size;
    return value;
  });
  return { rowid, values };
}

/** @param {Buffer} page @param {number} at */
function varint(page, at) {
  let value = 0n;
  for (let n = 0; n < 9; n++) {
    const byte = page.readUInt8(at++);
    if (n === 8) return { value: BigInt.asIntN(64, (value << 8n) | BigInt(byte)), end: at };
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (byte < 0x80) break;
  }
  return { value, end: at };
}

/** @param {Buffer} page @param {number} at @param {number} type @returns {{ value: Value, size: number }} */
function valueOf(page, at, type) {
  if (type < 0 || type === 10 || type === 11) throw new RangeError('no value is of this type');
  if (type === 0) return { value: null, size: 0 };
  if (type === 8 || type === 9) return { value: BigInt(type - 8), size: 0 };
  if (type === 7) return { value: page.readDoubleBE(at), size: 8 };
  if (type === 6) return { value: page.readBigInt64BE(at), size: 8 };
  if (type < 6) return { value: BigInt(page.readIntBE(at, INTEGER_SIZES[type])), size: INTEGER_SIZES[type] };
  const size = (type - (type % 2 ? 13 : 12)) / 2;
  if (at + size > page.length) throw new RangeError('it ends behind the page');
  const bytes = page.subarray(at, at + size);
  return { value: type % 2 ? bytes.toString() : bytes, size };
}

/** The checksum of a row as `src/store/sums.rs` has it. @param {Buffer} id @param {Value[]} values */
function sumOf(id, values) {
  const parts = values.flatMap((value) => {
    const [tag, bytes] = bytesOf(value);
    const head = Buffer.alloc(9);
    head[0] = tag;
    head.writeUInt32LE(bytes.length, 1);
    return [head, bytes];
  });
  return createHash('sha256').update(Buffer.concat([id, ...parts])).digest().readBigInt64LE();
}

/** @param {Value} value @returns {[number, Buffer]} */
function bytesOf(value) {
  if (value === null) return [0, Buffer.alloc(0)];
  if (typeof value === 'string') return [3, Buffer.from(value)];
  if (typeof value === 'object') return [4, value];
  const number = Buffer.alloc(8);
  if (typeof value === 'bigint') number.writeBigInt64LE(value);
  else number.writeDoubleLE(value);
  return [typeof value === 'bigint' ? 1 : 2, number];
}

/**
 * The rows of a store that are intact, wherever they stand on these pages.
 * @param {Iterable<Buffer>} pages
 * @param {string} id in hex
 */
function intactRows(pages, id) {
  const key = Buffer.from(id, 'hex');
  /** @type {Row[]} */
  const rows = [];
  for (const page of pages) {
    for (const { rowid, values: [first, ...rest] } of entriesOf(page)) {
      const sum = rest.pop();
      // SQLite keeps a key that is a number as the row's number only.
      const values = [first ?? rowid, ...rest];
      const table = TABLES.find((name) => sumOf(key, [name, ...values]) === sum);
      if (table) rows.push({ table, values });
    }
  }
  return rows;
}

/**
 * All definitions of a good database, name and text; but for statistics, which SQLite makes as it needs them.
 * @param {Map<number, Buffer>} pages
 */
function schemaOf(pages) {
  const entries = (/** @type {number} */ number) => {
    const page = /** @type {Buffer} */ (pages.get(number));
    const at = number === 1 ? 100 : 0;
    if (page[at] !== INTERIOR) return entriesOf(page, at);
    const pointers = Array.from({ length: page.readUInt16BE(at + 3) }, (_, n) => page.readUInt16BE(at + 12 + 2 * n));
    const children = [...pointers.map((pointer) => page.readUInt32BE(pointer)), page.readUInt32BE(at + 8)];
    /** @type {Entry[]} */
    const below = children.flatMap(entries);
    return below;
  };
  const definitions = entries(1).map(({ values: [, name, , , sql] }) => `${name} ${sql ?? ''}`);
  return definitions.filter((text) => !text.startsWith('sqlite_stat')).sort();
}

module.exports = { intactRows, schemaOf };
