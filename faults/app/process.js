'use strict';

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

/**
 * @typedef {{ name?: string, code?: string, field?: string, message: string, ours: boolean, cause?: string, recovered?: any }} PlainError
 * @typedef {{ contentId: string, requestId: string, replaces: string, message: Uint8Array }} Request
 * @typedef {{ bytes: Uint8Array } | { failure: object }} Answer
 * @typedef {import('../..').Verdict} Verdict
 *
 * @typedef {object} Listeners
 * @property {(request: Request) => Promise<Answer>} [request] the licence server
 * @property {(event: string, value: any) => void} [event]
 * @property {(verdicts: Verdict[]) => void} [verdicts]
 */

const CHILD = path.join(__dirname, 'child.js');

/** The process has ended before it answered. */
class ProcessEnded extends Error {}

/** What the addon rejected a call with. */
class CallFailed extends Error {
  /** @param {string} method @param {PlainError} error */
  constructor(method, error) {
    super(`${method}: ${error.code ?? error.name}: ${error.message}${error.cause ? ` (${error.cause})` : ''}`);
    this.error = error;
  }
}

/** A process that runs `child.js`, seen from the one that outlives it. */
class AppProcess {
  #child;
  #listeners;
  /** @type {Map<number, { method: string, resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #calls = new Map();
  #lastCall = 0;
  #errors = '';
  /** The window's end of the transport, as `serveDriver` takes it. @type {any} */
  port = { postMessage: (/** @type {any} */ data) => this.#send({ type: 'window', data }), onmessage: null, onclose: null };

  /** @param {Listeners} listeners */
  constructor(listeners) {
    this.#listeners = listeners;
    this.#child = fork(CHILD, { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (text) => { this.#errors = (this.#errors + text).slice(-4000); });
    this.#child.on('error', () => {});
    /** @type {Promise<void>} */
    this.ready = new Promise((resolve) => {
      this.#child.on('message', (message) => this.#receive(message, resolve));
    });
    // What it wrote before it died is still read: 'disconnect' comes after that.
    this.ended = Promise.all([once(this.#child, 'exit'), once(this.#child, 'disconnect')]).then(([[code, signal]]) => {
      for (const { method, reject } of this.#calls.values()) reject(new ProcessEnded(`${method}: the process has ended`));
      this.#calls.clear();
      return { code, signal, errors: this.#errors };
    });
  }

  /**
   * @param {string} method of OfflineSessions; `open` too
   * @param {any[]} args
   * @param {string[]} [watch]
   * @returns {Promise<any>}
   */
  call(method, args, watch = []) {
    const done = new Promise((resolve, reject) => {
      this.#calls.set(++this.#lastCall, { method, resolve, reject });
      if (!this.#send({ type: 'call', id: this.#lastCall, method, args, watch })) reject(new ProcessEnded(`${method}: the process has ended`));
    });
    // Whoever has been killed leaves nobody to hear of it.
    done.catch(() => {});
    return done;
  }

  get alive() {
    return this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid() {
    return this.#child.pid ?? 0;
  }

  disconnect() {
    if (this.#child.connected) this.#child.disconnect();
  }

  kill() {
    this.#child.kill('SIGKILL');
  }

  /** @param {any} message @param {() => void} ready */
  #receive(message, ready) {
    if (message.type === 'ready') ready();
    else if (message.type === 'window') this.port.onmessage?.({ data: message.data });
    else if (message.type === 'event') this.#listeners.event?.(message.event, message.value);
    else if (message.type === 'request') this.#answer(message);
    else if (message.type === 'reply') {
      const { method, resolve, reject } = /** @type {any} */ (this.#calls.get(message.id));
      this.#calls.delete(message.id);
      if (message.error) reject(new CallFailed(method, message.error));
      else {
        this.#listeners.verdicts?.(message.verdicts);
        resolve(message.value);
      }
    }
  }

  /** @param {{ id: number, request: Request }} message */
  async #answer({ id, request }) {
    const answer = await this.#listeners.request?.(request);
    this.#send({ type: 'answer', id, ...answer });
  }

  /** @param {object} message */
  #send(message) {
    if (!this.alive) return false;
    this.#child.send(message, () => {});
    return true;
  }
}

module.exports = { AppProcess, CallFailed, ProcessEnded };
