'use strict';

/** @typedef {{ done: number, of: number, lost: number, more: string }} Row */

/** A table that is drawn as it comes about: on a terminal the last line is drawn again and again. */
class Board {
  #write;
  #redraws;
  #line = '';

  /** @param {NodeJS.WriteStream} stream */
  constructor(stream) {
    this.#write = (/** @type {string} */ text) => stream.write(text);
    this.#redraws = stream.isTTY;
    this.#write(`${columns('fault', 'cases', 'of', 'lost', 'seconds')}  what else was seen\n`);
    this.#write(`${'─'.repeat(100)}\n`);
  }

  /** @param {string} name @param {Row} row @param {number} startedAt */
  show(name, { done, of, lost, more }, startedAt) {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    this.#line = `${columns(name, String(done), String(of), String(lost), seconds)}  ${more}`;
    if (this.#redraws) this.#write(`\r${this.#line}\u001b[K`);
  }

  /** The line is as it stays. */
  next() {
    this.#write(this.#redraws ? '\n' : `${this.#line}\n`);
    this.#line = '';
  }

  /** @param {string} text */
  note(text) {
    this.#write(`${this.#redraws && this.#line ? `\r\u001b[K` : ''}${text}\n`);
    if (this.#redraws && this.#line) this.#write(this.#line);
  }
}

/** @param {string} name @param {...string} figures */
const columns = (name, ...figures) => name.padEnd(18) + figures.map((figure) => figure.padStart(9)).join('');

module.exports = { Board };
