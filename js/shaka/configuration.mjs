/**
 * @typedef {import('../types.js').StoredSession} StoredSession
 * @typedef {import('../types.js').Verdict} Verdict
 */

/**
 * What to pass to `player.configure` before a title is loaded.
 *
 * - Stored licences that are proven: online playback uses them, and asks for no other.
 * - Where persistent licences are unsupported: temporary ones, also for what is downloaded from now on (shaka-player #9524).
 * - Otherwise nothing but that the player forgets the licences of the title before.
 *
 * @param {string} contentId
 * @param {{ verdict: Verdict, sessions: StoredSession[] }} known from the main process: `verdict(contentId)` and `find({ contentId })`, not
 *   the verdict's own sessions, which lack init data
 * @returns {{ drm?: object, offline?: object }}
 */
export function shakaConfiguration(contentId, { verdict, sessions }) {
  if (sessions.some(({ initData }) => initData === undefined)) throw new TypeError('sessions: must be what find({ contentId }) gives, with initData');
  const own = sessions.filter((session) => session.contentId === contentId);
  const keySystems = [...new Set(own.map(({ keySystem }) => keySystem))];
  const advanced = (/** @type {string} */ sessionType) => Object.fromEntries(keySystems.map((keySystem) => [keySystem, { sessionType }]));
  if (verdict.state === 'unsupported') {
    const drm = { persistentSessionOnlinePlayback: false, persistentSessionsMetadata: [], advanced: advanced('temporary') };
    return { drm, offline: { usePersistentLicense: false } };
  }
  const proven = own.filter(({ state, suspect, initData }) => state === 'active' && !suspect && initData !== null);
  if (verdict.playable !== 'offline' || proven.length === 0) return { drm: { persistentSessionsMetadata: [] } };
  const persistentSessionsMetadata = proven.map(({ sessionId, initData, initDataType }) => ({ sessionId, initData, initDataType }));
  return { drm: { persistentSessionOnlinePlayback: true, persistentSessionsMetadata, advanced: advanced('persistent-license') } };
}

/**
 * For titles that were downloaded with persistent licences, where those are unsupported by now: plays them with temporary ones, online.
 * Their records name sessions and the session type, for which Shaka gives up with 6001. This takes both out of the manifest that the
 * player has in memory; what is stored stays.
 * @param {any} player a shaka.Player
 * @returns {() => void} ends it
 */
export function playWithTemporaryLicenses(player) {
  const onParsed = () => {
    const manifest = player.getManifest();
    manifest.offlineSessionIds = [];
    const drmInfos = manifest.variants.flatMap((/** @type {any} */ { audio, video }) => [audio, video]).flatMap((/** @type {any} */ stream) => stream?.drmInfos ?? []);
    for (const drmInfo of drmInfos) drmInfo.sessionType = 'temporary';
  };
  player.addEventListener('manifestparsed', onParsed);
  return () => player.removeEventListener('manifestparsed', onParsed);
}
