'use strict';

const { createTransportDriver } = require('../../js/transport.js');
const { hexToBase64url } = require('../../testbed/clearkey.js');
const { startPageServer } = require('../../testbed/servers.js');
const { openWindow } = require('../../testbed/window-port.js');

/** Empty lists: the driver's own defaults. */
const CONFIGURATION = { initDataTypes: ['keyids'], audioCapabilities: [], videoCapabilities: [] };

/** @param {number} n @returns {string} */
const keyIdOf = (n) => `00112233445566778899aabb0000${n.toString(16).padStart(4, '0')}`;

/** Keys for the licence server: the key ids 1 to 64. */
const KEYS = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [keyIdOf(n + 1), keyIdOf(n + 1)]));

/** A lane of an origin of its own, so that no test finds another's licences. */
class EmeLane {
  #server;
  /** @type {Awaited<ReturnType<typeof openWindow>>[]} */
  #windows = [];

  /** @param {Awaited<ReturnType<typeof startPageServer>>} server */
  constructor(server) {
    this.#server = server;
    this.lane = { origin: server.origin, partition: null, keySystem: 'org.w3.clearkey' };
  }

  static async create() {
    return new EmeLane(await startPageServer());
  }

  /** A window of the lane's origin, and the transport driver to it. @param {import('puppeteer-core').Browser} browser */
  async open(browser) {
    const window = await openWindow(browser, this.lane.origin, { worker: true });
    this.#windows.push(window);
    await window.page.evaluate(() => {
      const page = /** @type {any} */ (globalThis);
      page.unhandled = [];
      page.addEventListener('unhandledrejection', (/** @type {any} */ event) => page.unhandled.push(String(event.reason)));
    });
    return { driver: createTransportDriver(window.port), page: window.page, window };
  }

  /**
   * @param {number} n of the title: its key id follows from it
   * @param {object} [fields]
   */
  title(n, fields = {}) {
    const initData = Buffer.from(JSON.stringify({ kids: [hexToBase64url(keyIdOf(n))] })).toString('base64');
    return { contentId: `title-${n}`, lane: this.lane, sessionId: '', previousSessionIds: [], keyIds: [keyIdOf(n)], keyStatusWaitMs: 300, initDataType: 'keyids', initData, ...fields };
  }

  /**
   * @template T
   * @param {ReturnType<typeof createTransportDriver>} driver
   * @param {'probe' | 'check' | 'license' | 'verify' | 'adopt' | 'release'} phase
   * @param {() => Promise<T>} work
   */
  async inPhase(driver, phase, work) {
    await driver.startPhase(this.lane, phase, ['probe', 'adopt'].includes(phase) ? null : CONFIGURATION);
    try {
      return await work();
    } finally {
      await driver.endPhase(this.lane, phase);
    }
  }

  /** Ends the test: nothing went unhandled in any window that is still there, and the lock is free. */
  async close() {
    const left = await Promise.all(this.#windows.filter(({ page }) => !page.isClosed()).map(async (window) => {
      const unhandled = await window.page.evaluate(() => /** @type {any} */ (globalThis).unhandled ?? []);
      const { held, pending } = await window.page.evaluate(() => navigator.locks.query());
      await window.close();
      return { unhandled, locks: [...held ?? [], ...pending ?? []] };
    }));
    await this.#server.close();
    return { unhandled: left.flatMap(({ unhandled }) => unhandled), locks: left.flatMap(({ locks }) => locks) };
  }
}

/** Waits for a window to stand in the queue for the lock. @param {import('puppeteer-core').Page} page */
async function untilWaitingForLock(page) {
  await page.waitForFunction(async () => ((await navigator.locks.query()).pending ?? []).length === 1);
}

/**
 * `acquireLicense` as an app has it: status 403 is refused, 429 throttled.
 * @param {{ url: string }} server
 */
function licenseHook({ url }) {
  return async (/** @type {{ message: Uint8Array }} */ { message }) => {
    const response = await fetch(url, { method: 'POST', body: message });
    if (response.status === 403) throw { kind: 'refused', status: 403, reason: 'geo' };
    if (response.status === 429) throw { kind: 'throttled', status: 429, retryAfterMs: Number(response.headers.get('retry-after')) * 1000 };
    if (!response.ok) throw { kind: 'server-error', status: response.status };
    return new Uint8Array(await response.arrayBuffer());
  };
}

module.exports = { EmeLane, CONFIGURATION, KEYS, keyIdOf, untilWaitingForLock, licenseHook };
