'use strict';

const fs = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');
const { useApp, keyId, next, UPDATED, NOTHING } = require('../helpers/offline-app.js');
const { makeDirectory, removeDirectory, PLATFORM, LANE } = require('../helpers/store.js');
const { OfflineSessions } = require('../..');

const app = useApp();

describe('a window that wants more than its task', () => {
  const message = new Uint8Array([1]);

  test('gets one licence request for a licence', async () => {
    const asked = [];
    const offline = await app.updateThatBroke(1, { acquireLicense: async ({ messageType }) => { asked.push(messageType); return message; } });
    const greedy = { ...app.driver(), license: async (_session, { sessionCreated, acquireLicense }) => {
      await sessionCreated('99');
      for (let n = 0; n < 50; n++) await acquireLicense({ messageType: 'license-request', message }).catch(() => {});
      for (let n = 0; n < 50; n++) await acquireLicense({ messageType: 'individualization-request', message }).catch(() => {});
      return { kind: 'unreachable' };
    } };
    offline.useDriver(greedy);
    expect(await offline.revalidate()).toMatchObject({ licensed: 0, licenseRequests: 1 });
    expect(asked.filter((type) => type === 'license-request')).toHaveLength(1);
    expect(asked.length).toBeLessThan(10);
  });

  test('gets none before its session is journalled, and none for a release', async () => {
    const asked = [];
    const offline = await app.updateThatBroke(1, { acquireLicense: async ({ messageType }) => { asked.push(messageType); return message; } });
    const request = (acquireLicense) => acquireLicense({ messageType: 'license-request', message }).catch(() => {});
    const driver = app.driver();
    offline.useDriver({
      ...driver,
      license: async (_session, { acquireLicense }) => { await request(acquireLicense); return { kind: 'unreachable' }; },
      release: async (_session, { acquireLicense }) => { await request(acquireLicense); return { kind: 'released' }; },
    });
    await offline.revalidate();
    await offline.put(app.download('another', []));
    await offline.removeContent('another');
    expect(await offline.revalidate()).toMatchObject({ released: 1 });
    expect(asked).toEqual([]);
  });
});

test('a click that was aborted risks nothing later', async () => {
  await app.open();
  await app.offline.put(app.download('without means', [], { initDataType: undefined, initData: null, proven: undefined }));
  const offline = await app.relaunch();
  await expect(offline.ensurePlayable('without means', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const controller = new AbortController();
  const unhook = app.cdm.on('phase', () => { unhook(); controller.abort(); });
  await expect(offline.ensurePlayable('without means', { signal: controller.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(await offline.revalidate()).toEqual({ ...NOTHING, deferred: 1, nextAttemptAt: null, durationMs: expect.any(Number) });
  expect(app.cdm.counts.loads).toBe(0);
});

describe('a licence server', () => {
  test.each([
    ['a page with another spelling of its type', { status: 200, body: '<p>hello', headers: { 'content-type': 'Text/HTML' } }],
    ['a page without a type', { status: 200, body: '\n<!DOCTYPE html><title>Sign in to the train</title>' }],
    ['a page of XHTML', { status: 200, body: '<p/>', headers: { 'content-type': 'application/xhtml+xml' } }],
    ['a page that names a country', { status: 403, body: '<html>your country', headers: { 'content-type': 'text/html' } }],
  ])('that sends %s is a captive portal', async (_what, answer) => {
    const offline = await app.updateThatBroke(1);
    app.server.behave(answer);
    await offline.revalidate();
    expect(offline.verdict('title 1')).toMatchObject({ state: 'lost', reason: 'unreachable' });
  });

  test.each([[200], [403]])('that never ends its answer of %i is not listened to for ever', async (status) => {
    let sent = 0;
    const endless = createServer((_request, response) => {
      response.writeHead(status);
      const chunk = Buffer.alloc(64 * 1024, 32);
      const more = () => { while (!response.destroyed && response.write(chunk)) sent += chunk.length; };
      response.on('drain', more);
      more();
    });
    await new Promise((resolve) => { endless.listen(0, '127.0.0.1', () => resolve(undefined)); });
    const { port } = /** @type {any} */ (endless.address());
    const offline = await app.updateThatBroke(1);
    await offline.put({ ...(await app.session('title 1')), licenseUrl: `http://127.0.0.1:${port}/` });
    await offline.revalidate();
    expect(offline.verdict('title 1')).toMatchObject({ state: 'lost', reason: 'unreachable' });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    endless.closeAllConnections();
    endless.close();
  });
});

describe('input without measure', () => {
  test.each([
    ['a typed array', (session) => ({ ...session, metadata: new Uint8Array(4_000_000) }), '[0].metadata'],
    ['a Map', (session) => ({ ...session, metadata: { map: new Map() } }), '[0].metadata.map'],
    ['a sparse list of key ids', (session) => ({ ...session, keyIds: new Array(2 ** 32 - 1) }), '[0].keyIds'],
    ['a list of millions', (session) => ({ ...session, metadata: Array.from({ length: 100_000 }, () => [0]) }), '[0].metadata'],
  ])('of %s is refused before it is copied', async (_what, spoil, field) => {
    const offline = await app.open();
    await expect(offline.put(spoil(app.download('title', [])))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field });
  });

  test('of sessions is refused before it is copied', async () => {
    const offline = await app.open();
    await expect(offline.put(new Array(2 ** 32 - 1))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'sessions' });
  });
});

test('a title in a window that does not answer may be tried, and says when it is checked', async () => {
  await app.open();
  await app.store(1);
  const offline = await app.relaunch({ platform: UPDATED });
  const driver = app.driver();
  offline.useDriver({ ...driver, startPhase: async () => { throw new Error('not this window'); } });
  const report = await offline.revalidate();
  expect(report).toMatchObject({ checked: 0, deferred: 1 });
  expect(offline.verdict('title 1')).toMatchObject({ playable: 'try', reason: 'timeout', retryAt: report.nextAttemptAt });
  expect(app.warnings.splice(0)).toHaveLength(1);
  // Another driver is another chance, at once.
  offline.useDriver(driver);
  expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1, deferred: 0 });
});

test('a title that a check of another one proves lost is counted, and licensed again', async () => {
  await app.open();
  await app.store(1);
  await app.quit();
  app.cdm.breakSalts();
  const offline = await app.open();
  // The id "1" again, for another title, which the app imports.
  await offline.put(app.download('title 2', [keyId(2)], { proven: undefined }));
  expect(await offline.revalidate()).toMatchObject({ lost: 1, licensed: 1, adopted: 1 });
  expect(offline.unready()).toEqual([]);
  expect(['title 1', 'title 2'].map((contentId) => app.plays(contentId))).toEqual([true, true]);
});

test('an origin is stored as browsers write it', async () => {
  const offline = await app.open();
  const [stored] = await offline.put({ ...app.download('title', []), origin: 'APP://Bundle/' });
  expect(stored.origin).toBe(LANE.origin);
});

describe('a folder', () => {
  let directory;
  beforeEach(() => { directory = makeDirectory(); });
  afterEach(() => removeDirectory(directory));

  test('that the app shares with other files keeps its mode', async () => {
    fs.chmodSync(directory, 0o755);
    fs.writeFileSync(path.join(directory, 'settings.json'), '{}');
    const store = await OfflineSessions.open({ directory, platform: PLATFORM });
    expect(fs.statSync(directory).mode & 0o777).toBe(0o755);
    expect(fs.statSync(path.join(directory, 'offline-sessions.sqlite3')).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test('holds one tidy database after close', async () => {
    const store = await OfflineSessions.open({ directory, platform: PLATFORM });
    await store.put(app.download('title', []));
    await store.close();
    expect(fs.readdirSync(directory).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
  });
});

test('a run that a timer begins is told when it has finished', async () => {
  const offline = await app.updateThatBroke(1, { policy: { backoffBaseMs: 1 } });
  app.server.behave({ status: 500 }, { times: 1 });
  const finished = next(offline, 'run-finished', ({ adopted }) => adopted === 1);
  await offline.revalidate();
  expect(await finished).toMatchObject({ licensed: 1 });
});
