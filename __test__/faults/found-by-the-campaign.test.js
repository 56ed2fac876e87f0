'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { useApp, keyId, initDataOf, never, UPDATED } = require('../helpers/offline-app.js');
const { broken } = require('../helpers/in-flight.js');
const { LANE, PLATFORM, input, makeDirectory, removeDirectory } = require('../helpers/store.js');
const { failure } = require('../helpers/failure.js');
const { OfflineSessions, OfflineSessionsError } = require('../..');

/** What `node faults` has found, each as small as it could be made. */

const app = useApp();
const DATABASE = 'offline-sessions.sqlite3';

/** Quits when the first new licence is in the player's catalogue, and not on record yet. @returns {Promise<string>} the title */
async function quitAfterAdoption() {
  const offline = await broken(app);
  let closing;
  let adopted = '';
  const unhook = app.cdm.on('adopted', ({ contentId }) => {
    unhook();
    adopted = contentId;
    setImmediate(() => { closing = offline.close(); });
    return never();
  });
  await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await closing;
  await app.quit();
  return adopted;
}

describe('a new licence that was adopted, not recorded, and taken by the next update', () => {
  const NEXT = { ...UPDATED, electron: '36.0.0' };

  test('is paid for again and adopted', async () => {
    await quitAfterAdoption();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: NEXT });
    expect(await offline.revalidate()).toMatchObject({ adopted: 3, deferred: 0, nextAttemptAt: null });
    expect(['title 1', 'title 2', 'title 3'].filter((contentId) => !app.plays(contentId))).toEqual([]);
  });

  test('is no second row when another title has got its id, and the app puts what its catalogue says', async () => {
    const contentId = await quitAfterAdoption();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: NEXT });
    const [{ sessionId, keyIds }] = app.catalogue.get(contentId);
    for (let n = 1; n <= Number(sessionId); n++) await offline.put(app.download(`later ${n}`, [keyId(10 + n)]));
    await offline.put(input(contentId, { sessionId, keyIds: [...keyIds] }));
    expect(await offline.list({ contentId })).toHaveLength(1);
  });
});

test('what is put while the stored sessions are still being read is kept by a close() that comes at once', async () => {
  await app.open({ driver: null });
  await app.offline.put(Array.from({ length: 3_000 }, (_, n) => input(`title ${n}`)));
  await app.quit();
  const offline = await app.open({ driver: null });
  const put = offline.put(input('another'));
  await Promise.all([put, offline.close()]);
  expect(await (await app.open({ driver: null })).list({ contentId: 'another' })).toHaveLength(1);
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

test('a removed licence is released although the witness of its lane was never planted', async () => {
  await app.open({ driver: { ...app.driver(), plantWitness: async () => { throw new Error('killed before that'); } } });
  await app.offline.put(app.download('removed', [keyId(1)]));
  await app.offline.revalidate();
  app.warnings.splice(0);
  app.offline.useDriver(() => null);
  app.catalogue.delete('removed');
  await app.offline.removeContent('removed');
  await app.quit();
  const offline = await app.open();
  await offline.revalidate();
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual([]);
});

test('a pending licence is released when its title is downloaded again with another key, under the id that it had', async () => {
  const others = ['a', 'b', 'c'].map((name, n) => app.download(name, [keyId(n + 10)], { initData: null, initDataType: null }));
  await app.open();
  await app.offline.put([...others, app.download('title', [keyId(1)])]);
  await app.quit();
  app.cdm.wipe();
  const offline = await app.open({ platform: UPDATED });
  const unhook = app.cdm.on('load', ({ phase }) => (phase === 'verify' ? { kind: 'timeout' } : undefined));
  expect(await offline.revalidate()).toMatchObject({ licensed: 1, adopted: 0 });
  unhook();
  const storage = app.cdm.storage(LANE);
  while (storage.index.size < 3) app.cdm.store(LANE, [keyId(20)]);
  app.catalogue.delete('title');
  const again = app.download('title', [keyId(2)]);
  expect(again.sessionId).toBe((await app.session('title')).sessionId);
  await offline.put(again, { replace: true });
  const later = await app.relaunch({ platform: { ...UPDATED, electron: '36.0.0' } });
  await later.retry('title');
  await later.revalidate();
  expect([...storage.records.keys()]).toEqual(['2', '3', again.sessionId]);
});

test('a title that was downloaded again with another key, and got the same id, has nothing of what was said of the old one', async () => {
  await app.open({ driver: null });
  await app.offline.put(app.download('title', [keyId(1)], { metadata: { version: 2 }, rules: { renewAheadMs: 1 } }));
  const entry = { contentId: 'title', sessionIds: ['1'], keyIds: [keyId(2)], initDataType: 'keyids', initData: initDataOf([keyId(2)]) };
  await app.offline.reconcile(LANE, [entry]);
  expect(await app.session('title')).toMatchObject({ keyIds: [keyId(2)], metadata: null, rules: {} });
});

test.each(['after', 'before'])('a removed licence is released although a title of another key was put under its id %s that', async (when) => {
  await app.open({ driver: null });
  await app.offline.put(app.download('removed', [keyId(1)]));
  const remove = async () => { await app.offline.removeContent('removed'); };
  const put = async () => {
    app.catalogue.set('lost', [{ sessionId: '1', keyIds: [keyId(2)] }]);
    await app.offline.put(input('lost', { sessionId: '1', keyIds: [keyId(2)], initDataType: 'keyids', initData: initDataOf([keyId(2)]), licenseUrl: app.server.url }));
  };
  for (const step of when === 'after' ? [remove, put] : [put, remove]) await step();
  app.catalogue.delete('removed');
  app.offline.useDriver(app.driver());
  await app.offline.revalidate();
  await app.offline.revalidate();
  expect(app.offline.verdict('lost')).toMatchObject({ playable: 'offline' });
  expect([...app.cdm.storage(LANE).records.keys()]).toEqual(['2']);
});

test('a title that was downloaded again with another key, under the id of its pending licence, is that download', async () => {
  const NEXT = { ...UPDATED, electron: '36.0.0' };
  await app.open();
  await app.offline.put(app.download('title', [keyId(1)]));
  await app.offline.put(app.download('other', [keyId(2)]));
  await app.quit();
  app.cdm.breakSalts();
  // Its new licence is never written into the catalogue, and has another id than the old one.
  const [{ sessionId }] = app.catalogue.get('title');
  app.cdm.store(app.lane, [keyId(9)]);
  const unhook = app.cdm.on('adopt', ({ contentId }) => (contentId === 'title' ? 'open-in-player' : undefined));
  const offline = await app.open({ platform: UPDATED });
  await offline.revalidate();
  unhook();
  const { requests } = app.server;
  await app.quit();
  app.cdm.breakSalts();
  app.catalogue.clear();
  let again;
  do again = app.download('title', [keyId(3)], { proven: undefined }); while (again.sessionId === sessionId);
  app.catalogue.set('title', app.catalogue.get('title').slice(-1));
  const next = await app.open({ platform: NEXT });
  const [stored] = await next.put(again, { replace: true });
  expect(stored.sessionId).toBe(again.sessionId);
  await next.revalidate();
  expect([app.plays('title'), next.verdict('title').playable]).toEqual([true, 'offline']);
  // 'other' is gone once more.
  expect(app.server.requests).toBe(requests + 1);
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

describe('what nobody can read, and a driver', () => {
  const trap = () => new Proxy({}, { get(_, name) { if (name !== 'then') throw new Error('a trap'); } });

  test.each([
    ['throws', async () => { throw trap(); }],
    ['answers', async () => trap()],
  ])('%s, ends its task alone', async (_how, task) => {
    const offline = await app.updateThatBroke(1);
    offline.useDriver({ ...app.driver(), license: task });
    expect(await offline.revalidate()).toMatchObject({ lost: 1, licensed: 0, deferred: 1 });
    app.warnings.splice(0);
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

  test('in which a page of before an update came to another place serves no row as it was once', async () => {
    await app.open();
    await app.store(40, { metadata: { note: 'x'.repeat(600) } });
    await app.quit();
    const running = await app.open();
    const { sessionId } = await app.session('title 1');
    await running.put({ ...app.lane, contentId: 'title 1', sessionId, metadata: { note: 'new' } });
    const [bytes, log] = [file(DATABASE), file(`${DATABASE}-wal`)].map((path) => fs.readFileSync(path));
    await app.quit();
    const places = Array.from({ length: bytes.length / 4_096 }, (_, n) => n * 4_096).filter((at) => bytes[at] === 13 && bytes.includes('title ', at));
    const holds = (at, text) => bytes.subarray(at, at + 4_096).includes(text);
    const old = places.find((at) => holds(at, '["00112233445566778899aabb00000001"]'));
    const other = places.findLast((at) => at !== old && holds(at, 'xxxx'));
    bytes.copy(bytes, other, old, old + 4_096);
    fs.writeFileSync(file(DATABASE), bytes);
    fs.writeFileSync(file(`${DATABASE}-wal`), log);
    const offline = await app.open();
    const stale = (rows) => rows.filter(({ contentId, suspect, metadata }) => contentId === 'title 1' && !suspect && metadata.note !== 'new');
    expect(stale(await offline.list())).toEqual([]);
    expect(app.warnings.splice(0)).toMatchObject([{ code: 'ERR_CORRUPT_DATABASE' }]);
  });

  describe('in whose index of contents a bit has flipped', () => {
    const [size, leafOfIndex] = [4_096, 10];
    /** @param {string} contentId */
    function flip(contentId) {
      const bytes = fs.readFileSync(file(DATABASE));
      const pages = Array.from({ length: bytes.length / size }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
      const cell = pages.filter((page) => page[0] === leafOfIndex).map((page) => page.subarray(page.indexOf(contentId) >>> 0)).find(({ length }) => length > 0);
      cell[contentId.length - 1] ^= 0x40;
      fs.writeFileSync(file(DATABASE), bytes);
    }
    const entry = () => {
      const [{ sessionId, keyIds }] = app.catalogue.get('title 7');
      return { contentId: 'title 7', sessionIds: [sessionId], keyIds: [...keyIds], initDataType: 'keyids', initData: initDataOf(keyIds) };
    };

    test.each(/** @type {[string, number, (offline: OfflineSessions) => Promise<unknown>][]} */ ([
      ['put is no second row', 1, (offline) => { const { sessionIds: [sessionId], ...title } = entry(); return offline.put({ ...app.lane, ...title, sessionId }); }],
      ['in the catalogue is no second row', 1, (offline) => offline.reconcile(LANE, [entry()], { allowMassRemoval: true })],
      ['removed does not come back', 0, (offline) => { app.catalogue.delete('title 7'); return offline.removeContent('title 7'); }],
    ]))('a title that is %s, and nothing is paid for twice', async (_what, rows, deed) => {
      await app.open();
      await app.store(40, { metadata: { note: 'x'.repeat(300) } });
      await app.offline.revalidate();
      await app.quit();
      flip('title 7');
      const offline = await app.open();
      await deed(offline);
      await offline.revalidate();
      expect(await offline.list({ contentId: 'title 7' })).toHaveLength(rows);
      expect(app.server.requests).toBe(0);
      expect(app.warnings.splice(0)).toMatchObject([{ code: 'ERR_CORRUPT_DATABASE', recovered: { kept: 40 } }]);
    });
  });

  test('whose log is gone, and no copy has what was in it, says of no licence that was replaced since that it plays', async () => {
    await app.open();
    await app.store(1);
    await app.offline.revalidate();
    await app.quit();
    const running = await app.open();
    const { sessionId } = await app.session('title 1');
    app.cdm.deleteRecord(sessionId, LANE);
    await running.reportPlayback('title 1', { error: 'does not play' });
    expect(await running.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    const killed = fs.readdirSync(app.directory).map((name) => /** @type {const} */ ([name, fs.readFileSync(file(name))]));
    await app.quit();
    for (const [name, bytes] of killed) fs.writeFileSync(file(name), bytes);
    for (const name of killed.map(([name]) => name).filter((name) => /wal|copy/.test(name))) fs.rmSync(file(name));
    const offline = await app.open();
    expect(offline.launch.recovered).not.toBeNull();
    expect(await app.session('title 1')).toMatchObject({ sessionId, suspect: true });
    expect(offline.verdict('title 1').playable).not.toBe('offline');
  });

  test('of which pages cannot be read says how many titles are known to be gone', async () => {
    await app.open();
    await app.store(60, { metadata: { note: 'x'.repeat(300) } });
    await app.quit();
    const bytes = fs.readFileSync(file(DATABASE));
    const pages = Array.from({ length: bytes.length / 4_096 }, (_, n) => bytes.subarray(n * 4_096, (n + 1) * 4_096));
    pages.filter((page) => page[0] === 13 && page.includes('xxxx')).at(-1).fill(0);
    fs.writeFileSync(file(DATABASE), bytes);
    const offline = await app.open();
    const rows = await offline.list();
    const { recovered = offline.launch.recovered } = app.warnings.splice(0)[0] ?? {};
    expect(recovered).toMatchObject({ kept: rows.length, complete: false, lost: { sessions: 60 - rows.length, releases: 0 } });
    expect(rows.length).toBeLessThan(60);
  });

  test.each(['gone', 'empty', 'gone, its id illegible'])('that is %s, and has no copy, is told', async (how) => {
    await app.open();
    await app.store(2);
    await app.quit();
    if (how === 'empty') fs.writeFileSync(file(DATABASE), '');
    else fs.rmSync(file(DATABASE));
    if (how.includes('id')) fs.writeFileSync(file('offline-sessions.id'), 'noise');
    const offline = await app.open();
    expect(offline.launch).toMatchObject({ recovered: { copyAt: null, kept: 0, restored: 0, complete: false } });
  });
});
