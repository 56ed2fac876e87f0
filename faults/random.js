'use strict';

const { createHash } = require('node:crypto');

/** Random numbers that a seed repeats (sfc32). */
class Random {
  #state;

  /** @param {...(string | number)} seed */
  constructor(...seed) {
    this.#state = new Uint32Array(createHash('sha256').update(seed.join('/')).digest().buffer.slice(0, 16));
  }

  /** From 0 up to, and without, 1. */
  next() {
    const [a, b, c, counter] = this.#state;
    const result = (a + b + counter) >>> 0;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + result;
    this.#state[3] = counter + 1;
    return result / 2 ** 32;
  }

  /** A whole number, both ends included. @param {number} from @param {number} to */
  int(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** @param {number} probability */
  chance(probability) {
    return this.next() < probability;
  }

  /** @template T @param {readonly T[]} list not empty @returns {T} */
  pick(list) {
    return list[this.int(0, list.length - 1)];
  }

  /** @template T @param {readonly T[]} list @param {number} probability */
  some(list, probability) {
    return list.filter(() => this.chance(probability));
  }

  /** As likely as they weigh. @template {string} T @param {Record<T, number>} weights @returns {T} */
  weighted(weights) {
    const entries = /** @type {[T, number][]} */ (Object.entries(weights));
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return (entries.find(([, weight]) => (left -= weight) < 0) ?? entries[entries.length - 1])[0];
  }

  /** @param {number} length */
  bytes(length) {
    return Uint8Array.from({ length }, () => this.int(0, 255));
  }
}

module.exports = { Random };
