import { ShakaLayoutError } from './errors.mjs';

/** Shaka's own IndexedDB, as its `lib/offline/indexeddb/storage_mechanism.js` makes it. */
const DATABASE = 'shaka_offline_db';
const VERSION = 5;
export const MANIFESTS = 'manifest-v5';
export const SEGMENTS = 'segment-v5';
/** Ids whose removal failed when their title was removed: Shaka's `removeEmeSessions()` tries them again. */
export const SESSION_IDS = 'session-ids';
/** Of older cells, which a database of version 5 may still have: they are left alone, and so is what they name. */
export const OLD_MANIFESTS = ['manifest', 'manifest-v2', 'manifest-v3'];

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
export function result(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

/**
 * One after another, so that no more than one is in memory.
 * @param {IDBObjectStore} store
 * @param {(key: number, value: any) => void} visit
 * @returns {Promise<void>}
 */
export function forEach(store, visit) {
  return new Promise((resolve, reject) => {
    const request = store.openCursor();
    request.addEventListener('error', () => reject(request.error));
    request.addEventListener('success', () => {
      const cursor = request.result;
      if (!cursor) return resolve();
      try {
        visit(/** @type {number} */ (cursor.key), cursor.value);
        cursor.continue();
      } catch (error) {
        reject(error);
      }
    });
  });
}

/**
 * Runs `work` in one transaction. When it rejects nothing is written.
 * @template T
 * @param {IDBDatabase} database
 * @param {string[]} stores
 * @param {IDBTransactionMode} mode
 * @param {(transaction: IDBTransaction) => Promise<T>} work awaits nothing but requests of this transaction
 * @returns {Promise<T>} resolves when what was written is on disk
 */
export async function transact(database, stores, mode, work) {
  const transaction = database.transaction(stores, mode, { durability: 'strict' });
  const complete = new Promise((resolve, reject) => {
    transaction.addEventListener('complete', resolve);
    transaction.addEventListener('abort', () => reject(transaction.error ?? new DOMException('the transaction was aborted', 'AbortError')));
  });
  try {
    const value = await work(transaction);
    await complete;
    return value;
  } catch (error) {
    complete.catch(() => {});
    // Completed or aborted already, it says so by throwing.
    try { transaction.abort(); } catch { /* nothing is left to be undone */ }
    throw error;
  }
}

/**
 * Runs `work` in one transaction of Shaka's database. A connection of ours never keeps Shaka, or whoever else, from deleting or
 * upgrading it.
 * @template T
 * @param {string[]} stores those of older cells only where they are
 * @param {IDBTransactionMode} mode
 * @param {(transaction: IDBTransaction) => Promise<T>} work
 * @returns {Promise<T | null>} null: there is no such database, and there is none now; rejects with ERR_SHAKA_LAYOUT
 */
export async function withShakaDatabase(stores, mode, work) {
  const database = await open();
  if (!database) return null;
  database.addEventListener('versionchange', () => database.close());
  try {
    const missing = [MANIFESTS, SEGMENTS, SESSION_IDS].filter((name) => !database.objectStoreNames.contains(name));
    if (database.version !== VERSION) throw new ShakaLayoutError(`${DATABASE} has version ${database.version}, not ${VERSION}`);
    if (missing.length > 0) throw new ShakaLayoutError(`${DATABASE} has no ${missing.join(', ')}`);
    return await transact(database, stores.filter((name) => database.objectStoreNames.contains(name)), mode, work);
  } finally {
    database.close();
  }
}

/** Shaka's database as it is: one that is not there is not made. @returns {Promise<IDBDatabase | null>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE);
    let absent = false;
    request.addEventListener('upgradeneeded', () => {
      absent = true;
      request.transaction?.abort();
    });
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', (event) => {
      event.preventDefault();
      if (absent) resolve(null);
      else reject(request.error);
    });
  });
}
