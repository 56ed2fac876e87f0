'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { useApp, keyId, titles, UPDATED } = require('../helpers/offline-app.js');
const { asOrdinaryUser } = require('../helpers/ordinary-user.js');
const { failure } = require('../helpers/failure.js');
const { OfflineSessionsError } = require('../..');

const app = useApp();
const DATABASE = 'offline-sessions.sqlite3';
const file = (/** @type {string} */ name) => path.join(app.directory, name);
const names = () => fs.readdirSync(app.directory).sort();

/** A store with both generations of copies, closed. */
async function storeWithCopies() {
  for (const [n, copy] of ['offline-sessions.copy-1.sqlite3', 'offline-sessions.copy-2.sqlite3'].entries()) {
    await app.open();
    await app.offline.put(app.download(`title ${n}`, [keyId(n + 1)]));
    await app.offline.revalidate();
    while (!names().includes(copy)) await sleep(5);
    await app.quit();
  }
}

describe('whatever the umask', () => {
  let umask;
  beforeEach(() => { umask = process.umask(0); });
  afterEach(() => process.umask(umask));

  test('the folder is 0700 and every file 0600: database, log, id, lock, copies, and what was set aside', async () => {
    await storeWithCopies();
    fs.writeFileSync(file(DATABASE), 'Dear diary');
    for (const name of names()) fs.chmodSync(file(name), 0o666);
    fs.chmodSync(app.directory, 0o777);
    const offline = await app.open();
    await offline.put(app.download('another', [keyId(50)]));
    const kinds = ['copy-1.sqlite3', 'copy-2.sqlite3', 'commits', 'id', 'lock', 'pid', 'sqlite3', 'sqlite3-wal'];
    expect(names()).toEqual(expect.arrayContaining(kinds.map((name) => `offline-sessions.${name}`)));
    expect(names().filter((name) => name.includes('damaged'))).toHaveLength(1);
    expect(fs.statSync(app.directory).mode & 0o777).toBe(0o700);
    expect(names().filter((name) => (fs.statSync(file(name)).mode & 0o777) !== 0o600)).toEqual([]);
  });
});

test('nothing but what has a name of its own is left after copies and a recovery', async () => {
  await storeWithCopies();
  fs.truncateSync(file(DATABASE), 5_000);
  await app.open();
  await app.quit();
  expect(names().filter((name) => !/^offline-sessions\.(copy-[12]\.sqlite3|damaged-\d+\.sqlite3(-wal)?|commits|id|lock|pid|sqlite3)$/.test(name))).toEqual([]);
});

test('what was set aside is kept until erase(), and longer than a clock that is wrong once says', async () => {
  await storeWithCopies();
  const day = 86_400_000;
  const kept = [5, Date.now() - 200 * day, Date.now() - 89 * day].map((at) => `offline-sessions.damaged-${at}.sqlite3`);
  for (const name of kept) fs.writeFileSync(file(name), 'damaged once', { mode: 0o600 });
  for (let n = 0; n < 3; n++) {
    await app.open();
    await app.offline.list();
    await app.quit();
  }
  const offline = await app.open();
  expect(names()).toEqual(expect.arrayContaining(kept));
  await offline.erase();
  expect(names().filter((name) => name.includes('damaged'))).toEqual([]);
});

describe('a folder', () => {
  test('that may not be written any more is refused with a code, and left as it is', async () => {
    await app.open();
    await app.store(1);
    await app.quit();
    const before = names().map((name) => [name, fs.readFileSync(file(name))]);
    for (const name of names()) fs.chmodSync(file(name), 0o444);
    fs.chmodSync(app.directory, 0o555);
    const error = await asOrdinaryUser(() => failure(() => app.open()));
    expect(error).toBeInstanceOf(OfflineSessionsError);
    expect(error.code).toBe('ERR_READ_ONLY');
    expect(names().map((name) => [name, fs.readFileSync(file(name))])).toEqual(before);
    fs.chmodSync(app.directory, 0o755);
    expect(await (await app.open()).list()).toHaveLength(1);
  });

  test('that vanishes in the middle of a run ends that run, and what is acknowledged from then on is there', async () => {
    const offline = await app.updateThatBroke(3);
    const unhook = app.cdm.on('update', () => {
      unhook();
      fs.rmSync(app.directory, { recursive: true });
    });
    const ends = await Promise.allSettled([offline.revalidate(), offline.ensurePlayable('title 1', { timeoutMs: 5_000 })]);
    const acknowledged = [];
    for (const contentId of titles(5)) {
      const put = await offline.put(app.download(contentId, [keyId(10)])).then(() => contentId, (error) => error);
      if (put === contentId) acknowledged.push(contentId);
      else expect(put).toMatchObject({ name: 'OfflineSessionsError', code: expect.stringMatching(/^ERR_(STORAGE|READ_ONLY|CORRUPT_DATABASE)$/) });
    }
    for (const end of ends) if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(OfflineSessionsError);
    await offline.close().catch((error) => expect(error).toBeInstanceOf(OfflineSessionsError));
    app.warnings.splice(0);
    app.cdm.restart();
    const again = await app.open({ platform: UPDATED });
    expect((await again.list()).map(({ contentId }) => contentId)).toEqual(expect.arrayContaining(acknowledged));
  });
});
