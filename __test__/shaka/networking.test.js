'use strict';

const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp } = require('../helpers/installed-app.js');

const KEY_SYSTEM = 'com.widevine.alpha';
const SERVER = 'https://license.example.com/';
const REQUEST = { messageType: 'license-request', message: new Uint8Array([1]) };

describe('A licence request through Shaka\'s networking', () => {
  let networking, requests, answer;

  beforeEach(async () => {
    networking = await import('../../js/shaka/networking.mjs');
    requests = [];
    answer = new Uint8Array([7]);
  });

  const shaka = {
    getConfiguration: () => ({ drm: { servers: { [KEY_SYSTEM]: SERVER }, advanced: { [KEY_SYSTEM]: { individualizationServer: `${SERVER}individual` } } } }),
    getNetworkingEngine: () => ({
      request: (...args) => {
        requests.push(args);
        return { promise: Promise.resolve(answer).then(({ buffer }) => ({ data: buffer })), abort() {} };
      },
    }),
  };
  const ask = (message, signal = new AbortController().signal, ...classify) =>
    networking.requestLicense(shaka, { ...REQUEST, ...message }, { requestId: 'r1', sessionId: '1', drmInfo: { keySystem: KEY_SYSTEM } }, signal, ...classify);

  test('is as Shaka makes it, and has our id', async () => {
    expect(await ask()).toEqual(new Uint8Array([7]));
    const request = { uris: [SERVER], method: 'POST', licenseRequestType: 'license-request', sessionId: '1', requestId: 'r1', body: REQUEST.message };
    expect(requests).toEqual([[2, expect.objectContaining(request), { isPreload: false }]]);
  });

  test('goes to the server for individualization where it is one for that', async () => {
    await ask({ messageType: 'individualization-request' });
    expect(requests[0][1].uris).toEqual([`${SERVER}individual`]);
  });

  test('is not made when it is no longer wanted', async () => {
    await expect(ask({}, AbortSignal.abort())).rejects.toThrow('aborted');
    expect(requests).toEqual([]);
  });

  test('that a captive portal answers is unreachable, and not a licence that the CDM rejects', async () => {
    answer = new TextEncoder().encode('<!DOCTYPE html><html>Sign in</html>');
    await expect(ask()).rejects.toMatchObject({ kind: 'unreachable' });
  });

  const refusal = { code: 1001, data: [SERVER, 403, '{"error":"GEO-12"}', { 'x-reason': 'GEO-12' }] };

  test('that a server refuses is classified by the app, with status, headers and body', async () => {
    answer = Promise.reject(refusal);
    const classify = async ({ status, headers, body }) => (status === 403 && headers.get('x-reason') === JSON.parse(body).error ? 'geo' : null);
    await expect(ask({}, undefined, classify)).rejects.toEqual({ kind: 'refused', status: 403, reason: 'geo' });
  });

  test.each([
    ['a refusal that it does not know', refusal, { kind: 'unreachable', message: 'HTTP 403' }],
    ['a server error', { code: 1001, data: [SERVER, 500, '', {}] }, { kind: 'server-error', status: 500 }],
    ['too many requests', { code: 1001, data: [SERVER, 429, '', { 'retry-after': '7' }] }, { kind: 'throttled', status: 429, retryAfterMs: expect.any(Number) }],
  ])('is what it is when the app\'s classifier has no word for it: %s', async (_name, error, failure) => {
    answer = Promise.reject(error);
    await expect(ask({}, undefined, ({ status }) => (status === 403 ? null : 'revoked'))).rejects.toEqual(failure);
  });

  test('is one for a licence, and none for a check, whose renewals and certificates are answered four times', () => {
    const certificate = { messageType: 'license-request', message: new Uint8Array([8, 4]) };
    const renewal = { messageType: 'license-renewal', message: new Uint8Array([1]) };
    const allowed = (requested) => [REQUEST, certificate, renewal, REQUEST, renewal, renewal, renewal].map(networking.messageLimit(requested));
    expect(allowed(1)).toEqual([true, true, true, false, true, true, false]);
    expect(allowed(0)).toEqual([false, true, true, false, true, true, false]);
  });
});

describeBrowser('A message of PlayReady\'s, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });
  const unwrapped = (text, encoding, keySystem = 'com.microsoft.playready.recommendation') => suite.app.window.page.evaluate(async (name, bytes) => {
    const { unwrapped: unwrap } = await import('/js/shaka/playready.mjs');
    const { body, headers } = unwrap(name, new Uint8Array(bytes));
    return { text: new TextDecoder().decode(body), headers };
  }, keySystem, [...Buffer.from(text, encoding)]);

  test('is unwrapped, with the headers that it names, as Shaka does', async () => {
    const challenge = Buffer.from('<soap:Envelope/>').toString('base64');
    const message = '<PlayReadyKeyMessage type="LicenseAcquisition"><LicenseAcquisition Version="1">'
      + `<Challenge encoding="base64encoded">${challenge}</Challenge><HttpHeaders>`
      + '<HttpHeader><name>Content-Type</name><value>text/xml; charset=utf-8</value></HttpHeader>'
      + '<HttpHeader><name>SOAPAction</name><value>http://example.com/a?b&amp;c</value></HttpHeader>'
      + '</HttpHeaders></LicenseAcquisition></PlayReadyKeyMessage>';
    expect(await unwrapped(message, 'utf16le')).toEqual({
      text: '<soap:Envelope/>', headers: { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: 'http://example.com/a?b&c' },
    });
    expect(await unwrapped(message, 'utf16le', 'com.widevine.alpha')).toMatchObject({ headers: {} });
  });

  test('that is not wrapped is left as it is, and said to be XML', async () => {
    expect(await unwrapped('<soap:Envelope/>', 'utf8')).toEqual({ text: '<soap:Envelope/>', headers: { 'Content-Type': 'text/xml; charset=utf-8' } });
  });
});
