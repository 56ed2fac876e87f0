'use strict';

const { fork } = require('node:child_process');

/** What is said of a case that was given up. */
const NO_ANSWER = 'no answer';

/**
 * Runs cases in processes that may die of them: one process takes one case after the other, until a case ends it.
 *
 * @template Case, Result
 * @param {string} script calls `serveCases`
 * @param {Iterable<Case>} cases
 * @param {number} jobs processes at a time
 * @param {number} timeoutMs for one case
 * @param {(which: Case, result: Result | null, end: string) => void} onResult null: the process ended, how says `end`
 */
async function runCases(script, cases, jobs, timeoutMs, onResult) {
  const queue = cases[Symbol.iterator]();
  const worker = async () => {
    /** @type {Worker[]} */
    const processes = [];
    for (let next = queue.next(); !next.done; next = queue.next()) {
      if (!processes[0]?.alive) processes.unshift(new Worker(script));
      const { result, end } = await processes[0].run(next.value, timeoutMs);
      onResult(next.value, result, end);
    }
    await processes[0]?.end();
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

class Worker {
  #child;
  #errors = '';
  #givenUp = false;
  /** @type {(answer: { result: any, end: string }) => void} */
  #answer = () => {};

  /** @param {string} script */
  constructor(script) {
    this.#child = fork(script, { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (text) => { this.#errors = (this.#errors + text).slice(-2000); });
    this.#child.on('message', (result) => this.#answer({ result, end: '' }));
    this.#child.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.#child.on('exit', (code, signal) => {
        this.#answer({ result: null, end: `${signal ?? `exit code ${code}`} ${this.#errors}`.trim() });
        resolve(undefined);
      });
    });
  }

  get alive() {
    return !this.#givenUp && this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @param {unknown} which @param {number} timeoutMs @returns {Promise<{ result: any, end: string }>} */
  run(which, timeoutMs) {
    this.#errors = '';
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#answer({ result: null, end: `${NO_ANSWER} in ${timeoutMs} ms ${this.#errors}`.trim() });
        this.#givenUp = true;
        this.#child.kill('SIGKILL');
      }, timeoutMs);
      this.#answer = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.#child.send(/** @type {any} */ (which), () => {});
    });
  }

  async end() {
    this.#answer = () => {};
    if (this.alive) this.#child.disconnect();
    await this.ended;
  }
}

/** The other end. @template Case @param {(which: Case) => Promise<object>} run */
function serveCases(run) {
  process.on('message', async (/** @type {any} */ which) => {
    const result = await run(which);
    process.send?.(result);
  });
}

module.exports = { runCases, serveCases, NO_ANSWER };
