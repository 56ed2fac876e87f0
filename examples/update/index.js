'use strict';

/**
 * `node examples/update [--json]`: the real electron-updater finds an update on loopback whose feed names a Chromium that is said to have no
 * persistent licences. It is put off, and installed once the viewer has agreed. Licences are a scripted CDM's; nothing of it needs a browser.
 */

const { mkdtemp } = require('node:fs/promises');
const { rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { mismatches } = require('../breaks/expected.js');
const output = require('../demo/output.js');
const { EXPECTED, tell } = require('./story.js');

async function main() {
  const workspace = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-update-'));
  process.once('exit', () => rmSync(workspace, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  const figures = await tell(workspace);
  const wrong = mismatches({ update: figures }, { update: EXPECTED });
  output.headline(wrong.length > 0 ? 'Not as it should be:' : 'All as it should be.');
  for (const mismatch of wrong) output.line(mismatch);
  if (wrong.length > 0) process.exitCode = 1;
  if (process.argv.includes('--json')) output.line(JSON.stringify(figures));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
