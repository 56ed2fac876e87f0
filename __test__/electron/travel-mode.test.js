'use strict';

const { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { useAttachedApp, componentsOf, updaterOf, process39 } = require('../helpers/attached-app.js');
const { turn } = require('../helpers/electron-stand-in.js');
const { next, keyId } = require('../helpers/offline-app.js');

const app = useAttachedApp();
const DAY = 86_400_000;
const FAKED = { doNotFake: ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout'] };
let autoUpdater;

afterEach(() => jest.useRealTimers());

const file = (name = 'travel-mode.json') => path.join(app.directory, 'offline-sessions', name);
const codes = ({ notHeld }) => notHeld.map(({ code }) => code).sort();

/** Each launch has an updater of its own. */
const withUpdater = (options) => ({ autoUpdater: autoUpdater = updaterOf(), ...options });
const attach = (options) => app.attach(withUpdater(options));
const relaunch = (options) => app.relaunch(withUpdater(options));

const expectOn = (offline, untilMs) => {
  expect([app.components.updatesEnabled, autoUpdater.autoInstallOnAppQuit, offline.travelMode()]).toEqual([false, false, { untilMs }]);
  expect(JSON.parse(readFileSync(file(), 'utf8')).untilMs).toBe(untilMs);
};
const expectOff = (offline) => {
  expect([app.components.updatesEnabled, autoUpdater.autoInstallOnAppQuit, offline.travelMode(), existsSync(file())]).toEqual([true, true, null, false]);
};

test('holds updates of CDM and app until it is ended, through launches, and says what it cannot hold', async () => {
  const offline = await attach();
  expectOff(offline);
  const untilMs = Date.now() + 10 * DAY;
  const report = await offline.startTravelMode({ untilMs });
  expect(report).toMatchObject({ untilMs, held: ['app', 'cdm'], unready: [] });
  expect(codes(report)).toEqual(['app-downloaded-already', 'cdm-downloaded-already', 'installed-by-others', 'licences-expire', 'old-cdm-switched-off']);
  expect(report.notHeld.every(({ message }) => message.length > 20)).toBe(true);
  expectOn(offline, untilMs);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(readdirSync(path.dirname(file())).filter((name) => name.endsWith('.new'))).toEqual([]);
  const later = await relaunch();
  expectOn(later, untilMs);
  await later.endTravelMode();
  await later.endTravelMode();
  expectOff(later);
  expectOff(await relaunch());
});

test('first makes ready what can be made ready, and names the rest', async () => {
  await attach();
  await app.store(2);
  const offline = await relaunch({ process: process39 });
  app.cdm.on('load', ({ contentId }) => { if (contentId === 'title 2') throw Object.assign(new Error('no'), { name: 'QuotaExceededError' }); });
  app.cdm.on('load', () => { expect(app.components.updatesEnabled).toBe(true); });
  expect(offline.unready()).toHaveLength(2);
  expect(await offline.startTravelMode()).toMatchObject({ unready: [{ contentId: 'title 2' }] });
});

test('holds an update that is announced meanwhile, and has it assessed after', async () => {
  const offline = await attach();
  await offline.startTravelMode();
  const assessing = next(offline, 'update-assessed');
  autoUpdater.emit('update-available', { version: '2.0.0' });
  expect(await assessing).toMatchObject({ advice: 'install' });
  await turn();
  expect(autoUpdater.downloadUpdate).not.toHaveBeenCalled();
  const again = next(offline, 'update-assessed');
  await offline.endTravelMode();
  await again;
  await turn();
  expect(autoUpdater.downloadUpdate).toHaveBeenCalledTimes(1);
});

describe('its end', () => {
  test('is 30 days away unless one is given, and may be set anew', async () => {
    const offline = await attach();
    const before = Date.now();
    const { untilMs } = await offline.startTravelMode();
    expect(untilMs).toBeGreaterThanOrEqual(before + 30 * DAY);
    expect(untilMs).toBeLessThanOrEqual(Date.now() + 30 * DAY);
    const sooner = Date.now() + DAY;
    expect(await offline.startTravelMode({ untilMs: sooner })).toMatchObject({ untilMs: sooner, held: ['app', 'cdm'] });
    expectOn(offline, sooner);
    await offline.endTravelMode();
    expectOff(offline);
  });

  test('may be further away by policy.travelModeMaxDays', async () => {
    const offline = await attach();
    offline.setPolicy({ travelModeMaxDays: 60 });
    const untilMs = Date.now() + 59 * DAY;
    expect(await offline.startTravelMode({ untilMs })).toMatchObject({ untilMs });
  });

  test.each([
    ['past', () => Date.now() - 1],
    ['too far away', () => Date.now() + 31 * DAY],
    ['never', () => Infinity],
    ['no number', () => `${Date.now() + DAY}`],
    ['not one', () => NaN],
    ['null', () => null],
  ])('is refused when it is %s', async (_what, untilMs) => {
    const offline = await attach();
    await expect(offline.startTravelMode({ untilMs: untilMs() })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'untilMs' });
    expectOff(offline);
  });

  test.each(['the hour', 'a sleep'])('comes while the app runs, longer than a timer can be: found by %s', async (how) => {
    jest.useFakeTimers(FAKED);
    const offline = await attach();
    const untilMs = Date.now() + 29 * DAY;
    await offline.startTravelMode({ untilMs });
    const untilEnd = async () => { while (existsSync(file())) await turn(); };
    if (how === 'the hour') {
      jest.advanceTimersByTime(29 * DAY - 3_600_000);
      await turn();
      expectOn(offline, untilMs);
      jest.advanceTimersByTime(3_600_000);
    } else {
      jest.setSystemTime(untilMs);
      app.electron.powerMonitor.emit('resume');
    }
    await untilEnd();
    expectOff(offline);
  });

  test.each([
    ['is overdue', (now) => ({ startedAtMs: now - 2 * DAY, untilMs: now - 1, components: true })],
    ['began in the future', (now) => ({ startedAtMs: now + 400 * DAY, untilMs: now + 410 * DAY, components: true })],
    ['says nothing that is understood', () => ({ untilMs: 'later' })],
    ['was cut off', () => '{"started'],
  ])('comes at a launch when what is stored %s', async (_what, stored) => {
    await attach();
    await app.offline.close();
    const content = stored(Date.now());
    writeFileSync(file(), typeof content === 'string' ? content : JSON.stringify(content));
    app.components.updatesEnabled = false;
    app.newElectron();
    expectOff(await attach());
  });

  test('comes at a launch even when the store cannot be opened', async () => {
    await attach();
    await app.offline.startTravelMode();
    await app.offline.close();
    writeFileSync(file(), JSON.stringify({ startedAtMs: 0, untilMs: 1, components: true }));
    const database = path.join(app.directory, 'offline-sessions', 'offline-sessions.sqlite3');
    rmSync(database);
    mkdirSync(database);
    app.newElectron();
    await expect(attach()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
    expect([app.components.updatesEnabled, existsSync(file()), autoUpdater.autoDownload, app.electron.powerMonitor.events.eventNames()]).toEqual([true, false, true, []]);
    app.offline = undefined;
  });

  test('does not come because the store cannot be opened', async () => {
    await attach();
    await app.offline.startTravelMode();
    await app.offline.close();
    const database = path.join(app.directory, 'offline-sessions', 'offline-sessions.sqlite3');
    rmSync(database);
    mkdirSync(database);
    app.newElectron();
    await expect(attach()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) });
    await turn();
    expect([app.components.updatesEnabled, existsSync(file())]).toEqual([false, true]);
    expect(autoUpdater).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: false });
    app.offline = undefined;
  });

  test('leaves component updates off where the app itself had them off', async () => {
    app.components.updatesEnabled = false;
    const offline = await attach();
    expect(await offline.startTravelMode()).toMatchObject({ held: ['app', 'cdm'] });
    await offline.endTravelMode();
    expect([app.components.updatesEnabled, offline.travelMode()]).toEqual([false, null]);
  });
});

test('a crash between writing its end and turning updates off is made good at the next launch', async () => {
  await attach();
  const untilMs = Date.now() + DAY;
  await app.offline.startTravelMode({ untilMs });
  app.components.updatesEnabled = true;
  const offline = await relaunch();
  await turn();
  expectOn(offline, untilMs);
});

describe('component updates are never turned off', () => {
  const uninstalled = { version: '0.0.0.0', whenReady: async () => { throw new Error('no network'); } };

  test('before the CDM is installed, nor at the launches after', async () => {
    app.components = componentsOf(uninstalled);
    const offline = await attach();
    const report = await offline.startTravelMode();
    expect(report).toMatchObject({ held: ['app'] });
    expect(codes(report)).toContain('cdm-not-installed');
    await relaunch();
    expect(app.components.updatesEnabled).toBe(true);
    await app.offline.endTravelMode();
    expectOff(app.offline);
  });

  test.each([true, false])('when the CDM has gone meanwhile; updatesEnabled was %p', async (updatesEnabled) => {
    await attach();
    await app.offline.startTravelMode();
    app.components = componentsOf({ ...uninstalled, updatesEnabled });
    await relaunch();
    await turn();
    expect(app.components.updatesEnabled).toBe(true);
    await app.offline.endTravelMode();
    expectOff(app.offline);
  });

  test.each([
    ['stock Electron', undefined],
    ['an Electron without the switch', componentsOf({ updatesEnabled: undefined })],
  ])('by %s', async (_what, given) => {
    app.components = given;
    const offline = await attach();
    const report = await offline.startTravelMode();
    expect(report).toMatchObject({ held: ['app'] });
    expect(codes(report)).toContain('no-component-updates');
    expect(app.components?.updatesEnabled).toBeUndefined();
  });

  test.each([
    ['its version is not observed, and it is ready', { version: null }],
    ['its update fails, and an older one is there', { whenReady: async () => { throw new Error('no network'); } }],
  ])('but a CDM is installed when %s', async (_what, more) => {
    app.components = componentsOf(more);
    expect(await (await attach()).startTravelMode()).toMatchObject({ held: ['app', 'cdm'] });
  });
});

test.each([
  ['there is none', () => undefined],
  ['it is Electron\'s own', () => app.electron.autoUpdater],
])('updates of the app are not said to be held when %s', async (_what, updater) => {
  const offline = await attach({ autoUpdater: updater() });
  const report = await offline.startTravelMode();
  expect(report).toMatchObject({ held: ['cdm'] });
  expect(codes(report)).toContain('no-app-updater');
});

test('an end that cannot be written holds nothing', async () => {
  const offline = await attach();
  mkdirSync(file('travel-mode.json.new'));
  await expect(offline.startTravelMode()).rejects.toMatchObject({ code: 'ERR_STORAGE', cause: { code: 'EISDIR' } });
  expectOff(offline);
});

test('a file that cannot be removed is a warning, and nothing is held', async () => {
  const offline = await attach();
  await offline.startTravelMode();
  rmSync(file());
  mkdirSync(file());
  await offline.endTravelMode();
  expect([app.components.updatesEnabled, autoUpdater.autoInstallOnAppQuit, offline.travelMode()]).toEqual([true, true, null]);
  expect(app.takeWarnings()).toEqual(['ERR_STORAGE']);
});

describe('called off', () => {
  /** Making ready takes as long as a check does. */
  async function starting() {
    const offline = await attach();
    await offline.put(app.download('title 1', [keyId(1)], { proven: undefined }));
    let go;
    const working = new Promise((resolve) => {
      const off = app.cdm.on('load', () => {
        off();
        resolve();
        return new Promise((release) => { go = release; });
      });
    });
    const start = offline.startTravelMode();
    await working;
    return { offline, start, go };
  }

  test('while titles are made ready it does not begin', async () => {
    const { offline, start, go } = await starting();
    await offline.endTravelMode();
    go();
    await expect(start).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expectOff(offline);
  });

  test('by the end of the app it does not begin either', async () => {
    const { offline, start } = await starting();
    const ended = expect(start).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await offline.close();
    await ended;
    expect([app.components.updatesEnabled, existsSync(file()), app.electron.powerMonitor.events.eventNames()]).toEqual([true, false, []]);
  });
});

test('quitting leaves nothing that watches', async () => {
  const offline = await attach();
  await offline.startTravelMode();
  app.electron.app.quit();
  expect(app.electron.app.exited).toBe(true);
  await offline.close();
  expect([app.electron.powerMonitor.events.eventNames(), autoUpdater.eventNames(), autoUpdater.autoInstallOnAppQuit]).toEqual([[], [], false]);
  await expect(offline.startTravelMode()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
