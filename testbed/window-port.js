'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

/**
 * @typedef {import('puppeteer-core').Browser} Browser
 * @typedef {import('puppeteer-core').Page} Page
 */

const CLOSE_TIMEOUT_MS = 5_000;
/** Below the automation protocol's own time-out. */
const TAKE_WAIT_MS = 20_000;
const RELOAD_POLL_MS = 20;

/**
 * A page of the player's origin, and in it, when asked for, the addon's worker behind a port.
 * A reload serves again, with a new 'ready', as a window's preload does.
 * @param {Browser} browser
 * @param {string} origin of a page server (servers.js)
 * @param {{ worker?: boolean }} [options] worker: the bundle must have been built
 */
async function openWindow(browser, origin, { worker = false } = {}) {
  const page = await browser.newPage();
  /** @type {unknown[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(`${origin}/index.html${worker ? '?worker' : ''}`, { waitUntil: 'load' });
  if (!await page.evaluate((name) => name in globalThis, worker ? 'testbedPort' : 'player')) {
    throw errors[0] ?? new Error('the page of the test bed did not start');
  }
  const port = worker ? new WindowPort(page) : null;

  return {
    page,
    /** @type {WindowPort} */
    get port() {
      if (!port) throw new Error('this window was opened without the worker');
      return port;
    },
    /**
     * A call of the player's (testbed/page/player.mjs).
     * @param {'download' | 'catalogue' | 'play' | 'adopt'} method
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
 * The main process's end of a transport: MessagePort-like, over the automation protocol.
 * What comes before there is an `onmessage` waits for it, as with a MessagePort.
 */
class WindowPort {
  /** @type {Page} */
  #page;
  /** @type {((event: { data: any }) => void) | null} */
  #onmessage = null;
  /** @type {(() => void) | null} */
  #onclose = null;
  #closed = false;
  /** @type {string[]} */
  #incoming = [];
  /** @type {string[]} */
  #outgoing = [];
  #sending = false;

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    page.once('close', () => this.gone());
    page.once('error', () => this.gone());
    page.browser().once('disconnected', () => this.gone());
    this.#receive();
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
    if (this.#closed) return;
    this.#outgoing.push(JSON.stringify(message));
    if (!this.#sending) this.#send();
  }

  close() {
    this.gone();
  }

  /** The window is not there any more. */
  gone() {
    if (this.#closed) return;
    this.#closed = true;
    this.#onclose?.();
  }

  async #receive() {
    while (!this.#closed) {
      const messages = await this.#call('take', TAKE_WAIT_MS);
      if (!messages) await sleep(RELOAD_POLL_MS);
      for (const json of messages ?? []) {
        if (this.#onmessage) this.#onmessage({ data: JSON.parse(json) });
        else this.#incoming.push(json);
      }
    }
  }

  /** In batches, one after the other: calls into a page may overtake each other. */
  async #send() {
    this.#sending = true;
    while (this.#outgoing.length > 0 && !this.#closed) await this.#call('give', this.#outgoing.splice(0));
    this.#sending = false;
  }

  /**
   * @param {'give' | 'take'} method
   * @param {unknown} argument
   * @returns {Promise<string[] | null>} null from a page that is loading: what it is sent is lost, its 'ready' says so
   */
  async #call(method, argument) {
    try {
      return await this.#page.evaluate((name, value) => /** @type {any} */ (globalThis).testbedPort?.[name](value) ?? null, method, argument);
    } catch {
      return null;
    }
  }
}

module.exports = { openWindow, WindowPort };
