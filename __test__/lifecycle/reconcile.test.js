'use strict';

const { useApp, keyId, initDataOf, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();

const NONE = { added: 0, replaced: 0, missing: 0, removed: 0, notRenewable: [] };
const SHRANK = { code: 'ERR_CATALOGUE_SHRANK' };

/** The player's catalogue, as its inventory gives it. */
const inventory = () => [...app.catalogue].map(([contentId, sessions]) => ({
  contentId, sessionIds: sessions.map(({ sessionId }) => sessionId), keyIds: sessions.flatMap(({ keyIds }) => [...keyIds]),
}));

/** @param {any[]} [catalogue] @param {object} [options] */
const reconcile = (catalogue = inventory(), options = undefined) => app.offline.reconcile(LANE, catalogue, options);

/** The contents that are on record. */
const onRecord = async () => [...new Set((await app.offline.list()).map(({ contentId }) => contentId))];

/** @param {...string} contentIds */
function forget(...contentIds) {
  for (const contentId of contentIds) app.catalogue.delete(contentId);
}

describe('what the catalogue lists', () => {
  test('and is not on record is stored, is no proof, and is proven by a check', async () => {
    const offline = await app.open();
    app.download('title 1', [keyId(1)]);
    const initData = initDataOf([keyId(1)]);
    const catalogue = inventory().map((entry) => ({ ...entry, initDataType: 'keyids', initData, licenseUrl: app.server.url }));
    expect(await reconcile(catalogue)).toEqual({ ...NONE, added: 1 });
    expect(offline.verdict('title 1')).toMatchObject({ state: 'suspect', reason: 'never-proven' });
    expect(await offline.revalidate()).toMatchObject({ checked: 1, proven: 1, licenseRequests: 0 });
    expect(offline.verdict('title 1').playable).toBe('offline');
  });

  test('without what a new licence needs is named', async () => {
    await app.open();
    app.download('title 1', [keyId(1)]);
    expect(await reconcile()).toEqual({ ...NONE, added: 1, notRenewable: ['title 1'] });
  });

  test('and is on record stays as it is', async () => {
    const offline = await app.open();
    await app.store(3);
    const before = await offline.list();
    expect(await reconcile(inventory().map((entry) => ({ ...entry, expiration: 1 })))).toEqual(NONE);
    expect(await offline.list()).toEqual(before);
  });

  test('under an id that the app has put for a title with these keys was downloaded again: it plays by the new licence alone', async () => {
    const offline = await app.open();
    await app.store(1);
    forget('title 1');
    await offline.put(app.download('title 1', [keyId(1)]));
    expect(await offline.list()).toHaveLength(2);
    expect(await reconcile()).toEqual({ ...NONE, replaced: 1 });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'offline' });
    expect(await offline.revalidate()).toMatchObject({ released: 1, licenseRequests: 0 });
    expect(app.leftovers()).toEqual([]);
  });

  test('under some of its ids only is not: what is missing has keys of its own', async () => {
    const offline = await app.open();
    await offline.put([app.download('title 0', [keyId(0)]), app.download('title 0', [keyId(1)])]);
    app.catalogue.get('title 0').pop();
    expect(await reconcile()).toEqual({ ...NONE, missing: 1 });
  });

  test('under other session ids was downloaded again: the old licence goes', async () => {
    const offline = await app.open();
    await app.store(2);
    forget('title 1');
    app.download('title 1', [keyId(1)]);
    expect(await reconcile()).toMatchObject({ added: 1, replaced: 1, missing: 0, removed: 0 });
    expect(await offline.revalidate()).toMatchObject({ released: 1 });
    expect(app.leftovers()).toEqual([]);
    expect(app.plays('title 1') && app.plays('title 2')).toBe(true);
  });

  test('with one licence of two misses the other', async () => {
    await app.open();
    await app.offline.put([app.download('title 1', [keyId(1)]), app.download('title 1', [keyId(2)])]);
    app.catalogue.get('title 1')?.pop();
    expect(await reconcile()).toMatchObject({ ...NONE, missing: 1 });
    await app.relaunch();
    expect(await reconcile()).toMatchObject({ ...NONE, removed: 1 });
    expect(await app.offline.list()).toHaveLength(1);
  });

  test('with the id of a licence that was adopted and not yet recorded is the same title', async () => {
    await app.updateThatBroke(1);
    const abort = new AbortController();
    app.cdm.on('adopt', ({ sessionId }) => {
      app.catalogue.set('title 1', [{ ...app.catalogue.get('title 1')[0], sessionId }]);
      abort.abort();
      return new Promise(() => {});
    });
    await expect(app.offline.revalidate({ signal: abort.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await reconcile()).toMatchObject({ ...NONE });
    expect(await app.offline.list()).toHaveLength(1);
  });
});

test('a catalogue that lost what adoption wrote gets it again, and nothing is paid for', async () => {
  const offline = await app.updateThatBroke(1);
  const before = structuredClone(app.catalogue.get('title 1'));
  // Old and new ids differ, as they do after an update that kept the CDM's list.
  app.cdm.store(LANE, []);
  await offline.revalidate();
  const { sessionId } = await app.session('title 1');
  expect(sessionId).not.toBe(before[0].sessionId);
  app.catalogue.set('title 1', before);
  expect(await reconcile()).toEqual({ ...NONE, notRenewable: [] });
  expect(offline.verdict('title 1').playable).not.toBe('offline');
  expect(await offline.revalidate()).toMatchObject({ adopted: 1, licenseRequests: 0 });
  expect(app.plays('title 1')).toBe(true);
  expect(await app.session('title 1')).toMatchObject({ sessionId, suspect: false });
});

describe('what the catalogue lacks', () => {
  test('is removed in the second launch that lacks it, and its licence released', async () => {
    await app.open();
    await app.store(10);
    forget('title 1');
    expect(await reconcile()).toEqual({ ...NONE, missing: 1 });
    expect(await reconcile()).toEqual({ ...NONE, missing: 1 });
    expect(await onRecord()).toHaveLength(10);
    const offline = await app.relaunch();
    expect(await reconcile()).toEqual({ ...NONE, removed: 1 });
    expect(await onRecord()).toEqual(titles(10).slice(1));
    expect(await offline.revalidate()).toMatchObject({ released: 1 });
    expect(app.leftovers()).toEqual([]);
  });

  test('and lists again in between starts anew', async () => {
    await app.open();
    await app.store(1);
    await app.offline.put(app.download('title 2', [keyId(2)]));
    const kept = app.catalogue.get('title 1');
    forget('title 1');
    expect(await reconcile()).toMatchObject({ missing: 1 });
    app.catalogue.set('title 1', kept);
    await app.relaunch();
    expect(await reconcile()).toEqual(NONE);
    forget('title 1');
    await app.relaunch();
    expect(await reconcile()).toMatchObject({ missing: 1, removed: 0 });
  });

  test('is neither risked nor licensed meanwhile, but for a click', async () => {
    const offline = await app.updateThatBroke(2);
    const kept = app.catalogue.get('title 1');
    forget('title 1');
    await reconcile();
    expect(await offline.revalidate()).toMatchObject({ checked: 1, adopted: 1, deferred: 1, licenseRequests: 1 });
    expect(offline.verdict('title 1')).toMatchObject({ state: 'lost', reason: 'not-in-catalogue' });
    app.catalogue.set('title 1', kept);
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('and of which every key is released is given up at its check', async () => {
    await app.open();
    await app.store(2);
    const { sessionId } = await app.session('title 1');
    forget('title 1');
    await reconcile();
    app.cdm.record(sessionId).keyStatuses = { [keyId(1)]: 'released' };
    const offline = await app.relaunch({ platform: UPDATED });
    await offline.ensurePlayable('title 1');
    expect(await onRecord()).toEqual(['title 2']);
    await offline.revalidate();
    expect(app.server.requests).toBe(0);
    expect(app.leftovers()).toEqual([]);
  });

  test('but is a sacrificial licence stays: no content needs one', async () => {
    await app.open();
    await app.store(1);
    await app.offline.put(app.download('sacrifice', [keyId(2)], { canary: true }));
    forget('sacrifice');
    expect(await reconcile()).toEqual(NONE);
  });

  test('in another lane is not meant', async () => {
    await app.open();
    await app.store(1);
    await app.offline.put(app.download('elsewhere', [keyId(2)], { partition: 'persist:kids' }));
    forget('elsewhere');
    expect(await reconcile()).toEqual(NONE);
  });
});

describe('a download under way', () => {
  test('keeps the ids that it has, whosever they were', async () => {
    const offline = await app.open();
    await app.store(2);
    const ids = (await offline.list()).map(({ sessionId }) => sessionId);
    await offline.removeContent('title 1');
    // The player downloads it again, in place of the licence that is owed, and title 2 anew.
    const catalogue = [
      { contentId: 'title 1', sessionIds: [ids[0]], incomplete: true },
      { contentId: 'title 2', sessionIds: [], incomplete: true },
    ];
    expect(await reconcile(catalogue)).toEqual(NONE);
    expect(await offline.revalidate()).toMatchObject({ released: 0 });
    expect([...app.cdm.storage(LANE).index]).toEqual(ids);
    expect(await onRecord()).toEqual(['title 2']);
  });
});

describe('a catalogue that shrank', () => {
  test.each([
    ['3 of 10 are missed', 10, 3, true],
    ['4 of 10 are refused', 10, 4, false],
    ['4 of 20 are missed: no more than a fifth', 20, 4, true],
    ['5 of 20 are refused', 20, 5, false],
    ['3 of 4 are missed', 4, 3, true],
    ['1 of 1 is refused: an empty catalogue', 1, 1, false],
  ])('%s', async (_what, stored, gone, taken) => {
    await app.open();
    await app.store(stored);
    forget(...titles(gone));
    if (taken) expect(await reconcile()).toEqual({ ...NONE, missing: gone });
    else await expect(reconcile()).rejects.toMatchObject(SHRANK);
    expect(await onRecord()).toHaveLength(stored);
    expect(app.offline.unready()).toEqual([]);
  });

  test('an empty one of an empty store is fine', async () => {
    await app.open();
    expect(await reconcile([])).toEqual(NONE);
  });

  test('or says that everything was downloaded again is not believed, and costs no licence', async () => {
    const offline = await app.open();
    await app.store(5);
    const wrong = inventory().map((entry, n) => ({ ...entry, sessionIds: [`wrong ${n}`] }));
    await expect(reconcile(wrong)).rejects.toMatchObject(SHRANK);
    expect(await offline.list()).toHaveLength(5);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, nextAttemptAt: null });
    expect(offline.unready()).toEqual([]);
  });

  test('still brings what is new, and takes nothing in any number of launches', async () => {
    await app.open();
    await app.store(5);
    forget(...titles(5));
    app.download('new', [keyId(6)]);
    for (let launch = 0; launch < 3; launch++) {
      await expect(reconcile()).rejects.toMatchObject(SHRANK);
      await app.relaunch();
    }
    expect(await onRecord()).toEqual([...titles(5), 'new']);
  });

  test('is believed when the app says so, and then twice as well', async () => {
    await app.open();
    await app.store(5);
    forget(...titles(5));
    expect(await reconcile([], { allowMassRemoval: true })).toEqual({ ...NONE, missing: 5 });
    const offline = await app.relaunch();
    expect(await reconcile([], { allowMassRemoval: true })).toEqual({ ...NONE, removed: 5 });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 5 });
    expect(app.leftovers()).toEqual([]);
  });
});

test.each([
  ['no array', {}, 'catalogue'],
  ['an entry that is none', [null], '[0]'],
  ['no session ids', [{ contentId: 'a' }], '[0].sessionIds'],
  ['a session id that is none', [{ contentId: 'a', sessionIds: ['1', ''] }], '[0].sessionIds[1]'],
  ['a content without a name', [{ contentId: '', sessionIds: [] }], '[0].contentId'],
  ['a word that is unknown', [{ contentId: 'a', sessionIds: [], complete: true }], '[0].complete'],
  ['init data of no type', [{ contentId: 'a', sessionIds: ['1'], initData: new Uint8Array(4) }], '[0].initDataType'],
])('a catalogue with %s is refused, and nothing is written', async (_what, catalogue, field) => {
  await app.open();
  await app.store(1);
  await expect(reconcile(/** @type {any} */ (catalogue))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field });
  expect(await onRecord()).toEqual(['title 1']);
});
