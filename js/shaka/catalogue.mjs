import { MANIFESTS, SEGMENTS, SESSION_IDS, forEach, result, withShakaDatabase } from './database.mjs';
import { boxesFor, concatenated, psshBoxes } from './pssh.mjs';
import { checked, entriesOf, factsOf, offlineUri } from './records.mjs';
import { readRecordings, writeRecording } from './recordings.mjs';

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
 * @returns {Promise<CatalogueEntry[]>}
 */
export async function readCatalogue(keySystem, contentIdOf) {
  /** @type {Map<number, number>} */
  const creationTimes = new Map();
  /** Not the records: of a film each lists thousands of segments. @type {Stored[]} */
  const contents = [];
  await forEachRecord((key, record) => {
    creationTimes.set(key, record.creationTime);
    if (record.drmInfo?.keySystem !== keySystem) return;
    const facts = factsOf(key, record);
    if (facts.sessionIds.length > 0) contents.push({ contentId: contentIdOf({ ...record, offlineUri: offlineUri(key) }), key, facts });
  });
  const recordings = await readRecordings(creationTimes);
  const entries = [];
  for (const { contentId, key, facts } of contents) {
    if (facts.isIncomplete) entries.push({ contentId, sessionIds: facts.sessionIds, incomplete: true });
    else entries.push(...entriesOf(contentId, facts, recordings.get(key) ?? await searched(key, keySystem)));
  }
  return entries;
}

/**
 * The segments of a content that was not recorded, searched once. Init segments first: only where they hold none are keys that rotate
 * looked for in all the others.
 * @param {number} key
 * @param {string} keySystem
 * @returns {Promise<Recording>}
 */
async function searched(key, keySystem) {
  const { streams = [], creationTime = 0 } = await readRecord(key) ?? {};
  const segments = streams.filter(({ type }) => type === 'audio' || type === 'video').flatMap((stream) => stream.segments);
  const initKeys = segments.map(({ initSegmentKey }) => initSegmentKey).filter((segment) => typeof segment === 'number');
  let initData = await boxesIn([...new Set(initKeys)], keySystem);
  if (initData.length === 0) initData = await boxesIn(segments.map(({ dataKey }) => dataKey), keySystem);
  const recording = { creationTime, initDataType: 'cenc', initData: initData.length > 0 ? [concatenated(initData)] : [] };
  await writeRecording(key, recording);
  return recording;
}

/** @param {number[]} keys of segments @param {string} keySystem */
async function boxesIn(keys, keySystem) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  let boxes = [];
  for (let at = 0; at < keys.length; at += SEGMENTS_AT_A_TIME) {
    await withShakaDatabase([SEGMENTS], 'readonly', async (transaction) => {
      for (const key of keys.slice(at, at + SEGMENTS_AT_A_TIME)) {
        const segment = await result(transaction.objectStore(SEGMENTS).get(key));
        if (segment?.data) boxes = boxesFor([...boxes, ...psshBoxes(new Uint8Array(segment.data))], keySystem);
      }
    });
  }
  return boxes;
}

/**
 * Writes a new session's id in place of the old one, after comparing the record with what was judged.
 * @param {number} key
 * @param {{ keySystem: string, sessionId: string, newSessionId: string, expiration: number | null | undefined,
 *   isJudged: (record: ShakaRecord) => boolean }} change expiration undefined: not known, the record's stays
 * @returns {Promise<AdoptOutcome>}
 */
export async function adoptInRecord(key, { keySystem, sessionId, newSessionId, expiration, isJudged }) {
  const outcome = await withShakaDatabase([MANIFESTS, SESSION_IDS], 'readwrite', async (transaction) => {
    const manifests = transaction.objectStore(MANIFESTS);
    const value = await result(manifests.get(key));
    if (value === undefined) return 'content-gone';
    const record = checked(key, value);
    if (record.isIncomplete || record.drmInfo?.keySystem !== keySystem || !isJudged(record)) return 'catalogue-changed';
    const at = record.sessionIds.indexOf(sessionId);
    // Without the old id the new one may be there already: adopted before a crash, and asked for again.
    if (at < 0) return record.sessionIds.includes(newSessionId) ? 'adopted' : 'catalogue-changed';
    record.sessionIds[at] = newSessionId;
    if (expiration !== undefined) record.expiration = expiration ?? Infinity;
    manifests.put(record, key);
    await forget(transaction.objectStore(SESSION_IDS), keySystem, newSessionId);
    return 'adopted';
  });
  return /** @type {AdoptOutcome} */ (outcome ?? 'content-gone');
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
  await withShakaDatabase([MANIFESTS, SESSION_IDS], 'readonly', async (transaction) => {
    await forEach(transaction.objectStore(MANIFESTS), (key, value) => {
      const { drmInfo, sessionIds } = checked(key, value);
      if (drmInfo?.keySystem === keySystem) for (const sessionId of sessionIds) held.add(sessionId);
    });
    await forEach(transaction.objectStore(SESSION_IDS), (_key, entry) => {
      if (entry?.keySystem === keySystem) held.add(entry.sessionId);
    });
  });
  return held;
}
