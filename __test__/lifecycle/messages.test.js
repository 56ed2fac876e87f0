'use strict';

const { useApp, keyId, titles } = require('../helpers/offline-app.js');
const { licenseRequest, parseLicenseRequest, license } = require('../../testbed/clearkey.js');

/** What a CDM asks the licence server beside a licence. No CDM at hand does: the scripted one alone. */

const app = useApp();
const CERTIFICATE_REQUEST = new Uint8Array([0x08, 0x04]);

/** An `acquireLicense` hook that notes what it is asked. */
function server() {
  const asked = [];
  return {
    asked,
    count: (type) => asked.filter(({ messageType }) => messageType === type).length,
    acquireLicense: async ({ messageType, message, session }) => {
      asked.push({ messageType, message, contentId: session.contentId });
      if (message.length < 3) return new Uint8Array([7]);
      return license(Object.fromEntries(parseLicenseRequest(message).map((id) => [id, id])));
    },
  };
}

test('a certificate is asked for once for each server, and is no licence request', async () => {
  const { acquireLicense, count } = server();
  const answers = [];
  const offline = await app.updateThatBroke(6, { acquireLicense });
  await offline.put(app.download('elsewhere', [keyId(9)], { licenseUrl: 'https://other.example/license', proven: undefined }));
  app.cdm.breakSalts();
  offline.useDriver(app.driver());
  app.cdm.on('message', async (step) => {
    answers.push(await step.acquireLicense({ messageType: 'license-request', message: CERTIFICATE_REQUEST }));
  });
  expect(await offline.revalidate()).toMatchObject({ adopted: 7, licenseRequests: 7 });
  expect(answers).toEqual(Array(7).fill(new Uint8Array([7])));
  expect(count('license-request')).toBe(7 + 2);
});

test('a certificate that could not be had is asked for again, by whoever wants it', async () => {
  const { acquireLicense } = server();
  let failures = 0;
  const offline = await app.updateThatBroke(3, {
    acquireLicense: (request) => {
      if (request.message.length < 3 && failures++ === 0) throw { kind: 'unreachable' };
      return acquireLicense(request);
    },
  });
  app.cdm.on('message', async ({ acquireLicense: ask }) => {
    await ask({ messageType: 'license-request', message: CERTIFICATE_REQUEST }).catch(() => {});
  });
  expect(await offline.revalidate()).toMatchObject({ adopted: 3, licenseRequests: 3 });
  expect(failures).toBeGreaterThan(1);
});

test('a certificate that made the CDM reject its licence is asked for again, and one without a server is not kept', async () => {
  let certificates = 0;
  const { acquireLicense } = server();
  const offline = await app.updateThatBroke(1, {
    policy: { backoffBaseMs: 1 },
    acquireLicense: (request) => {
      if (request.message.length < 3) return Promise.resolve(new Uint8Array([++certificates]));
      return certificates === 1 ? Promise.resolve(new TextEncoder().encode('no licence')) : acquireLicense(request);
    },
  });
  app.cdm.on('message', ({ acquireLicense: ask }) => ask({ messageType: 'license-request', message: CERTIFICATE_REQUEST }).then(() => {}));
  expect(await offline.revalidate()).toMatchObject({ blocked: 1 });
  expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  expect(certificates).toBe(2);
});

test('a check may renew, individualize and release; it gets no new licence', async () => {
  const { acquireLicense, count } = server();
  await app.open({ acquireLicense });
  await app.store(2);
  const offline = await app.relaunch({ acquireLicense, platform: { electron: '35.1.4' } });
  const refused = [];
  app.cdm.on('load', async ({ acquireLicense: ask }) => {
    await ask({ messageType: 'license-renewal', message: new Uint8Array([1]) });
    await ask({ messageType: 'individualization-request', message: new Uint8Array([1]) });
    await ask({ messageType: 'license-request', message: licenseRequest([keyId(1)]) }).catch((error) => refused.push(error.kind));
  });
  expect(await offline.revalidate()).toMatchObject({ proven: 2, licenseRequests: 0 });
  expect([count('license-renewal'), count('individualization-request'), count('license-request')]).toEqual([2, 2, 0]);
  expect(refused).toEqual(['unreachable', 'unreachable']);
});

test('the release of a licence is told to its server', async () => {
  const { acquireLicense, asked } = server();
  await app.open({ acquireLicense });
  await app.store(1);
  await app.offline.removeContent('title 1');
  app.cdm.on('remove', async ({ acquireLicense: ask }) => { await ask({ messageType: 'license-release', message: new Uint8Array([1]) }); });
  expect(await app.offline.revalidate()).toMatchObject({ released: 1, licenseRequests: 0 });
  expect(asked).toMatchObject([{ messageType: 'license-release' }]);
});

test('a licence that was released by the CDM is licensed again, and its release told later', async () => {
  const { acquireLicense, count } = server();
  await app.open({ acquireLicense });
  const [{ sessionId }] = await app.store(1);
  app.cdm.record(sessionId).keyStatuses = { [keyId(1)]: 'released' };
  const offline = await app.relaunch({ acquireLicense, platform: { electron: '35.1.4' } });
  app.cdm.on('remove', async ({ acquireLicense: ask }) => { await ask({ messageType: 'license-release', message: new Uint8Array([1]) }); });
  expect(await offline.revalidate()).toMatchObject({ lost: 1, adopted: 1, released: 1, licenseRequests: 1 });
  expect(count('license-release')).toBe(1);
  expect(app.leftovers()).toEqual([]);
  expect(titles(1).every((title) => app.plays(title))).toBe(true);
});
