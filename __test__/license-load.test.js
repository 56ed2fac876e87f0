'use strict';

const { licenseRequest } = require('../testbed/clearkey.js');
const { LicenseLoad } = require('../testbed/license-load.js');
const { startLicenseServer } = require('../testbed/servers.js');

const KEY_ID = 'ab'.repeat(16);

describe('the test bed\'s licence server', () => {
  test('takes as many requests as its capacity in any one second, not in each second of a clock', () => {
    const load = new LicenseLoad(2);
    const taken = [0, 900, 950, 999, 1000, 1500, 1900].map((at) => load.take(5_000 + at));
    expect(taken).toEqual([true, true, false, false, true, false, true]);
    expect(load.rejected).toBe(3);
    expect(load.perSecond).toEqual([{ received: 4, rejected: 2 }, { received: 3, rejected: 1 }]);
  });

  test('counts seconds in which nothing came, too', () => {
    const load = new LicenseLoad(Infinity);
    for (const at of [0, 3_100]) load.take(at);
    expect(load.perSecond.map(({ received }) => received)).toEqual([1, 0, 0, 1]);
  });

  test('answers beyond its capacity with 503 and Retry-After, and within it as it was told to behave', async () => {
    const server = await startLicenseServer({ keys: { [KEY_ID]: KEY_ID }, capacityPerS: 3 });
    try {
      const post = () => fetch(server.url, { method: 'POST', body: Buffer.from(licenseRequest([KEY_ID])) });
      server.behave('captive-portal', { times: 1 });
      expect(await (await post()).text()).toMatch(/^<!doctype html>/);
      server.behave('noise', { times: 1 });
      await expect((await post()).json()).rejects.toMatchObject({ name: 'SyntaxError' });
      server.behave({ afterMs: 1, then: { afterMs: 1, then: { status: 418 } } }, { times: 1 });
      expect((await post()).status).toBe(418);
      const overloaded = await post();
      expect([overloaded.status, overloaded.headers.get('retry-after')]).toEqual([503, '1']);
      expect(server.requests).toBe(4);
    } finally {
      await server.close();
    }
  });
});
