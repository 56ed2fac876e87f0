import { forEach, result, transact } from './database.mjs';

/**
 * What re-licensing needs and Shaka does not keep: the init data of each stored content's sessions. Written when it is downloaded
 * (storage-recorder.mjs), or once its segments have been searched. In a database of our own, so that Shaka's stays as Shaka made it.
 *
 * @typedef {object} Recording
 * @property {number} creationTime of Shaka's record: keys of a database that was deleted are used again
 * @property {string} initDataType
 * @property {Uint8Array<ArrayBuffer>[]} initData in the order of the record's `sessionIds`, which adoption keeps; one: for all of them
 * @property {string | null} [licenseUrl] origin and path of what was asked for the first of them, where that was recorded
 */

const DATABASE = 'electron-offline-sessions-shaka';
const STORE = 'recordings';

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function withRecordings(mode, work) {
  /** @type {IDBDatabase} */
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore(STORE));
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
  database.addEventListener('versionchange', () => database.close());
  try {
    return await transact(database, [STORE], mode, (transaction) => work(transaction.objectStore(STORE)));
  } finally {
    database.close();
  }
}

/**
 * @param {Map<number, number>} stored the creation times of all of Shaka's records, by key
 * @returns {Promise<Map<number, Recording>>} theirs; what was recorded of those that are no longer there is forgotten
 */
export async function readRecordings(stored) {
  /** @type {Map<number, Recording>} */
  const recordings = new Map();
  // Keys are handed out in order: a greater one can be of a download that has just ended.
  const newest = [...stored.keys()].reduce((greatest, key) => Math.max(greatest, key), 0);
  return withRecordings('readwrite', async (store) => {
    await forEach(store, (key, recording) => {
      if (stored.get(key) === recording.creationTime) recordings.set(key, recording);
      else if (key <= newest) store.delete(key);
    });
    return recordings;
  });
}

/** @param {number} key of Shaka's record @returns {Promise<Recording | undefined>} */
export function readRecording(key) {
  return withRecordings('readonly', (store) => result(store.get(key)));
}

/**
 * @param {number} key of Shaka's record
 * @param {Recording} found in its segments
 * @returns {Promise<Recording>} what was recorded at its download, meanwhile, else what was found
 */
export function addRecording(key, found) {
  return withRecordings('readwrite', async (store) => {
    const recorded = await result(store.get(key));
    if (recorded?.creationTime === found.creationTime) return recorded;
    store.put(found, key);
    return found;
  });
}

/** @param {number} key of Shaka's record @param {Recording} recording */
export async function writeRecording(key, recording) {
  await withRecordings('readwrite', async (store) => { store.put(recording, key); });
}
