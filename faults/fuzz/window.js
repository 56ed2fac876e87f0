'use strict';

const { createTransportDriver } = require('../..');
const { keyIdsOf } = require('../../testbed/clearkey');
const { anything, mutated } = require('./values');

/**
 * @typedef {import('../random').Random} Random
 * @typedef {import('../..').SessionDriver} SessionDriver
 */

/** Good outcomes of a driver's tasks, by method. @type {Record<string, (random: Random, session: any) => unknown[]>} */
const OUTCOMES = {
  startPhase: () => [undefined],
  endPhase: () => [undefined],
  probe: () => [
    { persistentLicense: 'supported', witness: 'the witness' },
    { persistentLicense: 'unsupported', witness: null }, { persistentLicense: 'unavailable', witness: null },
  ],
  plantWitness: () => [undefined],
  check: (_random, session) => [loaded(session), { kind: 'gone' }, { kind: 'hollow' }, { kind: 'timeout' }, rejected],
  license: (random, session) => [
    { ...loaded(session), kind: 'licensed', sessionId: `new ${random.int(1, 30)}` },
    { kind: 'throttled', status: 429, retryAfterMs: 1 }, { kind: 'refused', status: 403, reason: 'geo' },
    { kind: 'unreachable', message: 'x' }, { kind: 'timeout' }, { kind: 'server-error', status: 500 }, rejected,
  ],
  adopt: () => ['adopted', 'catalogue-changed', 'content-gone', 'open-in-player'],
  release: () => [{ kind: 'released' }, { kind: 'absent' }, { kind: 'failed', message: 'x' }],
};

const rejected = { kind: 'rejected', name: 'InvalidStateError', message: 'Failed, system code (72)', systemCode: 72 };

/** @param {any} session */
function loaded(session) {
  const keyIds = session?.keyIds?.length ? session.keyIds : safely(() => keyIdsOf(session.initDataType, Buffer.from(session.initData, 'base64'))) ?? [];
  return { kind: 'loaded', keyStatuses: Object.fromEntries(keyIds.map((/** @type {string} */ keyId) => [keyId, 'usable'])), expiration: null };
}

/** @template T @param {() => T} work */
function safely(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/**
 * An outcome, good or bad, counted.
 * @param {Random} random
 * @param {string} method
 * @param {any} session
 * @param {boolean} live
 */
function outcomeOf(random, method, session, live) {
  const good = random.pick(OUTCOMES[method](random, session));
  return random.chance(0.4) ? mutated(random, good, live) : good;
}

/**
 * A driver in the app's own process that answers anything.
 * @param {Random} random
 * @param {() => void} count
 * @returns {SessionDriver}
 */
function hostileDriver(random, count) {
  const answer = async (/** @type {string} */ method, /** @type {any} */ session = undefined, /** @type {any} */ context = undefined) => {
    count();
    if (method === 'license') await ask(random, context);
    if (random.chance(0.05)) throw anything(random, true);
    if (random.chance(0.03) && method !== 'endPhase') await new Promise(() => {});
    return /** @type {any} */ (outcomeOf(random, method, session, true));
  };
  return {
    startPhase: () => answer('startPhase'),
    endPhase: () => answer('endPhase'),
    probe: () => answer('probe'),
    plantWitness: () => answer('plantWitness'),
    check: (session) => answer('check', session),
    license: (session, context) => answer('license', session, context),
    adopt: (session) => answer('adopt', session),
    release: (session) => answer('release', session),
  };
}

/** What a driver asks for while it licenses. @param {Random} random @param {any} context */
async function ask(random, { sessionCreated, acquireLicense }) {
  const sessionId = random.chance(0.8) ? `new ${random.int(1, 30)}` : anything(random, true);
  if (random.chance(0.9)) await sessionCreated(sessionId).catch(() => {});
  const message = { messageType: 'license-request', message: random.bytes(4) };
  if (random.chance(0.8)) await acquireLicense(random.chance(0.7) ? message : mutated(random, message, true)).catch(() => {});
}

/**
 * The driver of a window that says anything.
 * @param {Random} random
 * @param {() => void} count
 * @returns {SessionDriver & { close(): void }}
 */
function hostileWindow(random, count) {
  /** @type {any} */
  const port = { onmessage: null, onclose: null, postMessage: (/** @type {any} */ message) => setImmediate(() => respond(message)) };
  const say = (/** @type {any} */ data) => {
    count();
    port.onmessage?.({ data: random.chance(0.4) ? mutated(random, data, false) : data });
  };
  const respond = (/** @type {any} */ { type, id, method, args }) => {
    if (type !== 'task') return;
    if (method === 'license') {
      say({ type: 'sessionCreated', id, sessionId: `new ${random.int(1, 30)}` });
      say({ type: 'licenseMessage', id, messageId: 1, messageType: 'license-request', message: 'AAAA' });
    }
    if (random.chance(0.1)) say({ type: 'failure', id, name: 'Error', message: 'x' });
    if (random.chance(0.02)) say({ type: 'ready' });
    if (random.chance(0.02)) port.onclose?.();
    say({ type: 'outcome', id, outcome: outcomeOf(random, method, args[0], false) ?? null });
    // A phase that does not end is given up after ten seconds: it has tests of its own.
    if (method === 'endPhase') port.onmessage?.({ data: { type: 'outcome', id, outcome: null } });
  };
  const driver = createTransportDriver(port);
  port.onmessage({ data: { type: 'ready' } });
  return driver;
}

module.exports = { hostileDriver, hostileWindow };
