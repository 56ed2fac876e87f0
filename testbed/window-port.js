'use strict';

const { once } = require('node:events');
const { WebSocketServer } = require('ws');

/**
 * @typedef {import('puppeteer-core').Browser} Browser
 * @typedef {import('puppeteer-core').Page} Page
 */

const CLOSE_TIMEOUT_MS = 5_000;

/**
 * A page of the player's origin, and in it, when asked for, the addon's worker behind a port.
 * A reload serves again, with a new 'ready', as a window's preload does.
 * @param {Browser} browser
 * @param {string} origin of a page server (servers.js)
 * @param {{ worker?: boolean, page?: string }} [options] worker: the bundle must have been built; page: of testbed/page, with a query
 */
async function openWindow(browser, origin, { worker = false, page: name = 'index.html?' } = {}) {
  const page = await browser.newPage();
  /** @type {unknown[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  const port = worker ? await WindowPort.listen(page) : null;
  await page.goto(`${origin}/${name}${port ? `&worker=${port.number}` : ''}`, { waitUntil: 'load' });
  if (!await page.evaluate(() => 'player' in globalThis)) {
    port?.gone();
    throw errors[0] ?? new Error('the page of the test bed did not start');
  }

  return {
    page,
    /** @type {WindowPort} */
    get port() {
      if (!port) throw new Error('this window was opened without the worker');
      return port;
    },
    /**
     * A call of the player's (testbed/page/player.mjs).
     * @param {string} method
     * @param {...any} args plain JSON
     * @returns {Promise<any>}
     */
    player(method, ...args) {
      return page.evaluate((name, values) => /** @type {any} */ (globalThis).player[name](...values), method, args);
    },
    async close() {
      port?.gone();
      const timeout = new Promise((resolve) => { setTimeout(resolve, CLOSE_TIMEOUT_MS).unref(); });
      await Promise.race([page.close().catch(() => {}), timeout]);
    },
  };
}

/**
 * The main process's end of a transport: MessagePort-like, over a WebSocket that the page opens (testbed/page/port.mjs).
 * What comes before there is an `onmessage` waits for it, as with a MessagePort. A page that is loading has no socket:
 * what it is sent is lost, and its 'ready' says so.
 */
class WindowPort {
  /** @type {WebSocketServer} */
  #server;
  /** @type {import('ws').WebSocket | null} */
  #socket = null;
  /** @type {((event: { data: any }) => void) | null} */
  #onmessage = null;
  /** @type {(() => void) | null} */
  #onclose = null;
  #closed = false;
  /** @type {string[]} */
  #incoming = [];

  /** @param {Page} page */
  static async listen(page) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new WindowPort(page, server);
  }

  /** @param {Page} page @param {WebSocketServer} server */
  constructor(page, server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#socket?.terminate();
      this.#socket = socket;
      socket.on('error', () => socket.terminate());
      socket.on('message', (json) => this.#receive(String(json)));
      socket.on('close', () => {
        if (this.#socket === socket) this.#socket = null;
      });
    });
    page.once('close', () => this.gone());
    page.once('error', () => this.gone());
    page.browser().once('disconnected', () => this.gone());
  }

  /** The number of the loopback port that the page connects to. */
  get number() {
    return /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
  }

  get onmessage() {
    return this.#onmessage;
  }

  set onmessage(listener) {
    this.#onmessage = listener;
    if (listener) for (const json of this.#incoming.splice(0)) listener({ data: JSON.parse(json) });
  }

  get onclose() {
    return this.#onclose;
  }

  set onclose(listener) {
    this.#onclose = listener;
    if (this.#closed) queueMicrotask(() => listener?.());
  }

  /** @param {object} message */
  postMessage(message) {
    this.#socket?.send(JSON.stringify(message));
  }

  close() {
    this.gone();
  }

  /** The window is not there any more. */
  gone() {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.terminate();
    this.#server.close();
    this.#onclose?.();
  }

  /** @param {string} json */
  #receive(json) {
    if (this.#closed) return;
    if (this.#onmessage) this.#onmessage({ data: JSON.parse(json) });
    else this.#incoming.push(json);
  }
}

module.exports = { openWindow, WindowPort };
