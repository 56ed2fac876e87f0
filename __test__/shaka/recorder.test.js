'use strict';

const { mkdtemp, cp, readFile, rm, writeFile } = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { startMediaServer } = require('../../testbed/servers.js');
const { ShakaApp } = require('../../testbed/shaka-app.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { useInstalledApp, BROWSER_TIMEOUT_MS } = require('../helpers/installed-app.js');
const { KEY_IDS, COMMON, box } = require('../helpers/shaka-records.js');

const URI = 'offline:manifest/idb/v5/1';
const VERSIONS = ['shaka-player', 'shaka-player-4.14', 'shaka-player-4.7'];
const TITLE = { contentId: 'title', folder: 'a' };
/** A PSSH box of version 1 with one key id. @param {string} keyId */
const psshOf = (keyId) => box('pssh', Buffer.from(`01000000${COMMON}00000001${keyId}00000000`, 'hex'));

/** Content `a` with a PSSH box for each of its two keys: Shaka makes a session for each. */
async function startTwoSessions() {
  const root = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-content-'));
  const folder = path.join(root, 'a');
  await cp(path.join(__dirname, '../../testbed/content/a'), folder, { recursive: true });
  const manifest = await readFile(path.join(folder, 'm.mpd'), 'utf8');
  const keyIds = [...KEY_IDS];
  await writeFile(path.join(folder, 'm.mpd'), manifest.replace(/<cenc:pssh>[^<]*/g, () => `<cenc:pssh>${psshOf(keyIds.shift()).toString('base64')}`));
  const server = await startMediaServer({ root });
  return { ...server, close: async () => { await server.close(); await rm(root, { recursive: true }); } };
}

/** Until its page calls `free()`. */
const holdLock = ({ page }) => page.evaluate(() => new Promise((locked) => {
  navigator.locks.request('electron-offline-sessions', () => new Promise((free) => { globalThis.free = free; locked(); }));
}));

/** Another window that holds the lock, beside the one of an app with this Shaka Player and these titles. */
async function lockedBy(app, shaka, titles) {
  app.shaka = shaka;
  await app.reopenWindow();
  if (titles.length > 0) await app.install(titles);
  const other = await app.openWindow();
  await holdLock(other);
  return other;
}

const pendingLock = ({ page }) => page.waitForFunction(async () => (await navigator.locks.query()).pending.some(({ name }) => name === 'electron-offline-sessions'));

const told = (app) => app.window.page.evaluate(() => globalThis.told.splice(0));

describeBrowser('recordShaka, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { shareBrowser: true, App: ShakaApp });

  test.each(VERSIONS)('has %s write licences under the origin\'s lock, while downloads are held, and lets go of both', async (shaka) => {
    const { app } = suite;
    const other = await lockedBy(app, shaka, []);
    const storing = app.download(TITLE, { method: 'storeRecorded' });
    await pendingLock(app.window);
    expect(app.requests()).toEqual({ media: 0, license: 0 });
    await other.page.evaluate(() => globalThis.free());
    expect(await storing).toBe(URI);
    expect(await told(app)).toEqual(['downloading', 'no longer downloading']);
    expect(await app.window.page.evaluate(async () => (await navigator.locks.query()).held)).toEqual([]);
    await other.close();
  });

  test.each(VERSIONS)('has %s remove a licence under the lock, too', async (shaka) => {
    const { app } = suite;
    const other = await lockedBy(app, shaka, [TITLE]);
    const removing = app.player()('removeRecorded', URI);
    await pendingLock(app.window);
    expect(await app.player()('titles')).toHaveLength(1);
    await other.page.evaluate(() => globalThis.free());
    await removing;
    expect(await app.player()('titles')).toEqual([]);
    expect((await told(app))[0]).toBe('downloading');
    await other.close();
  });

  test('keeps where the app\'s filters have sent the request, without its query', async () => {
    const { app } = suite;
    app.query = '&filters';
    await app.reopenWindow();
    await app.download(TITLE, { method: 'storeRecorded' });
    expect(await app.driver().inventory(app.lane)).toMatchObject([{ licenseUrl: `${app.licenseUrl}/film`, initDataType: 'cenc' }]);
  });

  test('ends with a download that fails', async () => {
    const { app } = suite;
    app.licenseServer.behave({ status: 500 });
    await expect(app.download(TITLE, { method: 'storeRecorded' })).rejects.toThrow('Shaka error 6007');
    expect(await told(app)).toEqual(['downloading', 'no longer downloading']);
    expect(await app.window.page.evaluate(async () => (await navigator.locks.query()).held)).toEqual([]);
  });

  test.each(VERSIONS)('keeps a title from being adopted while %s has it open', async (shaka) => {
    const { app } = suite;
    app.shaka = shaka;
    await app.reopenWindow();
    await app.install([TITLE]);
    const session = { lane: app.lane, contentId: URI, sessionId: '1', keyIds: KEY_IDS };
    const adopt = async () => {
      const driver = app.driver();
      await driver.startPhase(app.lane, 'adopt', null);
      try {
        return await driver.adopt(session, '2');
      } finally {
        await driver.endPhase(app.lane, 'adopt');
      }
    };
    expect(await app.player()('watchRecorded', { uri: URI, licenseUrl: app.licenseUrl })).toMatchObject({ end: 'played' });
    expect(await adopt()).toBe('open-in-player');
    await app.player()('stop', URI);
    expect(await adopt()).toBe('adopted');
    expect(await told(app)).toEqual([`playing ${URI}`, `no longer playing ${URI}`]);
  });

  test.each(VERSIONS)('has %s open its sessions under the origin\'s lock', async (shaka) => {
    const { app } = suite;
    const other = await lockedBy(app, shaka, [TITLE]);
    const playing = app.player()('watchRecorded', { uri: URI, licenseUrl: app.licenseUrl });
    await pendingLock(other);
    await other.page.evaluate(() => globalThis.free());
    expect(await playing).toMatchObject({ end: 'played' });
    // Open, it has only the lock of its title.
    expect(await other.page.evaluate(async () => (await navigator.locks.query()).held.map(({ name }) => name))).toEqual([`electron-offline-sessions:open:${URI}`]);
    await app.player()('stop', URI);
    await other.close();
  });

  test('keeps the persistent sessions of online playback, which then asks for no licence', async () => {
    const { app } = suite;
    const offline = await app.launch();
    const uri = `${app.mediaServer.origin}/a/m.mpd`;
    const request = { uri, licenseUrl: app.licenseUrl };
    expect(await app.player()('watchRecorded', { ...request, persistent: true })).toMatchObject({ end: 'played' });
    await app.window.page.waitForFunction(() => globalThis.told.some(({ proven }) => proven));
    const session = (await told(app)).findLast(({ proven }) => proven);
    await app.player()('stop', uri);
    expect(session).toMatchObject({ contentId: uri, initDataType: 'cenc', expiration: null, proven: { keyStatuses: { [KEY_IDS[0]]: 'usable' } } });

    await offline.put({ ...session, ...app.lane, licenseUrl: app.licenseUrl, initData: Uint8Array.from(session.initData) });
    await offline.revalidate();
    const { license } = app.requests();
    const sessions = (await offline.find({ contentId: uri })).map((one) => ({ ...one, initData: Buffer.from(one.initData).toString('base64') }));
    const known = { verdict: offline.verdict(uri), sessions };
    expect(await app.player()('watchRecorded', { ...request, known })).toMatchObject({ end: 'played' });
    await app.player()('stop', uri);
    expect(app.requests().license).toBe(license);
  });
});

describeBrowser('A recorded title with two sessions, in Firefox', 'firefox', (found) => {
  const suite = useInstalledApp(found, { App: ShakaApp });

  test('has its own init data for each, and each is licensed again for its own key', async () => {
    const { app } = suite;
    const server = await startTwoSessions();
    const offline = await app.launch();
    await app.download(TITLE, { method: 'storeRecorded', origin: server.origin });
    await server.close();
    const entries = await app.driver().inventory(app.lane);
    expect(entries.map(({ initData }) => Buffer.from(initData).toString('hex')).sort()).toEqual(KEY_IDS.map((keyId) => psshOf(keyId).toString('hex')));
    await app.reconcile();
    // Shaka asks for both at once, and Firefox's CDM then loses one of them: that one is licensed again at once.
    await offline.revalidate();
    expect(offline.verdict(URI).playable).toBe('offline');

    await app.restart(rewriteSalts);
    app.updateElectron();
    const before = app.licenseServer.requests;
    const relaunched = await app.launch();
    expect(await relaunched.revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 2 });
    expect(app.licenseServer.calls.slice(before).flatMap(({ keyIds }) => keyIds).sort()).toEqual(KEY_IDS);
    await app.restart();
    expect(await app.attempt(URI)).toMatchObject({ end: 'played' });
    // What was recorded goes by the order of the sessions, whose ids have changed.
    expect((await app.driver().inventory(app.lane)).map(({ initData }) => Buffer.from(initData))).toEqual(entries.map(({ initData }) => Buffer.from(initData)));
  }, BROWSER_TIMEOUT_MS);

  test('was not recorded: each is licensed for both keys, and it plays', async () => {
    const { app } = suite;
    const server = await startTwoSessions();
    const offline = await app.launch();
    await app.download(TITLE, { origin: server.origin });
    await server.close();
    expect(await app.driver().inventory(app.lane)).toMatchObject([{ sessionIds: ['1', '2'], keyIds: KEY_IDS }]);
    await app.reconcile();
    await offline.revalidate();
    expect(offline.verdict(URI).playable).toBe('offline');
    await app.restart(rewriteSalts);
    app.updateElectron();
    expect(await (await app.launch()).revalidate()).toMatchObject({ lost: 2, licensed: 2, adopted: 2 });
    await app.restart();
    expect(await app.attempt(URI)).toMatchObject({ end: 'played' });
  }, BROWSER_TIMEOUT_MS);
});
