'use strict';

/** Values that no caller should give, by what is wrong with them. */

/** JSON says nothing of a function or a symbol, and null for NaN: refused they have to be all the same. */
const NO_STRINGS = {
  'null': null,
  'a number': 7,
  NaN,
  'a boolean': true,
  'a BigInt': 7n,
  'a symbol': Symbol('symbol'),
  'a function': () => 'x',
  'a list': ['x'],
  'an object': {},
};

const BAD_STRINGS = {
  '1 KiB and 1 byte': 'x'.repeat(1025),
  '513 letters of two bytes': 'é'.repeat(513),
  'U+0000': 'a\0b',
  'a lone surrogate': 'a\ud800',
};

const NO_IDS = { ...NO_STRINGS, ...BAD_STRINGS, 'nothing at all': undefined, 'the empty string': '' };

const NO_NUMBERS = {
  NaN,
  Infinity,
  'a string': '5',
  'a boolean': true,
  'a BigInt': 7n,
  'a list': [5],
  'a symbol': Symbol('symbol'),
  'a function': () => 5,
};

const NO_OBJECTS = { 'null': null, 'a number': 7, 'a string': 'x', 'a list': [], 'a revoked proxy': revokedProxy() };

const NO_SIGNALS = { 'an object': {}, 'a boolean': true, 'a controller': new AbortController() };

function revokedProxy() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function cyclic() {
  /** @type {any} */
  const value = {};
  value.self = value;
  return value;
}

/** `base` with a getter of that name that throws what is no error of ours. @param {string} name @param {object} [base] */
const throwing = (name, base) => Object.defineProperty({ ...base }, name, {
  enumerable: true,
  get: () => { throw new Error('a getter of the caller'); },
});

/** @param {Record<string, unknown>} values @param {string[]} names */
const without = (values, ...names) => Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));

module.exports = { NO_STRINGS, BAD_STRINGS, NO_IDS, NO_NUMBERS, NO_OBJECTS, NO_SIGNALS, revokedProxy, cyclic, throwing, without };
