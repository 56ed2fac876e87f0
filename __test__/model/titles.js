'use strict';

const { keyId } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

/** Two lanes: the player's own, and one in another partition, with a storage of its own. */
const LANES = Object.freeze([{ ...LANE, partition: '' }, { ...LANE, partition: 'persist:other' }]);

/**
 * What the app offers. Every session has keys of its own, by which it is known again whatever the CDM calls it.
 * @type {Readonly<Record<string, { account?: string, canary?: boolean, sessions: { lane: number, keyIds: string[] }[] }>>}
 */
const TITLES = Object.freeze({
  film: { sessions: [{ lane: 0, keyIds: [keyId(1), keyId(2)] }] },
  series: { sessions: [{ lane: 0, keyIds: [keyId(3)] }, { lane: 0, keyIds: [keyId(4)] }] },
  abroad: { sessions: [{ lane: 1, keyIds: [keyId(5)] }] },
  split: { sessions: [{ lane: 0, keyIds: [keyId(6)] }, { lane: 1, keyIds: [keyId(7)] }] },
  hers: { account: 'ann', sessions: [{ lane: 0, keyIds: [keyId(8)] }] },
  canary: { canary: true, sessions: [{ lane: 0, keyIds: [keyId(9)] }] },
});

/** A title that is nobody's business: the app's own licences of which the addon was never told. */
const STRANGER = keyId(99);

/** @param {{ partition?: string | null }} lane */
const laneIndex = ({ partition }) => (partition ? 1 : 0);

/** Which of a title's sessions holds these keys. @param {string} title @param {readonly string[]} keyIds */
const slotOf = (title, keyIds) => TITLES[title].sessions.findIndex((session) => session.keyIds.includes(keyIds[0]));

module.exports = { LANES, TITLES, STRANGER, laneIndex, slotOf };
