import { PlayerRecorder } from './player-recorder.mjs';
import { StorageRecorder } from './storage-recorder.mjs';

/**
 * @typedef {import('../types.js').MediaKeyStatus} MediaKeyStatus
 *
 * @typedef {(() => void) | { release: () => void }} Held what ends a hold
 * @typedef {(hold: { contentId?: string, kind: 'playing' | 'downloading' }) => Held | Promise<Held>} Hold `offlineSessions.hold` of the
 *   preload, or `OfflineSessions.hold` of the main process as the app reaches it
 *
 * @typedef {object} PersistentSession what `put()` takes of a session of online playback; the app adds lane and licence URL
 * @property {string} contentId
 * @property {string} sessionId
 * @property {string} initDataType
 * @property {Uint8Array} initData
 * @property {number | null} expiration
 * @property {{ keyStatuses: Record<string, MediaKeyStatus> }} [proven] only of a single session: Shaka does not say whose keys are whose
 *
 * @typedef {object} RecorderOptions
 * @property {Hold} [hold]
 * @property {(uri: string) => string} [contentIdOf] the app's own id of what a player has open; default: its URI
 * @property {(sessions: PersistentSession[]) => void} [onSessions] persistent sessions of online playback, whenever they have changed
 */

/**
 * Keeps what a repair will need, and keeps the addon out of Shaka's way: of a `shaka.Player` it hears the events; a
 * `shaka.offline.Storage`, this one object, gets a `store`, a `remove` and a `removeEmeSessions` that wait for the origin's lock and then call
 * Shaka's: they are not called inside `withCdmLock`. What is only preloaded (`player.preload`) counts as open once it is loaded.
 *
 * @param {any} shaka a shaka.offline.Storage or a shaka.Player
 * @param {RecorderOptions} [options]
 * @returns {{ stop: () => void }} ends the recording
 */
export function recordShaka(shaka, { hold, ...options } = {}) {
  const held = hold && (async (/** @type {Parameters<Hold>[0]} */ what) => endOf(await hold(what)));
  return typeof shaka.store === 'function' ? new StorageRecorder(shaka, held) : new PlayerRecorder(shaka, { ...options, hold: held });
}

/** @param {Held} held @returns {() => void} */
const endOf = (held) => (typeof held === 'function' ? held : () => held.release());
