/**
 * A title that is open in a player holds a shared lock, in whichever window of the origin the player is, and whatever becomes of it.
 * @param {string} uri as `player.load()` was given it
 */
const lockName = (uri) => `electron-offline-sessions:open:${uri}`;

/**
 * @param {string} uri
 * @returns {() => void} the title is no longer open
 */
export function holdOpen(uri) {
  /** @type {(value?: undefined) => void} */
  let close = () => {};
  const closed = new Promise((resolve) => { close = resolve; });
  navigator.locks.request(lockName(uri), { mode: 'shared' }, () => closed).catch(() => {});
  return close;
}

/**
 * Runs `work` while the title cannot be opened.
 * @template T
 * @param {string} uri
 * @param {() => Promise<T>} work
 * @returns {Promise<T | 'open-in-player'>}
 */
export async function unlessOpen(uri, work) {
  return await navigator.locks.request(lockName(uri), { ifAvailable: true }, (lock) => (lock ? work() : 'open-in-player'));
}
