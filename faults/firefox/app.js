'use strict';

const { EventEmitter } = require('node:events');
const path = require('node:path');
const { InstalledApp, POLICY } = require('../../testbed/installed-app');
const { AppProcess } = require('../app/process');

/**
 * @typedef {import('../app/process').Request} Request
 * @typedef {import('../app/process').Answer} Answer
 */

/** What `OfflineSessions` is to its app, when it lives in a process that is killed instead of closed. */
class KilledSessions extends EventEmitter {
  #process;

  /** @param {AppProcess} process */
  constructor(process) {
    super();
    this.#process = process;
    for (const method of ['put', 'list', 'unready', 'reportPlayback']) {
      Object.assign(this, { [method]: (/** @type {any[]} */ ...args) => process.call(method, args) });
    }
  }

  /** A signal cannot cross: whoever waits too long has been killed. */
  revalidate() {
    return this.#process.call('revalidate', []);
  }

  async close() {
    this.#process.kill();
    await this.#process.ended;
    this.#process.port.onclose?.();
  }
}

/** An app in a real browser whose main process is another than this one: each launch of it ends by SIGKILL. */
class KilledApp extends InstalledApp {
  /** @param {{ driver?: any }} [options] */
  async launch({ driver = this.driver() } = {}) {
    await this.offline?.close();
    const { serveDriver } = await import('../../js/renderer/transport.mjs');
    const process = new AppProcess({
      request: (request) => this.#license(request),
      event: (event, value) => {
        if (event === 'warning') this.warnings.push(value);
        else offline.emit(event, value);
      },
    });
    const offline = new KilledSessions(process);
    await process.ready;
    serveDriver(process.port, driver);
    await process.call('open', [{ directory: path.join(this.workspace, 'database'), platform: this.platform, policy: POLICY }]);
    this.offline = /** @type {any} */ (offline);
    return /** @type {import('../..').OfflineSessions} */ (this.offline);
  }

  /** @param {Request} request @returns {Promise<Answer>} */
  async #license({ requestId, message }) {
    const url = /** @type {{ url: string }} */ (this.licenseServer).url;
    const response = await fetch(url, { method: 'POST', headers: { 'idempotency-key': requestId }, body: message });
    if (!response.ok) return { failure: { kind: 'server-error', status: response.status } };
    return { bytes: new Uint8Array(await response.arrayBuffer()) };
  }
}

module.exports = { KilledApp };
