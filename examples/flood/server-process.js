'use strict';

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

/**
 * @typedef {{ requests: number, rejected: number, perSecond: { received: number, rejected: number }[] }} ServerFigures
 */

/** A licence server of a given capacity in a process of its own. */
class ServerProcess {
  #child;
  /** @type {string} */
  url;

  /** @param {import('node:child_process').ChildProcess} child @param {string} url */
  constructor(child, url) {
    this.#child = child;
    this.url = url;
  }

  /** @param {{ capacityPerS: number, sessions: number, answerMs: number }} options */
  static async start({ capacityPerS, sessions, answerMs }) {
    const child = fork(path.join(__dirname, 'server.js'), [capacityPerS, sessions, answerMs].map(String));
    const [{ url }] = await once(child, 'message');
    return new ServerProcess(child, url);
  }

  /** What it has counted so far. @returns {Promise<ServerFigures>} */
  async figures() {
    const answer = once(this.#child, 'message');
    this.#child.send('figures');
    return (await answer)[0];
  }

  async stop() {
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}

module.exports = { ServerProcess };
