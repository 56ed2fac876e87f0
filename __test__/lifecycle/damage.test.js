'use strict';

const { openSync, closeSync, readdirSync, readFileSync, truncateSync, writeFileSync, writeSync } = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { useApp, keyId, next, titles, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const DATABASE = 'offline-sessions.sqlite3';

/** @param {string} name */
const file = (name) => path.join(app.directory, name);
const files = () => readdirSync(app.directory).filter((name) => !/-(wal|shm)$/.test(name)).sort();

/** Waits for the copy that follows a run; it is made in the background. */
async function copied() {
  while (!files().includes('offline-sessions.copy-1.sqlite3')) await sleep(5);
}

/** A store with a copy of it, closed. @param {number} n */
async function storeAndCopy(n) {
  await app.open();
  await app.store(n);
  await app.offline.revalidate();
  await copied();
  await app.quit();
}

/** Of 40: in a page that the next download is not written to. */
function damageTitle5() {
  const handle = openSync(file(DATABASE), 'r+');
  writeSync(handle, 'title X', readFileSync(file(DATABASE)).indexOf('title 55keyids'));
  closeSync(handle);
}

test.each([
  ['of another kind', () => writeFileSync(file(DATABASE), 'Dear diary, '.repeat(1000))],
  ['cut off', () => truncateSync(file(DATABASE), 4_096)],
  ['empty', () => writeFileSync(file(DATABASE), '')],
])('a database file that is %s is restored from its copy, and every title is checked again', async (_what, damage) => {
  await storeAndCopy(5);
  damage();
  const offline = await app.open();
  expect(offline.launch.recovered).toMatchObject({ copyAt: expect.any(Number) });
  expect(await offline.updatePlatform({ chromium: UPDATED.chromium })).toMatchObject({ suspects: 5, recovered: { copyAt: expect.any(Number) } });
  expect(offline.unready()).toHaveLength(5);
  expect(await offline.revalidate()).toMatchObject({ checked: 5, proven: 5, licenseRequests: 0 });
  expect(app.offline.unready()).toEqual([]);
  await app.relaunch();
  expect(app.offline.launch).toMatchObject({ recovered: null, suspects: 0 });
});

test('what is put has a copy soon, although nothing is ever checked', async () => {
  jest.useFakeTimers({ doNotFake: ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'Date'] });
  try {
    await app.open();
    await app.store(3);
    jest.advanceTimersByTime(29_999);
    await app.offline.put(app.download('another', [keyId(50)]));
    jest.advanceTimersByTime(29_999);
    expect(files()).not.toContain('offline-sessions.copy-1.sqlite3');
    jest.advanceTimersByTime(1);
  } finally {
    jest.useRealTimers();
  }
  await copied();
  await app.quit();
  writeFileSync(file(DATABASE), '');
  expect((await app.open()).launch).toMatchObject({ suspects: 4, recovered: { restored: 4 } });
});

test('what was damaged is set aside whole, and erased when the app says so', async () => {
  await storeAndCopy(1);
  const before = 'Dear diary';
  writeFileSync(file(DATABASE), before);
  const offline = await app.open();
  const [name] = offline.launch.recovered.damagedFiles;
  expect(readFileSync(file(name), 'utf8')).toBe(before);
  await offline.erase();
  expect(files()).toEqual(['offline-sessions.commits', 'offline-sessions.id', 'offline-sessions.lock', 'offline-sessions.pid', DATABASE]);
});

test('rows that are damaged while the store is open are recovered, told, and the call that met them answers', async () => {
  await storeAndCopy(40);
  const offline = await app.open();
  expect(await offline.list()).toHaveLength(40);
  damageTitle5();
  const warned = next(offline, 'warning');
  // Everything that is still in a cache is read again.
  await offline.put(app.download('another', [keyId(50)]));
  const found = await offline.list();
  expect(found.map(({ contentId }) => contentId).sort()).toEqual([...titles(40), 'another'].sort());
  expect(await warned).toMatchObject({ code: 'ERR_CORRUPT_DATABASE', recovered: { damagedFiles: [expect.stringMatching(/^offline-sessions\.damaged-\d+\.sqlite3$/), expect.stringMatching(/-wal$/)] } });
  app.warnings.splice(0);
  // Where the background met the damage before the put did, what is put is proven after the recovery.
  const { proven, ...report } = await offline.revalidate();
  expect([40, 41]).toContain(proven);
  expect(report).toMatchObject({ lost: 0, licenseRequests: 0, deferred: 0 });
  expect(offline.unready()).toEqual([]);
});

test('a row that turns out to be damaged as work is handed out keeps no other lane waiting', async () => {
  const elsewhere = { partition: 'persist:kids' };
  await app.open();
  await app.store(40);
  await app.offline.put(app.download('elsewhere', [keyId(50)], elsewhere));
  await app.offline.revalidate();
  await copied();
  await app.quit();
  const offline = await app.open({ platform: UPDATED });
  offline.setConnectivity('offline');
  expect(await offline.revalidate()).toMatchObject({ deferred: 41 });
  damageTitle5();
  const warned = next(offline, 'warning');
  offline.setConnectivity('online');
  expect(await offline.revalidate()).toMatchObject({ deferred: 0, licenseRequests: 0 });
  expect(offline.unready()).toEqual([]);
  expect(await warned).toMatchObject({ code: 'ERR_CORRUPT_DATABASE', recovered: expect.any(Object) });
  app.warnings.splice(0);
});

test('an update is noticed although the database was lost with what it knew', async () => {
  await storeAndCopy(2);
  writeFileSync(file(DATABASE), '');
  app.cdm.breakSalts();
  const offline = await app.open({ platform: UPDATED });
  expect(await offline.revalidate()).toMatchObject({ lost: 2, adopted: 2, licenseRequests: 2 });
  expect(titles(2).every((title) => app.plays(title))).toBe(true);
});
