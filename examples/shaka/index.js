'use strict';

/**
 * `node examples/shaka [--json] [part …]`: shaka-player #8480 with real downloads of Shaka Player's, and its repair without downloading
 * again, in Firefox; and Chromium, which has no persistent licences. Parts: chromium, and versions of Shaka Player; default: all, the
 * current version last, so that its figures are the last line.
 */

const { mkdir, mkdtemp } = require('node:fs/promises');
const { rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { findBrowser } = require('../../testbed/browsers.js');
const { ShakaApp } = require('../../testbed/shaka-app.js');
const { mismatches } = require('../breaks/expected.js');
const output = require('../demo/output.js');
const { surviveRemoval } = require('./chromium.js');
const { FIREFOX, CHROMIUM } = require('./expected.js');
const { tell } = require('./story.js');

/**
 * @typedef {object} Part
 * @property {import('../../testbed/browsers.js').BrowserKind} browser
 * @property {string} shaka the package in node_modules
 * @property {(app: ShakaApp) => Promise<object>} run resolves with its figures
 * @property {object} expected
 */

const CURRENT = 'shaka-player';
/** @type {Record<string, Part>} */
const PARTS = { chromium: { browser: 'chromium', shaka: CURRENT, run: surviveRemoval, expected: CHROMIUM } };
for (const shaka of ['shaka-player-4.7', 'shaka-player-4.14', CURRENT]) {
  PARTS[require(`${shaka}/package.json`).version] = { browser: 'firefox', shaka, run: tell, expected: FIREFOX };
}

async function main() {
  const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
  const unknown = positionals.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  const workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-shaka-'));
  // Also after Ctrl-C, which ends the browser and then this process.
  process.once('exit', () => rmSync(workspace, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

  for (const [name, part] of Object.entries(PARTS)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const figures = await run(part, path.join(workspace, name));
    const wrong = mismatches({ [name]: figures }, { [name]: part.expected });
    output.headline(wrong.length > 0 ? `${name}: not as it should be:` : `${name}: all as it should be.`);
    for (const mismatch of wrong) output.line(mismatch);
    if (wrong.length > 0) process.exitCode = 1;
    if (values.json) output.line(JSON.stringify(figures));
  }
}

/** @param {Part} part @param {string} workspace */
async function run({ browser, shaka, run: survive }, workspace) {
  const found = await findBrowser(browser);
  if (!found) throw new Error(`no ${browser} was found: this needs both real browsers (Debian: apt-get install firefox-esr chromium)`);
  await mkdir(workspace);
  const app = new ShakaApp(found, workspace, undefined, shaka);
  try {
    await app.start();
    return await survive(app);
  } finally {
    await app.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
