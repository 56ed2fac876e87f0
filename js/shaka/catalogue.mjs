import { toBase64 } from '../renderer/base64.mjs';
import { MANIFESTS, OLD_MANIFESTS, SEGMENTS, SESSION_IDS, forEach, result, withShakaDatabase } from './database.mjs';
import { boxesFor, concatenated, psshBoxes } from './pssh.mjs';
import { checked, entriesOf, factsOf, offlineUri } from './records.mjs';
import { addRecording, readRecording, readRecordings } from './recordings.mjs';

/**
 * Shaka's stored contents, and the one change that is ever made to them.
 *
 * @typedef {import('../session-driver.js').AdoptOutcome} AdoptOutcome
 * @typedef {import('../types.js').CatalogueEntry} CatalogueEntry
 * @typedef {import('./recordings.mjs').Recording} Recording
 * @typedef {import('./records.mjs').ContentIdOf} ContentIdOf
 * @typedef {import('./records.mjs').ShakaRecord} ShakaRecord
 *
 * @typedef {{ contentId: string, key: number, facts: import('./records.mjs').Facts }} Stored
 */

/** In one transaction, which whoever wants to delete the database waits for. */
const SEGMENTS_AT_A_TIME = 50;

/** @param {(key: number, record: ShakaRecord) => void} visit */
export async function forEachRecord(visit) {
  await withShakaDatabase([MANIFESTS], 'readonly', (transaction) => forEach(transaction.objectStore(MANIFESTS), (key, value) => {
    visit(key, checked(key, value));
  }));
}

/** @param {number} key @returns {Promise<ShakaRecord | null>} */
export function readRecord(key) {
  return withShakaDatabase([MANIFESTS], 'readonly', async (transaction) => {
    const value = await result(transaction.objectStore(MANIFESTS).get(key));
    return value === undefined ? null : checked(key, value);
  });
}

/**
 * @param {string} keySystem
 * @param {ContentIdOf} contentIdOf
 * @param {AbortSignal} [signal]
 * @returns {Promise<CatalogueEntry[]>}
 */
export async function readCatalogue(keySystem, contentIdOf, signal) {
  /** @type {Map<number, number>} */
  const creationTimes = new Map();
  /** Not the records: of a film each lists thousands of segments. @type {Stored[]} */
  const contents = [];
  await forEachRecord((key, record) => {
    creationTimes.set(key, record.creationTime ?? 0);
    if (record.drmInfo?.keySystem !== keySystem) return;
    const facts = factsOf(key, record);
    if (facts.sessionIds.length > 0) contents.push({ contentId: contentIdOf({ ...record, offlineUri: offlineUri(key) }), key, facts });
  });
  const recordings = await readRecordings(creationTimes);
  const entries = [];
  for (const { contentId, key, facts } of contents) {
    if (facts.isIncomplete) entries.push({ contentId, sessionIds: facts.sessionIds, incomplete: true });
    else entries.push(...entriesOf(contentId, facts, recordings.get(key) ?? await searched(key, keySystem, signal)));
  }
  return entries;
}

/**
 * The segments of a content that was not recorded, searched once. Init segments first: only where they hold none are keys that rotate
 * looked for in all the others.
 * @param {number} key
 * @param {string} keySystem
 * @param {AbortSignal} [signal]
 * @returns {Promise<Recording>}
 */
async function searched(key, keySystem, signal) {
  const { streams = [], creationTime = 0 } = await readRecord(key) ?? {};
  const segments = streams.filter(({ type }) => type === 'audio' || type === 'video').flatMap((stream) => stream.segments);
  let initData = await boxesIn(segments.map(({ initSegmentKey }) => initSegmentKey), keySystem, signal);
  if (initData.length === 0) initData = await boxesIn(segments.map(({ dataKey }) => dataKey), keySystem, signal);
  return addRecording(key, { creationTime, initDataType: 'cenc', initData: initData.length > 0 ? [concatenated(initData)] : [] });
}

/** @param {unknown[]} named keys of segments, or none @param {string} keySystem @param {AbortSignal} [signal] */
async function boxesIn(named, keySystem, signal) {
  const keys = [...new Set(named)].filter((key) => typeof key === 'number');
  /** Each once: in others every segment has the same. @type {Map<string, Uint8Array<ArrayBuffer>>} */
  const boxes = new Map();
  for (let at = 0; at < keys.length; at += SEGMENTS_AT_A_TIME) {
    signal?.throwIfAborted();
    await withShakaDatabase([SEGMENTS], 'readonly', async (transaction) => {
      for (const key of keys.slice(at, at + SEGMENTS_AT_A_TIME)) {
        const segment = await result(transaction.objectStore(SEGMENTS).get(key));
        for (const box of psshBoxes(new Uint8Array(segment?.data ?? []))) boxes.set(toBase64(box), box);
      }
    });
  }
  return boxesFor(boxes.values(), keySystem);
}

/**
 * @typedef {object} Adoption
 * @property {string} keySystem
 * @property {string[]} names what the record may call the session, the likeliest first
 * @property {string} newSessionId
 * @property {string} initData the session's, base64
 * @property {Map<string, number | null>} expirations of sessions, where they are known; the record's is that of the first to end
 * @property {(record: ShakaRecord) => boolean} isJudged
 * @property {AbortSignal} [signal]
 */

/**
 * Writes a new session's id in place of the old one, after comparing the record with what was judged.
 * @param {number} key
 * @param {Adoption} adoption
 * @returns {Promise<AdoptOutcome>}
 */
export async function adoptInRecord(key, adoption) {
  const { keySystem, newSessionId, expirations, isJudged, signal } = adoption;
  // Without it, it goes by ids alone.
  const recording = await readRecording(key).catch(() => undefined);
  const outcome = await withShakaDatabase([MANIFESTS, SESSION_IDS], 'readwrite', async (transaction) => {
    const manifests = transaction.objectStore(MANIFESTS);
    const value = await result(manifests.get(key));
    if (value === undefined) return 'content-gone';
    const record = checked(key, value);
    if (record.isIncomplete || record.drmInfo?.keySystem !== keySystem || !isJudged(record)) return 'catalogue-changed';
    const at = placeOf(record, recording, adoption);
    if (at === undefined) return 'catalogue-changed';
    record.sessionIds[at] = newSessionId;
    const known = record.sessionIds.filter((sessionId) => expirations.has(sessionId));
    if (known.includes(newSessionId)) record.expiration = Math.min(...known.map((sessionId) => expirations.get(sessionId) ?? Infinity));
    signal?.throwIfAborted();
    manifests.put(record, key);
    await forget(transaction.objectStore(SESSION_IDS), keySystem, newSessionId);
    return 'adopted';
  });
  return /** @type {AdoptOutcome} */ (outcome ?? 'content-gone');
}

/**
 * Where a record has a session. After a wipe one's new id may be what another one of the title was called before: where it is known
 * whose init data is whose, that decides.
 * @param {ShakaRecord} record
 * @param {Recording | undefined} recording
 * @param {Adoption} adoption
 * @returns {number | undefined}
 */
function placeOf({ sessionIds, creationTime }, recording, { names, initData }) {
  const recorded = recording?.creationTime === creationTime && recording.initData.length === sessionIds.length ? recording.initData.map(toBase64) : [];
  const places = [...sessionIds.keys()].filter((at) => !recorded.includes(initData) || recorded[at] === initData);
  return names.map((name) => places.find((at) => sessionIds[at] === name)).find((at) => at !== undefined);
}

/**
 * A new session's id, before its licence is asked for: Shaka may remove what it lists at any time.
 * @param {string} keySystem
 * @param {string} sessionId
 */
export async function forgetRemoval(keySystem, sessionId) {
  await withShakaDatabase([SESSION_IDS], 'readwrite', (transaction) => forget(transaction.objectStore(SESSION_IDS), keySystem, sessionId));
}

/**
 * The CDM has handed an id out again, so the session that Shaka still wanted to remove under it is gone: `removeEmeSessions()`,
 * which looks at ids alone, would remove the new licence.
 * @param {IDBObjectStore} sessionIds
 * @param {string} keySystem
 * @param {string} sessionId
 */
async function forget(sessionIds, keySystem, sessionId) {
  await forEach(sessionIds, (key, entry) => {
    if (entry?.sessionId === sessionId && entry.keySystem === keySystem) sessionIds.delete(key);
  });
}

/**
 * The ids of a key system that Shaka holds: those of contents, incomplete ones too, and those that it is going to remove.
 * @param {string} keySystem
 * @returns {Promise<Set<string>>}
 */
export async function readHeldIds(keySystem) {
  const held = new Set();
  await withShakaDatabase([MANIFESTS, ...OLD_MANIFESTS, SESSION_IDS], 'readonly', async (transaction) => {
    for (const store of [...transaction.objectStoreNames].filter((name) => name !== SESSION_IDS)) {
      await forEach(transaction.objectStore(store), (key, value) => {
        const { drmInfo, sessionIds } = store === MANIFESTS ? checked(key, value) : value;
        if (drmInfo?.keySystem === keySystem) for (const sessionId of sessionIds ?? []) held.add(sessionId);
      });
    }
    await forEach(transaction.objectStore(SESSION_IDS), (_key, entry) => {
      if (entry?.keySystem === keySystem) held.add(entry.sessionId);
    });
  });
  return held;
}
