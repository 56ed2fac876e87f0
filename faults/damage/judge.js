'use strict';

const { LANE } = require('../app/profile');
const { rowOf, UNSUPPORTED_LANE } = require('./facts');
const { COMMITS, DATABASE, LOG, isLogOf, sessionOf, standsIn } = require('./held');

/**
 * @typedef {import('./facts').Truth} Truth
 * @typedef {import('./held').Held} Held
 * @typedef {import('../app/profile').Profile} Profile
 * @typedef {import('../..').StoredSession} StoredSession
 * @typedef {{ figure: string, what: string }} Finding
 */

/** Holds what a damaged store says, and what it has, against the truth. */
class Judge {
  /** @type {Finding[]} */
  findings = [];
  /** What the addon said of the damage. @type {any[]} */
  told = [];
  #damages;
  #profile;
  /** Every version of every row that was ever acknowledged. @type {Set<string>} */
  #acknowledged;
  /** How rows are on record. @type {Set<string>} */
  #latest;
  /** @type {Set<string>} */
  #titles;
  #unfinished;
  /** What was removed since, and how much had been told by then. @type {Map<string, number>} */
  #removed = new Map();
  /** What the app has put since. @type {Set<string>} */
  #put = new Set();
  #standing;
  #inCopies;
  #closed;
  #id;

  /** @param {string} store as it is damaged @param {Truth} truth @param {{ file: string, how: string }[]} damages @param {Profile} profile */
  constructor(store, truth, damages, profile) {
    this.#damages = damages;
    this.#profile = profile;
    this.#closed = truth.closed;
    this.#id = truth.id;
    this.#acknowledged = new Set(truth.acknowledged);
    this.#latest = new Set(truth.rows.map(({ facts }) => facts));
    this.#titles = new Set(truth.rows.map(({ name }) => name));
    this.#unfinished = new Set(truth.unfinished);
    this.#standing = standsIn(store, truth.id, Object.keys(truth.copies));
    const untouched = Object.entries(truth.copies).filter(([file]) => damages.every((one) => one.file !== file));
    this.#inCopies = new Set(untouched.flatMap(([, { titles, unfinished }]) => [...titles, ...unfinished]));
  }

  /** @param {string} figure @param {string} what */
  #found(figure, what) {
    this.findings.push({ figure, what });
  }

  /** @param {any} warning */
  heard({ code, recovered }) {
    if (recovered || code === 'ERR_CORRUPT_DATABASE') this.told.push(recovered ?? code);
  }

  /** The app has put what it has. @param {StoredSession[]} rows */
  put(rows) {
    for (const { name, facts } of rows.map(rowOf)) {
      this.#acknowledged.add(facts);
      this.#latest.add(facts);
      this.#put.add(name);
    }
  }

  /** The app wants a content no longer, and was told that it is gone. @param {string} contentId */
  removed(contentId) {
    for (const name of [...this.#titles].filter((title) => title.startsWith(`${contentId} `))) {
      this.#titles.delete(name);
      this.#removed.set(name, this.told.length);
    }
  }

  /** What is served. @param {StoredSession[]} rows */
  rows(rows) {
    for (const row of rows) {
      const { name, facts } = rowOf(row);
      if (!this.#acknowledged.has(facts)) this.#wrong(`${name} was never acknowledged as ${facts}`);
      else if (this.#removed.has(name) && !this.#isRestored(name)) this.#wrong(`${name} was removed, and is back`);
      else if (row.state !== 'active' || row.suspect || this.#latest.has(facts)) continue;
      else if (this.told.length === 0 && this.#mayBeShorter) this.#found('rolledBackUntold', `${name} is as it was once`);
      else this.#wrong(`${name} is trusted as it was once: ${facts}`);
    }
  }

  /** What is on record no longer, or again, or twice. @param {StoredSession[]} rows all @param {Held} held */
  missing(rows, held) {
    const listed = rows.map((row) => rowOf(row).name);
    const names = new Set(listed);
    // What is put under an id that was lost, and told, is another download until the next launch's catalogue says otherwise.
    const isIncomplete = this.told.some(({ complete }) => complete === false);
    for (const name of names) {
      const times = listed.filter((other) => other === name).length;
      if (times > (isIncomplete && this.#put.has(name) ? 2 : 1)) this.#wrong(`${name} is on record ${times} times`);
    }
    for (const name of this.#titles) if (!names.has(name)) this.#missing(name, this.#standing.titles);
    for (const name of this.#unfinished) if (!held.sessionIds.has(name)) this.#missing(name, this.#standing.unfinished);
    for (const name of names) {
      if (this.#titles.has(name) || (this.#removed.has(name) && !this.#isRestored(name))) continue;
      if (this.told.length > 0) this.#found('rowsBackFromACopy', name);
      else if (this.#mayBeShorter) this.#found('rolledBackUntold', `${name} is back`);
      else this.#wrong(`${name} is back, and nobody said so`);
    }
  }

  /** Where stored sessions were lost, what a copy has may have been removed since: said after the removal, it is no wrong row. @param {string} name */
  #isRestored(name) {
    return this.told.slice(this.#removed.get(name)).some(({ complete, restored }) => complete === false && restored > 0);
  }

  /** @param {string} name @param {Set<string>} standing */
  #missing(name, standing) {
    if (this.#inCopies.has(name)) this.#found('rowsLostThatWereInACopy', name);
    else if (standing.has(name)) this.#found('rowsLostThatStoodWhole', name);
    else if (this.told.length > 0) this.#found('rowsLostAndTold', name);
    else if (this.#mayBeShorter) this.#found('rolledBackUntold', `${name} is missing`);
    else this.#wrong(`${name} is missing, and nobody said so`);
  }

  /** @param {string} what */
  #wrong(what) {
    this.#found('silentlyWrongRows', what);
  }

  /** A log that is cut off is like one that was never longer, where nothing says how many commits there were. */
  get #mayBeShorter() {
    return !this.#closed && [LOG, COMMITS].every((name) => this.#damages.some(({ file }) => file === name));
  }

  /** In the end: what was owed or pending is on record, or gone from the CDM. What was lost with the damage is counted before. @param {Held} held */
  left(held) {
    for (const lane of [LANE, UNSUPPORTED_LANE]) {
      for (const sessionId of this.#profile.cdm.storage(lane).index) {
        const name = sessionOf(lane, sessionId);
        if (this.#standing.unfinished.has(name) && !held.sessionIds.has(name)) this.#found('rowsLostThatStoodWhole', `${name}, which is in the CDM`);
      }
    }
  }

  /** @param {string} contentId @param {{ sessionId: string }[]} sessions of a verdict that says `offline` */
  offline(contentId, sessions) {
    const keyIds = (this.#profile.catalogue.get(contentId) ?? []).flatMap((entry) => entry.keyIds);
    const missing = sessions.map(({ sessionId }) => sessionId).filter((sessionId) => !this.#profile.holds(sessionId, keyIds));
    if (missing.length > 0) this.#found('wrongOfflineVerdicts', `${contentId} is offline, and the CDM does not hold ${missing}`);
  }

  /** A licence is asked for. @param {string} keyId */
  licence(keyId) {
    const good = [...this.#profile.storage.index].filter((sessionId) => this.#profile.holds(sessionId, [keyId]));
    const known = good.find((sessionId) => this.#standing.sessionIds.has(sessionOf(LANE, sessionId)));
    if (known) this.#found('licencesPaidTwice', `for ${keyId}, of which session ${known} is good and on record in what stood whole`);
    else if (good.length > 0) this.#found('licencesOfLostRows', `for ${keyId}`);
  }

  /**
   * What was set aside, held against what was there before this launch: it is the same, byte for byte.
   * @param {Map<string, Buffer>} before by name
   * @param {Map<string, Buffer>} after
   * @param {string[]} names
   */
  setAside(before, after, names) {
    const NOTHING = Buffer.alloc(0);
    const bytes = (/** @type {Map<string, Buffer>} */ files, /** @type {string | undefined} */ name) => files.get(name ?? '') ?? NOTHING;
    // Where a launch before this one was killed at it, it may have been done already.
    if (names.every((name) => before.has(name))) return;
    const [database, log] = [names.find((name) => !name.endsWith('-wal')), names.find((name) => name.endsWith('-wal'))];
    const isDatabase = before.has(database ?? '') || bytes(before, DATABASE).equals(bytes(after, database));
    if (!isDatabase) this.#found('setAsideChanged', `${database} is not as the database was`);
    if (!isLogOf(bytes(before, LOG), bytes(after, log), this.#id)) this.#found('setAsideChanged', `${log} is not as the log was`);
  }
}

module.exports = { Judge };
