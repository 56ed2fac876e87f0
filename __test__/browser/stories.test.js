'use strict';

const { execFile } = require('node:child_process');
const { mkdtemp, rm } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { OfflineSessions } = require('../..');
const { BrowserApp } = require('../../testbed/browser-app.js');
const { deleteRecord, deleteStorage, emptyIndex, flipKeyId, rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { KEY_SYSTEM } = require('../../testbed/session-inputs.js');
const { describeBrowser } = require('../helpers/browser-suite');

const PLATFORM = { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', cdms: [{ keySystem: KEY_SYSTEM, version: '4.10.2891.0' }] };
const UPDATED = { ...PLATFORM, electron: '35.1.4', chromium: '134.0.6998.179' };
const TITLES = ['a', 'b', 'a', 'b'].map((folder, n) => ({ contentId: `title-${n + 1}`, folder }));

/** @type {BrowserApp} */
let app;
/** @type {string | undefined} */
let workspace;
/** @type {OfflineSessions | undefined} */
let offline;

/** @param {any} found */
async function start(found) {
  workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-test-'));
  app = new BrowserApp(found, workspace);
  await app.start();
}

afterEach(async () => {
  await offline?.close();
  offline = undefined;
  if (!workspace) return;
  await app.close();
  await rm(workspace, { recursive: true, force: true, maxRetries: 10 });
  workspace = undefined;
});

/** @param {object} platform */
async function launch(platform) {
  await offline?.close();
  offline = await OfflineSessions.open({
    directory: path.join(String(workspace), 'database'),
    platform: /** @type {any} */ (platform),
    // Here a CDM shows its keys in a few milliseconds.
    policy: { keyStatusWaitMs: 300 },
  });
  offline.useDriver(app.driver());
  return offline;
}

async function storeAll() {
  const first = await launch(PLATFORM);
  for (const title of TITLES) await first.put(await app.store(title));
  // Plants the witness, as an app's first run does.
  await first.revalidate();
  return first.list();
}

/** @param {OfflineSessions} store */
const idsOf = async (store) => Object.fromEntries((await store.list()).map(({ contentId, sessionId }) => [contentId, sessionId]));

/** Why titles are lost, as it is told. @param {OfflineSessions} store @returns {Record<string, string | null>} */
function reasonsOf(store) {
  /** @type {Record<string, string | null>} */
  const reasons = {};
  store.on('session-changed', ({ contentId, state, reason }) => {
    if (state === 'lost') reasons[contentId] = reason;
  });
  return reasons;
}

async function playAll() {
  for (const { contentId } of TITLES) expect(await app.play(contentId)).toMatch(/^played/);
}

describeBrowser('Firefox, a real CDM', 'firefox', (found) => {
  test('the demo tells the whole story and prints what it saw', async () => {
    const demo = promisify(execFile)(process.execPath, [path.join(__dirname, '../../examples/demo'), '--json']);
    const last = (await demo).stdout.trimEnd().split('\n').at(-1);
    expect(JSON.parse(last ?? '')).toEqual({
      stored: 12,
      changes: ['electron', 'chromium'],
      suspects: 13,
      playableBefore: 0,
      lost: 13,
      licensed: 13,
      licenseRequests: 13,
      mediaRequests: 0,
      played: 12,
      browser: `firefox ${found?.version}`,
    });
  }, 120_000);

  test('an update that keeps the licences costs checks and no licence', async () => {
    await start(found);
    await storeAll();
    const { license } = app.requests();
    await app.restart();
    const store = await launch(UPDATED);
    expect(store.unready()).toHaveLength(4);
    expect(await store.revalidate()).toMatchObject({ checked: 4, proven: 4, lost: 0, licensed: 0, licenseRequests: 0, released: 0 });
    expect(app.requests().license).toBe(license);
    expect(store.unready()).toEqual([]);
    await app.stopServers();
    await playAll();
  }, 60_000);

  test('after a wipe the CDM hands out the same ids again, and titles that swap them all play', async () => {
    await start(found);
    const before = Object.fromEntries((await storeAll()).map(({ contentId, sessionId }) => [contentId, sessionId]));
    await app.restart(deleteStorage);
    const store = await launch(UPDATED);
    // The last title was played last, so it is licensed first, and gets the id that the first title has on record.
    const stored = await store.list();
    await store.put(stored.map((session, n) => ({ ...session, lastPlayedAt: 1_000 + n })));
    expect(await store.revalidate()).toMatchObject({ lost: 4, licensed: 4, adopted: 4, licenseRequests: 4 });

    const after = await idsOf(store);
    expect(Object.values(after).sort()).toEqual(Object.values(before).sort());
    expect(after['title-4']).toBe(before['title-1']);
    expect(store.unready()).toEqual([]);
    await app.restart();
    await app.stopServers();
    await playAll();
  }, 60_000);

  test('a wipe while half of the titles are licensed again takes nothing that is new', async () => {
    await start(found);
    await storeAll();
    await app.restart(deleteStorage);
    let store = await launch(UPDATED);
    const abort = new AbortController();
    store.on('content-ready', () => abort.abort());
    await expect(store.revalidate({ signal: abort.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    // The CDM is wiped once more; its platform stays as it is.
    await app.restart(deleteStorage);
    store = await launch({ ...UPDATED, electron: '35.1.5' });
    await store.revalidate();
    expect(store.unready()).toEqual([]);
    await app.restart();
    await playAll();
  }, 60_000);

  test('a session made hollow is licensed again, alone', async () => {
    await start(found);
    const [, , third] = await storeAll();
    await app.restart((profile) => deleteRecord(profile, third.sessionId));
    const store = await launch(UPDATED);
    expect(await store.revalidate()).toMatchObject({ checked: 4, proven: 3, lost: 1, licensed: 1, licenseRequests: 1 });
    await app.stopServers();
    await playAll();
  }, 60_000);

  test('an update that costs every licence is answered with one request for each, and all play in the next browser', async () => {
    await start(found);
    const stored = await storeAll();
    const { license } = app.requests();
    await app.restart(rewriteSalts);
    const store = await launch(UPDATED);
    const reasons = reasonsOf(store);
    expect(await store.revalidate()).toMatchObject({ checked: 4, proven: 0, lost: 4, licensed: 4, adopted: 4, licenseRequests: 4 });
    expect(reasons).toEqual(Object.fromEntries(stored.map(({ contentId }) => [contentId, 'gone'])));
    expect(app.requests().license - license).toBe(4);
    expect(store.unready()).toEqual([]);
    await app.restart(() => app.stopServers());
    await playAll();
  }, 60_000);

  test('a licence in which a bad disk has changed a key id is licensed again, alone', async () => {
    await start(found);
    const [, second] = await storeAll();
    const { license } = app.requests();
    await app.restart((profile) => flipKeyId(profile, second.sessionId));
    const store = await launch(UPDATED);
    const reasons = reasonsOf(store);
    expect(await store.revalidate()).toMatchObject({ checked: 4, proven: 3, lost: 1, licensed: 1, adopted: 1, licenseRequests: 1 });
    expect(reasons).toEqual({ [second.contentId]: 'foreign-keys' });
    expect(app.requests().license - license).toBe(1);
    await app.restart(() => app.stopServers());
    await playAll();
  }, 60_000);

  test('licences that a kill took from the CDM unseen are licensed again when the player reports them', async () => {
    await start(found);
    await storeAll();
    await app.restart(emptyIndex);
    const store = await launch(PLATFORM);
    expect(store.launch).toMatchObject({ changes: [], suspects: 0 });
    for (const { contentId, error } of await app.playAll(TITLES.map((title) => title.contentId))) {
      expect(await store.reportPlayback(contentId, { error })).toMatchObject({ playable: 'no', state: 'suspect', reason: 'playback-broken' });
    }
    expect(await store.revalidate()).toMatchObject({ checked: 4, lost: 4, licensed: 4, adopted: 4, licenseRequests: 4 });
    await app.restart(() => app.stopServers());
    await playAll();
  }, 60_000);

  test('storage that the browser cleared is noticed by the missing witness, on an unchanged platform', async () => {
    await start(found);
    await storeAll();
    await app.restart(deleteStorage);
    await app.forgetWitness();
    const store = await launch(PLATFORM);
    expect(store.launch).toMatchObject({ changes: [], suspects: 0 });
    expect(await store.revalidate()).toMatchObject({ checked: 4, lost: 4, licensed: 4 });
    await playAll();
  }, 60_000);
});

describeBrowser('Chromium, which refuses persistent licences', 'chromium', (found) => {
  test('is unsupported: nothing is checked, and no licence is asked for', async () => {
    await start(found);
    const licenseUrl = /** @type {any} */ (app.licenseServer).url;
    const store = await launch(PLATFORM);
    await store.put(TITLES.map(({ contentId }, n) => ({
      contentId,
      origin: app.origin,
      keySystem: KEY_SYSTEM,
      sessionId: String(n + 1),
      initDataType: 'keyids',
      initData: Buffer.from('{"kids":["ABEiM0RVZneImaq7zN3uAQ"]}'),
      licenseUrl,
    })));
    expect(await store.revalidate()).toMatchObject({ checked: 0, lost: 0, licensed: 0, unsupported: 4, deferred: 0, licenseRequests: 0 });
    expect(app.requests().license).toBe(0);
    for (const { contentId } of TITLES) {
      expect(await store.ensurePlayable(contentId)).toMatchObject({ playable: 'online', state: 'unsupported', reason: 'unsupported', action: 'connect' });
    }
    const rows = await store.list();
    expect(rows.map(({ state }) => state)).toEqual(['active', 'active', 'active', 'active']);
  }, 60_000);
});
