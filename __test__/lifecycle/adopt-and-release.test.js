'use strict';

const { useApp, keyId, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');
const { LANE, proven } = require('../helpers/store.js');

const app = useApp();

describe('the app\'s adopt hook', () => {
  test('is asked in place of the driver, with what it needs', async () => {
    const calls = [];
    const offline = await app.updateThatBroke(1, { adopt: async (...args) => { calls.push(args); return 'adopted'; } });
    // Of another id than the title had, so that the two can be told apart.
    app.cdm.store(LANE, []);
    expect(await offline.revalidate()).toMatchObject({ licensed: 1, adopted: 1 });
    const session = expect.objectContaining({ contentId: 'title 1', sessionId: '1', lane: { ...LANE, partition: '' }, keyIds: [keyId(1)] });
    expect(calls).toEqual([[session, '2', { signal: expect.any(AbortSignal) }]]);
    expect(app.cdm.counts.adoptions).toBe(0);
    expect(await app.session('title 1')).toMatchObject({ sessionId: '2', suspect: false });
  });

  test.each([
    ['catalogue-changed', async () => 'catalogue-changed', 0],
    ['open-in-player', async () => 'open-in-player', 0],
    ['catalogue-changed', async () => { throw new Error('of the app'); }, 1],
    ['catalogue-changed', () => { throw new Error('of the app'); }, 1],
    ['catalogue-changed', async () => 'done', 1],
    ['catalogue-changed', async () => undefined, 1],
  ])('that cannot now (%s, %s) keeps the licence for later, and pays for no other', async (reason, adopt, warnings) => {
    let hinder = adopt;
    const offline = await app.updateThatBroke(1, { adopt: (...args) => hinder(...args) });
    const report = await offline.revalidate();
    expect(report).toMatchObject({ lost: 1, licensed: 1, adopted: 0, deferred: 1, nextAttemptAt: expect.any(Number) });
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason, action: 'wait', retryAt: report.nextAttemptAt });
    expect(app.warnings.splice(0)).toHaveLength(warnings);
    hinder = async () => 'adopted';
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(app.server.requests).toBe(1);
  });

  test('also over a restart', async () => {
    await app.updateThatBroke(1, { adopt: async () => 'open-in-player' });
    await app.offline.revalidate();
    const offline = await app.relaunch({ platform: UPDATED });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.plays('title 1')).toBe(true);
    expect(app.server.requests).toBe(1);
  });

  test('that finds the content gone ends it: the row goes, and what the CDM holds of it', async () => {
    const offline = await app.updateThatBroke(2, { adopt: async ({ contentId }) => (contentId === 'title 1' ? 'content-gone' : 'adopted') });
    expect(await offline.revalidate()).toMatchObject({ licensed: 2, adopted: 1, released: 1, deferred: 0 });
    expect(await offline.list()).toMatchObject([{ contentId: 'title 2' }]);
    expect([...app.cdm.storage(LANE).index]).toEqual([(await app.session('title 2')).sessionId]);
  });
});

describe('what is removed', () => {
  const inCdm = () => [...app.cdm.storage(LANE).index];

  test('is released in the next run, and nothing else', async () => {
    const offline = await app.open();
    await app.store(3);
    await offline.removeContent('title 2');
    expect(inCdm()).toEqual(['1', '2', '3']);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 1, nextAttemptAt: null });
    expect(inCdm()).toEqual(['1', '3']);
    expect(await offline.revalidate()).toMatchObject(NOTHING);
  });

  test('is released after a restart, if it was not before', async () => {
    await app.open({ driver: null });
    await app.store(3);
    await app.offline.removeContent('title 2');
    expect(await app.offline.revalidate()).toMatchObject(NOTHING);
    const offline = await app.relaunch();
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 1 });
    expect(inCdm()).toEqual(['1', '3']);
  });

  test('is not released while a title has its id again', async () => {
    const offline = await app.open({ driver: null });
    await app.store(1);
    await offline.removeContent('title 1');
    await offline.put(app.download('other', [keyId(2)], { sessionId: '1' }));
    offline.useDriver(app.driver());
    expect(await offline.revalidate()).toMatchObject({ released: 0 });
    expect(inCdm()).toContain('1');
  });

  test('is tried again later, if the CDM fails, and holds up nobody', async () => {
    const offline = await app.open();
    await app.store(2);
    await offline.removeContent('title 1');
    const unhook = app.cdm.on('remove', () => ({ kind: 'failed', message: 'busy' }));
    const report = await offline.revalidate();
    expect(report).toMatchObject({ ...NOTHING, nextAttemptAt: expect.any(Number) });
    expect(offline.unready()).toEqual([]);
    expect(app.cdm.counts.removes).toBe(0);
    unhook();
    // The failure is known over a restart; so is the debt.
    const again = await app.relaunch({ policy: { backoffBaseMs: 1 } });
    const waiting = await again.revalidate();
    expect(waiting).toMatchObject({ released: 0, nextAttemptAt: report.nextAttemptAt });
    expect(inCdm()).toEqual(['1', '2']);
  });

  test('by replace is released, too, and the new one plays', async () => {
    const offline = await app.open();
    await app.store(1);
    app.catalogue.clear();
    await offline.put(app.download('title 1', [keyId(1)]), { replace: true });
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 1 });
    expect(inCdm()).toEqual(['2']);
    expect(app.plays('title 1')).toBe(true);
  });

  test('in hundreds goes in batches', async () => {
    const offline = await app.open();
    await app.store(60);
    for (const contentId of titles(60)) await offline.removeContent(contentId);
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, released: 60 });
    expect(inCdm()).toEqual([]);
  });
});

test('a title that is put again while its licence is being removed is not said to play', async () => {
  const offline = await app.open();
  const [session] = await app.store(1);
  await offline.removeContent('title 1');
  const unhook = app.cdm.on('remove', async () => {
    unhook();
    await offline.put({ ...session, proven: proven([keyId(1)]) });
  });
  await offline.revalidate();
  expect(app.plays('title 1') || offline.verdict('title 1').playable !== 'offline').toBe(true);
  await offline.revalidate();
  expect(offline.verdict('title 1').playable).toBe('offline');
  expect(app.plays('title 1')).toBe(true);
});
