'use strict';

const { PLATFORM } = require('./store.js');
const { NO_IDS, NO_NUMBERS, NO_OBJECTS, NO_SIGNALS, throwing, without } = require('./bad-values.js');

/**
 * Bad arguments of every public call but the sessions of `put`, which are in `bad-sessions.js`.
 *
 * @typedef {{ call: string, what: string, args: unknown[], field: RegExp }} BadCall `field`: what the error has to name
 */

const DRIVER_METHODS = ['probe', 'plantWitness', 'check', 'license', 'adopt', 'release'];
const KEY_ID = '0123456789abcdef0123456789abcdef';
const ANY = /./;

/** @param {string} text */
const exactly = (text) => new RegExp(`^${text.replace(/[.[\]]/g, '\\$&')}$`);

/**
 * @param {string} call
 * @param {string | RegExp} field
 * @param {Record<string, unknown>} values
 * @param {(value: any) => unknown[]} toArgs
 * @returns {BadCall[]}
 */
const refused = (call, field, values, toArgs) => Object.entries(values).map(([what, value]) => {
  // Where JSON cannot be written, nobody knows the place any more.
  const named = typeof field === 'string' ? new RegExp(`${exactly(field).source}|^(options|filter|query|platform)$`) : field;
  return { call, what: typeof field === 'string' ? `${field}: ${what}` : what, args: toArgs(value), field: named };
});

/** What a platform may not be, by field. @type {Record<string, Record<string, unknown>>} */
const BAD_PLATFORMS = {
  app: without(NO_IDS, 'null', 'nothing at all'),
  electron: without(NO_IDS, 'null', 'nothing at all'),
  chromium: without(NO_IDS, 'null', 'nothing at all'),
  node: without(NO_IDS, 'null', 'nothing at all'),
  arch: { 'a number': 64, 'the empty string': '' },
  profile: { 'a list': [], 'U+0000': 'a\0' },
  machine: { 'an object': {}, 'a lone surrogate': '\udfff' },
  os: { 'a string': 'Debian', NaN },
  'os.name': { 'a number': 12, 'the empty string': '' },
  'os.version': { 'a boolean': true, NaN },
  cdms: { 'an object': {}, 'a string': 'x', NaN },
  'cdms[0].keySystem': { 'a number': 7, 'the empty string': '', 'nothing at all': undefined },
  'cdms[0].version': { 'a number': 4.1, '1 KiB and 1 byte': 'x'.repeat(1025) },
  electorn: { 'an unknown field': '30.0.0' },
};

/** @param {string} field @param {unknown} value */
function platformWith(field, value) {
  const [, name, inner] = /** @type {RegExpExecArray} */ (/^(\w+)(?:\[0\])?(?:\.(\w+))?$/.exec(field));
  if (!inner) return { [name]: value };
  return name === 'os' ? { os: { [inner]: value } } : { cdms: [{ keySystem: 'org.w3.clearkey', version: '1', [inner]: value }] };
}

const BAD_POLICIES = {
  mode: { 'an unknown word': 'fast' },
  batchSize: { 'more than 25': 26, 'half': 0.5, ...NO_NUMBERS },
  backoffBaseMs: { '0': 0, 'negative': -1, ...NO_NUMBERS },
  taskTimeoutMs: { 'more than a day': 86_400_001 },
  relicenseExpired: { 'text': 'no', NaN },
  backofBaseMs: { 'an unknown field': 1 },
};

/** Calls to a store that is open. @type {BadCall[]} */
const BAD_CALLS = [
  ...refused('put', ANY, without(NO_OBJECTS, 'a list'), (options) => [[], options]),
  ...refused('put', 'replace', { 'a number': 1, 'null': null, 'a string': 'yes' }, (replace) => [[], { replace }]),
  ...['verdict', 'removeContent', 'ensurePlayable'].flatMap((call) => refused(call, 'contentId', { ...NO_IDS, 'a String object': new String('boxed') }, (id) => [id])),
  ...refused('ensurePlayable', ANY, NO_OBJECTS, (options) => ['a', options]),
  ...refused('ensurePlayable', 'timeoutMs', { ...NO_NUMBERS, 'negative': -1, 'more than a day': 86_400_001 }, (timeoutMs) => ['a', { timeoutMs }]),
  ...refused('ensurePlayable', 'signal', NO_SIGNALS, (signal) => ['a', { signal }]),
  ...refused('revalidate', ANY, NO_OBJECTS, (options) => [options]),
  ...refused('revalidate', 'signal', NO_SIGNALS, (signal) => [{ signal }]),
  ...refused('revalidate', 'onProgress', { 'a string': 'x', 'an object': {} }, (onProgress) => [{ onProgress }]),
  ...refused('setConnectivity', 'connectivity', { ...NO_IDS, 'another word': 'ONLINE' }, (connectivity) => [connectivity]),
  ...refused('setConnectivity', ANY, NO_OBJECTS, (options) => ['online', options]),
  ...refused('setConnectivity', 'changedLocation', { 'a string': 'yes', 'null': null }, (changedLocation) => ['online', { changedLocation }]),
  ...refused('useDriver', ANY, { ...NO_OBJECTS, 'nothing at all': undefined, 'a throwing getter': throwing('probe') }, (driver) => [driver]),
  ...DRIVER_METHODS.flatMap((missing) => refused('useDriver', `driver.${missing}`, { missing: undefined, 'a string': 'x' }, (method) => [
    { ...Object.fromEntries(DRIVER_METHODS.map((name) => [name, async () => {}])), [missing]: method },
  ])),
  ...refused('history', ANY, NO_OBJECTS, (options) => [options]),
  ...refused('history', 'limit', { ...NO_NUMBERS, '0': 0, 'negative': -1, 'half': 1.5, '1001': 1001 }, (limit) => [{ limit }]),
  ...refused('history', 'limits', { 'an unknown option': 1 }, (limits) => [{ limits }]),
  ...refused('list', ANY, { ...NO_OBJECTS, 'a throwing getter': throwing('state') }, (filter) => [filter]),
  ...refused('list', 'contentId', without(NO_IDS, 'null', 'nothing at all', 'the empty string'), (contentId) => [{ contentId }]),
  ...refused('list', 'state', { 'an unknown word': 'fine', NaN, 'a symbol': Symbol('symbol') }, (state) => [{ state }]),
  ...refused('list', 'suspect', { 'text': 'yes', 'a number': 1 }, (suspect) => [{ suspect }]),
  ...refused('list', 'contentIds', { 'an unknown field': [] }, (contentIds) => [{ contentIds }]),
  ...refused('find', ANY, { ...NO_OBJECTS, 'nothing at all': undefined, 'no condition': {}, 'a throwing getter': throwing('keyIds') }, (query) => [query]),
  ...refused('find', 'contentId', without(NO_IDS, 'null', 'nothing at all'), (contentId) => [{ contentId }]),
  ...refused('find', 'keyIds', { 'a string': KEY_ID, NaN }, (keyIds) => [{ contentId: 'a', keyIds }]),
  ...refused('find', 'keyIds[1]', { '31 digits': KEY_ID.slice(1), 'a number': 7 }, (bad) => [{ keyIds: [KEY_ID, bad] }]),
  ...refused('find', 'initData', { 'a string': 'AAAA', 'a list': [1], 'no bytes': new Uint8Array(0), '64 KiB and 1 byte': new Uint8Array(65_537) },
    (initData) => [{ initData }]),
  ...refused('find', 'initDataType', { 'a number': 7 }, (initDataType) => [{ initData: new Uint8Array(1), initDataType }]),
  ...refused('find', 'contentID', { 'an unknown field': 'a' }, (contentID) => [{ contentID }]),
  ...refused('updatePlatform', ANY, { ...NO_OBJECTS, 'nothing at all': undefined, 'a throwing getter': throwing('app') }, (platform) => [platform]),
  ...Object.entries(BAD_PLATFORMS).flatMap(([field, values]) => refused('updatePlatform', field, values, (value) => [platformWith(field, value)])),
];

/**
 * Options that `open` refuses. They name a directory that is not there, and must not be made.
 * @param {string} directory
 * @returns {{ what: string, options: any, field: RegExp }[]}
 */
function badOptions(directory) {
  const good = { directory, platform: PLATFORM };
  /** @type {(field: string | RegExp, values: Record<string, unknown>, toOptions: (value: any) => unknown) => BadCall[]} */
  const opening = (field, values, toOptions) => refused('open', field, values, (value) => [toOptions(value)]);
  const calls = [
    ...opening(ANY, { ...NO_OBJECTS, 'nothing at all': undefined, 'a throwing getter': throwing('policy', good) }, (options) => options),
    ...opening('dir', { 'an unknown option': directory }, (dir) => ({ ...good, dir })),
    ...opening('directory', { ...without(NO_IDS, '1 KiB and 1 byte', '513 letters of two bytes'), 'a lone surrogate': `${directory}\ud800` },
      (value) => ({ ...good, directory: value })),
    ...opening(ANY, { ...NO_OBJECTS, 'nothing at all': undefined, 'a throwing getter': throwing('app') }, (platform) => ({ ...good, platform })),
    ...['app', 'electron', 'chromium'].flatMap((name) => opening(`platform.${name}`, { 'null': null, 'nothing at all': undefined },
      (value) => ({ ...good, platform: { ...PLATFORM, [name]: value } }))),
    ...Object.entries(BAD_PLATFORMS).flatMap(([field, values]) => opening(`platform.${field}`, values,
      (value) => ({ ...good, platform: { ...PLATFORM, ...platformWith(field, value) } }))),
    ...opening('policy', without(NO_OBJECTS, 'null', 'a revoked proxy'), (policy) => ({ ...good, policy })),
    ...Object.entries(BAD_POLICIES).flatMap(([field, values]) => opening(`policy.${field}`, values, (value) => ({ ...good, policy: { [field]: value } }))),
    ...['acquireLicense', 'classifyRefusal', 'adopt'].flatMap((name) => opening(name, { 'a string': 'x', 'an object': {} }, (value) => ({ ...good, [name]: value }))),
    ...opening('lockWaitMs', { ...NO_NUMBERS, 'negative': -1, 'more than ten minutes': 600_001 }, (lockWaitMs) => ({ ...good, lockWaitMs })),
  ];
  return calls.map(({ what, args, field }) => ({ what, options: args[0], field }));
}

module.exports = { BAD_CALLS, badOptions };
