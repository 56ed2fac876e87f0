import { toBase64 } from '../renderer/base64.mjs';
import { ShakaLayoutError } from './errors.mjs';
import { concatenated } from './pssh.mjs';

/**
 * A content as Shaka has stored it, and as `reconcile()` takes it.
 *
 * @typedef {import('../types.js').CatalogueEntry} CatalogueEntry
 * @typedef {import('./recordings.mjs').Recording} Recording
 *
 * @typedef {object} ShakaRecord the part of Shaka's ManifestDB (`externs/shaka/offline.js`) that is read here
 * @property {number} creationTime
 * @property {string} originalManifestUri
 * @property {number | null} expiration `Infinity`, or null in records that were JSON once: never
 * @property {string[]} sessionIds
 * @property {boolean} [isIncomplete]
 * @property {any} appMetadata
 * @property {any} drmInfo
 * @property {any[]} streams
 *
 * @typedef {(record: ShakaRecord & { offlineUri: string }) => string} ContentIdOf
 * @typedef {ReturnType<typeof factsOf>} Facts
 */

const MAX_INIT_DATA_BYTES = 64 * 1024;
const MAX_URL_LENGTH = 1024;
/** As JSON; of an app's metadata that is larger nothing is kept. */
const MAX_METADATA_LENGTH = 16 * 1024;
const OFFLINE_URI = /^offline:manifest\/idb\/v5\/(\d+)$/;

/** @param {number} key */
export const offlineUri = (key) => `offline:manifest/idb/v5/${key}`;

/** @param {string | null | undefined} uri @returns {number | null} null: not an offline URI of this layout */
export function keyOf(uri) {
  const key = OFFLINE_URI.exec(uri ?? '')?.[1];
  return key === undefined ? null : Number(key);
}

/**
 * Rejects what is of another layout than is known.
 * @param {number} key
 * @param {any} value
 * @returns {ShakaRecord}
 */
export function checked(key, value) {
  const isRecord = Array.isArray(value?.sessionIds) && value.sessionIds.every((/** @type {unknown} */ id) => typeof id === 'string')
    && Array.isArray(value.streams) && value.streams.every((/** @type {any} */ stream) => Array.isArray(stream?.segments))
    && (value.drmInfo == null || typeof value.drmInfo?.keySystem === 'string');
  if (!isRecord) throw new ShakaLayoutError(`${offlineUri(key)} is not as Shaka writes it`);
  return value;
}

/**
 * What a record with a key system says of a content and its licences.
 * @param {number} key
 * @param {ShakaRecord} record
 */
export function factsOf(key, record) {
  const { sessionIds, isIncomplete, expiration, drmInfo, originalManifestUri, appMetadata } = record;
  return {
    // A session that is still being made has none yet.
    sessionIds: sessionIds.filter((sessionId) => sessionId !== ''),
    isIncomplete,
    keyIds: keyIdsOf(record),
    expiration: Number.isFinite(expiration) ? expiration : null,
    licenseUrl: httpUrl(drmInfo.licenseServerUri, true),
    capabilities: { audio: capabilitiesOf(record, 'audio'), video: capabilitiesOf(record, 'video') },
    metadata: { offlineUri: offlineUri(key), originalManifestUri: httpUrl(originalManifestUri, false), appMetadata: plain(appMetadata) },
  };
}

/**
 * One entry; or one for each session, where it is known which init data is whose.
 * @param {string} contentId
 * @param {Facts} facts
 * @param {Recording} recording
 * @returns {CatalogueEntry[]}
 */
export function entriesOf(contentId, { sessionIds, isIncomplete, metadata, ...stated }, { initDataType, initData, licenseUrl }) {
  // An app's request filter may have sent the request elsewhere.
  const facts = licenseUrl && licenseUrl !== httpUrl(stated.licenseUrl, false) ? { ...stated, licenseUrl } : stated;
  /** @param {string[]} ids @param {Uint8Array} bytes @returns {CatalogueEntry} */
  const entry = (ids, bytes) => {
    const notRenewable = whyNotRenewable(bytes);
    const means = notRenewable === null ? { metadata, initDataType, initData: bytes } : { metadata: { ...metadata, notRenewable } };
    return { contentId, sessionIds: ids, ...facts, ...means };
  };
  if (sessionIds.length > 1 && initData.length === sessionIds.length) return sessionIds.map((id, n) => entry([id], initData[n]));
  return [entry(sessionIds, concatenated([...new Map(initData.map((bytes) => [toBase64(bytes), bytes])).values()]))];
}

/** @param {Uint8Array} initData @returns {string | null} */
function whyNotRenewable({ length }) {
  if (length === 0) return 'no init data: it was not recorded at download, and no stored segment has a PSSH box for the key system';
  return length > MAX_INIT_DATA_BYTES ? `more than ${MAX_INIT_DATA_BYTES} bytes of init data` : null;
}

/** @param {ShakaRecord} record */
export function keyIdsOf({ drmInfo, streams }) {
  // A Set, which is an empty object in records that were JSON once.
  const keyIds = [drmInfo, ...streams].flatMap(({ keyIds: some }) => (some?.[Symbol.iterator] ? [...some] : [])).map((keyId) => String(keyId).toLowerCase());
  // Shaka puts zeros where a manifest names none.
  return [...new Set(keyIds)].filter((keyId) => /^[0-9a-f]{32}$/.test(keyId) && !/^0+$/.test(keyId));
}

/** @param {ShakaRecord} record @param {'audio' | 'video'} kind */
function capabilitiesOf({ drmInfo, streams }, kind) {
  const robustness = kind === 'audio' ? drmInfo.audioRobustness : drmInfo.videoRobustness;
  const contentTypes = streams.filter(({ type }) => type === kind)
    .map(({ mimeType, codecs }) => (codecs ? `${mimeType}; codecs="${codecs}"` : String(mimeType)));
  return [...new Set(contentTypes)].map((contentType) => ({
    contentType,
    robustness: typeof robustness === 'string' && robustness !== '' ? robustness : null,
    encryptionScheme: drmInfo.encryptionScheme || null,
  }));
}

/** @param {unknown} value as JSON has it; null: none, too large, or nothing that JSON can write */
function plain(value) {
  try {
    const json = JSON.stringify(value);
    return json.length <= MAX_METADATA_LENGTH ? JSON.parse(json) : null;
  } catch {
    return null;
  }
}

/**
 * Without user info, which is a secret, as a query may be.
 * @param {unknown} text
 * @param {boolean} withQuery unless that is too long
 * @returns {string | null}
 */
export function httpUrl(text, withQuery) {
  // Where Shaka is given a path, the page's origin is meant.
  const base = globalThis.location?.href;
  if (typeof text !== 'string' || text === '' || !URL.canParse(text, base)) return null;
  const url = new URL(text, base);
  if (!['http:', 'https:'].includes(url.protocol)) return null;
  const href = url.origin + url.pathname + (withQuery ? url.search : '');
  if (href.length <= MAX_URL_LENGTH) return href;
  return withQuery ? httpUrl(text, false) : null;
}
