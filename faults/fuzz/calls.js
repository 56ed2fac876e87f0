'use strict';

const { hexToBase64url } = require('../../testbed/clearkey');

/** Good arguments of every public call: what a mutation begins with. */

/** @typedef {import('../random').Random} Random */

const LANE = Object.freeze({ origin: 'app://bundle', partition: '', keySystem: 'org.w3.clearkey' });
const PLATFORM = Object.freeze({
  app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', node: '20.9.0', cdms: [{ keySystem: LANE.keySystem, version: '4.10.2891.0' }],
  os: { name: 'Debian', version: '12' }, arch: 'x86_64', profile: 'main', machine: 'this machine',
});

/** @param {number} n */
const keyId = (n) => `00112233445566778899aabb0000${n.toString(16).padStart(4, '0')}`;

/** @param {Random} random */
const contentId = (random) => `title ${random.int(1, 12)}`;

/** @param {Random} random @returns {any} */
function session(random) {
  const n = random.int(1, 12);
  const keyIds = [keyId(n)];
  return {
    contentId: `title ${n}`, ...LANE, sessionId: `session ${n}`, account: random.pick([null, 'someone']), initDataType: 'keyids',
    initData: new Uint8Array(Buffer.from(JSON.stringify({ kids: keyIds.map(hexToBase64url) }))), keyIds, expiration: random.pick([null, NaN, Date.now() + 1e9]),
    licenseUrl: 'https://license.example/path?token=x', capabilities: { audio: [{ contentType: 'audio/mp4; codecs="opus"', robustness: '' }], video: [] },
    lastPlayedAt: Date.now(), rules: { licenseDurationMs: 1e9, renewAheadMs: 1e6 }, canary: false, metadata: { title: 'a film', list: [1, 2, { deep: null }] },
    proven: random.pick([null, { keyStatuses: { [keyIds[0]]: 'usable' } }]),
  };
}

/** @param {Random} random */
function catalogueEntry(random) {
  const { contentId: id, sessionId, initDataType, initData, keyIds, licenseUrl } = session(random);
  return { contentId: id, sessionIds: [sessionId], initDataType, initData, keyIds, licenseUrl, incomplete: random.chance(0.2) };
}

const soon = { timeoutMs: 5 };
const DRIVER_METHODS = ['probe', 'plantWitness', 'check', 'license', 'adopt', 'release'];

/** By call, how often it is made and with what. @type {Record<string, { weight: number, args: (random: Random) => any[] }>} */
const CALLS = {
  put: { weight: 8, args: (random) => [random.chance(0.5) ? session(random) : [session(random), session(random)], { replace: random.chance(0.2) }] },
  list: { weight: 3, args: (random) => [{ contentId: contentId(random), state: 'active', suspect: true, origin: LANE.origin }] },
  find: { weight: 3, args: (random) => [{ contentId: contentId(random), keyIds: [keyId(1)], initData: session(random).initData, initDataType: 'keyids' }] },
  removeContent: { weight: 2, args: (random) => [contentId(random)] },
  reconcile: { weight: 3, args: (random) => [LANE, [catalogueEntry(random), catalogueEntry(random)], { allowMassRemoval: false }] },
  verdict: { weight: 2, args: (random) => [contentId(random)] },
  unready: { weight: 1, args: () => [] },
  ensurePlayable: { weight: 3, args: (random) => [contentId(random), { ...soon, signal: new AbortController().signal }] },
  revalidate: { weight: 3, args: () => [{ signal: new AbortController().signal, onProgress: () => {} }] },
  setConnectivity: { weight: 2, args: () => ['online', { changedLocation: true }] },
  setAccount: { weight: 1, args: (random) => [random.pick([null, 'someone'])] },
  hold: { weight: 2, args: (random) => [{ contentId: contentId(random), lane: LANE, kind: random.pick(['playing', 'downloading']) }] },
  reportPlayback: {
    weight: 3,
    args: (random) => [contentId(random), { error: null, systemCode: 70, keyStatuses: { [keyId(1)]: 'usable' }, expiration: null }],
  },
  retry: { weight: 2, args: (random) => [contentId(random)] },
  history: { weight: 1, args: () => [{ limit: 5 }] },
  updatePlatform: { weight: 2, args: () => [{ ...PLATFORM }] },
  useDriver: { weight: 1, args: () => [Object.fromEntries(DRIVER_METHODS.map((name) => [name, async () => null]))] },
  erase: { weight: 0.3, args: () => [{ account: 'someone' }] },
};

/** @param {string} directory @param {Random} random @returns {any} */
const openOptions = (directory, random) => ({
  directory, platform: { ...PLATFORM }, lockWaitMs: 0, acquireLicense: async () => random.bytes(8), classifyRefusal: () => null, adopt: async () => 'adopted',
  policy: { mode: 'repair', batchSize: 5, licenseConcurrency: 2, keyStatusWaitMs: 1, startPhaseTimeoutMs: 20, taskTimeoutMs: 20, licenseTimeoutMs: 20,
    backoffBaseMs: 1, backoffMaxMs: 10, strikeSpacingMs: 1, relicenseExpired: true, licenseRatePerS: 100, licenseRateMaxPerS: 200,
    keepLicenseQuery: false, ensurePlayableTimeoutMs: 5 },
});

module.exports = { CALLS, LANE, PLATFORM, openOptions, session };
