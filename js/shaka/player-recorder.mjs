import { holdCdmLock } from '../renderer/cdm-lock.mjs';
import { LICENSE, keepers } from './networking.mjs';
import { holdOpen } from './open-titles.mjs';
import { keyOf } from './records.mjs';

/** @typedef {import('./recorder.mjs').RecorderOptions} RecorderOptions */

/** How long a viewer waits for the lock at most: an app may hold it itself. And how long a player may take to open its sessions. */
const LOCK_WAIT_MS = 3000;
const LOADING_MS = 5000;

/** A title that is open in a player is left alone. */
export class PlayerRecorder {
  #player;
  #options;
  /** @type {[string, () => void][]} */
  #listeners;
  /** @type {{ uri: string, close: () => void } | null} */
  #open = null;
  #told = '';
  /** @type {Promise<() => void> | null} The origin's lock, while it is asked for or held; resolves with what frees it. */
  #lock = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {any} player @param {Omit<RecorderOptions, 'hold'> & { hold?: (what: { contentId: string, kind: 'playing' }) => Promise<() => void> }} options */
  constructor(player, options) {
    this.#player = player;
    this.#options = options;
    // Before 5.x the URI is not known at 'loading'; at 'manifestparsed' no session has been opened yet.
    const onLoaded = () => { if (keyOf(player.getAssetUri()) !== null) this.#freeLock(); };
    this.#listeners = [['loading', this.#onOpen], ['manifestparsed', this.#onOpen], ['unloading', this.#onClose],
      ['loaded', onLoaded], ['error', onLoaded], ['drmsessionupdate', this.#onKeys], ['keystatuschanged', this.#onKeys]];
    player.getNetworkingEngine().registerRequestFilter(this.#onRequest);
    for (const [type, listener] of this.#listeners) player.addEventListener(type, listener);
    this.#onOpen();
  }

  stop() {
    for (const [type, listener] of this.#listeners) this.#player.removeEventListener(type, listener);
    this.#player.getNetworkingEngine()?.unregisterRequestFilter(this.#onRequest);
    this.#onClose();
  }

  get #contentId() {
    const uri = this.#player.getAssetUri();
    return this.#options.contentIdOf?.(uri) ?? uri;
  }

  #onOpen = () => {
    const uri = this.#player.getAssetUri();
    if (!uri || uri === this.#open?.uri) return;
    this.#onClose();
    const closeTitle = holdOpen(uri);
    const hold = (async () => this.#options.hold?.({ contentId: this.#contentId, kind: 'playing' }))();
    const close = () => {
      closeTitle();
      hold.then((release) => release?.(), () => {});
    };
    this.#open = { uri, close };
  };

  /**
   * CDMs side by side say of good sessions that they are gone, and lose new ones: while a player opens its sessions, or writes a licence
   * that stays, nobody else does. Shaka asks what an offline URI is before it opens any.
   * @param {number} type
   * @param {{ uris: string[], sessionId?: string, drmInfo?: any }} request
   */
  #onRequest = async (type, request) => {
    const isWriting = type === LICENSE && request.drmInfo?.sessionType === 'persistent-license' && this.#hasSession(request);
    if (isWriting ? (keepers.get(request) ?? this) !== this : keyOf(request.uris[0]) === null) return;
    if (isWriting) keepers.set(request, this);
    const lock = this.#lock ??= holdCdmLock(AbortSignal.timeout(LOCK_WAIT_MS)).catch(() => () => {});
    await lock;
    if (this.#lock !== lock) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#freeLock, LOADING_MS);
  };

  /** A storage that shares the player's networking has sessions of its own. @param {{ sessionId?: string }} request */
  #hasSession({ sessionId }) {
    return this.#player.getActiveSessionsMetadata().some((/** @type {any} */ session) => session.sessionId === sessionId);
  }

  #freeLock = () => {
    clearTimeout(this.#timer);
    this.#lock?.then((free) => free());
    this.#lock = null;
  };

  #onClose = () => {
    this.#freeLock();
    this.#open?.close();
    this.#open = null;
  };

  /**
   * As in "Re-use persistent license DRM for online playback" of Shaka's DRM tutorial; an offline title's are in the catalogue. Without
   * `persistentSessionOnlinePlayback: true` Shaka removes them when it closes them. It tells of keys a second late.
   */
  #onKeys = () => {
    const player = this.#player;
    if (keyOf(player.getAssetUri()) !== null) return;
    const active = player.getActiveSessionsMetadata();
    const persistent = active.filter((/** @type {any} */ session) => {
      return session.sessionType === 'persistent-license' && session.sessionId !== '' && session.initData;
    });
    const keyStatuses = player.getKeyStatuses();
    const expiration = player.getExpiration();
    const sessions = persistent.map((/** @type {any} */ { sessionId, initDataType, initData }) => ({
      contentId: this.#contentId,
      sessionId,
      initDataType,
      initData: new Uint8Array(initData),
      expiration: Number.isFinite(expiration) ? expiration : null,
      ...(active.length === 1 && Object.keys(keyStatuses).length > 0 && { proven: { keyStatuses } }),
    }));
    const told = JSON.stringify([sessions, keyStatuses]);
    if (sessions.length === 0 || told === this.#told) return;
    this.#told = told;
    this.#options.onSessions?.(sessions);
  };
}
