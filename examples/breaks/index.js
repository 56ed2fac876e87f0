'use strict';

/**
 * `node examples/breaks [--json] [--seed N] [part …]`: what updates, bad disks, failing licence servers, other windows, a CDM without
 * persistent licences and kills do to downloads, and what electron-offline-sessions makes of it, in real browsers. Every figure is
 * measured; any that is not as it should be makes the exit code 1. Parts: breaks, servers, twoWindows, chromium, kills; default: all.
 */

const { randomInt } = require('node:crypto');
const { mkdir, mkdtemp } = require('node:fs/promises');
const { rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { findBrowser } = require('../../testbed/browsers.js');
const { InstalledApp } = require('../../testbed/installed-app.js');
const output = require('../demo/output.js');
const { surviveRemoval } = require('./chromium.js');
const { EXPECTED, mismatches } = require('./expected.js');
const { surviveKills } = require('./kills.js');
const { surviveServers } = require('./servers.js');
const { surviveUpdates } = require('./updates.js');
const { surviveTwoWindows } = require('./windows.js');

const TITLES = InstalledApp.titles(8);
const CONTENT_IDS = TITLES.map(({ contentId }) => contentId);

async function main() {
  const { values, positionals } = parseArgs({
    options: { json: { type: 'boolean', default: false }, seed: { type: 'string' } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((part) => !Object.hasOwn(EXPECTED, part));
  if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(EXPECTED).join(', ')}`);
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error('--seed takes a whole number');
  const wanted = (/** @type {string} */ part) => positionals.length === 0 || positionals.includes(part);

  const workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-breaks-'));
  // Also after Ctrl-C, which ends the browsers and then this process.
  process.once('exit', () => rmSync(workspace, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const startedAt = performance.now();

  /** @type {Record<string, any>} in the order of the last line */
  const figures = {};
  if (['breaks', 'servers', 'twoWindows'].some(wanted)) {
    await inApp('firefox', path.join(workspace, 'updates'), async (app) => {
      await app.install(TITLES);
      if (wanted('breaks')) figures.breaks = await surviveUpdates(app, CONTENT_IDS);
      if (wanted('servers')) figures.servers = await surviveServers(app, CONTENT_IDS);
      if (wanted('twoWindows')) figures.twoWindows = await surviveTwoWindows(app, CONTENT_IDS);
    });
  }
  if (wanted('chromium')) await inApp('chromium', path.join(workspace, 'chromium'), async (app) => { figures.chromium = await surviveRemoval(app); });
  if (wanted('kills')) await inApp('firefox', path.join(workspace, 'kills'), async (app) => { figures.kills = await surviveKills(app, seed); });

  const wrong = mismatches(figures);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  output.headline(wrong.length > 0 ? `Not as it should be, after ${seconds} s:` : `All as it should be, after ${seconds} s.`);
  for (const mismatch of wrong) output.line(mismatch);
  if (wrong.length > 0) process.exitCode = 1;
  if (values.json) output.line(JSON.stringify(figures));
}

/**
 * @param {import('../../testbed/browsers.js').BrowserKind} kind
 * @param {string} workspace
 * @param {(app: InstalledApp) => Promise<void>} work
 */
async function inApp(kind, workspace, work) {
  const found = await findBrowser(kind);
  if (!found) throw new Error(`no ${kind} was found: this needs both real browsers (Debian: apt-get install firefox-esr chromium)`);
  await mkdir(workspace);
  const app = new InstalledApp(found, workspace);
  try {
    await app.start();
    await work(app);
  } finally {
    await app.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
