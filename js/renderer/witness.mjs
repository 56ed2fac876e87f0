const DATABASE = 'electron-offline-sessions';
const STORE = 'witness';

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function result(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

/**
 * @template T
 * @param {(database: IDBDatabase) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withDatabase(work) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.addEventListener('upgradeneeded', () => opening.result.createObjectStore(STORE));
  const database = await result(opening);
  try {
    return await work(database);
  } finally {
    database.close();
  }
}

/**
 * Rejects when the storage cannot be read: that is no proof of a wipe.
 * @param {string} keySystem
 * @returns {Promise<string | null>} null when there is none
 */
export function readWitness(keySystem) {
  return withDatabase(async (database) => {
    const value = await result(database.transaction(STORE).objectStore(STORE).get(keySystem));
    return typeof value === 'string' ? value : null;
  });
}

/**
 * Resolves when the value is on disk.
 * @param {string} keySystem
 * @param {string} value
 */
export function writeWitness(keySystem, value) {
  return withDatabase((database) => new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, 'readwrite', { durability: 'strict' });
    transaction.addEventListener('complete', () => resolve(undefined));
    transaction.addEventListener('abort', () => reject(transaction.error));
    transaction.objectStore(STORE).put(value, keySystem);
  }));
}
