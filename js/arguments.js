'use strict';

const { OfflineSessionsError } = require('./errors');

/**
 * Arguments on their way to the addon, as JSON. What JSON cannot carry is refused here, the rest is checked in the core.
 */

/** @param {string} field @param {string} message @param {unknown} [cause] */
function invalid(field, message, cause) {
  return new OfflineSessionsError('ERR_INVALID_ARGUMENT', `${field}: ${message}`, { field, cause });
}

/**
 * @param {string} field
 * @param {() => unknown} make may run the caller's getters, so whatever it throws is the argument's fault
 * @returns {string}
 */
function toJson(field, make) {
  try {
    const text = JSON.stringify(make());
    if (text !== undefined) return text;
  } catch (error) {
    if (error instanceof OfflineSessionsError) throw error;
    throw invalid(field, 'cannot be written as JSON', error);
  }
  throw invalid(field, 'must be given');
}

/** @param {string} field @param {unknown} value @returns {Record<string, unknown>} */
function object(field, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'must be an object');
  return /** @type {Record<string, unknown>} */ (value);
}

/** @param {string} field @param {unknown} value @returns {string} */
function string(field, value) {
  if (typeof value !== 'string') throw invalid(field, 'must be a string');
  return value;
}

/**
 * @template {Function} F
 * @param {string} field
 * @param {F | undefined | null} value
 * @returns {F | undefined}
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
  if (!(value instanceof AbortSignal)) throw invalid(field, 'must be an AbortSignal');
  return value;
}

/** An object whose `initData`, where it has any, is base64. @param {string} field @param {unknown} value */
function withInitData(field, value) {
  const copy = { ...object(field, value) };
  const { initData } = copy;
  if (initData === undefined || initData === null) return copy;
  if (initData instanceof ArrayBuffer) return { ...copy, initData: Buffer.from(initData).toString('base64') };
  if (!ArrayBuffer.isView(initData)) throw invalid(`${field === '' ? '' : `${field}.`}initData`, 'must be a Uint8Array');
  return { ...copy, initData: Buffer.from(initData.buffer, initData.byteOffset, initData.byteLength).toString('base64') };
}

/** The other way: `initData` as bytes. @param {any} session */
function withBytes(session) {
  return { ...session, initData: session.initData === null ? null : new Uint8Array(Buffer.from(session.initData, 'base64')) };
}

module.exports = { invalid, toJson, object, string, optionalFunction, optionalMs, optionalSignal, withInitData, withBytes };
