import { adopt, catalogue } from './database.mjs';
import { download } from './download.mjs';
import { createMediaKeys, loadSession } from './eme.mjs';
import { play } from './playback.mjs';
import { createPort } from './port.mjs';

/** The app in the browser. `testbed/window-port.js` calls `player` from outside; with `?worker` the page serves the addon's worker. */
const page = /** @type {any} */ (globalThis);
page.player = { download, catalogue, play, adopt, createMediaKeys, loadSession };

if (location.search === '?worker') {
  const { port, nodeEnd } = createPort();
  page.electronOfflineSessions.serve(port, { adopt });
  page.testbedPort = nodeEnd;
}
