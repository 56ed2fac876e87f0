'use strict';

const { input } = require('./store.js');
const { NO_STRINGS, BAD_STRINGS, NO_IDS, NO_NUMBERS, revokedProxy, cyclic, throwing, without } = require('./bad-values.js');

/** Sessions that `put` refuses: by field, by what is wrong with it. */

const KEY_ID = '0123456789abcdef0123456789abcdef';
const ITEMS = 100;
const BAD_ITEM = 57;

/** Null is as good as nothing. */
const BAD_OPTIONAL_TEXT = without({ ...NO_STRINGS, ...BAD_STRINGS }, 'null');

const BAD_FIELDS = {
  contentId: NO_IDS,
  sessionId: NO_IDS,
  keySystem: NO_IDS,
  origin: {
    ...NO_IDS,
    'a word': 'bundle',
    'opaque': 'null',
    'with a path': 'https://example.com/app',
    'with a query': 'https://example.com?a',
    'with a user': 'https://me@example.com',
    'without a host': 'data:text/html,x',
  },
  partition: BAD_OPTIONAL_TEXT,
  account: { ...BAD_OPTIONAL_TEXT, 'the empty string': '' },
  licenseUrl: {
    ...BAD_OPTIONAL_TEXT,
    'relative': '/license',
    'of a file': 'file:///license',
    'with a user': 'https://me:secret@example.com/',
    'more than 1 KiB': `https://example.com/${'x'.repeat(1024)}`,
  },
  // Both of these mean never.
  expiration: { ...without(NO_NUMBERS, 'NaN', 'Infinity'), 'beyond all dates': 8.65e15 },
  lastPlayedAt: NO_NUMBERS,
  keyIds: {
    'a string': KEY_ID,
    NaN,
    'a function': () => [],
    '31 digits': [KEY_ID.slice(1)],
    '33 digits': [`${KEY_ID}0`],
    'no hex': ['z'.repeat(32)],
    'with dashes': ['01234567-89ab-cdef-0123-456789abcdef'],
    'numbers': [7],
    'null in it': [null],
    'a hole in it': new Array(1),
    'bytes': [new Uint8Array(16)],
    'too many': new Array(1025).fill(KEY_ID),
  },
  capabilities: {
    'a string': 'video/mp4',
    NaN,
    'an unknown kind': { text: [] },
    'no list': { video: {} },
    'no content type': { video: [{}] },
    'an empty content type': { video: [{ contentType: '' }] },
    'a robustness of 1 KiB and 1 byte': { audio: [{ contentType: 'audio/mp4', robustness: 'x'.repeat(1025) }] },
  },
  rules: {
    'a number': 7,
    NaN,
    'a list': [],
    'an unknown rule': { renew: 1 },
    'a negative one': { licenseDurationMs: -1 },
    'one in a string': { renewAheadMs: '5' },
    'one that is NaN': { rentalDurationMs: NaN },
  },
  canary: { 'a string': 'yes', 'a number': 1, 'a function': () => true },
  metadata: {
    '64 KiB and 1 byte': 'x'.repeat(65_535),
    'a cycle': cyclic(),
    'a BigInt in it': { at: 7n },
    'a throwing getter': throwing('x'),
    'a lone surrogate': ['\ud800'],
    'a function': () => 7,
    'a symbol': Symbol('symbol'),
    'a revoked proxy': revokedProxy(),
  },
  proven: {
    'true': true,
    NaN,
    'without statuses': {},
    'a list of statuses': { keyStatuses: [] },
    'an unknown status': { keyStatuses: { [KEY_ID]: 'fine' } },
    'a bad key id': { keyStatuses: { '01': 'usable' } },
    'a polluting key id': { keyStatuses: JSON.parse('{"__proto__":"usable"}') },
    'an unknown field': { keyStatuses: {}, at: 1 },
  },
  sesionId: { 'an unknown field': 'x' },
  constructor: { 'a polluting field': { prototype: { polluted: true } } },
};

const BAD_INIT_DATA = {
  'a string': 'AAAA',
  'a list of bytes': [0, 1],
  'like a list': { 0: 1, length: 1 },
  'a number': 7,
  NaN,
  'a function': () => new Uint8Array(1),
  'no bytes': new Uint8Array(0),
  '64 KiB and 1 byte': new Uint8Array(65_537),
};

/** @param {object} bad */
const manyWith = (bad) => Array.from({ length: ITEMS }, (_, n) => (n === BAD_ITEM ? bad : input(`many ${n}`)));

/** @param {string} name @param {Record<string, unknown>} values @param {object} [more] */
const ofField = (name, values, more) => Object.entries(values).map(([what, value]) => ({
  what: `${name}: ${what}`,
  sessions: input('bad', { ...more, [name]: value }),
  // Where JSON cannot be written, nobody knows the place any more.
  field: new RegExp(`^(\\[0\\]\\.${name}|sessions$)`),
}));

/** @type {{ what: string, sessions: any, field: RegExp }[]} */
const BAD_SESSIONS = [
  ...Object.entries(BAD_FIELDS).flatMap(([name, values]) => ofField(name, values)),
  ...ofField('initData', BAD_INIT_DATA, { initDataType: 'cenc' }),
  { what: 'init data without its type', sessions: input('bad', { initData: new Uint8Array(1) }), field: /^\[0\]\.initDataType$/ },
  { what: 'a polluting prototype', sessions: { ...input('bad'), ...own('__proto__', { polluted: true }) }, field: /^\[0\]\.__proto__$/ },
  { what: 'a getter that throws', sessions: throwing('metadata', input('bad')), field: /./ },
  { what: 'a proxy that throws', sessions: new Proxy(input('bad'), { ownKeys: () => { throw new Error('of the caller'); } }), field: /./ },
  { what: 'a revoked proxy', sessions: revokedProxy(), field: /./ },
  { what: 'null', sessions: null, field: /./ },
  { what: 'nothing at all', sessions: undefined, field: /./ },
  { what: 'a number', sessions: 7, field: /./ },
  { what: 'a string', sessions: 'session', field: /./ },
  { what: 'a list with a hole', sessions: new Array(1), field: /^\[0\]$/ },
  { what: 'a list of lists', sessions: [[input('bad')]], field: /^\[0\]$/ },
  { what: 'of 100 one without a content id', sessions: manyWith(input('')), field: /^\[57\]\.contentId$/ },
  { what: 'of 100 one with a bad key id', sessions: manyWith(input('bad', { keyIds: [KEY_ID, '1'] })), field: /^\[57\]\.keyIds\[1\]$/ },
  { what: 'of 100 one with init data in a string', sessions: manyWith(input('bad', { initData: 'AA' })), field: /^\[57\]\.initData$/ },
  { what: 'of 100 one with a BigInt', sessions: manyWith(input('bad', { metadata: 7n })), field: /./ },
  { what: 'of 100 one with a throwing getter', sessions: manyWith(throwing('account', input('bad'))), field: /./ },
  { what: 'of 100 one that is null', sessions: manyWith(/** @type {any} */ (null)), field: /^\[57\]$/ },
];

/** An own property, also of a name that an object literal would take for the prototype. @param {string} name @param {unknown} value */
function own(name, value) {
  return Object.defineProperty({}, name, { value, enumerable: true });
}

module.exports = { BAD_SESSIONS };
