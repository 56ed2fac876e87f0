'use strict';

const path = require('node:path');
const { types } = require('node:util');
const { OfflineSessionsError } = require('./errors');

/**
 * Arguments on their way to the addon, as JSON. What JSON cannot carry is refused here, the rest is checked in the core.
 */

/** @param {string} field @param {string} message @param {unknown} [cause] */
function invalid(field, message, cause) {
  return new OfflineSessionsError('ERR_INVALID_ARGUMENT', `${field}: ${message}`, { field, cause });
}

/** Deeper than any input is; a cycle is deeper than that. */
const MAX_DEPTH = 100;
/** More values than any one session has: 64 KiB of metadata and 1,024 key ids are far fewer. */
const MAX_VALUES = 70_000;
const MAX_SESSIONS = 100_000;

/**
 * Runs what may run the caller's getters and proxies: whatever they throw is the argument's fault.
 * @template T
 * @param {string} field
 * @param {() => T} read
 * @returns {T}
 */
function reading(field, read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof OfflineSessionsError) throw error;
    throw invalid(field, 'cannot be read', error);
  }
}

/**
 * @param {string} field
 * @param {() => unknown} make
 * @returns {string}
 */
function toJson(field, make) {
  const json = reading(field, () => JSON.stringify(plain('', make(), 0, { left: MAX_VALUES })));
  if (json === undefined) throw invalid(field, 'says nothing');
  return json;
}

/**
 * A copy that JSON.stringify writes without leaving out or changing what it cannot write.
 * @param {string} path
 * @param {unknown} given
 * @param {number} depth
 * @param {{ left: number }} budget how many values may still come
 * @returns {unknown}
 */
function plain(path, given, depth, budget) {
  const copy = () => {
    const value = typeof (/** @type {any} */ (given)?.toJSON) === 'function' ? /** @type {any} */ (given).toJSON() : given;
    if (['function', 'symbol', 'bigint'].includes(typeof value)) throw invalid(path, `must not be a ${typeof value}`);
    if (typeof value === 'number' && !Number.isFinite(value)) throw invalid(path, `must not be ${value}`);
    budget.left -= 1;
    if (budget.left < 0) throw invalid(path, 'is one value too many');
    if (typeof value !== 'object' || value === null) return value;
    if (isOpaque(value)) throw invalid(path, 'must be plain data');
    if (depth === MAX_DEPTH) throw invalid(path, 'is nested too deeply');
    if (Array.isArray(value)) {
      if (value.length > budget.left) throw invalid(path, 'has too many items');
      return Array.from(value, (item, at) => plain(`${path}[${at}]`, item, depth + 1, budget));
    }
    const prefix = path === '' ? '' : `${path}.`;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(`${prefix}${name}`, item, depth + 1, budget)]));
  };
  return path === '' ? copy() : reading(path, copy);
}

/** What JSON would write as an object of something else, or as an empty one. @param {object} value */
function isOpaque(value) {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isMap(value) || types.isSet(value) || types.isPromise(value);
}

/**
 * Sessions or catalogue entries, each with a budget of its own.
 * @param {string} field
 * @param {unknown} value one, or several
 * @returns {string}
 */
function sessionsJson(field, value) {
  const list = reading(field, () => (Array.isArray(value) ? value : [value]));
  if (list.length > MAX_SESSIONS) throw invalid(field, `at most ${MAX_SESSIONS} at a time`);
  const written = Array.from({ length: list.length }, (_none, at) => reading(`[${at}]`, () => {
    const json = JSON.stringify(plain(`[${at}]`, sessionInput(`[${at}]`, list[at]), 0, { left: MAX_VALUES }));
    if (json === undefined) throw invalid(`[${at}]`, 'says nothing');
    return json;
  }));
  return `[${written.join(',')}]`;
}

/** @param {string} field @param {unknown} value @returns {Record<string, unknown>} */
function object(field, value) {
  if (typeof value !== 'object' || value === null || reading(field, () => Array.isArray(value))) {
    throw invalid(field, 'must be an object');
  }
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {string} field @param {unknown} value @returns {unknown[]} */
function array(field, value) {
  if (!reading(field, () => Array.isArray(value))) throw invalid(field, 'must be an array');
  return /** @type {unknown[]} */ (value);
}

/**
 * The options of a call, read once. One that is misspelt is refused rather than ignored.
 * @param {unknown} value
 * @param {string[]} names
 * @returns {Record<string, unknown>}
 */
function options(value, names) {
  if (value === undefined) return {};
  const given = reading('options', () => ({ ...object('options', value) }));
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(unknown, 'is no option of this call');
  return given;
}

/** @param {string} field @param {unknown} value @returns {string} */
function string(field, value) {
  if (typeof value !== 'string') throw invalid(field, 'must be a string');
  // A lone surrogate would reach the addon as another string.
  if (!value.isWellFormed()) throw invalid(field, 'must be well-formed Unicode');
  return value;
}

/** An app is started in any working directory. @param {string} field @param {unknown} value @returns {string} */
function absolutePath(field, value) {
  const given = string(field, value);
  if (given !== '' && !path.isAbsolute(given)) throw invalid(field, 'must be an absolute path, such as one of app.getPath()');
  return given;
}

/** @param {string} field @param {unknown} value @returns {boolean | undefined} */
function optionalBoolean(field, value) {
  if (value !== undefined && typeof value !== 'boolean') throw invalid(field, 'must be a boolean');
  return value;
}

/**
 * @param {string} field
 * @param {unknown} value
 * @returns {any} the function, if it is one
 */
function optionalFunction(field, value) {
  if (value !== undefined && value !== null && typeof value !== 'function') throw invalid(field, 'must be a function');
  return value ?? undefined;
}

/** @param {string} field @param {unknown} value @param {number} max @returns {number | undefined} */
function optionalMs(field, value, max) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value >= 0) || value > max) throw invalid(field, `must be milliseconds from 0 to ${max}`);
  return Math.ceil(value);
}

/** @param {string} field @param {unknown} value @returns {AbortSignal | undefined} */
function optionalSignal(field, value) {
  if (value === undefined || value === null) return undefined;
  if (!reading(field, () => value instanceof AbortSignal)) throw invalid(field, 'must be an AbortSignal');
  return /** @type {AbortSignal} */ (value);
}

/** A session whose `initData` is base64, and whose `expiration` is EME's: NaN is never, as Infinity is Shaka's. @param {string} field @param {unknown} value */
function sessionInput(field, value) {
  const copy = withInitData(field, value);
  for (const name of ['expiration', 'lastPlayedAt']) {
    if (types.isDate(copy[name])) throw invalid(`${field}.${name}`, 'must be milliseconds since 1970, as Date.getTime() gives');
  }
  const never = Number.isNaN(copy.expiration) || copy.expiration === Infinity;
  return never ? { ...copy, expiration: null } : copy;
}

/** An object whose `initData`, where it has any, is base64. @param {string} field @param {unknown} value */
function withInitData(field, value) {
  const copy = reading(field, () => ({ ...object(field, value) }));
  const { initData } = copy;
  if (initData === undefined || initData === null) return copy;
  if (initData instanceof ArrayBuffer) return { ...copy, initData: Buffer.from(initData).toString('base64') };
  if (!ArrayBuffer.isView(initData)) throw invalid(`${field === '' ? '' : `${field}.`}initData`, 'must be a Uint8Array');
  return { ...copy, initData: Buffer.from(initData.buffer, initData.byteOffset, initData.byteLength).toString('base64') };
}

/** The other way: `initData` as bytes. @param {any} session */
function withBytes(session) {
  return { ...session, initData: session.initData === null || session.initData === undefined ? null : new Uint8Array(Buffer.from(session.initData, 'base64')) };
}

module.exports = {
  invalid, reading, toJson, sessionsJson, object, array, options, string, absolutePath, optionalBoolean, optionalFunction, optionalMs, optionalSignal,
  sessionInput, withInitData, withBytes,
};
