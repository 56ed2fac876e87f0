'use strict';

const { readFileSync } = require('node:fs');
const { Electron } = require('./electron-stand-in.js');

/**
 * Electron's stand-in whose documents are pages of a real browser: their preloads, as they are, run there before the page's own scripts, and
 * reach the stand-in's main process. What the context bridge exposes is the preload's own object.
 */
class ElectronInBrowser extends Electron {
  /** Pages of the browser by document. @type {Map<any, import('puppeteer-core').Page>} */
  pages = new Map();
  /** @type {Promise<void>[]} */
  #closing = [];

  /** @param {import('puppeteer-core').Browser} browser @param {ConstructorParameters<typeof Electron>[0]} options */
  constructor(browser, options) {
    super(options);
    this.browser = browser;
    this.documentLoading = (/** @type {any} */ page) => this.#load(page);
    this.documentEnded = (/** @type {any} */ page) => { this.#closing.push(this.#close(page)); };
  }

  /** @param {string} path @param {any} page */
  runPreload(path, page) {
    page.preloads = [...page.preloads ?? [], readFileSync(path, 'utf8')];
  }

  /** When all documents that have ended are gone from the browser. */
  async closed() {
    await Promise.all(this.#closing);
  }

  /** @param {any} page */
  async #load(page) {
    const inBrowser = await this.browser.newPage();
    this.pages.set(page, inBrowser);
    await inBrowser.exposeFunction('toMain', async (/** @type {string} */ json) => {
      const [method, channel, args] = decode(json);
      if (method === 'send') return page.ipcRenderer.send(channel, ...args);
      return encode(await page.ipcRenderer.invoke(channel, ...args).then((/** @type {any} */ value) => ({ value }), ({ message }) => ({ message })));
    });
    page.ipcRenderer.emit = (/** @type {string} */ channel, /** @type {unknown} */ _event, /** @type {any[]} */ ...args) => {
      inBrowser.evaluate((json) => globalThis.fromMain(json), encode([channel, args])).catch(() => {});
    };
    await inBrowser.evaluateOnNewDocument(electronOfPreloads);
    for (const source of page.preloads) await inBrowser.evaluateOnNewDocument(`(function (require) {\n${source}\n})(globalThis.requireOfPreloads);`);
    await inBrowser.goto(page.location.href, { waitUntil: 'load' });
  }

  /** @param {any} page */
  async #close(page) {
    const inBrowser = this.pages.get(page);
    this.pages.delete(page);
    await inBrowser?.close().catch(() => {});
  }
}

/** @param {unknown} value */
const encode = (value) => JSON.stringify(value, (_name, item) => {
  return ArrayBuffer.isView(item) ? { bytes: Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString('base64') } : item;
});

/** @param {string} json */
const decode = (json) => JSON.parse(json, (_name, item) => {
  return typeof item?.bytes === 'string' ? new Uint8Array(Buffer.from(item.bytes, 'base64')) : item;
});

/** In the page: what `require('electron')` gives a preload. */
function electronOfPreloads() {
  /** @type {any} */
  const page = globalThis;
  /** @type {Map<string, ((event: object, ...args: any[]) => void)[]>} */
  const listeners = new Map();
  const encode = (/** @type {unknown} */ value) => JSON.stringify(value, (_name, item) => {
    return ArrayBuffer.isView(item) ? { bytes: btoa(String.fromCharCode(...new Uint8Array(item.buffer, item.byteOffset, item.byteLength))) } : item;
  });
  const decode = (/** @type {string} */ json) => JSON.parse(json, (_name, item) => {
    return typeof item?.bytes === 'string' ? Uint8Array.from(atob(item.bytes), (character) => character.charCodeAt(0)) : item;
  });
  page.fromMain = (/** @type {string} */ json) => {
    const [channel, args] = decode(json);
    for (const listener of listeners.get(channel) ?? []) listener({}, ...args);
  };
  const ipcRenderer = {
    send: (/** @type {string} */ channel, /** @type {any[]} */ ...args) => { page.toMain(encode(['send', channel, args])); },
    on: (/** @type {string} */ channel, /** @type {any} */ listener) => { listeners.set(channel, [...listeners.get(channel) ?? [], listener]); },
    async invoke(/** @type {string} */ channel, /** @type {any[]} */ ...args) {
      const { value, message } = decode(await page.toMain(encode(['invoke', channel, args])));
      if (message !== undefined) throw new Error(message);
      return value;
    },
  };
  const contextBridge = { exposeInMainWorld: (/** @type {string} */ name, /** @type {object} */ api) => { page[name] = api; } };
  page.requireOfPreloads = () => ({ ipcRenderer, contextBridge });
}

module.exports = { ElectronInBrowser };
