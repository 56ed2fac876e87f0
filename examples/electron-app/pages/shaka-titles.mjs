import { explainShakaError, playWithTemporaryLicenses, recordShaka, shakaConfiguration } from '/electron-offline-sessions/shaka/index.mjs';

/**
 * Downloads and playback are Shaka Player's. Contents are known by their `offline:` URIs.
 *
 * @typedef {import('electron-offline-sessions').Verdict} Verdict
 * @typedef {{ keySystem: string, licenseUrl: string }} Settings
 */

const { downloads, offlineSessions, shaka } = /** @type {any} */ (globalThis);
/** Without a picture for so long, and without an error, it has stalled. */
const STALL_MS = 10_000;

/** The main process lets go of what this page holds when the page is gone. @param {{ contentId?: string, kind: 'playing' | 'downloading' }} what */
const hold = async (what) => (await offlineSessions.hold(what)).release;

// Licences are asked for by way of the main process, where the tokens are; all else as ever.
const { HttpFetchPlugin, NetworkingEngine } = shaka.net;
for (const scheme of ['http', 'https']) {
  NetworkingEngine.registerScheme(scheme, (/** @type {[string, any, number, ...unknown[]]} */ ...[uri, request, type, ...others]) => {
    if (type !== NetworkingEngine.RequestType.LICENSE) return HttpFetchPlugin.parse(uri, request, type, ...others);
    return shaka.util.AbortableOperation.notAbortable(licenseFromMain(uri, request, type));
  });
}

/** @param {string} uri @param {any} request @param {number} type */
async function licenseFromMain(uri, request, type) {
  const { status, data } = await downloads.license(new Uint8Array(request.body));
  if (status === 200) return { uri, originalUri: uri, data, headers: {}, status, originalRequest: request };
  const { Severity, Category, Code } = shaka.util.Error;
  throw new shaka.util.Error(Severity.RECOVERABLE, Category.NETWORK, Code.BAD_HTTP_STATUS, uri, status, '', {}, type, uri);
}

export class ShakaTitles {
  #configuration;
  #video;
  /** @type {any} */
  #player;

  /** @param {Settings} settings @param {HTMLVideoElement} video */
  constructor({ keySystem, licenseUrl }, video) {
    this.#configuration = { drm: { servers: { [keySystem]: licenseUrl } } };
    this.#video = video;
  }

  /** @returns {Promise<{ contentId: string, title: string }[]>} */
  async list() {
    const stored = await this.#withStorage((storage) => storage.list());
    return stored.filter((/** @type {any} */ content) => !content.isIncomplete)
      .map((/** @type {any} */ { offlineUri, appMetadata }) => ({ contentId: offlineUri, title: appMetadata?.title ?? offlineUri }));
  }

  /**
   * @param {string} manifestUri
   * @param {string} title
   * @param {(progress: number) => void} onProgress from 0 to 1
   */
  async download(manifestUri, title, onProgress) {
    await this.#withStorage(async (storage) => {
      recordShaka(storage, { hold });
      storage.configure({ offline: { progressCallback: (/** @type {any} */ _content, /** @type {number} */ progress) => onProgress(progress) } });
      const store = () => storage.store(manifestUri, { title }).promise;
      const { offlineUri } = await store().catch((/** @type {any} */ error) => {
        if (explainShakaError(error)?.reason !== 'unsupported') throw error;
        // No licence is kept here: the title is stored without one, and plays online.
        storage.configure({ offline: { usePersistentLicense: false } });
        return store();
      });
      await downloads.stored();
      // Looked at at once: has the CDM kept the licence?
      await offlineSessions.ensurePlayable(offlineUri);
    });
  }

  /** @param {string} contentId */
  async remove(contentId) {
    await downloads.removed(contentId);
    await this.#withStorage((storage) => {
      recordShaka(storage, { hold });
      return storage.remove(contentId);
    });
  }

  /**
   * Resolves when the title has ended, or another one is played. Rejects with Shaka's error, or 'stall'.
   * @param {string} contentId
   * @param {Verdict} verdict
   */
  async play(contentId, verdict) {
    await this.#player?.destroy();
    const [player, video] = [new shaka.Player(), this.#video];
    this.#player = player;
    recordShaka(player, { hold });
    player.configure(this.#configuration);
    player.configure(shakaConfiguration(contentId, { verdict, sessions: await downloads.sessions(contentId) }));
    // Downloaded, but there is no licence to be had that is kept.
    if (verdict.playable === 'online') playWithTemporaryLicenses(player);
    try {
      await player.attach(video);
      await new Promise((resolve, reject) => {
        const stalled = setTimeout(() => reject('stall'), STALL_MS);
        video.ontimeupdate = () => { if (video.currentTime > 0) clearTimeout(stalled); };
        video.onended = resolve;
        player.addEventListener('unloading', resolve);
        // A licence that is gone is told of here: `load()` resolves all the same.
        player.addEventListener('error', (/** @type {any} */ { detail }) => reject(detail));
        player.load(contentId).then(() => video.play()).catch(reject);
      });
    } finally {
      await player.destroy();
    }
  }

  /** @template T @param {(storage: any) => Promise<T>} work */
  async #withStorage(work) {
    const storage = new shaka.offline.Storage();
    storage.configure(this.#configuration);
    try {
      return await work(storage);
    } finally {
      await storage.destroy();
    }
  }
}
