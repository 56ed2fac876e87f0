import channels from '../channels.js';
import electron from './electron-ipc.js';

/**
 * @typedef {import('../types.js').Verdict} Verdict
 * @typedef {import('../types.js').Progress} Progress
 * @typedef {import('../types.js').Lane} Lane
 *
 * @typedef {{ error?: unknown, systemCode?: number | null, keyStatuses?: Record<string, string>, expiration?: number | null }} PlaybackReport
 *
 * @typedef {object} OfflineSessionsApi what a page has. A promise rejects with a plain `{ code, message }`, no Error: of one, only the message
 *   crosses the context bridge
 * @property {(contentId: string) => Promise<Verdict>} verdict
 * @property {(contentId: string, options?: { timeoutMs?: number }) => Promise<Verdict>} ensurePlayable
 * @property {(contentId: string, report: PlaybackReport) => Promise<Verdict>} reportPlayback
 * @property {(hold: { contentId?: string, kind: 'playing' | 'downloading', lane?: Lane }) => Promise<{ release: () => void }>} hold until it is
 *   released, or the page goes; `lane`: may be left out where the app has one
 * @property {(listener: (progress: Progress) => void) => () => void} onProgress returns what ends it
 *
 * @typedef {object} ElectronParts
 * @property {Pick<import('electron').IpcRenderer, 'invoke' | 'on'>} ipcRenderer
 * @property {Pick<import('electron').ContextBridge, 'exposeInMainWorld'>} contextBridge
 */

const { PAGE, PROGRESS } = channels;

/**
 * Gives the page `offlineSessions` (OfflineSessionsApi). Call it once, in the preload of the app's own page; `attachElectron` answers,
 * when the page's origin is on its list.
 * @param {ElectronParts} [parts] default: what the preload's `require('electron')` gives
 */
export function exposeOfflineSessions({ ipcRenderer, contextBridge } = electron.electron()) {
  /** @type {Set<(progress: Progress) => void>} */
  const listeners = new Set();

  /** @param {string} method @param {unknown[]} args */
  async function ask(method, args) {
    const answer = await ipcRenderer.invoke(PAGE, method, args);
    if (answer.error) throw answer.error;
    return answer.value;
  }

  /** @type {OfflineSessionsApi} */
  const api = {
    verdict: (contentId) => ask('verdict', [contentId]),
    ensurePlayable: (contentId, options) => ask('ensurePlayable', [contentId, options]),
    reportPlayback: (contentId, report) => ask('reportPlayback', [contentId, withErrorText(report)]),
    hold: async (hold) => {
      const id = await ask('hold', [hold]);
      return { release: () => { ask('release', [id]).catch(() => {}); } };
    },
    onProgress: (listener) => {
      if (listeners.size === 0) ask('progress', []).catch(() => {});
      // One of its own, that the same function may be given twice.
      const tell = (/** @type {Progress} */ progress) => listener(progress);
      listeners.add(tell);
      return () => { listeners.delete(tell); };
    },
  };
  ipcRenderer.on(PROGRESS, (_event, progress) => {
    for (const tell of [...listeners]) tell(progress);
  });
  contextBridge.exposeInMainWorld('offlineSessions', api);
}

/** A player's error is an object of its own; its text is what is kept. @param {PlaybackReport} report */
function withErrorText(report) {
  const { error } = report ?? {};
  return error === undefined || error === null ? report : { ...report, error: String(/** @type {any} */ (error).message ?? error) };
}
