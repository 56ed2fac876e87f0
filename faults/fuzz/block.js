'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const path = require('node:path');
const { OfflineSessions, OfflineSessionsError } = require('../..');
const { inFolder } = require('../folders');
const { Random } = require('../random');
const { serveCases } = require('../workers');
const { CALLS, PLATFORM, openOptions, session } = require('./calls');
const { anything, mutated } = require('./values');
const { hostileDriver, hostileWindow } = require('./window');

/** A call that takes longer hangs. */
const CALL_TIMEOUT_MS = 20_000;

/** Thrown by functions of the caller's, where they are called last. */
const OF_THE_CALLER = 'the caller\'s';

/** Many inputs on one store, which must be usable in the end. */
class Block {
  inputs = 0;
  /** @type {string[]} */
  failures = [];
  #random;
  #folder;
  /** @type {OfflineSessions} */
  #offline = /** @type {any} */ (null);

  /** @param {Random} random @param {string} folder */
  constructor(random, folder) {
    this.#random = random;
    this.#folder = folder;
  }

  /** @param {number} inputs */
  async run(inputs) {
    this.#offline = await this.#open();
    while (this.inputs < inputs) {
      const kind = this.#random.weighted({ call: 60, open: 3, work: 2 });
      if (kind === 'call') await this.#call();
      else if (kind === 'open') await this.#openBadly();
      else await this.#work();
      if (this.inputs % 100 === 0) await this.#expectUsable();
    }
    await this.#expectUsable();
    await this.#offline.close();
  }

  async #open() {
    const offline = await OfflineSessions.open(openOptions(path.join(this.#folder, 'store'), this.#random));
    offline.useDriver(() => null);
    return offline;
  }

  async #call() {
    const random = this.#random;
    const weights = Object.fromEntries(Object.entries(CALLS).map(([name, { weight }]) => [name, weight]));
    const method = random.weighted(weights);
    const args = CALLS[method].args(random);
    if (random.chance(0.85)) {
      const at = random.int(0, Math.max(args.length - 1, 0));
      args[at] = mutated(random, args[at], true);
    }
    const result = await this.#expectCoded(method, () => /** @type {any} */ (this.#offline)[method](...args));
    if (method === 'hold' && result) await this.#expectCoded('release', () => result.release());
    // What a fuzzed call may have set for good.
    if (method === 'useDriver') this.#offline.useDriver(() => null);
    if (method === 'setAccount') await this.#offline.setAccount(null);
    if (random.chance(0.002)) await this.#offline.close().then(async () => { this.#offline = await this.#open(); });
  }

  async #openBadly() {
    const random = this.#random;
    /** @type {Record<string, unknown>} */
    const options = openOptions(path.join(this.#folder, `other ${random.int(1, 3)}`), random);
    const name = random.pick([...Object.keys(options), 'directoy']);
    const value = mutated(random, options[name], true);
    // What is still a path has to lie in this folder.
    if (name !== 'directory' || typeof value !== 'string') options[name] = value;
    const opened = await this.#expectCoded('open', () => OfflineSessions.open(/** @type {any} */ (random.chance(0.1) ? anything(random, true) : options)));
    if (opened) await this.#expectCoded('close', () => opened.close());
  }

  /** A run, with a driver that answers anything. */
  async #work() {
    const random = this.#random;
    const count = () => { this.inputs += 1; };
    const driver = random.chance(0.5) ? hostileDriver(random, count) : hostileWindow(random, count);
    await this.#offline.put([session(random), session(random), session(random)]);
    await this.#offline.updatePlatform({ ...PLATFORM, electron: `${random.int(29, 99)}.0.0` });
    this.#offline.useDriver(driver);
    this.#offline.setConnectivity('online');
    await this.#expectCoded('revalidate', () => this.#offline.revalidate());
    this.#offline.useDriver(() => null);
    /** @type {any} */ (driver).close?.();
  }

  /** @param {string} method @param {() => any} call */
  async #expectCoded(method, call) {
    this.inputs += 1;
    try {
      const hangs = sleep(CALL_TIMEOUT_MS, 'hangs', { ref: false });
      const result = await Promise.race([call(), hangs]);
      if (result === 'hangs') this.failures.push(`${method} hangs`);
      return result;
    } catch (error) {
      const { code, stack, cause } = /** @type {any} */ (error) ?? {};
      const isCoded = error instanceof OfflineSessionsError && code !== 'ERR_INTERNAL';
      if (!isCoded) this.failures.push(`${method}: ${code ?? ''} ${stack ?? anythingAsText(error)} ${cause?.stack ?? ''}`);
      return undefined;
    }
  }

  async #expectUsable() {
    try {
      const random = new Random('usable', this.inputs);
      const contentId = `usable ${this.inputs}`;
      // In a lane of its own: what a hostile window said of the others stands.
      const put = { ...session(random), contentId, sessionId: contentId, origin: `app://usable-${this.inputs}`, account: null, expiration: null };
      await this.#offline.put({ ...put, proven: { keyStatuses: { [put.keyIds[0]]: 'usable' } } });
      const rows = await this.#offline.list({ contentId });
      const verdict = this.#offline.verdict(contentId);
      await this.#offline.removeContent(contentId);
      if (rows.length !== 1 || verdict.playable !== 'offline') this.failures.push(`unusable: ${rows.length} rows, ${JSON.stringify(verdict)}`);
      await this.#offline.list();
    } catch (error) {
      this.failures.push(`unusable: ${/** @type {any} */ (error).stack}`);
    }
  }
}

/** @param {{ seed: number, inputs: number }} which */
async function runBlock({ seed, inputs }) {
  const random = new Random('fuzz', seed);
  return inFolder(async (folder) => {
    const block = new Block(random, folder);
    const unhandled = (/** @type {any} */ error) => {
      if (error?.message !== OF_THE_CALLER) block.failures.push(`unhandled: ${error?.stack ?? anythingAsText(error)}`);
    };
    process.on('unhandledRejection', unhandled);
    process.on('uncaughtException', unhandled);
    try {
      await block.run(inputs);
    } catch (error) {
      block.failures.push(`the block ended: ${/** @type {any} */ (error)?.stack}`);
    }
    // What is still under way is the block's, too.
    await sleep(1);
    process.off('unhandledRejection', unhandled);
    process.off('uncaughtException', unhandled);
    return { inputs: block.inputs, failures: block.failures };
  });
}

/** @param {unknown} value */
function anythingAsText(value) {
  try {
    return String(value);
  } catch {
    return typeof value;
  }
}

if (require.main === module) serveCases(runBlock);
else module.exports = { runBlock };
