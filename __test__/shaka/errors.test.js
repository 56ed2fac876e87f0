'use strict';

const { ACTIONS, REASONS } = require('../../js/words.js');

const URI = 'https://license.example.com';
/** A shaka.util.Error. */
const error = (code, ...data) => ({ code, data, message: `Shaka Error ${code}` });
const http = (status, headers = {}, body = '') => error(1001, URI, status, body, headers, 2, URI);

let shaka, networking;
beforeAll(async () => {
  shaka = await import('../../js/shaka/index.mjs');
  networking = await import('../../js/shaka/networking.mjs');
});

describe('explainShakaError', () => {
  test.each([
    ['OFFLINE_SESSION_REMOVED', error(6013), { reason: 'gone', action: 'wait', report: { error: 'OFFLINE_SESSION_REMOVED', systemCode: null } }],
    ['a session open elsewhere', error(6005, 'Failed: system code (70)'), { reason: 'in-use', report: { systemCode: 70 } }],
    ['a session that cannot be loaded', error(6005, 'system code (72)'), { reason: 'load-failed', report: { systemCode: 72 } }],
    ['a CDM that has a new system id', error(6005, 'system code (75)'), { reason: 'system-id-changed', report: { systemCode: 75 } }],
    ['a session that fails for another reason', error(6005, 'no'), { reason: 'load-failed', report: { systemCode: null } }],
    ['a request that the CDM does not make, for its new system id', error(6006, 'Error', null, 'system code (75)'), { reason: 'system-id-changed', report: { systemCode: 75 } }],
    ['a request that the CDM does not make', error(6006, 'no'), { reason: 'rejected', report: { error: 'FAILED_TO_GENERATE_LICENSE_REQUEST' } }],
    ['no persistent licences', error(6001), { reason: 'unsupported', action: 'connect' }],
    ['an expired licence', error(6014), { reason: 'expired', action: 'renew' }],
    ['a licence that the CDM rejects', error(6008, 'no'), { reason: 'rejected' }],
    ['a sign-in that is wanted', error(6007, http(401)), { reason: 'auth', action: 'sign-in' }],
    ['another country', error(6007, http(451)), { reason: 'geo', action: 'change-location' }],
    ['a licence server that is down', error(6007, http(500)), { reason: 'server-error', action: 'connect' }],
    ['a network that is down', error(6007, error(1002, URI)), { reason: 'unreachable', action: 'connect' }],
    ['a stall', 'stall', { reason: 'hollow', action: 'wait', report: { error: 'stall', systemCode: null } }],
    ['a stall that Shaka noticed', { type: 'stalldetected' }, { reason: 'hollow' }],
    ['the event of an error', { type: 'error', detail: error(6013) }, { reason: 'gone' }],
  ])('knows %s', (_name, given, expected) => {
    const explanation = shaka.explainShakaError(given);
    expect(explanation).toMatchObject(expected);
    expect(Object.keys(REASONS)).toContain(explanation.reason);
    expect(Object.keys(ACTIONS)).toContain(explanation.action);
  });

  test.each([['an error of the network', error(1002)], ['a decoder\'s', error(3016)], ['nothing of Shaka\'s', new Error('no')], ['nothing', null]])(
    'says nothing of %s', (_name, given) => {
      expect(shaka.explainShakaError(given)).toBeNull();
    });
});

test.each([
  ['too many, with seconds', http(429, { 'retry-after': '120' }), { kind: 'throttled', status: 429, retryAfterMs: 120_000 }],
  ['too many', http(429), { kind: 'throttled', status: 429, retryAfterMs: null }],
  ['unavailable, with a date', http(503, { 'retry-after': new Date(Date.now() - 1000).toUTCString() }), { kind: 'throttled', status: 503, retryAfterMs: 0 }],
  ['unavailable', http(503), { kind: 'server-error', status: 503 }],
  ['forbidden, as a proxy says it too', http(403), { kind: 'unreachable' }],
  ['forbidden in this region', http(403, {}, '{"error":"region"}'), { kind: 'refused', status: 403, reason: 'geo' }],
  ['forbidden, on a page', http(403, {}, '<html>Your location'), { kind: 'unreachable' }],
  ['unauthorized', http(401), { kind: 'refused', reason: 'auth' }],
  ['legal reasons', http(451), { kind: 'refused', reason: 'geo' }],
  ['nothing in time', error(1003, URI), { kind: 'timeout' }],
  ['nothing', error(1002, URI), { kind: 'unreachable' }],
])('A licence server that says %s', (_name, given, expected) => {
  const failure = networking.licenseFailure(given);
  expect({ ...failure, ...(failure.retryAfterMs && { retryAfterMs: Math.round(failure.retryAfterMs / 1000) * 1000 }) }).toMatchObject(expected);
});

describe('shakaConfiguration', () => {
  const session = { contentId: 'film', keySystem: 'com.widevine.alpha', sessionId: '7', state: 'active', suspect: false, initDataType: 'cenc', initData: new Uint8Array([1]) };
  const configure = (verdict, ...sessions) => shaka.shakaConfiguration('film', { verdict: { contentId: 'film', ...verdict }, sessions });

  test('uses the stored licences that are proven, and no others', () => {
    const others = [{ sessionId: '8', suspect: true }, { sessionId: '9', state: 'lost' }, { sessionId: '10', initData: null }, { sessionId: '11', contentId: 'other' }];
    expect(configure({ playable: 'offline', state: 'proven' }, session, ...others.map((fields) => ({ ...session, ...fields })))).toEqual({
      drm: {
        persistentSessionOnlinePlayback: true,
        persistentSessionsMetadata: [{ sessionId: '7', initDataType: 'cenc', initData: new Uint8Array([1]) }],
        advanced: { 'com.widevine.alpha': { sessionType: 'persistent-license' } },
      },
    });
  });

  test('asks for temporary licences where there are no persistent ones', () => {
    expect(configure({ playable: 'online', state: 'unsupported' }, session)).toEqual({
      drm: { persistentSessionOnlinePlayback: false, persistentSessionsMetadata: [], advanced: { 'com.widevine.alpha': { sessionType: 'temporary' } } },
      offline: { usePersistentLicense: false },
    });
  });

  test.each([['suspect', 'try'], ['lost', 'no'], ['unknown', 'online']])('uses none for what is %s, nor those of the title before', (state, playable) => {
    expect(configure({ playable, state }, { ...session, suspect: true })).toEqual({ drm: { persistentSessionsMetadata: [] } });
  });
});

describe('PSSH boxes', () => {
  const { box, pssh, COMMON, WIDEVINE } = require('../helpers/shaka-records.js');
  const boxes = async (...parts) => {
    const { psshBoxes } = await import('../../js/shaka/pssh.mjs');
    return [...psshBoxes(new Uint8Array(Buffer.concat(parts)))].map((bytes) => Buffer.from(bytes));
  };
  const one = pssh(COMMON, '01');
  const nested = (depth) => {
    const bytes = Buffer.alloc(depth * 8, '\0\0\0\0moov');
    for (let at = 0; at < depth; at++) bytes.writeUInt32BE((depth - at) * 8, at * 8);
    return bytes;
  };
  const large = Buffer.concat([Buffer.from('00000001', 'hex'), Buffer.from('moov'), Buffer.from((one.length + 16).toString(16).padStart(16, '0'), 'hex'), one]);
  const open = Buffer.concat([Buffer.alloc(4), Buffer.from('moof'), one]);

  test.each([
    ['in moov and moof, and beside them', [box('moov', box('trak'), one), box('moof', one), one], 3],
    ['in a box with a 64-bit size', [large], 1],
    ['in a box that goes to the end', [open], 1],
    ['not in what is no container', [box('mdat', one)], 0],
    ['not in what is cut off', [one.subarray(0, -1)], 0],
    ['not in containers that are in each other, however many', [nested(20_000)], 0],
    ['not in rubbish', [Buffer.alloc(64, 0xff), one], 0],
    ['not in nothing', [], 0],
  ])('are found %s', async (_name, parts, count) => {
    expect(await boxes(...parts)).toEqual(Array.from({ length: count }, () => one));
  });

  test.each([
    ['its own', 'com.widevine.alpha', [pssh(WIDEVINE, '02')]],
    ['its own, whichever the variant', 'com.widevine.alpha.experiment', [pssh(WIDEVINE, '02')]],
    ['common ones where there are none of its own', 'com.microsoft.playready.recommendation', [one]],
    ['common ones', 'org.w3.clearkey', [one]],
  ])('are for a key system %s', async (_name, keySystem, expected) => {
    const { boxesFor } = await import('../../js/shaka/pssh.mjs');
    const given = [one, pssh(WIDEVINE, '02'), one].map((bytes) => new Uint8Array(bytes));
    expect(boxesFor(given, keySystem).map((bytes) => Buffer.from(bytes))).toEqual(expected);
  });
});
