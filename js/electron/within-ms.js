'use strict';

/**
 * @template T
 * @param {number} timeoutMs
 * @param {Promise<T>} work
 * @returns {Promise<T | undefined>} undefined: it takes longer
 */
async function withinMs(timeoutMs, work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const timeout = new Promise((/** @type {(value: undefined) => void} */ resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { withinMs };
