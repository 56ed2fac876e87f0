import { segments, title } from './database.mjs';
import { createMediaKeys, loadSession, within, withCdmLock } from './eme.mjs';

/** As far as a picture must have come to count as playing. */
const PLAYED_SECONDS = 0.2;

/**
 * Plays a stored title from IndexedDB with its stored sessions: no network. Rejects with what went wrong,
 * a session that does not load, a key without a status, a decoder's error, a picture that does not move.
 * @param {{ contentId: string, sessionIds?: string[], timeoutMs?: number }} request the catalogue's session ids unless given
 * @returns {Promise<{ contentId: string, currentTime: number, sessionIds: string[] }>}
 */
export async function play({ contentId, sessionIds, timeoutMs = 15_000 }) {
  const entry = await title(contentId);
  if (!entry) throw new Error(`${contentId} is not in the catalogue`);
  const stored = entry.sessions.map((session, n) => ({ ...session, sessionId: sessionIds?.[n] ?? session.sessionId }));
  const video = document.createElement('video');
  video.muted = true;
  document.documentElement.append(video);
  /** @type {MediaKeySession[]} */
  const open = [];
  try {
    // CDM instances created side by side lie: a check of the addon's must not run beside these loads.
    await withCdmLock(async () => {
      const mediaKeys = await createMediaKeys(entry);
      await video.setMediaKeys(mediaKeys);
      for (const session of stored) open.push(await loadSession(mediaKeys, session));
    });
    await within(playing(video, entry), `${contentId} to play`, timeoutMs);
    return { contentId, currentTime: video.currentTime, sessionIds: stored.map((session) => session.sessionId) };
  } catch (error) {
    throw new Error(`${contentId} does not play: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    await Promise.all(open.map((session) => session.close()));
    video.removeAttribute('src');
    video.load();
    await video.setMediaKeys(null);
    video.remove();
  }
}

/**
 * @param {HTMLVideoElement} video
 * @param {import('./database.mjs').Title} entry
 */
async function playing(video, entry) {
  const failed = new Promise((_, reject) => {
    video.addEventListener('error', () => reject(new Error(video.error?.message || `media error ${video.error?.code}`)));
  });
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await Promise.race([failed, happened(source, 'sourceopen')]);
  URL.revokeObjectURL(video.src);
  const buffers = entry.tracks.map((track) => source.addSourceBuffer(track.contentType));
  const appended = buffers.map(async (buffer, track) => {
    for (const bytes of await segments(entry.contentId, track)) {
      buffer.appendBuffer(bytes);
      await happened(buffer, 'updateend');
    }
  });
  await Promise.race([failed, Promise.all(appended)]);
  source.endOfStream();
  await Promise.race([failed, video.play()]);
  const moved = new Promise((resolve) => {
    video.addEventListener('timeupdate', () => video.currentTime >= PLAYED_SECONDS && resolve(undefined));
  });
  await Promise.race([failed, moved]);
}

/** @param {EventTarget} target @param {string} type */
const happened = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
