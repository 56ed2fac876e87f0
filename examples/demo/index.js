'use strict';

/**
 * `node examples/demo [--json]`: twelve downloads, an update of Electron that costs every stored licence, and what
 * electron-offline-sessions does about it at the next launch. Firefox is the window, its ClearKey CDM the real one.
 */

const { mkdtemp } = require('node:fs/promises');
const { rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { BrowserApp } = require('../../testbed/browser-app.js');
const { findBrowser } = require('../../testbed/browsers.js');
const { ScriptedStage } = require('./scripted-stage.js');
const { tell, mismatches } = require('./story.js');
const output = require('./output.js');

const INSTALL_HINT = 'Install Firefox (Debian: apt-get install firefox-esr) and run this again to see it on a real CDM.';

async function main() {
  const workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-demo-'));
  // Also after Ctrl-C, which ends the browser and then this process.
  process.once('exit', () => rmSync(workspace, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

  const firefox = await findBrowser('firefox');
  output.line(firefox
    ? `electron-offline-sessions on a real CDM: ClearKey of Firefox ${firefox.version}.`
    : `electron-offline-sessions on a scripted CDM: no Firefox was found. ${INSTALL_HINT}`);
  const stage = firefox ? new BrowserApp(firefox, workspace) : new ScriptedStage();
  let figures;
  try {
    figures = await tell(stage, path.join(workspace, 'database'));
  } finally {
    await stage.close();
  }

  const wrong = mismatches(figures);
  for (const mismatch of wrong) console.error(`Not as it should be: ${mismatch}`);
  if (wrong.length > 0) process.exitCode = 1;
  else output.headline(`All ${figures.played} titles play, and nothing was downloaded again.`);
  if (!firefox) output.line(`This was the scripted CDM: nothing was decrypted. ${INSTALL_HINT}`);
  if (process.argv.includes('--json')) output.line(JSON.stringify(figures));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
