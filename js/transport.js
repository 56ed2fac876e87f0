'use strict';

const { randomUUID } = require('node:crypto');
const { types } = require('node:util');
const { OfflineSessionsError } = require('./errors.js');
const check = require('./arguments.js');
const { parseWindowMessage, isOutcomeOf, licenseFailure } = require('./transport-messages.js');

/**
 * @typedef {import('./session-driver.js').SessionDriver} SessionDriver
 * @typedef {import('./session-driver.js').LicenseFailure} LicenseFailure
 *
 * @typedef {object} TransportPort a MessagePort, or what can be made to look like one; messages are plain JSON
 * @property {(message: any) => void} postMessage
 * @property {((event: any) => any) | null} onmessage called with `{ data }`
 * @property {(() => void) | null} [onclose]
 * @property {() => void} [close]
 * @property {(type: 'close', listener: () => void) => void} [addEventListener]
 *
 * @typedef {object} Task
 * @property {string} id
 * @property {string} method
 * @property {unknown[]} args
 * @property {Record<string, any>} context what the caller gave beside the arguments, less the signal
 * @property {(outcome: any) => void} resolve
 * @property {(reason: unknown) => void} reject
 * @property {boolean} posted
 * @property {'no' | 'asked' | 'yes'} journalled
 * @property {boolean} answering the app's `acquireLicense` is at work
 */

const gone = (why = 'The window was closed or reloaded.', /** @type {unknown} */ cause = undefined) =>
  new OfflineSessionsError('ERR_DRIVER_GONE', why, { cause });

/** The one code that a window may speak of: others are the main process's. @param {{ name: string, message: string, code?: string }} failure */
function windowError({ name, message, code }) {
  if (code === 'ERR_SHAKA_LAYOUT') return new OfflineSessionsError(code, message);
  return Object.assign(new Error(message), { name });
}

/** The main process's end of a transport: a SessionDriver whose work is done by the window at the other end. */
class TransportDriver {
  #port;
  /** @type {Map<string, Task>} */
  #tasks = new Map();
  #ready = false;
  #closed = false;

  /** @param {TransportPort} port */
  constructor(port) {
    this.#port = port;
    port.onmessage = (event) => this.#receive(event.data);
    const onClose = () => {
      this.#closed = true;
      this.#fail([...this.#tasks.values()]);
    };
    port.onclose = onClose;
    // Node's MessagePort has the event, but not the property.
    port.addEventListener?.('close', onClose);
  }

  /** @type {NonNullable<SessionDriver['startPhase']>} */
  startPhase(lane, phase, configuration, context) {
    return this.#run('startPhase', [lane, phase, configuration], context);
  }

  /** @type {NonNullable<SessionDriver['endPhase']>} */
  async endPhase(lane, phase) {
    // Before the window has begun to serve it has no phase to end; one that has gone took its phases with it.
    if (this.#ready) await this.#run('endPhase', [lane, phase]).catch(() => {});
  }

  /** @type {SessionDriver['probe']} */
  probe(lane, context) {
    return this.#run('probe', [lane], context);
  }

  /** @type {SessionDriver['plantWitness']} */
  plantWitness(lane, value) {
    return this.#run('plantWitness', [lane, value]);
  }

  /** @type {SessionDriver['check']} */
  check(session, context) {
    return this.#run('check', [session], context);
  }

  /** @type {SessionDriver['license']} */
  license(session, context) {
    return this.#run('license', [session], context);
  }

  /** @type {SessionDriver['adopt']} */
  adopt(session, newSessionId, context) {
    return this.#run('adopt', [session, newSessionId], context);
  }

  /** @type {SessionDriver['release']} */
  release(session, context) {
    return this.#run('release', [session], context);
  }

  /** @type {NonNullable<SessionDriver['inventory']>} */
  async inventory(lane, context) {
    return (await this.#run('inventory', [lane], context)).map(check.withBytes);
  }

  /** Ends the transport: what is outstanding is aborted in the window and rejects with `ERR_DRIVER_GONE`. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#fail([...this.#tasks.values()], 'The driver was closed.');
    this.#port.onmessage = null;
    this.#port.onclose = null;
    this.#port.close?.();
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   * @param {{ signal?: AbortSignal, [name: string]: any }} [options]
   * @returns {Promise<any>}
   */
  #run(method, args, { signal, ...context } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#closed) return reject(gone());
      const onAbort = () => {
        if (task.posted) this.#post({ type: 'abort', id: task.id });
        task.reject(signal?.reason);
      };
      const settle = () => {
        this.#tasks.delete(task.id);
        signal?.removeEventListener('abort', onAbort);
      };
      /** @type {Task} */
      const task = {
        id: randomUUID(), method, args, context, posted: false, journalled: 'no', answering: false,
        resolve: (outcome) => { settle(); resolve(outcome); },
        reject: (reason) => { settle(); reject(reason); },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#tasks.set(task.id, task);
      // A port over IPC loses what is sent before the window listens.
      if (this.#ready) this.#start(task);
    });
  }

  /** @param {Task} task */
  #start(task) {
    const { id, method, args, context } = task;
    const plain = Object.fromEntries(Object.entries(context).filter(([, value]) => typeof value !== 'function'));
    task.posted = true;
    try {
      this.#port.postMessage({ type: 'task', id, method, args, context: plain });
    } catch (cause) {
      task.reject(gone('The task could not be sent to the window.', cause));
    }
  }

  /** @param {object} message */
  #post(message) {
    try {
      this.#port.postMessage(message);
    } catch {
      // The window is going, and the port's onclose will say so.
    }
  }

  /** @param {Task[]} tasks @param {string} [why] */
  #fail(tasks, why) {
    for (const task of tasks) {
      // There may still be a document that works on it: a reloaded one can have been given it before its 'ready' came.
      if (task.posted) this.#post({ type: 'abort', id: task.id });
      task.reject(gone(why));
    }
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = parseWindowMessage(data);
    if (!message) return;
    if (message.type === 'ready') return this.#onReady();
    const task = this.#tasks.get(message.id);
    if (!task?.posted) return;
    switch (message.type) {
      case 'outcome':
        if (isOutcomeOf(task.method, message.outcome)) task.resolve(message.outcome ?? undefined);
        break;
      case 'failure':
        task.reject(windowError(message));
        break;
      case 'sessionCreated':
        this.#journal(task, message.sessionId);
        break;
      case 'licenseMessage':
        this.#acquireLicense(task, message);
        break;
    }
  }

  #onReady() {
    this.#ready = true;
    const tasks = [...this.#tasks.values()];
    // A document that begins to serve knows nothing of what an earlier one was asked.
    this.#fail(tasks.filter(({ posted }) => posted));
    for (const task of tasks) if (!task.posted) this.#start(task);
  }

  /** @param {Task} task @param {string} sessionId */
  async #journal(task, sessionId) {
    if (task.method !== 'license' || task.journalled !== 'no') return;
    task.journalled = 'asked';
    try {
      await task.context.sessionCreated(sessionId);
      task.journalled = 'yes';
      this.#answer(task, { type: 'sessionJournalled' });
    } catch (error) {
      const { code = 'ERR_INTERNAL', message = String(error) } = /** @type {any} */ (error) ?? {};
      this.#answer(task, { type: 'sessionJournalled', failure: { code, message } });
    }
  }

  /**
   * @param {Task} task
   * @param {{ messageId: string | number, messageType: string, message: string }} request
   */
  async #acquireLicense(task, { messageId, messageType, message }) {
    // The window cannot be trusted to keep the order: nothing is asked for that is not journalled, and one at a time.
    const allowed = ['check', 'release'].includes(task.method) || (task.method === 'license' && task.journalled === 'yes');
    if (!allowed || task.answering) return;
    task.answering = true;
    const answer = await licenseAnswer(task.context.acquireLicense, messageType, Buffer.from(message, 'base64'));
    task.answering = false;
    this.#answer(task, { type: 'licenseResponse', messageId, ...answer });
  }

  /** @param {Task} task @param {object} message */
  #answer(task, message) {
    if (this.#tasks.get(task.id) === task) this.#post({ ...message, id: task.id });
  }
}

/**
 * @param {import('./session-driver.js').AcquireLicense} acquireLicense
 * @param {string} messageType
 * @param {Buffer} message
 * @returns {Promise<{ body: string } | { failure: LicenseFailure }>}
 */
async function licenseAnswer(acquireLicense, messageType, message) {
  try {
    return { body: toBase64(await acquireLicense({ messageType, message: new Uint8Array(message) })) };
  } catch (error) {
    return { failure: licenseFailure(error) ?? { kind: 'unreachable', message: String(/** @type {any} */ (error)?.message ?? error) } };
  }
}

/** @param {unknown} body */
function toBase64(body) {
  if (ArrayBuffer.isView(body)) return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
  if (types.isAnyArrayBuffer(body)) return Buffer.from(body).toString('base64');
  throw new TypeError('acquireLicense gave no bytes');
}

/**
 * @param {TransportPort} port its other end is served by `serveDriver` in a window
 * @returns {Required<SessionDriver> & { close(): void }}
 */
function createTransportDriver(port) {
  if (!('onmessage' in check.object('port', port))) throw check.invalid('port', 'must call an onmessage: of a MessagePortMain hand its events on');
  return new TransportDriver(port);
}

module.exports = { createTransportDriver };
