'use strict';

/**
 * Root may write where nobody else may. For the time of `work` this process is not root.
 *
 * @template T
 * @param {() => Promise<T>} work must need no module that is not loaded yet
 * @returns {Promise<T>}
 */
async function asOrdinaryUser(work) {
  const NOBODY = 65_534;
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

module.exports = { asOrdinaryUser };
