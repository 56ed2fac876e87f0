'use strict';

const { WORKER } = require('../channels');
const { OfflineSessionsError } = require('../errors');
const { createTransportDriver } = require('../transport');
const { isMainFrameOf, isSubframe, originOf } = require('./frames');

/**
 * @typedef {import('./parts').WebContents} WebContents
 *
 * @typedef {object} Place an origin of a partition, and the page in it that does EME
 * @property {string} origin
 * @property {string | null} [partition]
 * @property {string} [pageUrl] a blank page of that origin, there without a network; ours to load and to close
 * @property {() => WebContents | null | Promise<WebContents | null>} [contents] in its place a page of the app's own that has
 *   `electron-offline-sessions/worker` (with Shaka Player `…/shaka-worker`) as its preload; it is neither navigated nor closed
 * @property {'shaka'} [player] that new session ids are written into what Shaka Player has stored there, and contents are listed from it
 */

const PRELOAD = require.resolve('../../dist/worker.js');
const SHAKA_PRELOAD = require.resolve('../../dist/shaka-worker.js');

/** Hands to each page what its worker has sent, and nothing that another frame or another origin says. */
class WorkerIpc {
  #ipcMain;
  /** @type {Map<unknown, { origin: string, receive: (data: unknown) => void }>} */
  #pages = new Map();

  /** @param {Pick<import('./parts').IpcMain, 'off' | 'on'>} ipcMain */
  constructor(ipcMain) {
    this.#ipcMain = ipcMain;
    ipcMain.on(WORKER, this.#receive);
  }

  /** @param {WebContents} contents @param {string} origin @param {(data: unknown) => void} receive */
  serve(contents, origin, receive) {
    this.#pages.set(contents, { origin, receive });
  }

  /** @param {WebContents} contents */
  leave(contents) {
    this.#pages.delete(contents);
  }

  stop() {
    this.#ipcMain.off(WORKER, this.#receive);
  }

  /** @param {import('electron').IpcMainEvent} event @param {any} data */
  #receive = ({ sender, senderFrame }, data) => {
    const page = this.#pages.get(sender);
    // 'ready' is sent while its document is being committed, and of no consequence: work is only given to a page of the right origin.
    const isReady = data?.type === 'ready' && !isSubframe(senderFrame);
    if (page && (isReady || isMainFrameOf(senderFrame, [page.origin]))) page.receive(data);
  };
}

/** One page with our worker in it, from its opening to its end. */
class WorkerPage {
  #place;
  #ipc;
  /** @type {WebContents | undefined} */
  #contents;
  /** @type {ReturnType<typeof createTransportDriver> | undefined} */
  #driver;
  /** @type {(() => void)[]} */
  #undo = [];
  /** Whether to close it in idle times. */
  mayClose = () => true;
  isGone = false;

  /** @param {Place} place @param {import('./windows').HiddenWindows} windows @param {WorkerIpc} ipc */
  constructor(place, windows, ipc) {
    this.#place = place;
    this.#ipc = ipc;
    /** Rejects with ERR_WORKER_PAGE, or ERR_DRIVER_GONE when it was closed meanwhile. */
    this.loaded = place.contents ? this.#useOwn(place.contents) : this.#load(String(place.pageUrl), windows);
    this.loaded.catch(() => this.close());
  }

  /** The driver whose work this page does. Throws ERR_WORKER_PAGE when it has come to another origin. */
  get driver() {
    if (this.isGone || !this.#driver) throw gone('The window has gone.');
    this.#assertOrigin();
    return this.#driver;
  }

  /** What is outstanding rejects with ERR_DRIVER_GONE. */
  close() {
    this.isGone = true;
    this.#driver?.close();
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #assertOrigin() {
    const { origin } = this.#place;
    const url = this.#contents?.isDestroyed() === false ? this.#contents.getURL() : '';
    if (originOf(url) !== origin) throw workerPage(`the page at ${url || 'no address'} is not of the origin ${origin}`);
  }

  /** @param {string} pageUrl @param {import('./windows').HiddenWindows} windows */
  async #load(pageUrl, windows) {
    const { partition, player } = this.#place;
    const preload = player === 'shaka' ? SHAKA_PRELOAD : PRELOAD;
    // Not in the turn in which the app's last window closes. Electron emits `closed` before it takes that window off its list
    // (shell/browser/native_window.cc), so a hidden one that is opened there would keep `window-all-closed` from firing.
    await new Promise((resolve) => { setImmediate(resolve); });
    if (this.isGone) throw gone('The window is no longer wanted.');
    const { contents, close, mayClose } = windows.open({
      preload, sandbox: true, contextIsolation: true, nodeIntegration: false, backgroundThrottling: false, ...(partition && { partition }),
    });
    this.#undo.push(close);
    this.mayClose = mayClose;
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
    contents.on('will-navigate', (event) => event.preventDefault());
    // Not `forcefullyCrashRenderer`: the app's own pages may share the process.
    contents.on('unresponsive', () => this.close());
    const failed = this.#watch(contents);
    try {
      await Promise.race([contents.loadURL(pageUrl), failed]);
    } catch (cause) {
      if (cause instanceof OfflineSessionsError) throw cause;
      throw workerPage(`${pageUrl} did not load${pageUrl.startsWith('https:') ? '; nothing loads from https: without a network, so the app must '
        + 'serve this page itself (Electron\'s protocol.handle)' : ''}`, cause);
    }
    this.#assertOrigin();
    return this;
  }

  /** @param {NonNullable<Place['contents']>} own */
  async #useOwn(own) {
    const contents = await own();
    if (this.isGone) throw gone('The window is no longer wanted.');
    if (!contents || contents.isDestroyed()) throw workerPage('the app has no window to offer');
    this.#watch(contents);
    // Its worker may have said that it is ready before anybody heard.
    contents.send(WORKER, { type: 'hello' });
    return this;
  }

  /** @param {WebContents} contents @returns {Promise<never>} rejects when this page can no longer do anything */
  #watch(contents) {
    this.#contents = contents;
    /** @type {import('../transport').TransportPort} */
    const port = { postMessage: (message) => contents.send(WORKER, message), onmessage: null };
    this.#driver = createTransportDriver(port);
    this.#ipc.serve(contents, this.#place.origin, (data) => port.onmessage?.({ data }));
    this.#undo.push(() => this.#ipc.leave(contents));
    const failed = new Promise((_resolve, reject) => {
      const onGone = () => {
        reject(gone('The window has gone.'));
        this.close();
      };
      /** @param {unknown} _event @param {string} path @param {Error} cause */
      const failedPreload = (_event, path, cause) => {
        // Those of the app's own session run in this page too.
        if ([PRELOAD, SHAKA_PRELOAD].includes(path)) reject(workerPage(`the preload ${path} failed`, cause));
      };
      contents.on('destroyed', onGone);
      contents.on('render-process-gone', onGone);
      contents.on('preload-error', failedPreload);
      this.#undo.push(onGone, () => {
        contents.off('destroyed', onGone);
        contents.off('render-process-gone', onGone);
        contents.off('preload-error', failedPreload);
      });
    });
    failed.catch(() => {});
    return /** @type {Promise<never>} */ (failed);
  }
}

/** @param {string} why */
const gone = (why) => new OfflineSessionsError('ERR_DRIVER_GONE', why);

/** @param {string} why @param {unknown} [cause] */
const workerPage = (why, cause) => new OfflineSessionsError('ERR_WORKER_PAGE', why, { cause });

module.exports = { WorkerIpc, WorkerPage };
