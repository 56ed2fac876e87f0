'use strict';

// A launch that only repairs: without windows, and then it quits.

const { attachElectron } = require('../../js/electron/index.js');
const { useAttachedApp, expectNothingOf, process39, PLACE } = require('../helpers/attached-app.js');
const { never, titles } = require('../helpers/offline-app.js');

const app = useAttachedApp();
const attach = (options) => app.attach(options);
const REPAIR = { ...process39, argv: ['app', '.', '--offline-sessions-repair'] };
const quits = () => new Promise((resolve) => { app.electron.app.on('will-quit', resolve); });
const broken = async (n) => {
  await attach();
  await app.store(n);
  app.cdm.breakSalts();
  app.electron.app.quit();
  await app.quit();
  app.newElectron();
};

test('repairs without windows, reports on standard output, and quits', async () => {
  await broken(12);
  const log = jest.spyOn(console, 'log').mockImplementation(() => {});
  const resolved = jest.fn();
  const quitting = quits();
  attach({ process: REPAIR, confirmQuit: () => false }).then(resolved);
  await quitting;
  expect(log.mock.calls).toEqual([['12 of 12 ready']]);
  log.mockRestore();
  expect(app.electron.app.exited).toBe(true);
  expect(app.electron.windows).toEqual([]);
  expect(resolved).not.toHaveBeenCalled();
  const offline = await again();
  expect(offline.unready()).toEqual([]);
  expect(titles(12).filter((title) => !app.plays(title))).toEqual([]);
});

/** The launch after it. */
async function again() {
  app.cdm.restart();
  app.newElectron();
  return attach({ process: process39 });
}

test('reports to the app what it could not repair, and waits for it to be told', async () => {
  await broken(3);
  app.cdm.on('load', ({ contentId }) => { if (contentId === 'title 2') throw Object.assign(new Error('no'), { name: 'QuotaExceededError' }); });
  const onRepaired = jest.fn(async () => {});
  const quitting = quits();
  attach({ process: REPAIR, onRepaired, confirmQuit: () => false });
  await quitting;
  expect(onRepaired.mock.calls).toEqual([[{ ready: 2, total: 3, unready: [expect.objectContaining({ contentId: 'title 2' })] }]]);
  await again();
});

test('stays one when another such launch is made', async () => {
  await broken(1);
  jest.spyOn(console, 'log').mockImplementation(() => {});
  const quitting = quits();
  attach({ process: REPAIR });
  app.electron.app.emit('second-instance', {}, REPAIR.argv, '/');
  await quitting;
  expect(console.log.mock.calls).toEqual([['1 of 1 ready']]);
  console.log.mockRestore();
  await again();
});

test.each(['second-instance', 'activate'])('becomes a launch like any other when somebody opens the app: %s', async (event) => {
  await broken(2);
  const working = new Promise((resolve) => {
    const off = app.cdm.on('load', async () => {
      off();
      resolve();
      await opened;
    });
  });
  let open;
  const opened = new Promise((resolve) => { open = resolve; });
  const attaching = attach({ process: REPAIR });
  await working;
  app.electron.app.emit(event, {});
  const offline = await attaching;
  open();
  expect(await offline.ensurePlayable('title 2')).toMatchObject({ playable: 'offline' });
  await offline.revalidate();
  expect(app.electron.app.exited).toBe(false);
  expect(offline.unready()).toEqual([]);
});

test('becomes one also when the app is opened before the store is; its end is put to the viewer then', async () => {
  await broken(1);
  app.cdm.on('load', never);
  const confirmQuit = jest.fn(() => false);
  const attaching = attach({ process: REPAIR, confirmQuit });
  app.electron.app.emit('second-instance', {});
  await attaching;
  app.electron.app.quit();
  expect(confirmQuit).toHaveBeenCalledTimes(1);
  expect(app.electron.app.exited).toBe(false);
});

test('that cannot open the store leaves nothing behind', async () => {
  const first = await attach();
  app.newElectron();
  await expect(attachElectron({ ...app.electron.parts, process: REPAIR, lanes: [PLACE], lockWaitMs: 0 })).rejects.toMatchObject({ code: 'ERR_IN_USE' });
  expectNothingOf(app.electron);
  await first.close();
});

test('quits also when it cannot report, or is closed meanwhile', async () => {
  await broken(1);
  const quitting = quits();
  attach({ process: REPAIR, onRepaired: () => { throw new Error('no notification'); } });
  await quitting;
  expect(app.electron.app.exited).toBe(true);
  await again();
});
