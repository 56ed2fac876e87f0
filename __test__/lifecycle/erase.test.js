'use strict';

const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { useApp, keyId, titles, never, next } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();

/** Which of these words can be read in any file of the store's folder. @param {string[]} words */
function readable(words) {
  const files = readdirSync(app.directory).map((name) => readFileSync(path.join(app.directory, name)));
  return words.filter((word) => files.some((bytes) => bytes.includes(word)));
}

/** @param {string} name @param {number} n @param {object} [more] */
const download = (name, n, more) => app.download(`content-${name}`, [keyId(n)], { metadata: { note: `metadata-${name}` }, ...more });
const words = (/** @type {string[]} */ ...names) => names.flatMap((name) => [`content-${name}`, `metadata-${name}`]);

test('everything is forgotten, and none of it can be read in any file', async () => {
  const offline = await app.open();
  await offline.put([download('kept', 1), download('removed', 2), download('account', 3, { account: 'someone' })]);
  await offline.removeContent('content-removed');
  const all = [...words('kept', 'removed', 'account'), 'someone', LANE.origin];
  expect(readable(all)).toContain('content-kept');
  await offline.erase();
  expect(readable(all)).toEqual([]);
  expect([await offline.list(), offline.unready(), offline.verdict('content-kept').state]).toEqual([[], [], 'unknown']);
  await offline.revalidate();
  expect(app.cdm.counts).toMatchObject({ probes: 0, removes: 0 });
  expect(await offline.history()).toHaveLength(1);

  await app.relaunch();
  expect(app.offline.launch).toMatchObject({ firstRun: false, suspects: 0 });
  await app.offline.put(download('new', 4));
  expect(app.offline.verdict('content-new')).toMatchObject({ playable: 'offline' });
});

test('of one account, its sessions go and are released, those of others stay', async () => {
  const offline = await app.open();
  await offline.put([download('hers', 1, { account: 'her' }), download('his', 2, { account: 'him' }), download('shared', 3), download('gone', 4)]);
  await offline.removeContent('content-gone');
  app.catalogue.delete('content-gone');
  app.catalogue.delete('content-hers');
  await offline.erase({ account: 'her' });
  expect(readable([...words('hers', 'gone', 'his', 'shared'), 'her'])).toEqual(words('his', 'shared'));
  expect((await offline.list()).map(({ contentId }) => contentId)).toEqual(['content-his', 'content-shared']);
  expect(await offline.revalidate()).toMatchObject({ released: 2 });
  expect(app.leftovers()).toEqual([]);
});

test('in the middle of a run everything that runs is called off, and whoever waits gets an end', async () => {
  const offline = await app.updateThatBroke(5);
  const unhook = app.cdm.on('update', never);
  const run = offline.revalidate();
  await next(offline, 'session-changed', ({ state }) => state === 'lost');
  await offline.erase();
  expect(await run).toMatchObject({ adopted: 0, deferred: 0 });
  unhook();
  await offline.put(app.download('title 1', [keyId(1)]));
  await offline.revalidate();
  expect(offline.unready()).toEqual([]);
  expect((await offline.list()).map(({ contentId }) => contentId)).toEqual(titles(1));
});

test.each([[{ account: 1 }, 'account'], [{ account: '' }, 'account'], [{ acount: 'x' }, 'acount'], [{ account: undefined }, 'account']])('%j is refused', async (options, field) => {
  await app.open();
  await app.store(1);
  await expect(app.offline.erase(/** @type {any} */ (options))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field });
  expect(await app.offline.list()).toHaveLength(1);
});

test('a damaged database is erased, too, with the pages that hang on nothing any more', async () => {
  await app.open();
  await app.store(60, { metadata: { note: 'x'.repeat(600) } });
  await app.quit();
  const file = path.join(app.directory, 'offline-sessions.sqlite3');
  const bytes = readFileSync(file);
  const [size, inner, leaf] = [4_096, 5, 13];
  const pages = Array.from({ length: bytes.length / size }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
  const isSessions = (/** @type {Buffer} */ page) => page[0] === leaf && page.includes('title ');
  const root = /** @type {Buffer} */ (pages.find((page) => page[0] === inner && isSessions(pages[page.readUInt32BE(8) - 1])));
  root.writeUInt16BE(root.readUInt16BE(3) - 1, 3);
  writeFileSync(file, bytes);
  const offline = await app.open({ driver: null });
  await offline.erase();
  expect([readable(titles(60)), await offline.list()]).toEqual([[], []]);
  app.warnings.splice(0);
});
