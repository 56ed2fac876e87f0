import { ShakaDriver, playWithTemporaryLicenses, recordShaka, shakaConfiguration } from '/js/shaka/index.mjs';
import { serveDriver } from '/js/renderer/index.mjs';
import { discard, inventory } from './inspect.mjs';
import { createPort } from './port.mjs';
import { addRecords, deleteRecord, hadPersistentLicense, makeDatabase, readDatabase } from './shaka-records.mjs';
import { play, playerWithFilters, remove, stop, store, titles, watch } from './shaka-player.mjs';

/**
 * An app whose downloads are Shaka Player's. `?shaka=` names the package that is served from node_modules; with `&worker=PORT` the page
 * serves the addon's ShakaDriver there, with `&byTitle` under the app's own ids, with `&filters` through a player that the app has
 * taught to add its token and to unwrap licences, and with `&recorded` a storage that shares the player's networking is recorded.
 */
const query = new URLSearchParams(location.search);
const page = /** @type {any} */ (globalThis);
page.player = { play, remove, stop, store, titles, inventory, discard, addRecords, deleteRecord, hadPersistentLicense, makeDatabase, readDatabase };

/** What the recorder has told: holds, as they begin and end, and sessions of online playback. @type {any[]} */
page.told = [];
const hold = (/** @type {{ contentId?: string, kind: string }} */ { contentId, kind }) => {
  page.told.push(`${kind} ${contentId ?? ''}`.trim());
  return () => page.told.push(`no longer ${kind} ${contentId ?? ''}`.trim());
};

/**
 * The same calls with the addon beside Shaka. `known`: what the main process knows of a title, its init data in base64; `persistent`: a
 * persistent licence for online playback; `temporary`: temporary ones for what was downloaded with persistent ones.
 */
Object.assign(page.player, {
  storeRecorded: (/** @type {any} */ request) => store(request, (storage) => {
    recordShaka(storage, { hold });
    if (query.has('filters')) storage.getNetworkingEngine().registerRequestFilter(toTheFilm);
  }),
  removeRecorded: (/** @type {string} */ uri) => remove(uri, (storage) => { recordShaka(storage, { hold }); }),
  watchRecorded: (/** @type {any} */ { known, persistent, temporary, ...request }) => watch(request, (player) => {
    recordShaka(player, { hold, onSessions: (sessions) => page.told.push(...sessions.map((session) => ({ ...session, initData: [...session.initData] }))) });
    if (persistent) player.configure({ drm: { persistentSessionOnlinePlayback: true, advanced: { 'org.w3.clearkey': { sessionType: 'persistent-license' } } } });
    if (temporary) playWithTemporaryLicenses(player);
    if (known) player.configure(shakaConfiguration(known.verdict.contentId, { ...known, sessions: known.sessions.map(withBytes) }));
  }),
});

/** A request filter of the app's. @param {number} type @param {any} request */
const toTheFilm = (type, request) => {
  if (type === 2) request.uris[0] += '/film?token=secret';
};

/** @param {any} session */
const withBytes = (session) => ({ ...session, initData: Uint8Array.from(atob(session.initData), (character) => character.charCodeAt(0)) });

const worker = query.get('worker');
if (worker) {
  serveDriver(createPort(worker), new ShakaDriver({
    ...(query.has('byTitle') && { contentIdOf: ({ appMetadata }) => appMetadata.title }),
    ...(query.has('filters') && { player: await playerWithFilters(query.has('recorded') ? (storage) => recordShaka(storage, { hold }) : undefined) }),
  }));
}
