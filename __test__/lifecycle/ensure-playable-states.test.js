'use strict';

const { useApp, keyId, never, next, titles, UPDATED } = require('../helpers/offline-app.js');
const { LANE } = require('../helpers/store.js');

const app = useApp();
const TITLE = 'title 1';
/** Longer than a test may take: whoever waits for it fails. */
const AT_ONCE = { timeoutMs: 60_000 };

/** One more request, and no other, unless it is asked for. */
async function expectOneMore(click) {
  const before = app.server.requests;
  const verdict = await click();
  await app.offline.revalidate();
  expect(app.server.requests).toBe(before + 1);
  return verdict;
}

describe('a click on a title that is blocked is one retry', () => {
  test.each([
    ['auth', { status: 401 }, {}],
    ['geo', { status: 451 }, {}],
    ...['entitlement', 'offline-not-allowed', 'device-limit', 'concurrency', 'revoked'].map((reason) =>
      [reason, { status: 403 }, { classifyRefusal: () => reason }]),
    ['rejected', 'empty', {}],
    ['unverified', 'wrong-keys', {}],
  ])('%s', async (reason, behaviour, options) => {
    const offline = await app.updateThatBroke(1, options);
    app.server.behave(behaviour);
    await offline.revalidate();
    expect(offline.verdict(TITLE)).toMatchObject({ state: 'blocked', reason });
    const twoClicks = () => Promise.all([offline.ensurePlayable(TITLE, AT_ONCE), offline.ensurePlayable(TITLE, AT_ONCE)]);
    expect(await expectOneMore(twoClicks)).toMatchObject([{ state: 'blocked', reason }, { state: 'blocked', reason }]);
    app.server.behave('ok');
    expect(await expectOneMore(() => offline.ensurePlayable(TITLE))).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(app.plays(TITLE)).toBe(true);
    expect(app.leftovers()).toEqual([]);
  });

  test('but none while the network is down, or where nothing may be done', async () => {
    app.server.behave({ status: 451 });
    const offline = await app.updateThatBroke(1);
    await offline.revalidate();
    offline.setConnectivity('offline');
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'blocked', reason: 'geo' });
    const observing = await app.relaunch({ platform: UPDATED, policy: { mode: 'observe' } });
    expect(await observing.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'blocked', reason: 'geo' });
    expect(app.server.requests).toBe(1);
  });
});

describe('a click on a title that is', () => {
  test('expired licenses it, though the policy would not; and not while the network is down', async () => {
    await app.open();
    await app.store(1);
    app.cdm.record('1', LANE).keyStatuses[keyId(1)] = 'expired';
    const offline = await app.relaunch({ platform: UPDATED, policy: { relicenseExpired: false } });
    await offline.revalidate();
    offline.setConnectivity('offline');
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'expired' });
    expect(app.server.requests).toBe(0);
    offline.setConnectivity('online');
    expect(await expectOneMore(() => offline.ensurePlayable(TITLE))).toMatchObject({ playable: 'offline', state: 'proven' });
  });

  test('lost, without what a licence needs, is looked at once', async () => {
    await app.open();
    await app.offline.put(app.download(TITLE, [keyId(1)], { initDataType: undefined, initData: null, proven: undefined }));
    app.cdm.breakSalts();
    app.offline.useDriver(app.driver());
    const lost = { playable: 'no', state: 'lost', reason: 'no-license-data', action: 'download-again' };
    expect(await app.offline.ensurePlayable(TITLE)).toMatchObject(lost);
    const { loads } = app.cdm.counts;
    app.cdm.on('phase', never);
    expect(await app.offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject(lost);
    expect(app.cdm.counts).toMatchObject({ loads, requests: 0 });
  });

  test('throttled waits as the server asked, over a restart too', async () => {
    const offline = await app.updateThatBroke(1);
    app.server.behave({ status: 429, headers: { 'retry-after': '600' } }, { times: 1 });
    await offline.revalidate();
    const { retryAt } = offline.verdict(TITLE);
    const again = await app.relaunch({ platform: UPDATED });
    expect(await again.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'lost', reason: 'throttled', action: 'wait', retryAt });
    expect(app.server.requests).toBe(1);
  });

  test.each(['updated', 'adopt', 'adopted'])('paid for in an earlier launch, which ended at step %s, needs no network', async (step) => {
    let offline = await app.updateThatBroke(1);
    let closing;
    const unhook = app.cdm.on(step, () => { unhook(); closing = offline.close(); return never(); });
    await expect(offline.revalidate()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    offline = await app.relaunch({ platform: UPDATED });
    offline.setConnectivity('offline');
    expect(await offline.ensurePlayable(TITLE)).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(app.plays(TITLE)).toBe(true);
    expect(app.server.requests).toBe(1);
  });

  test('another account\'s does nothing, and is forgotten', async () => {
    await app.open();
    await app.store(1, { account: 'ann' });
    const offline = await app.relaunch({ platform: UPDATED });
    await offline.setAccount('bob');
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', reason: 'other-account', action: 'sign-in', sessions: [] });
    // Ann has not clicked: what may destroy her licence waits for the network.
    offline.setConnectivity('offline');
    await offline.setAccount('ann');
    expect(await offline.revalidate()).toMatchObject({ checked: 0, deferred: 1 });
    expect(app.cdm.counts.loads).toBe(0);
  });
});

describe('whoever clicks is answered as it stands, and not kept waiting,', () => {
  test.each([
    ['where there is no driver', 'no-driver', (offline) => offline.useDriver(() => null)],
    ['where the CDM is not there yet', 'unavailable', () => { app.cdm.persistentLicense = 'unavailable'; }],
  ])('%s', async (_what, reason, hinder) => {
    const offline = await app.updateThatBroke(1);
    hinder(offline);
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'try', state: 'suspect', reason, action: 'try' });
    expect(app.cdm.counts).toMatchObject({ loads: 0, requests: 0 });
  });

  test('while the title plays: it is licensed, and adopted afterwards', async () => {
    const offline = await app.updateThatBroke(1);
    app.server.behave({ status: 500 }, { times: 1 });
    await offline.revalidate();
    const hold = offline.hold({ contentId: TITLE, lane: LANE, kind: 'playing' });
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'lost' });
    expect(app.server.requests).toBe(2);
    expect(app.cdm.counts.adoptions).toBe(0);
    hold.release();
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'offline' });
    expect(app.server.requests).toBe(2);
  });

  test('while a download writes licences', async () => {
    const offline = await app.updateThatBroke(1);
    const hold = offline.hold({ lane: LANE, kind: 'downloading' });
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'no', state: 'lost' });
    expect(app.server.requests).toBe(0);
    hold.release();
    expect(await offline.ensurePlayable(TITLE, AT_ONCE)).toMatchObject({ playable: 'offline' });
  });
});

describe('in a run of 60 titles', () => {
  const MANY = 60;
  const LAST = `title ${MANY}`;

  /** Does it at the first licence of the run; every title has been checked by then. */
  function atFirstLicence(happen) {
    const unhook = app.cdm.on('request', () => { unhook(); happen(); });
  }

  test('a click on the last one, when licences have begun, makes its lane\'s next phases its own', async () => {
    const offline = await app.updateThatBroke(MANY);
    const done = [];
    for (const step of ['request', 'load', 'adopt']) {
      app.cdm.on(step, ({ contentId, phase }) => { if (phase !== 'check') done.push([phase ?? step, contentId]); });
    }
    let answered;
    atFirstLicence(() => { answered = offline.ensurePlayable(LAST).then((verdict) => [verdict, done.length]); });
    const run = offline.revalidate();
    await run;
    const [verdict, steps] = await answered;
    expect(verdict).toMatchObject({ contentId: LAST, playable: 'offline' });
    // The batch that is out, then its own: of each kind the first.
    const order = done.slice(25, steps);
    expect(order[0]).toEqual(['request', LAST]);
    expect(order.find(([kind]) => kind === 'verify')).toEqual(['verify', LAST]);
    expect(order.find(([kind]) => kind === 'adopt')).toEqual(['adopt', LAST]);
    expect(await run).toMatchObject({ licensed: MANY, adopted: MANY, licenseRequests: MANY });
  });

  test('1,000 clicks, some of which do not wait, cost one licence', async () => {
    const offline = await app.updateThatBroke(MANY);
    const leaver = new AbortController();
    let clicks;
    atFirstLicence(() => {
      const options = [{}, { timeoutMs: 0 }, { signal: leaver.signal }, AT_ONCE];
      clicks = Promise.allSettled(Array.from({ length: 1000 }, (_, n) => offline.ensurePlayable(LAST, options[n % options.length])));
      setImmediate(() => leaver.abort());
    });
    expect(await offline.revalidate()).toMatchObject({ licensed: MANY, licenseRequests: MANY, deferred: 0 });
    const ends = (await clicks).map(({ value, reason }) => reason?.code ?? value.playable);
    expect(ends).toEqual(Array.from({ length: 250 }, () => ['offline', 'no', 'ERR_ABORTED', 'offline']).flat());
    expect(titles(MANY).filter((contentId) => !app.plays(contentId))).toEqual([]);
  });
});

test('a click that is aborted leaves other work to its timers', async () => {
  const offline = await app.updateThatBroke(2, { policy: { backoffBaseMs: 20 } });
  app.server.behave({ status: 503 }, { times: 2 });
  const ready = next(offline, 'content-ready', ({ contentId }) => contentId === 'title 2');
  await offline.revalidate();
  const controller = new AbortController();
  const clicked = offline.ensurePlayable('title 1', { signal: controller.signal });
  controller.abort();
  await expect(clicked).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(await ready).toMatchObject({ playable: 'offline' });
});
