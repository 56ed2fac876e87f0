'use strict';

const { ABSENT } = require('./evidence.js');
const { key } = require('./reference.js');
const { TITLES, laneIndex } = require('./titles.js');

/**
 * What must hold of a world, whatever has happened in it.
 *
 * @typedef {import('./world.js').World} World
 * @typedef {import('./reference.js').Row} Row
 */

/** The worst of a title's sessions decides. */
const RANK = ['unknown', 'proven', 'suspect', 'expired', 'lost', 'blocked', 'unsupported'];

/** @type {Record<string, string>} what a viewer who cannot play is offered, by reason */
const ACTIONS = {
  auth: 'sign-in', 'other-account': 'sign-in', geo: 'change-location', 'device-limit': 'free-device', entitlement: 'renew',
  revoked: 'download-again', 'no-license-data': 'download-again',
};

/** Refusals after which nothing is tried again before somebody asks. */
const FINAL = ['auth', 'offline-not-allowed', 'revoked'];

/** @param {World} world */
async function judge(world) {
  const { reference, offline, cdm } = world;
  const listed = await offline.list();
  for (const session of listed) judgeRow(world, session);
  const ids = new Set(listed.map((/** @type {any} */ { id }) => id));
  for (const row of reference.rows.values()) {
    if (ids.has(row.id)) continue;
    reference.must(row.mayBeGone, () => `a session of ${row.title} has disappeared`);
    reference.rows.delete(row.id);
  }
  for (const title of Object.keys(TITLES)) judgeOffline(world, title);
  if (world.atRest && !world.paused) judgeRest(world, listed);
  reference.must(cdm.violations.length === 0, () => `lane discipline: ${cdm.violations}`);
  for (const warning of world.warnings.splice(0)) {
    reference.must(isExplained(warning), () => `a warning that nothing explains: ${warning?.stack ?? JSON.stringify(warning)}`);
  }
  for (const { lane, sessionId, record } of world.strangers) {
    reference.must(world.record(lane, sessionId) === record, () => `session ${sessionId}, which the addon was never told of, is gone`);
  }
  if (reference.violations.length > 0) throw new Error(reference.violations.join('\n'));
}

/** Nothing is lost, and what a row says has its reason. @param {World} world @param {any} session */
function judgeRow({ reference, atRest, paused }, session) {
  const row = reference.rows.get(session.id);
  if (!row || row.title !== session.contentId) {
    reference.must(false, () => `a session of ${session.contentId} is listed that was not put, or removed`);
    return;
  }
  if (session.sessionId !== row.sessionId) {
    const isKnown = row.pending.has(session.sessionId) || row.past.has(session.sessionId);
    reference.must(isKnown, () => `${row.title} has session ${session.sessionId}, which is not its`);
    // The player has the new one, and that is not recorded (yet).
    if (!row.pending.delete(session.sessionId)) row.pending.add(row.sessionId);
    row.past.add(row.sessionId);
    Object.assign(row, { sessionId: session.sessionId, adoptedAs: null });
  } else if (row.adoptedAs) {
    row.spent.add(row.adoptedAs);
  }
  const { keyIds } = TITLES[row.title].sessions[row.slot];
  const isPart = session.keyIds.length > 0 && session.keyIds.every((/** @type {string} */ keyId) => keyIds.includes(keyId));
  reference.must(isPart, () => `${row.title} expects the keys ${session.keyIds}`);
  Object.assign(row, { keyIds: session.keyIds, reason: session.reason, state: atRest && !paused ? session.state : 'unsure' });
  const isKnown = isReasonKnown({ reference }, row, session);
  reference.must(isKnown, () => `a session of ${row.title} is ${session.state} (${session.reason}), and nobody said so`);
  const { proof } = reference.facts(row);
  if (proof && session.state === 'active' && !session.suspect) proof.sure = true;
}

/** @param {Pick<World, 'reference'>} world @param {Row} row @param {any} session */
function isReasonKnown({ reference }, row, { state, suspect, reason }) {
  if (state === 'active') return suspect || reference.trusted(row);
  if (reason === 'id-reused') return (reference.holders.get(key(row.lane, row.sessionId))?.size ?? 0) > 1;
  if (state === 'blocked') return row.refused.has(reason);
  // Absent is what was found so twice, once of it alone on a fresh MediaKeys: instances side by side lie.
  const { said, absences } = reference.facts(row);
  return said.has(reason) && (!ABSENT.includes(reason) || (absences.length > 1 && absences.some(({ tasks }) => tasks === 1)));
}

/** Nothing plays on a guess. @param {World} world @param {string} title */
function judgeOffline(world, title) {
  const { reference } = world;
  const verdict = world.offline.verdict(title);
  if (verdict.playable !== 'offline') return;
  const rows = reference.rowsOf(title);
  const known = rows.length > 0 && rows.every((row) => [row.sessionId, ...row.pending].some((id) => verdict.sessions.some((/** @type {any} */ { sessionId }) => sessionId === id)));
  reference.must(known, () => `${title} is said to play with sessions that it does not have`);
  for (const row of rows) {
    const ids = [row.sessionId, ...row.pending].filter((id) => verdict.sessions.some((/** @type {any} */ { sessionId }) => sessionId === id));
    reference.must(ids.some((id) => reference.trusted(row, id)), () => `${title} is said to play, and was not proven since something changed`);
    const there = ids.some((id) => reference.facts(row, id).damaged || world.isGood(row.lane, id, row.keyIds));
    reference.must(there, () => `${title} is said to play, and its session ${row.sessionId} is not in the CDM`);
  }
}

/** What must hold when nothing is going on. @param {World} world @param {any[]} listed */
function judgeRest(world, listed) {
  const { reference, offline } = world;
  for (const title of Object.keys(TITLES)) {
    const rows = listed.filter(({ contentId }) => contentId === title);
    judgeVerdict(world, offline.verdict(title), rows);
  }
  const unready = Object.keys(TITLES).filter((title) => reference.rowsOf(title).length > 0).map((title) => offline.verdict(title))
    .filter(({ playable, reason }) => playable !== 'offline' && reason !== 'other-account').map(({ contentId }) => contentId).sort();
  const said = offline.unready().map((/** @type {any} */ { contentId }) => contentId);
  reference.must(String(said) === String(unready), () => `unready() names ${said}, the verdicts say ${unready}`);
  if (!world.started) return;
  for (const session of listed) {
    const idle = isProven(session) || whyIdle(world, session);
    reference.must(idle, () => `nothing is done for ${session.contentId}, which is ${session.state} (${session.reason})`);
  }
}

/** @param {any} session */
const isProven = ({ state, suspect }) => state === 'active' && !suspect;

/** The verdict is that of a title's worst session. @param {World} world @param {any} verdict @param {any[]} rows */
function judgeVerdict({ reference, started }, verdict, rows) {
  const states = rows.map((session) => stateOf(reference, session, verdict));
  const state = states.reduce((worst, one) => (RANK.indexOf(one) > RANK.indexOf(worst) ? one : worst), 'unknown');
  const isOthers = rows.some(({ id }) => reference.isAnothers(/** @type {Row} */ (reference.rows.get(id))));
  const isHeld = rows.some((session) => reference.isHeld(/** @type {Row} */ (reference.rows.get(session.id)), 'check'));
  /** @type {string[]} */
  let playable = ['no'];
  if (isOthers) playable = ['no'];
  else if (state === 'proven') playable = ['offline'];
  else if (state === 'unsupported' || state === 'unknown' || verdict.reason === 'offline-not-allowed') playable = ['online'];
  // Before anything was asked for, something could still be done for it.
  else if (state === 'suspect') playable = started && !isHeld ? ['try'] : ['try', 'no'];
  const what = () => `${JSON.stringify(verdict)} of ${JSON.stringify(states)}`;
  reference.must(verdict.state === state && playable.includes(verdict.playable), what);
  reference.must(isOthers || (verdict.reason === null) === (state === 'proven'), what);
  const action = { offline: 'play', try: 'try', online: 'connect' }[/** @type {'try'} */ (verdict.playable)] ?? ACTIONS[verdict.reason] ??
    (reference.connectivity === 'offline' ? 'connect' : 'wait');
  reference.must(verdict.action === action, () => `${what()}: ${action} was expected`);
  const sessions = isOthers ? [] : rows.map(({ sessionId }) => sessionId);
  const said = verdict.sessions.map((/** @type {any} */ { sessionId }) => sessionId);
  reference.must(String([...said].sort()) === String(sessions.sort()), what);
}

/** @param {import('./reference.js').Reference} reference @param {any} session @param {any} verdict */
function stateOf(reference, session, verdict) {
  const { capabilities } = reference.lanes[laneIndex(session)];
  const isSure = capabilities.size === 1;
  if (capabilities.has('unsupported') && (isSure || verdict.state === 'unsupported')) return 'unsupported';
  if (session.state !== 'active') return session.state;
  return session.suspect ? 'suspect' : 'proven';
}

/** Why nothing is done for a session that is not proven; null: there is no reason. @param {World} world @param {any} session */
function whyIdle({ reference, hasDriver, nextAttemptAt }, session) {
  const row = /** @type {Row} */ (reference.rows.get(session.id));
  const lane = reference.lanes[row.lane];
  if (reference.mode === 'observe') return 'it may only observe';
  if (!hasDriver || lane.stuck) return 'there is no CDM to ask';
  if (lane.capabilities.has('unsupported')) return 'unsupported';
  if (reference.isAnothers(row)) return 'another account';
  if (reference.connectivity === 'offline') return 'offline';
  if (reference.isHeld(row, 'check') || reference.isHeld(row, 'license')) return 'held';
  // A server that asked for patience gets it, whoever asks.
  if (session.nextAttemptAt !== null && (!row.isWished || reference.isThrottled)) return 'it waits';
  if (session.state !== 'active' && reference.isThrottled && nextAttemptAt !== null) return 'its server is asked slowly';
  if (session.state !== 'active' && !row.isWished && reference.unauthorized.has(row.account)) return 'its account has to sign in';
  if (!row.renewable) return 'it cannot be licensed again';
  return session.state === 'blocked' && !row.isWished && FINAL.includes(session.reason) ? 'somebody has to ask' : null;
}

/** @param {any} warning */
function isExplained(warning) {
  if (['ERR_DRIVER_GONE', 'ERR_INVALID_ARGUMENT', 'ERR_NO_ANSWER'].includes(warning.code)) return true;
  return warning.message === 'trouble' || warning.cause?.name === 'NotSupportedError';
}

module.exports = { judge, whyIdle, isProven };
