'use strict';

const { setMaxListeners } = require('node:events');
const { OfflineSessionsError } = require('./errors');

/** A window that does not list what the player has, or a server that is asked beforehand, keeps nothing else waiting for longer. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * What a function of the app's, or a window, answers in time. It may never answer, and hear no signal.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T> | T} work
 * @param {(AbortSignal | undefined)[]} signals that end the wait, with their reasons
 * @returns {Promise<T>}
 */
async function bounded(work, signals) {
  const given = /** @type {AbortSignal[]} */ (signals.filter(Boolean));
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new OfflineSessionsError('ERR_NO_ANSWER', `no answer in ${ANSWER_TIMEOUT_MS} ms`)), ANSWER_TIMEOUT_MS);
  const ended = AbortSignal.any([...given, timeout.signal]);
  setMaxListeners(0, ended);
  try {
    ended.throwIfAborted();
    return await Promise.race([work(ended), new Promise((/** @type {(value: never) => void} */ _resolve, reject) => {
      ended.addEventListener('abort', () => reject(ended.reason), { once: true });
    })]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { bounded };
