'use strict';

const { CONTENT_KEYS } = require('../../testbed/keys.js');
const { useApp, initDataOf } = require('../helpers/offline-app.js');
const { KEY_IDS_A, KEY_IDS_B, PLATFORM, psshOf } = require('../helpers/store.js');

const UPDATE = { electron: '35.1.4', chromium: '134.0.6998.179' };
const TITLES = Array.from({ length: 12 }, (_, n) => `title-${n + 1}`);
const app = useApp({ keys: CONTENT_KEYS });

/** Contents a and b in turn; the first title has a session for its sound and one for its picture. */
async function downloadAll() {
  const offline = await app.open();
  for (const [n, contentId] of TITLES.entries()) {
    const cenc = (content, keyIds) => app.download(contentId, keyIds, { initDataType: 'cenc', initData: psshOf(content) });
    if (n === 0) await offline.put(KEY_IDS_A.map((keyId) => app.download(contentId, [keyId], { initData: initDataOf([keyId]) })));
    else await offline.put(n % 2 === 0 ? cenc('a', KEY_IDS_A) : cenc('b', KEY_IDS_B));
  }
  return offline;
}

test('what an update broke plays again before anybody presses play', async () => {
  let offline = await downloadAll();
  expect(offline.unready()).toEqual([]);
  await app.quit();
  app.cdm.breakSalts();

  offline = await app.open({ platform: UPDATE });
  expect(offline.launch).toEqual({ launchId: 2, firstRun: false, suspects: 13, unfinished: 13, expected: null, recovered: null, changes: [
    { component: 'electron', from: PLATFORM.electron, to: UPDATE.electron, kind: 'upgrade' },
    { component: 'chromium', from: PLATFORM.chromium, to: UPDATE.chromium, kind: 'upgrade' },
  ] });
  for (const contentId of TITLES) {
    expect(offline.verdict(contentId)).toMatchObject({ contentId, playable: 'no', state: 'suspect', reason: 'new-generation', action: 'wait' });
  }
  expect(offline.unready().map(({ contentId }) => contentId)).toEqual([...TITLES].sort());
  expect(app.server.requests).toBe(0);

  const report = await offline.revalidate();
  expect(report).toEqual({ checked: 13, proven: 0, lost: 13, licensed: 13, adopted: 13, blocked: 0, released: 0, licenseRequests: 13,
    unsupported: 0, deferred: 0, heldBack: 0, nextAttemptAt: null, durationMs: expect.any(Number) });
  expect(app.server.requests).toBe(13);
  expect(app.billed()).toHaveLength(13);

  await app.server.close();
  for (const contentId of TITLES) {
    expect(offline.verdict(contentId)).toMatchObject({ playable: 'offline', state: 'proven', reason: null, action: 'play', retryAt: null });
    const inCatalogue = app.catalogue.get(contentId).map(({ sessionId }) => sessionId);
    expect(offline.verdict(contentId).sessions.map(({ sessionId }) => sessionId)).toEqual(inCatalogue);
    expect(app.plays(contentId)).toBe(true);
  }
  expect(app.leftovers()).toEqual([]);

  offline = await app.relaunch({ platform: UPDATE });
  expect(offline.launch).toMatchObject({ changes: [], suspects: 0 });
  expect(offline.unready()).toEqual([]);
});

test('an update that broke nothing costs a check each, and no licence', async () => {
  await downloadAll();
  const offline = await app.relaunch({ platform: UPDATE });
  const before = await offline.list();
  expect(await offline.revalidate()).toMatchObject({ checked: 13, proven: 13, lost: 0, licensed: 0, licenseRequests: 0, deferred: 0 });
  expect(app.server.requests).toBe(0);
  expect(app.cdm.counts).toMatchObject({ loads: 13, requests: 0, removes: 0 });
  const proven = (session) => ({ ...session, suspect: false, provenAt: expect.any(Number), reason: null });
  expect(await offline.list()).toEqual(before.map(proven));
});
