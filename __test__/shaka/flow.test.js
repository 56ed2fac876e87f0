'use strict';

const { useApp, keyId, initDataOf, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

/**
 * The steps that Widevine's licence-request guide gives a player with offline licences: look for a stored licence of the content; none: a
 * new session, stored; expired: the old session and its record go, then a new one; valid: restored, used, closed (adoption.test.js).
 */
const app = useApp();
const TITLE = 'title 1';
const KEY_IDS = [keyId(1), keyId(2)];
const MANIFEST = 'https://cdn.example.com/film/m.mpd';

/** By what a player that has read a manifest may know of its content. @type {[string, () => Promise<any[]>][]} */
const LOOKUPS = [
  ['its key ids', () => app.offline.find({ keyIds: [KEY_IDS[1]] })],
  ['its init data', () => app.offline.find({ initData: initDataOf(KEY_IDS), initDataType: 'keyids' })],
  ['its content id', () => app.offline.find({ contentId: TITLE })],
  ['its manifest', async () => (await app.offline.list()).filter(({ metadata }) => metadata?.originalManifestUri === MANIFEST)],
];
const download = () => app.download(TITLE, KEY_IDS, { metadata: { originalManifestUri: MANIFEST } });

describe.each(LOOKUPS)('A player that looks a licence up by %s', (_name, lookUp) => {
  test('finds none: it makes a new session, which is found from then on', async () => {
    await app.open();
    await app.offline.put(app.download('another', [keyId(3)]));
    expect(await lookUp()).toEqual([]);
    const [stored] = await app.offline.put(download());
    expect(await lookUp()).toEqual([stored]);
    expect(app.offline.verdict(TITLE)).toMatchObject({ playable: 'offline', sessions: [{ sessionId: stored.sessionId }] });
  });

  test('finds a valid one: it is restored, and nothing is asked for', async () => {
    await app.open();
    await app.offline.put(download());
    await app.relaunch({ platform: UPDATED });
    const [{ sessionId }] = await lookUp();
    expect(await app.offline.ensurePlayable(TITLE)).toMatchObject({ playable: 'offline', sessions: [{ sessionId }] });
    expect(app.cdm.counts).toMatchObject({ loads: 1, requests: 0, removes: 0 });
  });

  test('finds one that has expired: it goes with its record, and a new one takes its place', async () => {
    await app.open();
    await app.offline.put(download());
    const [{ id, sessionId }] = await lookUp();
    for (const keyIdOfTitle of KEY_IDS) app.cdm.record(sessionId, LANE).keyStatuses[keyIdOfTitle] = 'expired';
    const offline = await app.relaunch({ platform: UPDATED });
    expect(await offline.ensurePlayable(TITLE)).toMatchObject({ playable: 'offline' });
    await offline.revalidate();
    const [renewed, ...others] = await lookUp();
    expect(others).toEqual([]);
    expect(renewed).toMatchObject({ id, state: 'active', suspect: false, expiration: null });
    expect(renewed.sessionId).not.toBe(sessionId);
    expect([...app.cdm.storage(LANE).index]).toEqual([renewed.sessionId]);
    expect(app.plays(TITLE)).toBe(true);
    expect(app.billed()).toHaveLength(1);
  });
});
