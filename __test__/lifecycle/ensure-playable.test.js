'use strict';

const { useApp, keyId, never, next, titles, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
const MANY = 60;
const LAST = `title ${MANY}`;

/** The contents at a step, in order. */
function contentsAt(step) {
  const contents = [];
  app.cdm.on(step, ({ contentId }) => { contents.push(contentId); });
  return contents;
}

describe('ensurePlayable of a title that is', () => {
  test('proven waits for the lane\'s first probe, and for nothing else', async () => {
    await app.open();
    await app.store(2);
    await app.offline.revalidate();
    const offline = await app.relaunch();
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
    expect(app.cdm.counts).toMatchObject({ probes: 2, loads: 0 });
    expect(await offline.ensurePlayable('title 2')).toMatchObject({ playable: 'offline' });
    expect(app.cdm.counts.probes).toBe(2);
  });

  test('proven, as we thought, but wiped is found out', async () => {
    await app.open();
    await app.store(1);
    await app.offline.revalidate();
    await app.quit();
    app.cdm.wipe();
    const offline = await app.open();
    expect(offline.verdict('title 1').playable).toBe('offline');
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
    expect(app.plays('title 1')).toBe(true);
    expect(app.server.requests).toBe(1);
  });

  test('unknown is answered at once', async () => {
    const offline = await app.open();
    app.cdm.on('phase', never);
    expect(await offline.ensurePlayable('never stored')).toMatchObject({ playable: 'online', state: 'unknown', sessions: [] });
    expect(app.cdm.counts.probes).toBe(0);
  });

  test('unsupported is answered as soon as that is known', async () => {
    await app.open();
    await app.store(2);
    app.cdm.persistentLicense = 'unsupported';
    expect(await app.offline.ensurePlayable('title 1')).toMatchObject({ playable: 'online', state: 'unsupported', action: 'connect' });
    app.cdm.on('phase', never);
    expect(await app.offline.ensurePlayable('title 2')).toMatchObject({ playable: 'online', state: 'unsupported' });
    expect(app.cdm.counts).toMatchObject({ probes: 1, loads: 0, requests: 0 });
  });

  test('suspect is checked, lost is licensed, and no other is touched', async () => {
    const offline = await app.updateThatBroke(3);
    const [checked, licensed] = [contentsAt('load'), contentsAt('created')];
    expect(await offline.ensurePlayable('title 2')).toMatchObject({ playable: 'offline', state: 'proven', action: 'play' });
    expect(checked[0]).toBe('title 2');
    expect(licensed[0]).toBe('title 2');
    expect(app.plays('title 2')).toBe(true);
  });

  test('suspect is checked though the network is down: there is nothing left to lose', async () => {
    await app.open();
    await app.store(1);
    const offline = await app.relaunch({ platform: UPDATED });
    offline.setConnectivity('offline');
    expect(offline.verdict('title 1')).toMatchObject({ playable: 'try', reason: 'offline' });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline', state: 'proven' });
  });

  test('lost is not licensed while the network is down', async () => {
    const offline = await app.updateThatBroke(1);
    offline.setConnectivity('offline');
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason: 'offline', action: 'connect' });
    expect(app.server.requests).toBe(0);
  });
});

describe('whoever waits', () => {
  test('goes first in a run that is under way', async () => {
    const offline = await app.updateThatBroke(MANY);
    const checked = contentsAt('load');
    const unhook = app.cdm.on('load', () => {
      unhook();
      offline.ensurePlayable(LAST).then(() => { requestsThen = app.server.requests; });
    });
    let requestsThen;
    await offline.revalidate();
    // The batch that is out comes back first.
    expect(checked.indexOf(LAST)).toBe(25);
    expect(requestsThen).toBe(1);
    expect(app.server.requests).toBe(MANY);
  });

  test('waits no longer than for the title, when the run goes on', async () => {
    const offline = await app.updateThatBroke(MANY);
    const run = offline.revalidate();
    expect(await offline.ensurePlayable(LAST)).toMatchObject({ playable: 'offline' });
    expect(offline.unready().length).toBeGreaterThan(MANY / 2);
    expect(await run).toMatchObject({ adopted: MANY });
  });

  test('shares the work: 200 callers cost one licence', async () => {
    const offline = await app.updateThatBroke(1);
    const calls = Array.from({ length: 200 }, () => offline.ensurePlayable('title 1'));
    const verdicts = await Promise.all([...calls, offline.revalidate()]);
    expect(verdicts.slice(0, 200)).toEqual(Array(200).fill(offline.verdict('title 1')));
    expect(offline.verdict('title 1').playable).toBe('offline');
    expect(app.server.requests).toBe(1);
    expect(app.cdm.counts).toMatchObject({ requests: 1, adoptions: 1 });
  });

  test('gets the verdict as it stands after the time-out, and the work goes on', async () => {
    const offline = await app.updateThatBroke(1);
    let answer;
    const answered = new Promise((resolve) => { answer = resolve; });
    const unhook = app.cdm.on('update', () => { unhook(); return answered; });
    expect(await offline.ensurePlayable('title 1', { timeoutMs: 50 })).toMatchObject({ playable: 'no', state: 'lost', reason: 'gone', action: 'wait' });
    expect(await offline.ensurePlayable('title 1', { timeoutMs: 0 })).toMatchObject({ playable: 'no', state: 'lost' });
    const ready = next(offline, 'content-ready');
    answer();
    expect(await ready).toMatchObject({ contentId: 'title 1', playable: 'offline' });
    expect(app.server.requests).toBe(1);
  });

  test('has the policy\'s time-out, if it names none', async () => {
    const offline = await app.updateThatBroke(1, { policy: { ensurePlayableTimeoutMs: 20 } });
    app.cdm.on('load', never);
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'no', state: 'suspect', reason: 'new-generation' });
  });

  test('may leave: others and the work go on', async () => {
    const offline = await app.updateThatBroke(2);
    const controller = new AbortController();
    const leaving = offline.ensurePlayable('title 1', { signal: controller.signal });
    const staying = offline.ensurePlayable('title 1');
    const unhook = app.cdm.on('load', () => { unhook(); controller.abort('the viewer went back'); });
    await expect(leaving).rejects.toMatchObject({ name: 'OfflineSessionsError', code: 'ERR_ABORTED', cause: 'the viewer went back' });
    expect(await staying).toMatchObject({ playable: 'offline' });
    // Not an error once it has been answered.
    controller.abort();
    expect(app.server.requests).toBeLessThanOrEqual(2);
  });

  test('gets an answer, and a wait that no server asked for is skipped', async () => {
    const offline = await app.updateThatBroke(1);
    app.server.behave({ status: 500 }, { times: 1 });
    expect(await offline.revalidate()).toMatchObject({ licensed: 0, deferred: 1 });
    expect(offline.verdict('title 1').retryAt).toBeGreaterThan(Date.now());
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'offline' });
  });

  test('gets the answer that there was, if it is a bad one, and no second request at once', async () => {
    const offline = await app.updateThatBroke(1);
    app.server.behave({ status: 500 });
    expect(await offline.ensurePlayable('title 1')).toMatchObject({ playable: 'no', state: 'lost', reason: 'server-error', action: 'wait' });
    expect(app.server.requests).toBe(1);
  });

  test('for a title of two sessions waits for both', async () => {
    await app.open();
    await app.offline.put([app.download('two', [keyId(1)]), app.download('two', [keyId(2)])]);
    await app.quit();
    app.cdm.breakSalts();
    const offline = await app.open({ platform: UPDATED, policy: { batchSize: 1 } });
    expect(await offline.ensurePlayable('two')).toMatchObject({ playable: 'offline', sessions: [{}, {}] });
    expect(app.plays('two')).toBe(true);
  });

  test('for several titles at once gets them all', async () => {
    const offline = await app.updateThatBroke(30);
    const verdicts = await Promise.all(titles(30).map((contentId) => offline.ensurePlayable(contentId)));
    expect(verdicts.filter(({ playable }) => playable === 'offline')).toHaveLength(30);
    expect(app.server.requests).toBe(30);
  });
});
