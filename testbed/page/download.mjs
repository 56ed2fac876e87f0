import { store } from './database.mjs';
import { createLicense, createMediaKeys, withCdmLock } from './eme.mjs';
import { parseManifest } from './manifest.mjs';

const TIMEOUT_MS = 20_000;

/**
 * @typedef {import('./manifest.mjs').Track} Track
 * @typedef {{ initDataType: string, initData: Uint8Array<ArrayBuffer>, keyIds: string[] }} Wanted
 */

/**
 * Stores a title for offline: segments, licences, catalogue entry. One session for the title, from the manifest's
 * PSSH, or with `separateSessions` one for audio and one for video, from `keyids` init data. With `lockless` it writes its
 * licences as an app does that has not heard of the lock.
 * @param {{ contentId: string, manifestUrl: string, licenseUrl: string, separateSessions?: boolean, lockless?: boolean }} request
 * @returns the catalogue entry, each session with the key statuses that the CDM showed
 */
export async function download({ contentId, manifestUrl, licenseUrl, separateSessions = false, lockless = false }) {
  const tracks = parseManifest(await (await get(manifestUrl)).text(), manifestUrl);
  const segments = await Promise.all(tracks.map((track) => Promise.all(track.segments.map(async ({ url, range }) => (await get(url, range)).arrayBuffer()))));
  const capabilities = { audio: capability(tracks, 'audio'), video: capability(tracks, 'video') };
  const writing = async () => {
    const mediaKeys = await createMediaKeys({ capabilities });
    const made = [];
    for (const wanted of separateSessions ? tracks.map(ofTrack) : [ofTitle(tracks)]) {
      made.push({ ...wanted, ...await createLicense(mediaKeys, { ...wanted, licenseUrl }) });
    }
    return made;
  };
  const licences = await (lockless ? writing() : withCdmLock(writing));
  const title = {
    contentId,
    licenseUrl,
    capabilities,
    tracks: tracks.map((track) => ({ contentType: track.contentType, segments: track.segments.length })),
    sessions: licences.map(({ sessionId, initDataType, initData, keyIds }) => ({ sessionId, initDataType, initData: base64(initData), keyIds })),
  };
  await store(title, segments);
  return { ...title, sessions: title.sessions.map((session, n) => ({ ...session, keyStatuses: licences[n].keyStatuses, expiration: licences[n].expiration })) };
}

/** @param {Track[]} tracks @returns {Wanted} */
function ofTitle(tracks) {
  return {
    initDataType: 'cenc',
    initData: Uint8Array.from(atob(tracks[0].pssh), (character) => character.charCodeAt(0)),
    keyIds: [...new Set(tracks.map((track) => track.keyId))],
  };
}

/** @param {Track} track @returns {Wanted} */
function ofTrack({ keyId }) {
  const bytes = Uint8Array.from(keyId.match(/../g) ?? [], (byte) => parseInt(byte, 16));
  const kid = base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  return { initDataType: 'keyids', initData: new TextEncoder().encode(JSON.stringify({ kids: [kid] })), keyIds: [keyId] };
}

/** @param {Track[]} tracks @param {Track['kind']} kind */
const capability = (tracks, kind) => tracks.filter((track) => track.kind === kind).map(({ contentType }) => ({ contentType }));

/** @param {string} url @param {string} [range] */
async function get(url, range) {
  const response = await fetch(url, { ...(range && { headers: { range: `bytes=${range}` } }), signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status !== (range ? 206 : 200)) throw new Error(`${url} answered ${response.status}`);
  return response;
}

/** @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
