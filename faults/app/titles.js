'use strict';

const { hexToBase64url } = require('../../testbed/clearkey');

/**
 * @typedef {object} Title one download; no two have the same key, whatever content they are of
 * @property {string} keyId
 * @property {string} contentId
 * @property {Uint8Array} initData
 * @property {'unrecorded' | 'stored' | 'doomed'} state as far as it was acknowledged; doomed: the app no longer wants it
 * @property {number} sent the highest version that was put, in `metadata`
 * @property {number} acked the highest that was acknowledged
 *
 * @typedef {object} Change a call of which nobody knows yet whether it was done
 * @property {Title[]} adds
 * @property {Title[]} removes
 *
 * @typedef {(figure: 'recordsLost' | 'otherFailures', what: string) => void} Report
 */

/** What was put and removed, and what of it was acknowledged: the truth that a store is held against. */
class Titles {
  /** @type {Map<string, Title>} */
  all = new Map();
  /** Keys of titles that were removed, and must stay so. @type {Set<string>} */
  #gone = new Set();
  /** @type {Set<Change>} */
  #unsure = new Set();
  #report;

  /** @param {Report} report */
  constructor(report) {
    this.#report = report;
  }

  /** A download. @param {string} contentId */
  create(contentId) {
    const n = this.all.size + this.#gone.size + 1;
    const keyId = `00112233445566778899aabb${n.toString(16).padStart(8, '0')}`;
    const initData = new Uint8Array(Buffer.from(JSON.stringify({ kids: [hexToBase64url(keyId)] })));
    /** @type {Title} */
    const title = { keyId, contentId, initData, state: 'unrecorded', sent: 0, acked: 0 };
    this.all.set(keyId, title);
    return title;
  }

  /** @param {Title['state']} state */
  which(state) {
    return [...this.all.values()].filter((title) => title.state === state);
  }

  /** @param {string} contentId */
  of(contentId) {
    return [...this.all.values()].filter((title) => title.contentId === contentId);
  }

  get contentIds() {
    return [...new Set([...this.all.values()].map(({ contentId }) => contentId))];
  }

  /** The app has given up what was never on record. @param {Title} title */
  forget(title) {
    this.all.delete(title.keyId);
    this.#gone.add(title.keyId);
  }

  /** @param {Partial<Change>} change */
  begin({ adds = [], removes = [] }) {
    for (const title of removes) title.state = 'doomed';
    const change = { adds, removes };
    this.#unsure.add(change);
    return change;
  }

  /** @param {Change} change */
  acknowledge(change) {
    this.#unsure.delete(change);
    for (const title of change.adds) title.state = 'stored';
    for (const title of change.removes) this.forget(title);
  }

  /** @param {Change} change refused whole: nothing of it was written */
  refused(change) {
    this.#unsure.delete(change);
  }

  /**
   * Holds the rows of a launch against what was acknowledged before it. What was under way when the process before was killed is
   * done whole or not at all, and known from here on.
   * @param {import('../..').StoredSession[]} rows
   */
  compare(rows) {
    const lost = (/** @type {string} */ what) => this.#report('recordsLost', what);
    const rowsOf = (/** @type {Title} */ { keyId, contentId }) => rows.filter((row) => row.contentId === contentId && row.keyIds.includes(keyId));
    const present = (/** @type {Title[]} */ titles) => titles.filter((title) => rowsOf(title).length > 0).length;
    for (const change of this.#unsure) {
      const [adds, removes] = [present(change.adds), present(change.removes)];
      const done = adds === change.adds.length && removes === 0;
      if (done) this.acknowledge(change);
      else if (adds > 0 || removes < change.removes.length) {
        lost(`half of a change was written: ${adds} of ${change.adds.length} are there, ${removes} of ${change.removes.length} still are`);
      }
    }
    this.#unsure.clear();
    for (const title of this.all.values()) {
      const [row, ...others] = rowsOf(title);
      const name = `${title.contentId} (${title.keyId})`;
      if (others.length > 0) this.#report('otherFailures', `${name} is on record ${others.length + 1} times`);
      if (title.state === 'stored' && !row) lost(`${name} is not on record`);
      if (title.state === 'unrecorded' && row) this.#report('otherFailures', `${name} is on record, and was never put`);
      if (title.state === 'doomed' && !row) this.forget(title);
      if (!row) continue;
      const version = /** @type {any} */ (row.metadata)?.version ?? 0;
      if (version < title.acked) lost(`${name} is of version ${version}, and ${title.acked} was acknowledged`);
      if (version > title.sent) this.#report('otherFailures', `${name} is of version ${version}, and ${title.sent} was the last put`);
      title.acked = version;
    }
    for (const row of rows) {
      if (this.all.has(row.keyIds[0])) continue;
      if (this.#gone.has(row.keyIds[0])) lost(`${row.contentId} (${row.keyIds}) was removed, and is on record`);
      else this.#report('otherFailures', `${row.contentId} (${row.keyIds}) is on record, and nobody knows it`);
    }
  }
}

module.exports = { Titles };
