'use strict';

/**
 * In place of Electron, which cannot be run here: what Electron's documentation promises of the parts that this package and its example
 * use, and nothing else. The document is named beside each part; paths are those of electron/electron, docs/api. Types are checked against
 * the `electron` package's electron.d.ts (tsconfig.stand-in.json).
 */

const { EventEmitter } = require('node:events');
const vm = require('node:vm');
const { readFileSync } = require('node:fs');
const { types } = require('node:util');

/**
 * @typedef {import('../../js/electron/attach').ElectronParts & {
 *   protocol: Pick<import('electron').Protocol, 'handle' | 'registerSchemesAsPrivileged'>,
 *   session: { defaultSession: Pick<import('electron').Session, 'registerPreloadScript' | 'setPermissionRequestHandler'> },
 *   dialog: Pick<import('electron').Dialog, 'showMessageBox' | 'showMessageBoxSync'> }} Parts
 * @typedef {(electron: { ipcRenderer: IpcRenderer, contextBridge: ContextBridge }, page: Page) => void} Preload
 *
 * @typedef {object} Options
 * @property {string} [userData]
 * @property {string[]} [urls] the pages that can be loaded
 * @property {Record<string, string>} [redirects]
 * @property {Record<string, Preload>} [preloads] in place of the script at that path
 * @property {Record<string, unknown>} [globals] what scripts find in a page beside Electron's
 * @property {boolean} [views] false: an Electron before 30, without WebContentsView
 */

const turn = () => new Promise((resolve) => { setImmediate(resolve); });

/** Node's EventEmitter, as Electron's classes are; its methods are typed so that they fit each class's own overloads. */
class Emitter {
  events = new EventEmitter();
  /** @param {string} event @param {(...args: any[]) => void} listener @returns {any} */
  on(event, listener) {
    this.events.on(event, listener);
    return this;
  }
  /** @param {string} event @param {(...args: any[]) => void} listener @returns {any} */
  once(event, listener) {
    this.events.once(event, listener);
    return this;
  }
  /** @param {string} event @param {(...args: any[]) => void} listener @returns {any} */
  off(event, listener) {
    this.events.off(event, listener);
    return this;
  }
  /** As Electron emits. @param {string} event @param {...any} args */
  emit(event, ...args) {
    return this.events.emit(event, ...args);
  }
}

/** structures/event.md */
const cancellable = () => {
  const event = { defaultPrevented: false, preventDefault: () => { event.defaultPrevented = true; } };
  return event;
};

/** web-frame-main.md. A navigation to another document detaches the frame that there was. */
class Frame {
  /** @param {string} url @param {Frame | null} parent */
  constructor(url, parent = null) {
    const { protocol, host } = new URL(url);
    this.url = url;
    this.origin = host === '' ? 'null' : `${protocol}//${host}`;
    this.parent = parent;
    this.detached = false;
  }
}

/** ipc-renderer.md: of one document. Arguments are cloned by the structured clone algorithm, so no functions and no prototypes cross. */
class IpcRenderer extends Emitter {
  /** @param {Page} page */
  constructor(page) {
    super();
    this.page = page;
  }
  /** @param {string} channel @param {...any} args */
  send(channel, ...args) {
    const cloned = structuredClone(args);
    setImmediate(() => this.page.contents.electron.ipcMain.emit(channel, this.page.event(), ...cloned));
  }
  /** What a handler throws reaches the page as an Error with a message alone. @param {string} channel @param {...any} args @returns {Promise<any>} */
  async invoke(channel, ...args) {
    const cloned = structuredClone(args);
    await turn();
    const handler = this.page.contents.electron.ipcMain.handlers.get(channel);
    if (!handler) throw new Error(`Error invoking remote method '${channel}': Error: No handler registered for '${channel}'`);
    try {
      return structuredClone(await handler(this.page.event(), ...cloned));
    } catch (error) {
      return Promise.reject(new Error(`Error invoking remote method '${channel}': ${error}`));
    }
  }
}

/** context-bridge.md: values are copied, functions proxied; an Error loses its own properties, prototypes are dropped. */
class ContextBridge {
  /** @type {Record<string, any>} */
  mainWorld = {};
  /** @param {string} key @param {any} api */
  exposeInMainWorld(key, api) {
    if (key in this.mainWorld) throw new Error('Cannot bind an API on top of an existing property on the window object');
    this.mainWorld[key] = across(api);
  }
}

/** @param {any} value @returns {any} */
function across(value) {
  if (typeof value === 'function') {
    return (/** @type {any[]} */ ...args) => {
      const result = value(...args.map(across));
      return types.isPromise(result) ? /** @type {Promise<any>} */ (result).then(across, (error) => { throw across(error); }) : across(result);
    };
  }
  if (types.isNativeError(value)) return new Error(value.message);
  if (ArrayBuffer.isView(value)) return structuredClone(value);
  if (Array.isArray(value)) return value.map(across);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, across(item)]));
}

/** A document in a WebContents' main frame, with what its preload has of Electron. */
class Page {
  /** @param {WebContents} contents @param {string} url */
  constructor(contents, url) {
    this.contents = contents;
    this.frame = new Frame(url);
    this.location = { href: url, origin: this.frame.origin };
    this.ipcRenderer = new IpcRenderer(this);
    this.contextBridge = new ContextBridge();
  }
  /** structures/ipc-main-event.md. @param {Frame | null} senderFrame */
  event(senderFrame = this.frame) {
    return { sender: this.contents, senderFrame, processId: 1, frameId: 1, type: 'frame' };
  }
  /** What the page's own scripts see. @returns {Record<string, any>} */
  get window() {
    return this.contextBridge.mainWorld;
  }
}

/** web-contents.md */
class WebContents extends Emitter {
  /** @type {Page | null} */
  page = null;
  destroyed = false;
  url = '';
  /** @type {string[]} */
  loads = [];
  /** @type {(details: any) => any} */
  windowOpenHandler = () => ({ action: 'allow' });

  /** @param {Electron} electron @param {import('electron').WebPreferences} [preferences] structures/web-preferences.md */
  constructor(electron, preferences = {}) {
    super();
    this.electron = electron;
    this.preferences = preferences;
    electron.contents.push(this);
  }
  /** Resolves when the page has finished loading, rejects when it fails to. @param {string} url @returns {Promise<void>} */
  async loadURL(url) {
    this.loads.push(url);
    await turn();
    if (this.destroyed) throw new Error('ERR_FAILED (-2)');
    const { protocol } = new URL(url);
    const response = await this.electron.schemes.get(protocol.slice(0, -1))?.({ url });
    if (!response && !this.electron.urls.has(url)) {
      this.emit('did-fail-load', {}, -102, 'ERR_CONNECTION_REFUSED', url, true);
      throw Object.assign(new Error(`ERR_CONNECTION_REFUSED (-102) loading '${url}'`), { code: 'ERR_CONNECTION_REFUSED', errno: -102, url });
    }
    this.navigate(this.electron.redirects[url] ?? url);
    await this.electron.documentLoading(/** @type {Page} */ (this.page));
    await turn();
    this.emit('did-finish-load');
  }
  /** A main frame navigation that is done. @param {string} url */
  navigate(url) {
    if (this.page) this.page.frame.detached = true;
    const page = this.page = new Page(this, url);
    this.url = url;
    this.emit('did-navigate', {}, url, 200, 'OK');
    const { preload } = this.preferences;
    for (const path of [...this.electron.sessionPreloads, ...(preload === undefined ? [] : [preload])]) {
      try {
        this.electron.runPreload(path, page);
      } catch (error) {
        this.emit('preload-error', {}, path, error);
      }
    }
  }
  getURL() {
    return this.url;
  }
  /** @param {(details: any) => any} handler */
  setWindowOpenHandler(handler) {
    this.windowOpenHandler = handler;
  }
  /** @param {string} channel @param {...any} args */
  send(channel, ...args) {
    if (this.destroyed) throw new TypeError('Object has been destroyed');
    const cloned = structuredClone(args);
    const { page } = this;
    setImmediate(() => { if (page && page === this.page) page.ipcRenderer.emit(channel, {}, ...cloned); });
  }
  isDestroyed() {
    return this.destroyed;
  }
  /** Unless it is asked to wait for `beforeunload` the page cannot prevent it. */
  close() {
    if (this.destroyed) return;
    this.destroyed = true;
    this.gone();
    this.emit('destroyed');
  }
  /** structures/render-process-gone-details.md. @param {string} reason */
  crash(reason = 'crashed') {
    this.gone();
    this.emit('render-process-gone', {}, { reason, exitCode: 1 });
  }
  /** The document and all it did ends, its locks are free. */
  gone() {
    if (this.page) this.page.frame.detached = true;
    const { page } = this;
    this.page = null;
    if (page) this.electron.documentEnded(page);
  }
}

/** base-window.md, browser-window.md */
class BaseWindow extends Emitter {
  closed = false;
  shown = 0;
  excludedFromShownWindowsMenu = false;
  /** @param {Electron} electron */
  constructor(electron) {
    super();
    this.electron = electron;
    electron.windows.push(this);
  }
  isDestroyed() {
    return this.closed;
  }
  show() {
    this.shown += 1;
  }
  /** As if the user closed it; `close` can be prevented, `destroy` cannot. */
  close() {
    const event = cancellable();
    this.emit('close', event);
    if (!event.defaultPrevented) this.destroy();
  }
  destroy() {
    if (this.closed) return;
    this.closed = true;
    this.emit('closed');
    this.electron.windows.splice(this.electron.windows.indexOf(this), 1);
    this.electron.app.windowClosed();
  }
}

/** app.md */
class StandInApp extends Emitter {
  exited = false;
  quitting = false;
  isPackaged = false;
  isFirstInstance = true;

  /** @param {Electron} electron @param {string} userData */
  constructor(electron, userData) {
    super();
    this.electron = electron;
    this.userData = userData;
  }
  async whenReady() {}
  requestSingleInstanceLock() {
    return this.isFirstInstance;
  }
  exit() {
    this.exited = true;
  }
  getVersion() {
    return '2.0.0';
  }
  /** @param {string} name */
  getPath(name) {
    if (name !== 'userData') throw new Error(`Failed to get '${name}' path`);
    return this.userData;
  }
  /** First before-quit, then every window is closed, then will-quit; of a quit that is under way, no window-all-closed. */
  quit() {
    const before = cancellable();
    this.emit('before-quit', before);
    if (before.defaultPrevented) return;
    this.quitting = true;
    for (const window of [...this.electron.windows]) window.close();
    this.quitting = false;
    if (this.electron.windows.length > 0) return;
    const will = cancellable();
    this.emit('will-quit', will);
    this.exited = !will.defaultPrevented;
  }
  /** window-all-closed: without a listener the app quits, with one it decides. */
  windowClosed() {
    if (this.electron.windows.length > 0 || this.quitting) return;
    if (!this.emit('window-all-closed')) this.quit();
  }
}

/** ipc-main.md */
class IpcMain extends Emitter {
  /** @type {Map<string, (event: any, ...args: any[]) => any>} */
  handlers = new Map();
  /** @param {string} channel @param {(event: any, ...args: any[]) => any} handler */
  handle(channel, handler) {
    if (this.handlers.has(channel)) throw new Error(`Attempted to register a second handler for '${channel}'`);
    this.handlers.set(channel, handler);
  }
  /** @param {string} channel */
  removeHandler(channel) {
    this.handlers.delete(channel);
  }
}

/** One Electron: what `require('electron')` gives in the main process is `parts`. */
class Electron {
  /** @type {WebContents[]} */
  contents = [];
  /** @type {BaseWindow[]} */
  windows = [];
  online = true;
  /** @type {string[]} */
  sessionPreloads = [];
  /** @type {Map<string, (request: any) => Promise<Response>>} */
  schemes = new Map();
  /** @type {import('electron').CustomScheme[]} */
  privileged = [];
  /** @type {any} */
  permissionHandler = null;
  /** dialog.md: what the viewer answers, by the button's number. */
  answers = (/** @type {import('electron').MessageBoxSyncOptions} */ { cancelId = 0 }) => cancelId;
  ipcMain = new IpcMain();
  /** power-monitor.md */
  powerMonitor = new Emitter();
  /** auto-updater.md: downloads what it finds. `update-available` says nothing of it, `update-downloaded` has notes, a name, a date and a URL. */
  autoUpdater = new Emitter();
  /** What a page needs to have loaded, once its preloads have been run. @type {(page: Page) => Promise<void>} */
  documentLoading = async () => {};
  /** @type {(page: Page) => void} */
  documentEnded = () => {};

  /** @param {Options} [options] */
  constructor({ userData = '', urls = [], redirects = {}, preloads = {}, globals = {}, views = true } = {}) {
    this.app = new StandInApp(this, userData);
    this.urls = new Set(urls);
    this.redirects = redirects;
    this.preloads = preloads;
    this.globals = globals;
    const electron = this;
    /** browser-window.md. app.md: browser-window-created is emitted when a new one is. */
    this.BrowserWindow = class BrowserWindow extends BaseWindow {
      /** @param {import('electron').BrowserWindowConstructorOptions} [options] */
      constructor(options = {}) {
        super(electron);
        this.options = options;
        this.webContents = new WebContents(electron, options.webPreferences);
        electron.app.emit('browser-window-created', {}, this);
      }
      /** @param {string} url */
      loadURL(url) {
        return this.webContents.loadURL(url);
      }
      static getAllWindows() {
        return electron.windows.filter((window) => window instanceof BrowserWindow);
      }
      destroy() {
        // Its contents go with it.
        this.webContents.close();
        super.destroy();
      }
    };
    /** base-window.md: of all windows; contents of its views are not destroyed with it. */
    this.BaseWindow = class extends BaseWindow {
      constructor() {
        super(electron);
      }
      static getAllWindows() {
        return [...electron.windows];
      }
    };
    /** web-contents-view.md: a view is no window. */
    this.WebContentsView = class {
      /** @param {import('electron').WebContentsViewConstructorOptions} [options] structures/web-contents-view-constructor-options */
      constructor({ webPreferences } = {}) {
        this.webContents = new WebContents(electron, webPreferences);
      }
    };
    /** net.md */
    this.net = { isOnline: () => this.online };
    this.parts = /** @satisfies {Parts} */ ({
      app: this.app,
      ipcMain: this.ipcMain,
      powerMonitor: this.powerMonitor,
      autoUpdater: this.autoUpdater,
      net: this.net,
      BrowserWindow: this.BrowserWindow,
      /** protocol.md: schemes are registered before the app is ready, and handled after. */
      protocol: {
        registerSchemesAsPrivileged: (/** @type {import('electron').CustomScheme[]} */ schemes) => { this.privileged = schemes; },
        handle: (/** @type {string} */ scheme, /** @type {any} */ handler) => { this.schemes.set(scheme, handler); },
      },
      /** session.md: scripts of a session run before the contents' own. */
      session: {
        defaultSession: {
          setPermissionRequestHandler: (/** @type {any} */ handler) => { this.permissionHandler = handler; },
          registerPreloadScript: (/** @type {import('electron').PreloadScriptRegistration} */ { filePath }) => `${this.sessionPreloads.push(filePath)}`,
        },
      },
      /** dialog.md */
      dialog: {
        showMessageBox: async (/** @type {any} */ options) => ({ response: this.answers(options), checkboxChecked: false }),
        showMessageBoxSync: (/** @type {any} */ options) => this.answers(options),
      },
      ...(views && { BaseWindow: this.BaseWindow, WebContentsView: this.WebContentsView }),
    });
  }

  /** tutorial/sandbox.md: a sandboxed preload has a `require` that knows `electron` and little else. @param {string} path @param {Page} page */
  runPreload(path, page) {
    const { ipcRenderer, contextBridge, location } = page;
    const inPlace = this.preloads[path];
    if (inPlace) return inPlace({ ipcRenderer, contextBridge }, page);
    const require = (/** @type {string} */ name) => {
      if (name === 'electron') return { ipcRenderer, contextBridge };
      throw new Error(`module not found: ${name}`);
    };
    return vm.runInNewContext(readFileSync(path, 'utf8'), {
      require, location, AbortController, AbortSignal, DOMException, setTimeout, clearTimeout, ...this.globals,
    });
  }

  /** A window of the app's own, with its page loaded. @param {string} url @param {import('electron').WebPreferences} [webPreferences] */
  async openWindow(url, webPreferences) {
    const window = new this.BrowserWindow({ webPreferences });
    await window.webContents.loadURL(url);
    return window;
  }

  /** Contents that are not of an app's window and live. */
  get hidden() {
    const ofWindows = this.windows.map((window) => /** @type {any} */ (window).webContents);
    return this.contents.filter((contents) => !contents.destroyed && !ofWindows.includes(contents));
  }
}

module.exports = { Electron, Frame, turn };
