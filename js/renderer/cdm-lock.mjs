const LOCK_NAME = 'electron-offline-sessions';

/**
 * Runs `fn` while no other window of this origin and partition uses the CDM's persistent licences:
 * two writers at a time lose licences although every `update()` resolves.
 * @template T
 * @param {() => T | Promise<T>} fn
 * @param {{ signal?: AbortSignal }} [options] ends the wait for the lock; once `fn` runs it has no effect
 * @returns {Promise<T>}
 */
export async function withCdmLock(fn, { signal } = {}) {
  return await navigator.locks.request(LOCK_NAME, { mode: 'exclusive', ...(signal && { signal }) }, fn);
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<() => void>} frees the lock
 */
export function holdCdmLock(signal) {
  return new Promise((resolve, reject) => {
    withCdmLock(() => new Promise((free) => resolve(() => free(undefined))), { signal }).catch(reject);
  });
}
