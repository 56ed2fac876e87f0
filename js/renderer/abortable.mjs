/**
 * `promise`, or a rejection with the signal's reason when that comes first.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  });
}

/**
 * Waits for `promise` to settle either way, but no longer than `waitMs`.
 * @param {Promise<unknown>} promise
 * @param {number} waitMs
 * @returns {Promise<boolean>} whether it settled in time
 */
export function settledWithin(promise, waitMs) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), waitMs);
    const onSettled = () => {
      clearTimeout(timer);
      resolve(true);
    };
    promise.then(onSettled, onSettled);
  });
}
