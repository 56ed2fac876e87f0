import { segments, title } from './database.mjs';
import { createMediaKeys, loadSession, within, withCdmLock } from './eme.mjs';

/** As far as a picture must have come to count as playing. */
const PLAYED_SECONDS = 0.2;

/** @typedef {{ contentId: string, sessionIds?: string[], timeoutMs?: number }} Request the catalogue's session ids unless given */

/** What is open in the player until it is told to stop. @type {Map<string, Playback>} */
const watched = new Map();

/**
 * Plays a stored title from IndexedDB with its stored sessions: no network. Rejects with what went wrong,
 * a session that does not load, a key without a status, a decoder's error, a picture that does not move.
 * @param {Request} request
 * @returns {Promise<{ contentId: string, currentTime: number, sessionIds: string[] }>}
 */
export async function play(request) {
  await watch(request);
  return stop(request.contentId);
}

/** Plays until `stop`. @param {Request} request */
export async function watch({ contentId, sessionIds, timeoutMs = 15_000 }) {
  const entry = await title(contentId);
  if (!entry) throw new Error(`${contentId} is not in the catalogue`);
  const playback = new Playback(entry, entry.sessions.map((session, n) => ({ ...session, sessionId: sessionIds?.[n] ?? session.sessionId })));
  watched.set(contentId, playback);
  try {
    await playback.start(timeoutMs);
  } catch (error) {
    await stop(contentId);
    throw new Error(`${contentId} does not play: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** @param {string} contentId @returns how far its picture has come */
export async function stop(contentId) {
  const playback = watched.get(contentId);
  if (!playback) throw new Error(`${contentId} is not playing`);
  watched.delete(contentId);
  const { currentTime } = playback.video;
  await playback.end();
  return { contentId, currentTime, sessionIds: playback.stored.map((session) => session.sessionId) };
}

/** A title in a video element of its own, on a MediaKeys of its own. */
class Playback {
  video = document.createElement('video');
  /** @type {MediaKeySession[]} */
  #open = [];

  /** @param {import('./database.mjs').Title} entry @param {import('./database.mjs').TitleSession[]} stored */
  constructor(entry, stored) {
    this.entry = entry;
    this.stored = stored;
  }

  /** @param {number} timeoutMs */
  async start(timeoutMs) {
    this.video.muted = true;
    document.documentElement.append(this.video);
    // CDM instances created side by side lie: a check of the addon's must not run beside these loads.
    await withCdmLock(async () => {
      const mediaKeys = await createMediaKeys(this.entry);
      await this.video.setMediaKeys(mediaKeys);
      for (const session of this.stored) this.#open.push(await loadSession(mediaKeys, session));
    });
    await within(playing(this.video, this.entry), `${this.entry.contentId} to play`, timeoutMs);
  }

  async end() {
    await Promise.all(this.#open.map((session) => session.close()));
    this.video.removeAttribute('src');
    this.video.load();
    await this.video.setMediaKeys(null);
    this.video.remove();
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
