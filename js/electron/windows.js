'use strict';

const { OfflineSessionsError } = require('../errors');

/**
 * @typedef {import('./parts').WebContents} WebContents
 * @typedef {import('./parts').Window} Window
 * @typedef {{ app: Pick<import('./parts').App, 'off' | 'on'>, BrowserWindow: import('./parts').BrowserWindows, BaseWindow?: import('./parts').Windows,
 *   WebContentsView?: import('./parts').Views }} ElectronWindows
 *
 * @typedef {object} Hidden
 * @property {WebContents} contents
 * @property {() => void} close
 * @property {() => boolean} mayClose whether closing it now leaves the app as it would be without us
 */

/**
 * Pages that nobody sees, and when the app's last window closes. A page lives in a view without a window, which Electron does not count
 * among an app's windows; before Electron 30, which has none, in a hidden window. Why: docs/adr/0007.
 */
class HiddenWindows {
  #electron;
  #lastClosed;
  /** With what is told that they close. @type {Map<Window, () => void>} */
  #watched = new Map();
  /** @type {Set<Window>} */
  #ours = new Set();
  #stopped = false;

  /** @param {ElectronWindows} electron @param {() => void} lastClosed called when the app's last window has closed */
  constructor(electron, lastClosed) {
    this.#electron = electron;
    this.#lastClosed = lastClosed;
    // Not `window-all-closed`: with a listener of ours an app that has none would no longer quit.
    electron.app.on('browser-window-created', this.#created);
    this.#watchAll();
  }

  /** Throws ERR_DRIVER_GONE when it has been stopped. @param {import('electron').WebPreferences} webPreferences @returns {Hidden} */
  open(webPreferences) {
    if (this.#stopped) throw new OfflineSessionsError('ERR_DRIVER_GONE', 'The store was closed.');
    // No event tells of a new BaseWindow.
    this.#watchAll();
    const { WebContentsView, BrowserWindow } = this.#electron;
    if (WebContentsView) {
      const view = new WebContentsView({ webPreferences });
      const contents = view.webContents;
      // The view is referred to until then, that it is not collected.
      return { contents, close: () => { if (!contents.isDestroyed()) view.webContents.close(); }, mayClose: () => true };
    }
    const window = new BrowserWindow({ show: false, focusable: false, skipTaskbar: true, webPreferences });
    window.excludedFromShownWindowsMenu = true;
    this.#ours.add(window);
    return {
      contents: window.webContents,
      close: () => {
        if (!window.isDestroyed()) window.destroy();
        this.#ours.delete(window);
      },
      // The last one to close ends most apps.
      mayClose: () => this.#appWindows().length > 0,
    };
  }

  stop() {
    this.#stopped = true;
    this.#electron.app.off('browser-window-created', this.#created);
    for (const [window, onClosed] of this.#watched) window.off('closed', onClosed);
    this.#watched.clear();
  }

  /** @param {unknown} _event @param {Window} window */
  #created = (_event, window) => this.#watch(window);

  #watchAll() {
    for (const window of this.#appWindows()) this.#watch(window);
  }

  /** @param {Window} window */
  #watch(window) {
    if (this.#watched.has(window)) return;
    const onClosed = () => {
      this.#watched.delete(window);
      const others = this.#appWindows().filter((other) => other !== window);
      if (!this.#ours.has(window) && others.length === 0) this.#lastClosed();
    };
    this.#watched.set(window, onClosed);
    window.once('closed', onClosed);
  }

  #appWindows() {
    const { BaseWindow, BrowserWindow } = this.#electron;
    return (BaseWindow ?? BrowserWindow).getAllWindows().filter((window) => !this.#ours.has(window) && !window.isDestroyed());
  }
}

module.exports = { HiddenWindows };
