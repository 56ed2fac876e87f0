'use strict';

const { REFUSALS, classifyRefusal } = require('../../testbed/refusals.js');
const { useApp, next, titles, NOTHING, UPDATED } = require('../helpers/offline-app.js');

const app = useApp();
/** Nothing is tried again by itself while a test looks, whatever the jitter. */
const POLICY = { backoffBaseMs: 21_600_000 };
const MANY = 30;
const CONCURRENCY = 4;

/** The next `count` titles that become playable offline. */
function ready(count) {
  const contents = new Set();
  return next(app.offline, 'content-ready', ({ contentId }) => contents.add(contentId).size === count);
}

describe('offline', () => {
  test('nothing is licensed and nothing is risked; online, all that was put off goes on by itself', async () => {
    const offline = await app.updateThatBroke(MANY);
    offline.setConnectivity('offline');
    expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: MANY, nextAttemptAt: null });
    expect(app.cdm.counts).toMatchObject({ loads: 0, requests: 0 });
    const all = ready(MANY);
    offline.setConnectivity('online');
    await all;
    expect(app.server.requests).toBe(MANY);
    expect(offline.unready()).toEqual([]);
  });

  test('in the middle of a run: what is out is ended, nothing more is begun', async () => {
    const offline = await app.updateThatBroke(MANY);
    app.server.behave(() => {
      offline.setConnectivity('offline');
      return 'ok';
    });
    const { licensed } = await offline.revalidate();
    expect(app.server.requests).toBe(licensed);
    expect(licensed).toBeGreaterThan(0);
    expect(licensed).toBeLessThanOrEqual(CONCURRENCY);
    const waiting = offline.unready();
    expect(waiting.length).toBeGreaterThanOrEqual(MANY - licensed);
    for (const verdict of waiting) expect(verdict).toMatchObject({ state: 'lost', reason: 'offline', action: 'connect' });

    app.server.behave('ok');
    const rest = ready(waiting.length);
    offline.setConnectivity('online');
    await rest;
    expect(app.server.requests).toBe(MANY);
    expect(app.billed()).toHaveLength(MANY);
  });

  test('through several launches, and then online, no licence has been lost to it', async () => {
    await app.updateThatBroke(MANY);
    for (let launch = 0; launch < 3; launch++) {
      const offline = await app.relaunch({ platform: UPDATED });
      offline.setConnectivity('offline');
      expect(await offline.revalidate()).toMatchObject({ ...NOTHING, deferred: MANY });
    }
    const all = ready(MANY);
    app.offline.setConnectivity('online');
    await all;
    expect(app.server.requests).toBe(MANY);
  });
});

describe('online is never taken as proof:', () => {
  test.each([['a captive portal', 'captive-portal'], ['a network that leads nowhere', 'reset']])(
    '%s is found out with a few requests, and nothing is held against a title', async (_what, behaviour) => {
      app.server.behave(behaviour);
      const offline = await app.updateThatBroke(MANY, { policy: POLICY });
      offline.setConnectivity('online');
      expect(await offline.revalidate()).toMatchObject({ blocked: 0, licensed: 0, deferred: MANY });
      expect(app.server.requests).toBeLessThanOrEqual(10);
      expect(offline.unready().filter(({ state }) => state !== 'lost')).toEqual([]);
    });

  test.each(['online', 'unknown'])('a network that comes back, %s, ends the waits that its absence caused', async (connectivity) => {
    app.server.behave('reset');
    const offline = await app.updateThatBroke(MANY, { policy: POLICY });
    await offline.revalidate();
    app.server.behave('ok');
    const all = ready(MANY);
    offline.setConnectivity('offline');
    offline.setConnectivity(connectivity);
    await all;
    expect(app.plays('title 1')).toBe(true);
  });

  test('but not those that a server asked for', async () => {
    app.server.behave({ status: 429, headers: { 'retry-after': '600' } });
    const offline = await app.updateThatBroke(MANY);
    const { nextAttemptAt } = await offline.revalidate();
    const { requests } = app.server;
    offline.setConnectivity('offline');
    offline.setConnectivity('online', { changedLocation: true });
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, nextAttemptAt });
    expect(app.server.requests).toBe(requests);
  });
});

describe('a VPN', () => {
  test('that goes lets what was refused by region be licensed; what was refused for another reason stays', async () => {
    app.server.behave((call) => (call.keyIds[0].endsWith('1') ? REFUSALS.entitlement : REFUSALS.geo));
    const offline = await app.updateThatBroke(MANY, { classifyRefusal });
    expect(await offline.revalidate()).toMatchObject({ blocked: MANY, licensed: 0 });
    const notEntitled = titles(MANY).filter((contentId) => offline.verdict(contentId).reason === 'entitlement');
    const { requests } = app.server;

    app.server.behave('ok');
    const all = ready(MANY - notEntitled.length);
    offline.setConnectivity('online', { changedLocation: true });
    await all;
    expect(offline.unready().map(({ contentId }) => contentId).sort()).toEqual([...notEntitled].sort());
    expect(app.server.requests).toBe(requests + MANY - notEntitled.length);
  });

  test('that comes is asked about once for each title, and no more often', async () => {
    app.server.behave(REFUSALS.geo);
    const offline = await app.updateThatBroke(3, { classifyRefusal });
    await offline.revalidate();
    for (let n = 0; n < 3; n++) {
      offline.setConnectivity('offline');
      offline.setConnectivity('online');
      await offline.revalidate();
    }
    expect(app.server.requests).toBe(3);
    offline.setConnectivity('online', { changedLocation: true });
    await offline.revalidate();
    expect(app.server.requests).toBe(6);
    expect(titles(3).map((contentId) => offline.verdict(contentId).reason)).toEqual(['geo', 'geo', 'geo']);
  });

  test('is remembered over a restart, and so is the region\'s refusal', async () => {
    app.server.behave(REFUSALS.geo);
    await app.updateThatBroke(3, { classifyRefusal });
    await app.offline.revalidate();
    const offline = await app.relaunch({ platform: UPDATED, classifyRefusal });
    expect(await offline.revalidate()).toMatchObject({ licenseRequests: 0, deferred: 3 });
    app.server.behave('ok');
    const all = ready(3);
    offline.setConnectivity('online', { changedLocation: true });
    await all;
    expect(app.server.requests).toBe(6);
  });
});
