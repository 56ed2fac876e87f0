/**
 * The player's own storage in IndexedDB: its catalogue of titles, and their segments.
 *
 * @typedef {object} Title
 * @property {string} contentId
 * @property {string} licenseUrl
 * @property {{ contentType: string, segments: number }[]} tracks
 * @property {{ audio: MediaKeySystemMediaCapability[], video: MediaKeySystemMediaCapability[] }} capabilities
 * @property {TitleSession[]} sessions
 *
 * @typedef {object} TitleSession
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {string} initData base64
 * @property {string[]} keyIds hexadecimal
 */

/** @type {Promise<IDBDatabase> | undefined} */
let opening;

function database() {
  return opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('player', 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('titles', { keyPath: 'contentId' });
      request.result.createObjectStore('segments');
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Runs `work` in one transaction and resolves with what it returned (a request: its result) once it is on disk.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(stores: { titles: IDBObjectStore, segments: IDBObjectStore }) => T | IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function transaction(mode, work) {
  const transaction = (await database()).transaction(['titles', 'segments'], mode, { durability: 'strict' });
  return new Promise((resolve, reject) => {
    const result = work({ titles: transaction.objectStore('titles'), segments: transaction.objectStore('segments') });
    transaction.oncomplete = () => resolve(result instanceof IDBRequest ? result.result : result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** @returns {Promise<Title[]>} */
export const catalogue = () => transaction('readonly', ({ titles }) => titles.getAll());

/** @param {string} contentId @returns {Promise<Title | undefined>} */
export const title = (contentId) => transaction('readonly', ({ titles }) => titles.get(contentId));

/**
 * The title with all its segments, or nothing of it.
 * @param {Title} title
 * @param {ArrayBuffer[][]} segments by track
 */
export function store(title, segments) {
  return transaction('readwrite', (stores) => {
    segments.forEach((ofTrack, track) => ofTrack.forEach((bytes, n) => stores.segments.put(bytes, [title.contentId, track, n])));
    stores.titles.put(title);
  });
}

/**
 * @param {string} contentId
 * @param {number} track
 * @returns {Promise<ArrayBuffer[]>} in the order of the segments
 */
export function segments(contentId, track) {
  return transaction('readonly', (stores) => stores.segments.getAll(IDBKeyRange.bound([contentId, track], [contentId, track, []])));
}

/**
 * Writes a new session id into the catalogue, after comparing the entry with what was judged: by init data as well as by
 * id, since after a wipe a session's new id may be what another one, even of the same title, was called before.
 * @param {{ contentId: string, sessionId: string, previousSessionIds: string[], initData?: string }} session
 * @param {string} newSessionId
 * @returns {Promise<'adopted' | 'catalogue-changed' | 'content-gone'>}
 */
export async function adopt(session, newSessionId) {
  /** @type {'adopted' | 'catalogue-changed' | 'content-gone'} */
  let outcome = 'content-gone';
  await transaction('readwrite', ({ titles }) => {
    const request = titles.get(session.contentId);
    request.onsuccess = () => {
      /** @type {Title | undefined} */
      const entry = request.result;
      if (!entry) return;
      const mine = entry.sessions.filter((one) => !session.initData || one.initData === session.initData);
      const named = (/** @type {string} */ id) => mine.find((one) => one.sessionId === id);
      // The new one may be there already: adopted before a crash, and asked for again.
      const ids = [session.sessionId, newSessionId, ...session.previousSessionIds];
      const old = ids.map(named).find((one) => one);
      outcome = old ? 'adopted' : 'catalogue-changed';
      if (!old) return;
      old.sessionId = newSessionId;
      titles.put(entry);
    };
  });
  return outcome;
}
