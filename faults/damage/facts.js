'use strict';

/**
 * @typedef {import('../..').StoredSession} StoredSession
 *
 * @typedef {object} Truth what is true of a good database
 * @property {string[]} acknowledged every version of every row that was ever acknowledged
 * @property {Row[]} rows as they are on record
 * @property {Record<string, Row[]>} copies the rows of each copy, by its file
 * @property {{ lane: any, index: string[], records: [string, any][], witnesses: [string, string][] }[]} storages what the CDM holds
 * @property {[string, any[]][]} catalogue the player's
 *
 * @typedef {{ name: string, facts: string }} Row
 */

/** What a row is known by over every version: its key was given to no other. @param {StoredSession} row */
const nameOf = ({ contentId, keyIds }) => `${contentId} ${keyIds.join()}`;

/** All that is stored of a row, but for what is derived, from its lane or its pending licence too. @param {StoredSession} row @returns {Row} */
function rowOf(row) {
  const { suspect: _suspect, nextAttemptAt: _next, initData, ...stored } = row;
  const plain = { ...stored, initData: initData && Buffer.from(initData).toString('base64') };
  return { name: nameOf(row), facts: JSON.stringify(Object.entries(plain).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

module.exports = { nameOf, rowOf };
