'use strict';

const { types } = require('node:util');

/**
 * Every code an `OfflineSessionsError` can carry, with its meaning. Codes are stable, messages are not.
 */
const ERROR_CODES = Object.freeze({
  ERR_INVALID_ARGUMENT: 'An argument is missing, of the wrong type or out of range; `field` names it and nothing was written.',
  ERR_IN_USE: 'This directory is open already, in another process or in this one; the message gives the pid. Or Electron has been attached already.',
  ERR_CLOSED: 'The call was made after `close()`, or `close()` ended it.',
  ERR_NOT_FOUND: 'What the call is about is no longer stored.',
  ERR_CATALOGUE_SHRANK: 'The catalogue given to `reconcile` is empty or lacks many contents at once; additions were stored, nothing was removed.',
  ERR_ABORTED: 'The caller\'s `signal` was aborted before the work was done.',
  ERR_CALLBACK: 'A function or a driver that the caller gave, such as `onProgress`, threw, or its window did; the cause is what it threw. The work goes on.',
  ERR_STORAGE: 'The database could not be read or written; the message says why.',
  ERR_DISK_FULL: 'There is no space left for the database; nothing of this call was written.',
  ERR_READ_ONLY: 'The directory or the database file cannot be written.',
  ERR_NEWER_DATABASE: 'The database was written by a newer version of this package and is left as it is: verdicts are read, nothing can be written.',
  ERR_CORRUPT_DATABASE: 'The database is damaged. It is set aside and restored, `recovered` says with what; a call that still fails with this may be made again.',
  ERR_SHAKA_LAYOUT: 'Shaka Player\'s database is not of the layout that is known (version 5); nothing of it was touched.',
  ERR_DRIVER_GONE: 'The window that ran the work was closed or reloaded before it answered.',
  ERR_NO_ANSWER: 'A driver, its window or the CDM did not answer in time; what it was to do is tried again later.',
  ERR_NO_DRIVER: 'Sessions are stored in a lane that no driver serves: nothing of it is checked or licensed.',
  ERR_WORKER_PAGE: 'The local page that checks and licenses in a lane could not be used: it did not load, is of another origin, or our preload did not run in it.',
  ERR_NOT_ALLOWED: 'A page asked over IPC that may not: its origin is not on the list, or it is a subframe or gone already.',
  ERR_TOO_MANY_CALLS: 'A page has too many calls or holds outstanding; it may ask again when some of them have ended.',
  ERR_NATIVE_MISSING: 'The native addon for this platform is not there or could not be loaded.',
  ERR_INTERNAL: 'Something this package did not foresee; please report it with its cause.',
});

/** @typedef {keyof typeof ERROR_CODES} ErrorCode */

/** What every rejection of this package is. Tell them apart by `code`, never by the message. */
class OfflineSessionsError extends Error {
  /**
   * @param {ErrorCode} code
   * @param {string} message
   * @param {{ field?: string, cause?: unknown, recovered?: object }} [options] `field`: the path of the argument that was refused;
   *   `recovered`: what was regained of a damaged database
   */
  constructor(code, message, { field, cause, recovered } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'OfflineSessionsError';
    /** @type {ErrorCode} */
    this.code = code;
    /** @type {string | undefined} */
    this.field = field;
    /** @type {import('./types').Recovered | undefined} */
    this.recovered = /** @type {any} */ (recovered);
  }
}

/** An error as the app may tell it by its code: one that has none was thrown by what the app gave. @param {any} cause */
function coded(cause) {
  if (types.isNativeError(cause) && cause instanceof OfflineSessionsError) return cause;
  const message = textOf(cause);
  return new OfflineSessionsError(isGone(cause) ? 'ERR_DRIVER_GONE' : 'ERR_CALLBACK', message, { cause });
}

/** A driver of the app's own says that its window went by this code. @param {any} cause */
function isGone(cause) {
  try {
    return cause?.code === 'ERR_DRIVER_GONE';
  } catch {
    return false;
  }
}

/** Anything may be thrown, also what cannot be written. @param {any} cause @returns {string} */
function textOf(cause) {
  try {
    return String(cause?.message ?? cause);
  } catch {
    return 'something was thrown that nobody can read';
  }
}

module.exports = { OfflineSessionsError, ERROR_CODES, coded };
