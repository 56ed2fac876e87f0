'use strict';

const { LANE, Profile } = require('../app/profile');

/**
 * @typedef {import('../..').StoredSession} StoredSession
 *
 * @typedef {object} Truth what is true of a good database
 * @property {string} id the database's, in hex
 * @property {boolean} closed nothing is in a log that the database itself lacks
 * @property {string[]} acknowledged every version of every row that was ever acknowledged
 * @property {Row[]} rows as they are on record
 * @property {string[]} unfinished pending licences and release debts, as `held.js` names them
 * @property {Record<string, { titles: string[], unfinished: string[] }>} copies what each copy has, by its file
 * @property {{ lane: any, index: string[], records: [string, any][], witnesses: [string, string][] }[]} storages what the CDM holds
 * @property {[string, any[]][]} catalogue the player's
 *
 * @typedef {{ name: string, facts: string }} Row
 */

const UNSUPPORTED_LANE = { ...LANE, partition: 'persist:unsupported' };

/** What a row is known by over every version: its key was given to no other. @param {StoredSession} row */
const nameOf = ({ contentId, keyIds }) => `${contentId} ${keyIds.join()}`;

/** All that is stored of a row, but for what is derived, from its lane or its pending licence too. @param {StoredSession} row @returns {Row} */
function rowOf(row) {
  const { suspect: _suspect, nextAttemptAt: _next, initData, ...stored } = row;
  const plain = { ...stored, initData: initData && Buffer.from(initData).toString('base64') };
  return { name: nameOf(row), facts: JSON.stringify(Object.entries(plain).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** The CDM and the catalogue as they were. @param {Truth} truth */
function profileOf({ storages, catalogue }) {
  const profile = new Profile();
  for (const { lane, index, records, witnesses } of storages) {
    const storage = profile.cdm.storage(lane);
    for (const sessionId of index) storage.index.add(sessionId);
    for (const [sessionId, record] of records) storage.records.set(sessionId, structuredClone(record));
    for (const [keySystem, value] of witnesses) storage.witnesses.set(keySystem, value);
  }
  for (const [contentId, entries] of catalogue) profile.catalogue.set(contentId, structuredClone(entries));
  profile.cdm.on('probe', ({ lane }) => (lane.partition ? { persistentLicense: 'unsupported', witness: null } : undefined));
  return profile;
}

module.exports = { profileOf, rowOf, UNSUPPORTED_LANE };
