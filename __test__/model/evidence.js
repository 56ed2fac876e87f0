'use strict';

const { GOOD, key } = require('./reference.js');

/**
 * What the answers of the CDM say of a stored session, in the words of the state table.
 *
 * @typedef {import('./reference.js').Reference} Reference
 * @typedef {import('./reference.js').Row} Row
 * @typedef {import('./reference.js').Facts} Facts
 */

const ABSENT = ['gone', 'hollow', 'foreign-keys', 'system-id-changed'];
/** After these, whatever the CDM has under the id is not the row's to release. */
const DISOWNED = ['gone', 'foreign-keys', 'system-id-changed', 'released'];

/**
 * What a check's answer means, in the words of the state table.
 * @param {any} outcome
 * @param {readonly string[]} expected
 */
function meaning(outcome, expected) {
  if (outcome?.kind === 'rejected') return { 70: 'later', 75: 'system-id-changed' }[/** @type {70} */ (outcome.systemCode)] ?? 'load-failed';
  if (outcome?.kind !== 'loaded') return outcome?.kind === 'timeout' ? 'later' : outcome?.kind ?? 'later';
  const shown = Object.values(outcome.keyStatuses);
  if (shown.length === 0) return 'hollow';
  if (shown.every((status) => status === 'released')) return 'released';
  // A fresh licence may hold fewer keys than the content names.
  const own = expected.map((keyId) => outcome.keyStatuses[keyId]).filter(Boolean);
  if (own.length === 0) return 'foreign-keys';
  if (own.includes('expired')) return 'expired';
  if (!own.every((status) => GOOD.includes(status))) return 'later';
  return own.length < expected.length ? 'fewer-keys' : 'loaded';
}

/**
 * A check has answered.
 * @param {Reference} reference
 * @param {Row} row
 * @param {string} sessionId
 * @param {string} word
 * @param {number} epoch when it was asked
 */
function checked(reference, row, sessionId, word, epoch) {
  const facts = reference.facts(row, sessionId);
  // Whoever waits has an answer; what is broken goes on to a licence.
  if (['loaded', 'later', 'load-failed'].includes(word)) row.isWished = false;
  if (word === 'loaded') {
    reference.proven(row, sessionId, { epoch });
    Object.assign(facts, { bad: -1, absences: [] });
    return;
  }
  facts.bad = word === 'expired' ? Infinity : epoch;
  if (DISOWNED.includes(word)) reference.disowned.add(key(row.lane, sessionId));
  if (word === 'later' || (word === 'load-failed' && !isSecondStrike(reference, facts))) return;
  facts.proof = null;
  facts.said.add(word);
  if (!ABSENT.includes(word) || isSeenAlone(reference, row, facts)) row.state = 'unsure';
}

/**
 * The check of a new licence has answered.
 * @param {Reference} reference
 * @param {Row} row
 * @param {string} sessionId
 * @param {string} word
 * @param {number} epoch when it was asked
 */
function verified(reference, row, sessionId, word, epoch) {
  const facts = reference.facts(row, sessionId);
  if (word === 'loaded' || word === 'later') row.isWished = false;
  if (word === 'loaded') {
    reference.proven(row, sessionId, { epoch });
    facts.bad = -1;
    return;
  }
  // Of what this is said twice, that is given up, for ever.
  const isGivenUp = word !== 'later' && facts.bad === epoch;
  facts.bad = isGivenUp ? Infinity : epoch;
  if (DISOWNED.includes(word)) reference.disowned.add(key(row.lane, sessionId));
  if (word !== 'later') row.refused.add('unverified');
}

/** Instances of a CDM side by side lie: absent is what was found so twice, once alone. @param {Reference} reference @param {Row} row @param {Facts} facts */
function isSeenAlone({ lanes }, row, { absences }) {
  const { phase } = lanes[row.lane];
  if (phase) absences.push(phase);
  return absences.length > 1 && absences.some(({ tasks }) => tasks === 1);
}

/** Only some time after the first failure to load a second one counts. @param {Reference} reference @param {Facts} facts */
function isSecondStrike({ strikeSpacingMs }, { strikes }) {
  const now = Date.now();
  // What is heard here is recorded a little later.
  const isLate = strikes.some((at) => now - at > strikeSpacingMs - 1000);
  strikes.push(now);
  return isLate;
}

module.exports = { checked, verified, meaning, ABSENT };
