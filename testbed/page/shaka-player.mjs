/**
 * Shaka Player as an app uses it: its own `Storage` for downloads, its own `Player` for playback. Nothing here is the addon's.
 */

const KEY_SYSTEM = 'org.w3.clearkey';
/** As far as a picture must have come to count as playing. */
const PLAYED_SECONDS = 0.2;
const DESTROY_TIMEOUT_MS = 3_000;

/** @type {Promise<any> | undefined} */
let loading;

/** The `shaka` namespace. */
export function loadShaka() {
  return loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `/node_modules/${new URLSearchParams(location.search).get('shaka')}/dist/shaka-player.compiled.js`;
    script.onload = () => resolve(/** @type {any} */ (globalThis).shaka);
    script.onerror = () => reject(new Error(`${script.src} could not be loaded`));
    document.head.append(script);
  });
}

/** @param {string} licenseUrl */
const configuration = (licenseUrl) => ({ drm: { servers: { [KEY_SYSTEM]: licenseUrl } } });

/**
 * Downloads a title.
 * @param {{ title: string, manifestUrl: string, licenseUrl: string, persistent?: boolean }} request persistent: its licence, the default
 * @param {(storage: any) => void} [prepare] before it stores
 * @returns {Promise<{ offlineUri: string }>}
 */
export async function store({ title, manifestUrl, licenseUrl, persistent = true }, prepare) {
  const shaka = await loadShaka();
  const storage = new shaka.offline.Storage();
  storage.configure({ ...configuration(licenseUrl), offline: { usePersistentLicense: persistent } });
  prepare?.(storage);
  try {
    const { offlineUri } = await storage.store(manifestUrl, { title }).promise;
    return { offlineUri };
  } catch (error) {
    throw plainError(error);
  } finally {
    await storage.destroy();
  }
}

/** @returns {Promise<{ offlineUri: string, title: string, expiration: string }[]>} as Shaka lists them */
export async function titles() {
  const shaka = await loadShaka();
  const storage = new shaka.offline.Storage();
  try {
    return (await storage.list()).map((/** @type {any} */ { offlineUri, appMetadata, expiration }) => ({ offlineUri, title: appMetadata.title, expiration: String(expiration) }));
  } finally {
    await storage.destroy();
  }
}

/**
 * Removes a title. In Firefox Shaka's own call never settles once the licence is gone, so this waits until Shaka no longer lists it.
 * @param {string} offlineUri
 * @param {(storage: any) => void} [prepare] before it removes
 */
export async function remove(offlineUri, prepare) {
  const shaka = await loadShaka();
  const storage = new shaka.offline.Storage();
  prepare?.(storage);
  storage.remove(offlineUri).catch(() => {});
  while ((await titles()).some((title) => title.offlineUri === offlineUri)) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** @typedef {{ end: 'played' | 'error' | 'stalled', code?: number, currentTime: number, message?: string }} End */

/** What is open in a player until it is told to stop, by URI. @type {Map<string, () => Promise<void>>} */
const watched = new Map();

/**
 * Plays a title with a player of its own.
 * @param {Parameters<typeof watch>[0]} request
 * @param {Parameters<typeof watch>[1]} [prepare]
 * @returns {Promise<End>}
 */
export async function play(request, prepare) {
  try {
    return await watch(request, prepare);
  } finally {
    await stop(request.uri);
  }
}

/**
 * Plays until `stop`.
 * @param {{ uri: string, licenseUrl: string, stallMs?: number }} request stallMs: without a picture and without an error for so long, it
 *   has stalled
 * @param {(player: any) => void} [prepare] before it is loaded
 * @returns {Promise<End>}
 */
export async function watch({ uri, licenseUrl, stallMs = 5_000 }, prepare) {
  const shaka = await loadShaka();
  const video = document.createElement('video');
  video.muted = true;
  document.documentElement.append(video);
  const player = new shaka.Player();
  watched.set(uri, async () => {
    await Promise.race([player.destroy(), new Promise((resolve) => setTimeout(resolve, DESTROY_TIMEOUT_MS))]);
    video.remove();
  });
  await player.attach(video);
  player.configure(configuration(licenseUrl));
  prepare?.(player);
  const end = await new Promise((resolve) => {
    const fail = (/** @type {any} */ { code, message }) => resolve({ end: 'error', code, message });
    player.addEventListener('error', (/** @type {any} */ { detail }) => fail(detail));
    video.addEventListener('timeupdate', () => video.currentTime >= PLAYED_SECONDS && resolve({ end: 'played' }));
    setTimeout(() => resolve({ end: 'stalled' }), stallMs);
    player.load(uri).then(() => video.play()).catch(fail);
  });
  return { ...end, currentTime: video.currentTime };
}

/** @param {string} uri */
export async function stop(uri) {
  await watched.get(uri)?.();
  watched.delete(uri);
}

/**
 * A player whose licence requests carry a token, and whose licences come wrapped in JSON.
 * @param {(storage: any) => void} [prepare] a storage of the player's
 */
export async function playerWithFilters(prepare) {
  const shaka = await loadShaka();
  const player = new shaka.Player();
  const { LICENSE } = shaka.net.NetworkingEngine.RequestType;
  const networking = player.getNetworkingEngine();
  networking.registerRequestFilter((/** @type {any} */ type, /** @type {any} */ request) => {
    if (type === LICENSE) request.uris[0] += `?token=of-${request.licenseRequestType}-${request.drmInfo.keySystem}-${request.sessionId}`;
  });
  networking.registerResponseFilter((/** @type {any} */ type, /** @type {any} */ response) => {
    if (type === LICENSE) response.data = new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(response.data)).wrapped)).buffer;
  });
  prepare?.(new shaka.offline.Storage(player));
  return player;
}

/** What reaches Node of a shaka.util.Error. @param {any} error */
function plainError(error) {
  return error?.code ? new Error(`Shaka error ${error.code}: ${JSON.stringify(error.data?.map?.(String))}`) : error;
}
