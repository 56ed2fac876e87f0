'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { useApp, keyId, never, UPDATED } = require('../helpers/offline-app.js');
const { broken } = require('../helpers/in-flight.js');
const { LANE, PLATFORM, input, makeDirectory, removeDirectory } = require('../helpers/store.js');
const { failure } = require('../helpers/failure.js');
const { OfflineSessions, OfflineSessionsError } = require('../..');

/** What `node faults` has found, each as small as it could be made. */

const app = useApp();
const DATABASE = 'offline-sessions.sqlite3';

test('a title whose new licence was adopted, not recorded, and taken by the next update, is licensed again and adopted', async () => {
  const offline = await broken(app);
  let closing;
  const unhook = app.cdm.on('adopted', () => {
    unhook();
    setImmediate(() => { closing = offline.close(); });
    return never();
  });
  await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await closing;
  await app.quit();
  app.cdm.breakSalts();
  const later = await app.open({ platform: { ...UPDATED, electron: '36.0.0' } });
  expect(await later.revalidate()).toMatchObject({ adopted: 3, deferred: 0, nextAttemptAt: null });
  expect(['title 1', 'title 2', 'title 3'].filter((contentId) => !app.plays(contentId))).toEqual([]);
});

test('a title that was downloaded again with another key, and got the same id after a wipe, is not paid for', async () => {
  await app.open();
  await app.offline.put(app.download('title', [keyId(1)]));
  await app.quit();
  app.cdm.wipe();
  app.catalogue.clear();
  const again = app.download('title', [keyId(2)], { proven: undefined });
  const offline = await app.open({ platform: UPDATED });
  await offline.put(again);
  expect(again.sessionId).toBe('1');
  expect(await offline.revalidate()).toMatchObject({ proven: 1, lost: 0, licenseRequests: 0 });
});

test('a removed licence is released although a lost title, which once had its id, is put again', async () => {
  await app.open();
  await app.offline.put([app.download('lost', [keyId(1)], { initData: null, initDataType: null }), app.download('removed', [keyId(2)])]);
  await app.quit();
  app.cdm.breakSalts();
  const offline = await app.open({ platform: UPDATED });
  expect(await offline.ensurePlayable('lost')).toMatchObject({ state: 'lost' });
  await offline.revalidate();
  expect(await app.session('removed')).toMatchObject({ sessionId: '1', suspect: false });
  app.catalogue.delete('removed');
  offline.useDriver(() => null);
  await offline.removeContent('removed');
  await offline.put(input('lost', { sessionId: '1', metadata: { touched: true } }));
  offline.useDriver(app.driver());
  await offline.revalidate();
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual([]);
});

test('a removed licence is released although it had got the id of a title that a hollow licence had lost before', async () => {
  await app.open();
  await app.offline.put(app.download('lost', [keyId(1)], { initData: null, initDataType: null }));
  await app.quit();
  app.cdm.deleteRecord('1', LANE);
  await app.open({ platform: UPDATED });
  expect(await app.offline.ensurePlayable('lost')).toMatchObject({ state: 'lost' });
  await app.quit();
  app.cdm.wipe();
  const offline = await app.open({ platform: { ...UPDATED, electron: '36.0.0' } });
  await offline.put(app.download('removed', [keyId(2)]));
  expect(await app.session('removed')).toMatchObject({ sessionId: '1' });
  app.catalogue.delete('removed');
  await offline.removeContent('removed');
  await offline.revalidate();
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual([]);
});

describe('an argument', () => {
  const unreadable = Object.defineProperty([], 0, { enumerable: true, get: () => { throw new Error('a getter of the caller'); } });
  const silent = { toJSON: () => undefined };

  test.each([
    ['put', [unreadable]],
    ['reconcile', [LANE, unreadable]],
    ['reconcile', [silent, []]],
    ['list', [silent]],
    ['find', [silent]],
    ['history', [silent]],
    ['hold', [silent]],
    ['updatePlatform', [silent]],
    ['reportPlayback', ['title', silent]],
  ])('of %s that cannot be read, or says nothing, is refused with a code', async (method, args) => {
    const offline = await app.open();
    const error = await failure(() => offline[method](...args));
    expect(error).toBeInstanceOf(OfflineSessionsError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: expect.any(String) });
  });
});

describe('a damaged database', () => {
  const file = (/** @type {string} */ name) => path.join(app.directory, name);

  test.each([DATABASE, `${DATABASE}-wal`])('whose %s is another store\'s gives none of the other\'s rows', async (name) => {
    await app.open();
    await app.store(2);
    await app.quit();
    const other = makeDirectory();
    const store = await OfflineSessions.open({ directory: other, platform: PLATFORM });
    await store.put(Array.from({ length: 50 }, (_, n) => input(`other ${n}`)));
    if (name === DATABASE) await store.close();
    fs.copyFileSync(path.join(other, name), file(name));
    await store.close();
    removeDirectory(other);
    const offline = await app.open();
    expect((await offline.list()).filter(({ contentId }) => contentId.startsWith('other'))).toEqual([]);
    expect(offline.launch.recovered).not.toBeNull();
  });

  test('with a byte that is no text is recovered', async () => {
    await app.open();
    await app.store(5);
    await app.quit();
    const bytes = fs.readFileSync(file(DATABASE));
    for (let at = bytes.indexOf('title 3'); at >= 0; at = bytes.indexOf('title 3')) bytes[at] = 0xff;
    fs.writeFileSync(file(DATABASE), bytes);
    const offline = await app.open();
    expect((await offline.list()).map(({ contentId }) => contentId)).toEqual(['title 1', 'title 2', 'title 4', 'title 5']);
    app.warnings.splice(0);
  });

  test('whose schema calls a column by another name loses nothing of its rows', async () => {
    await app.open();
    await app.store(3, { metadata: { note: 'kept' } });
    await app.quit();
    const bytes = fs.readFileSync(file(DATABASE));
    bytes.write('metbdata', bytes.indexOf('    metadata ') + 4);
    fs.writeFileSync(file(DATABASE), bytes);
    const offline = await app.open();
    expect(offline.launch.recovered).toMatchObject({ kept: 3 });
    expect((await offline.list()).map(({ metadata }) => metadata)).toEqual(Array(3).fill({ note: 'kept' }));
  });

  test('that can be read, and no longer written, is recovered', async () => {
    await app.open();
    await app.store(20, { metadata: { note: 'x'.repeat(900) } });
    await app.quit();
    const bytes = fs.readFileSync(file(DATABASE));
    // The header's count of free pages: nobody reads it, and whoever wants a new page fails.
    bytes[36] = 0x80;
    fs.writeFileSync(file(DATABASE), bytes);
    const offline = await app.open();
    await offline.put(app.download('another', [keyId(50)], { metadata: { note: 'x'.repeat(9_000) } }));
    expect(await offline.list()).toHaveLength(21);
    app.warnings.splice(0);
  });

  test('whose rows are out of order hangs nobody', async () => {
    await app.open();
    await app.store(40, { metadata: { note: 'x'.repeat(600) } });
    await app.quit();
    const bytes = fs.readFileSync(file(DATABASE));
    const [size, leaf] = [4_096, 13];
    const pages = Array.from({ length: bytes.length / size }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
    const [first, ...others] = pages.filter((page) => page[0] === leaf && page.includes('title '));
    const last = others[others.length - 1];
    const kept = Buffer.from(first);
    last.copy(first);
    kept.copy(last);
    fs.writeFileSync(file(DATABASE), bytes);
    const offline = await app.open();
    expect(await offline.revalidate()).toMatchObject({ deferred: 0, licenseRequests: 0 });
    expect(await offline.list({ suspect: false })).toHaveLength(40);
    await offline.close();
    app.warnings.splice(0);
  });

  test.each(['gone', 'empty'])('that is %s, and has no copy, is told', async (how) => {
    await app.open();
    await app.store(2);
    await app.quit();
    if (how === 'gone') fs.rmSync(file(DATABASE));
    else fs.writeFileSync(file(DATABASE), '');
    const offline = await app.open();
    expect(offline.launch).toMatchObject({ recovered: { copyAt: null, kept: 0, restored: 0 } });
  });
});
