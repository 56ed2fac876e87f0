'use strict';

/** Values that nobody should give, and good ones with something wrong in them. */

/** @typedef {import('../random').Random} Random */

/** What can cross a port by structured clone. @type {((random: Random) => unknown)[]} */
const PLAIN = [
  () => undefined, () => null, () => true, () => false, () => 0, () => -0, () => -1, () => 0.5, () => NaN, () => Infinity, () => -Infinity,
  () => 2 ** 53, () => 1e308,
  () => 7n, () => '', () => 'x', () => '\0', () => 'a\ud800b', () => '__proto__', () => 'x'.repeat(1_025), () => '😀'.repeat(300),
  () => 'null', () => '{}',
  (random) => 'y'.repeat(random.int(0, 70_000)),
  (random) => String.fromCharCode(...Array.from({ length: random.int(0, 20) }, () => random.int(0, 0xffff))),
  (random) => random.int(-(2 ** 31), 2 ** 31), (random) => random.next() * 10 ** random.int(-300, 300),
  (random) => Date.now() + random.int(-1e12, 1e12),
  (random) => Buffer.from(random.bytes(16)).toString('hex'), (random) => Buffer.from(random.bytes(random.int(0, 60))).toString('base64'),
  () => [], () => [[]], () => [null], () => Array(3), () => Array(100_001), () => ({}), () => ({ length: 3 }), () => ({ kind: 'loaded' }),
  () => nested(150), () => nested(5_000), () => cyclic(),
  () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'),
  (random) => random.bytes(random.int(0, 100)), (random) => new Uint8Array(random.pick([65_536, 65_537])), () => new ArrayBuffer(8),
  () => new Float64Array(2),
  () => new DataView(new ArrayBuffer(4)), () => new Date(NaN), () => new Date(), () => /x/g, () => new Map([['a', 1]]), () => new Set([1]),
  () => new Error('an error'),
  () => new String('boxed'), () => new Number(7), () => new Boolean(true),
  (random) => Object.fromEntries(Array.from({ length: random.int(1, 2_000) }, (_, n) => [`key ${n}`, n])),
];

/** What only a caller in the same process can give. @type {((random: Random) => unknown)[]} */
const LIVE = [
  () => Symbol('symbol'), () => () => 'x', () => async () => { throw new Error('the caller\'s'); }, () => class {},
  () => Object.create(null), () => new WeakMap(),
  () => Promise.resolve(1), () => new Proxy({}, {}), () => revoked(), () => hostileProxy(), () => detached(),
  () => new SharedArrayBuffer(8), () => AbortSignal.abort(),
  () => new AbortController(), () => ({ toJSON() { throw new Error('no JSON'); } }), () => ({ toJSON: () => undefined }),
  () => ({ toString() { throw new Error('no string'); } }),
  () => ({ [Symbol.toPrimitive]() { throw new Error('no primitive'); } }), () => ({ then() { throw new Error('no promise'); } }),
  () => Object.freeze({ a: 1 }),
  () => Object.defineProperty({}, 'contentId', { enumerable: true, get() { throw new Error('a getter'); } }), () => fickle('contentId'),
  () => fickle('length'), () => fickle('initData'),
  () => Object.assign([], { toJSON: () => 'x' }), () => new (class extends Array {})(3), () => new (class Strange { x = 1; })(),
  () => Buffer.from('x'),
];

/** @param {Random} random @param {boolean} live whether what cannot be cloned may come too */
const anything = (random, live) => random.pick(live && random.chance(0.4) ? LIVE : PLAIN)(random);

/**
 * A copy of a good value with something in it that is not.
 * @param {Random} random
 * @param {any} value
 * @param {boolean} live
 * @returns {any}
 */
function mutated(random, value, live) {
  const isContainer = typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !(value instanceof AbortSignal);
  if (!isContainer || random.chance(0.15)) return random.chance(0.2) ? slightly(random, value) : anything(random, live);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const key = random.pick([...Object.keys(copy), random.pick(['extra', '__proto__', 'constructor', '0', ''])]);
  if (random.chance(0.1)) delete copy[key];
  else if (key === '__proto__') Object.defineProperty(copy, key, { value: anything(random, live), enumerable: true, configurable: true, writable: true });
  else if (live && random.chance(0.05)) Object.defineProperty(copy, key, { enumerable: true, get() { throw new Error('a getter'); } });
  else copy[key] = mutated(random, copy[key], live);
  return copy;
}

/** @param {Random} random @param {unknown} value */
function slightly(random, value) {
  if (typeof value === 'string') {
    return value.slice(0, random.int(0, value.length)) + random.pick(['', 'x', '\0', '\udfff', ' ']) + value.slice(random.int(0, value.length));
  }
  if (typeof value === 'number') return random.pick([value + 1, -value, value / 3, value * 1e6]);
  if (value instanceof Uint8Array) return value.map((byte) => (random.chance(0.05) ? random.int(0, 255) : byte)).subarray(0, random.int(0, value.length));
  return random.pick([null, undefined, [value], String(value)]);
}

/** @param {number} depth */
function nested(depth) {
  /** @type {any} */
  let value = {};
  for (let n = 0; n < depth; n++) value = n % 2 ? [value] : { inside: value };
  return value;
}

function cyclic() {
  /** @type {any} */
  const value = { name: 'cycle' };
  value.self = [value];
  return value;
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const hostileProxy = () => new Proxy({}, {
  get() { throw new Error('a trap'); },
  has() { throw new Error('a trap'); },
  ownKeys() { throw new Error('a trap'); },
  getPrototypeOf() { throw new Error('a trap'); },
  getOwnPropertyDescriptor() { throw new Error('a trap'); },
});

function detached() {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Another value at each look. @param {string} name */
function fickle(name) {
  const values = ['a', 7, null, new Uint8Array(3), undefined, {}];
  let looks = 0;
  return Object.defineProperty({}, name, { enumerable: true, get: () => values[looks++ % values.length] });
}

module.exports = { anything, mutated };
