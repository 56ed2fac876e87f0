'use strict';

const { TITLES, interrupt, inTheMiddleOf } = require('../../testbed/interruption.js');
const { DriverWatch } = require('../../testbed/watched-driver.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS, useInstalledApp } = require('../helpers/installed-app.js');

const NOTHING_WRONG = { paidTwice: [], falselyLost: [], notPlaying: [] };
/** Elsewhere a browser's processes are not so easily told apart. */
const HAS_PROCESSES = process.platform === 'linux';

/**
 * What happens to the window, and what the app does about it.
 * @typedef {import('../../testbed/installed-app.js').InstalledApp} InstalledApp
 * @typedef {import('../../testbed/interruption.js').Interruption} Interruption
 * @type {Record<string, (app: InstalledApp) => Omit<Interruption, 'moment'>>}
 */
const STRIKES = {
  'a reload': (app) => ({
    strike: () => app.window.page.reload(),
    goesOn: 'same driver',
  }),
  'a navigation': (app) => ({
    strike: () => app.window.page.goto(app.mediaServer.origin),
    comeBack: () => app.reopenWindow(),
    goesOn: 'new driver',
  }),
  'its end': (app) => ({
    strike: () => app.window.page.close(),
    comeBack: () => app.reopenWindow(),
    goesOn: 'new driver',
  }),
  'a crash of its process': (app) => ({
    strike: async () => app.running.crash('tab'),
    comeBack: () => app.reopenWindow(),
    goesOn: 'new driver',
  }),
  'a crash of the CDM': (app) => ({
    strike: async () => app.running.crash('gmplugin'),
    goesOn: 'same driver',
  }),
};

const COMBINATIONS = [
  ['a reload', 'check'], ['a reload', 'license'], ['a reload', 'adopt'],
  ['a navigation', 'probe'], ['a navigation', 'verify'],
  ['its end', 'license'], ['its end', 'release'],
  ...(HAS_PROCESSES ? [['a crash of its process', 'license'], ['a crash of the CDM', 'check'], ['a crash of the CDM', 'license']] : []),
];

describeBrowser('A window of Firefox in the middle of a run', 'firefox', (found) => {
  const fixture = useInstalledApp(found, { shareBrowser: true });

  test.each(COMBINATIONS)('%s in the phase %s takes nothing: the work goes on in the next document', async (strike, phase) => {
    const { app } = fixture;
    await app.install([...TITLES]);
    const aftermath = await interrupt(app, { moment: inTheMiddleOf(phase), ...STRIKES[strike](app) });
    expect(aftermath).toMatchObject({ struckIn: phase, foundByPlayer: [], ...NOTHING_WRONG });
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('The accounts of an interruption', 'firefox', (found) => {
  const fixture = useInstalledApp(found, { shareBrowser: true });

  test('show a title that was called lost and paid for twice, when a driver lies', async () => {
    const { app } = fixture;
    await app.install([...TITLES]);
    const [, , , { contentId: kept }] = TITLES;
    let lies = 2;
    const aftermath = await interrupt(app, {
      moment: inTheMiddleOf('check'),
      strike: () => app.reopenWindow(),
      comeBack: async () => {
        const driver = app.driver();
        const check = driver.check.bind(driver);
        // Once in a batch, and once alone.
        driver.check = async (session, context) => (session.contentId === kept && lies-- > 0 ? { kind: 'gone' } : check(session, context));
      },
      goesOn: 'new driver',
    });
    expect(aftermath).toMatchObject({ falselyLost: [kept], paidTwice: [`${kept} had a good licence`], notPlaying: [] });
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('Firefox killed in the middle of a run', 'firefox', (found) => {
  const fixture = useInstalledApp(found, { shareApp: true });

  beforeAll(() => fixture.app.install([...TITLES]), BROWSER_TIMEOUT_MS);

  test.each([
    ['probe', 'relaunch'], ['check', 'new driver'], ['license', 'relaunch'],
    ['verify', 'new driver'], ['adopt', 'relaunch'], ['release', 'new driver'],
  ])('in the phase %s: pays for nothing twice and loses nothing (%s)', async (phase, goesOn) => {
    const { app } = fixture;
    const aftermath = await interrupt(app, { moment: inTheMiddleOf(phase), strike: () => app.kill(), comeBack: () => app.open(), goesOn });
    // What is found by the player, the kill itself has taken from the CDM: `falselyLost` would say otherwise.
    expect(aftermath).toMatchObject({ struckIn: phase, ...NOTHING_WRONG });
  }, BROWSER_TIMEOUT_MS);
});

describeBrowser('A window of Chromium in the middle of a run', 'chromium', (found) => {
  const fixture = useInstalledApp(found);

  test('that crashes while it is probed is no proof of anything, and the next one is asked', async () => {
    const { app } = fixture;
    const watch = new DriverWatch();
    const offline = await app.launch({ driver: watch.watch(app.driver()) });
    await offline.put({ ...app.lane, contentId: 'title', sessionId: '1', initDataType: 'keyids', initData: Buffer.from('{"kids":[]}') });
    const crashed = inTheMiddleOf('probe')(watch).then(() => app.window.page.goto('chrome://crash').catch(() => {}));
    watch.once('phase', () => watch.holdBack());
    const run = offline.revalidate();
    await crashed;
    await app.reopenWindow();
    watch.letThrough();
    offline.useDriver(app.driver());
    await run;
    await app.settle();
    expect(offline.verdict('title')).toMatchObject({ state: 'unsupported', playable: 'online' });
    expect(app.requests().license).toBe(0);
  }, BROWSER_TIMEOUT_MS);
});
