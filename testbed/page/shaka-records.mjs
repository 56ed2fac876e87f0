/**
 * What a test may do to Shaka's database behind everybody's back.
 */

const NAME = 'shaka_offline_db';
const STORES = ['manifest-v5', 'segment-v5', 'session-ids'];

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
const result = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** @param {number} [version] @param {string[]} [stores] @returns {Promise<IDBDatabase>} made when it is not there */
function open(version, stores = STORES) {
  const request = indexedDB.open(NAME, version);
  request.onupgradeneeded = () => stores.forEach((store) => request.result.createObjectStore(store, { autoIncrement: true }));
  return result(request);
}

/** A database as Shaka makes it, or one of another layout. @param {{ version?: number, stores?: string[] }} [layout] */
export async function makeDatabase({ version = 5, stores } = {}) {
  (await open(version, stores)).close();
}

/**
 * Adds records; in them JSON's null stands for an expiration of `Infinity`, as in Shaka.
 * @param {any[]} records each with `segments`: its segments in base64, which become those of its first stream, and the first of which
 *   is its init segment
 * @param {any[]} [sessionIds] entries of Shaka's own list of sessions to remove
 * @returns {Promise<number[]>} the records' keys
 */
export async function addRecords(records, sessionIds = []) {
  const database = await open(5);
  const transaction = database.transaction(STORES, 'readwrite');
  const [manifests, segmentStore, ids] = STORES.map((store) => transaction.objectStore(store));
  const keys = [];
  for (const { segments = [], ...record } of records) {
    const stored = [];
    for (const text of segments) stored.push(await result(segmentStore.add({ data: Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer })));
    const [initSegmentKey, ...dataKeys] = stored;
    if (stored.length > 0) record.streams[0].segments = dataKeys.map((dataKey) => ({ initSegmentKey, dataKey }));
    keys.push(Number(await result(manifests.add(record))));
  }
  for (const entry of sessionIds) ids.add(entry);
  await new Promise((resolve) => { transaction.oncomplete = resolve; });
  database.close();
  return keys;
}

/** A record, and nothing of its licence. @param {string} offlineUri */
export async function deleteRecord(offlineUri) {
  const database = await open(5);
  await result(database.transaction('manifest-v5', 'readwrite').objectStore('manifest-v5').delete(Number(offlineUri.split('/').at(-1))));
  database.close();
}

/** Makes a record one that was stored when persistent licences were supported. @param {string} offlineUri */
export async function hadPersistentLicense(offlineUri) {
  const database = await open(5);
  const key = Number(offlineUri.split('/').at(-1));
  const manifests = database.transaction('manifest-v5', 'readwrite').objectStore('manifest-v5');
  const record = await result(manifests.get(key));
  await result(manifests.put({ ...record, sessionIds: ['7'], drmInfo: { ...record.drmInfo, initData: [], sessionType: 'persistent-license' } }, key));
  database.close();
}

/** All of Shaka's database but its segments; expirations as text, since JSON has no `Infinity`. */
export async function readDatabase() {
  const { name, version } = (await indexedDB.databases()).find((database) => database.name === NAME) ?? {};
  if (!name) return null;
  const database = await open();
  const stores = [...database.objectStoreNames];
  const all = async (/** @type {string} */ store) => (stores.includes(store) ? result(database.transaction(store).objectStore(store).getAll()) : []);
  const records = (await all('manifest-v5')).map((record) => ({ ...record, expiration: String(record?.expiration) }));
  const sessionIds = await all('session-ids');
  database.close();
  return { version, stores, records, sessionIds };
}
