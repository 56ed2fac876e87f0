'use strict';

const { createServer } = require('node:http');
const { once } = require('node:events');
const { createProfile, launchBrowser, removeProfile } = require('../../testbed/browsers.js');
const { servePage, ORIGIN } = require('../../examples/electron-app/pages.js');
const { describeBrowser } = require('../helpers/browser-suite.js');
const { BROWSER_TIMEOUT_MS } = require('../helpers/installed-app.js');

describeBrowser('The example\'s player page, in Chromium', 'chromium', (found) => {
  let profile, running, server, page, errors;

  beforeAll(async () => {
    profile = await createProfile();
    running = await launchBrowser(found, profile);
    // What Electron's `protocol.handle` does, over HTTP.
    server = createServer(async (request, response) => {
      // A browser asks for it, Electron does not.
      if (request.url === '/favicon.ico') return response.writeHead(204).end();
      const answer = await servePage({ url: `${ORIGIN}${request.url}` });
      return response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }, BROWSER_TIMEOUT_MS);

  afterAll(async () => {
    await running?.close();
    server?.close();
    await removeProfile(profile);
  }, BROWSER_TIMEOUT_MS);

  beforeEach(async () => {
    page = await running.browser.newPage();
    errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
    // What the preloads expose.
    await page.evaluateOnNewDocument(() => {
      const asked = [];
      const verdicts = {
        a: { playable: 'offline', state: 'proven', reason: null, action: 'play' }, b: { playable: 'no', state: 'lost', reason: 'gone', action: 'connect' },
      };
      const verdict = async (contentId) => ({ contentId, retryAt: null, sessions: [{ sessionId: `session of ${contentId}` }], ...verdicts[contentId] });
      Object.assign(globalThis, {
        asked,
        downloads: { list: async () => [{ contentId: 'a', title: '<b>Alpha</b>' }, { contentId: 'b', title: 'Beta' }] },
        offlineSessions: {
          verdict, ensurePlayable: verdict, onProgress: (listener) => { globalThis.progress = listener; },
          hold: async (hold) => { asked.push(['hold', hold]); return { release: () => asked.push(['release']) }; },
          reportPlayback: async (...report) => { asked.push(['report', ...report]); },
        },
      });
    });
    await page.goto(`http://127.0.0.1:${server.address().port}/player.html`);
    await page.waitForSelector('li');
  }, BROWSER_TIMEOUT_MS);

  afterEach(async () => {
    await page.close();
    expect(errors).toEqual([]);
  });

  const texts = () => page.$$eval('li', (items) => items.map((item) => [...item.children].map(({ textContent }) => textContent)));
  const status = () => page.$eval('#status', (element) => element.textContent);
  const click = async (n) => {
    await page.$$eval('button', (buttons, at) => buttons[at].click(), n);
    await page.waitForFunction(() => !['', 'One moment …'].includes(globalThis.document.getElementById('status').textContent));
  };

  test('lists what is there with its state, and reads no title as HTML', async () => {
    expect(await texts()).toEqual([['<b>Alpha</b>', 'ready', 'Play'], ['Beta', 'gone', 'Play']]);
  });

  test('plays what may play, held, and says why the other may not', async () => {
    await click(0);
    expect(await status()).toBe('a may play, with session of a.');
    await page.waitForFunction(() => globalThis.asked.length === 2);
    expect(await page.evaluate(() => globalThis.asked)).toEqual([['hold', { contentId: 'a', kind: 'playing' }], ['release']]);
    await page.evaluate(() => { globalThis.document.getElementById('status').textContent = ''; });
    await click(1);
    expect(await status()).toBe('Connect to the internet once, and it plays offline again.');
    expect(await page.evaluate(() => globalThis.asked.length)).toBe(2);
  });

  test('shows how far the repair is, until it is done', async () => {
    const bar = () => page.$eval('#progress', ({ hidden, value, max }) => ({ hidden, value, max }));
    await page.evaluate(() => globalThis.progress({ done: 3, total: 12 }));
    expect(await bar()).toEqual({ hidden: false, value: 3, max: 12 });
    await page.evaluate(() => globalThis.progress({ done: 12, total: 12 }));
    expect(await bar()).toMatchObject({ hidden: true });
  });
});
