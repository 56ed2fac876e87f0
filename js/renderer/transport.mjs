import { abortable } from './abortable.mjs';
import { fromBase64, toBase64 } from './base64.mjs';

/**
 * @typedef {import('../session-driver.js').LicenseMessage} LicenseMessage
 *
 * @typedef {object} WindowPort a MessagePort, or what can be made to look like one
 * @property {(message: any) => void} postMessage
 * @property {((event: any) => any) | null} onmessage called with `{ data }`
 * @property {((event?: any) => any) | null} [onclose]
 *
 * @typedef {object} Task
 * @property {AbortController} controller
 * @property {Map<string | number, { resolve: (value: any) => void, reject: (reason: unknown) => void }>} waits
 *   for the main process, by the id of a message, or JOURNAL
 */

const METHODS = ['startPhase', 'endPhase', 'probe', 'plantWitness', 'check', 'license', 'adopt', 'release', 'inventory'];
const JOURNAL = 'journal';

/** Nobody is left to be told. */
const portIsGone = () => {};

/** @param {import('../types.js').CatalogueEntry} entry */
const inJson = (entry) => (entry.initData ? { ...entry, initData: toBase64(entry.initData) } : entry);

/**
 * Serves a SessionDriver to `createTransportDriver` at the other end of the port, until the port closes.
 * @param {WindowPort} port
 * @param {object} driver a SessionDriver; without startPhase and endPhase these do nothing
 */
export function serveDriver(port, driver) {
  const methods = /** @type {Record<string, (...args: any[]) => any>} */ (driver);
  /** @type {Map<string | number, Task>} */
  const tasks = new Map();
  /** @type {Map<string, any[]>} Lane and phase of each started phase, to be ended when the port closes. */
  const phases = new Map();

  /**
   * @param {{ id: string | number, method: string, args: any[], context?: object }} message
   */
  async function run({ id, method, args, context }) {
    const controller = new AbortController();
    const task = { controller, waits: new Map() };
    tasks.set(id, task);
    if (method === 'startPhase') phases.set(JSON.stringify(args[0]), args.slice(0, 2));
    if (method === 'endPhase') phases.delete(JSON.stringify(args[0]));
    try {
      const answer = await call(method, args, contextOf(id, task, context));
      const outcome = method === 'inventory' ? answer.map(inJson) : answer;
      port.postMessage({ type: 'outcome', id, outcome: outcome ?? null });
    } catch (error) {
      const { name = 'Error', message = String(error), code } = /** @type {any} */ (error) ?? {};
      port.postMessage({ type: 'failure', id, name: String(name), message: String(message), ...(typeof code === 'string' && { code }) });
    } finally {
      tasks.delete(id);
    }
  }

  /** @param {string} method @param {any[]} args @param {object} [context] */
  async function call(method, args, context) {
    if (typeof methods[method] !== 'function' && method.endsWith('Phase')) return null;
    return methods[method](...args, context);
  }

  /**
   * @param {string | number} id
   * @param {Task} task
   * @param {object} [plain]
   */
  function contextOf(id, { controller: { signal }, waits }, plain) {
    let lastMessage = 0;
    /** @param {string | number} key @param {object} question @returns {Promise<any>} */
    const ask = (key, question) => abortable(new Promise((resolve, reject) => {
      waits.set(key, { resolve, reject });
      port.postMessage({ ...question, id });
    }), signal);
    return {
      ...plain,
      signal,
      /** @param {string} sessionId */
      sessionCreated: (sessionId) => ask(JOURNAL, { type: 'sessionCreated', sessionId }),
      /** @param {LicenseMessage} request */
      acquireLicense({ messageType, message }) {
        const messageId = ++lastMessage;
        return ask(messageId, { type: 'licenseMessage', messageId, messageType, message: toBase64(message) });
      },
    };
  }

  /** @param {any} message an object */
  function receive(message) {
    const { type, id } = message;
    if (typeof id !== 'string' && typeof id !== 'number') return;
    const task = tasks.get(id);
    if (type === 'task') {
      const { method, args } = message;
      if (!task && METHODS.includes(method) && Array.isArray(args)) run(message).catch(portIsGone);
    } else if (type === 'abort') {
      task?.controller.abort(new DOMException('aborted by the main process', 'AbortError'));
    } else if (type === 'sessionJournalled') {
      const { failure } = message;
      settle(task, JOURNAL, failure ? { failure: Object.assign(new Error(String(failure.message)), { code: failure.code }) } : {});
    } else if (type === 'licenseResponse') {
      const { messageId, body, failure } = message;
      if (typeof failure?.kind === 'string') settle(task, messageId, { failure });
      else if (typeof body === 'string') settle(task, messageId, { value: fromBase64(body) });
    }
  }

  /**
   * @param {Task | undefined} task
   * @param {string | number} key
   * @param {{ value?: unknown, failure?: unknown }} answer
   */
  function settle(task, key, { value, failure }) {
    const wait = task?.waits.get(key);
    task?.waits.delete(key);
    if (failure) wait?.reject(failure);
    else wait?.resolve(value);
  }

  port.onmessage = ({ data }) => {
    try {
      receive(data);
    } catch {
      // Malformed: the rest of the conversation goes on.
    }
  };
  port.onclose = () => {
    for (const { controller } of tasks.values()) controller.abort(new DOMException('the port was closed', 'AbortError'));
    for (const args of phases.values()) call('endPhase', args).catch(portIsGone);
    phases.clear();
  };
  port.postMessage({ type: 'ready' });
}
