import { adopt, catalogue } from './database.mjs';
import { download } from './download.mjs';
import { createMediaKeys, loadSession } from './eme.mjs';
import { discard, inventory } from './inspect.mjs';
import { play, stop, watch } from './playback.mjs';
import { createPort } from './port.mjs';

/** The app in the browser. `testbed/window-port.js` calls `player` from outside; with `?worker=PORT` the page serves the addon's worker there. */
const page = /** @type {any} */ (globalThis);
page.player = { download, catalogue, play, watch, stop, adopt, inventory, discard, createMediaKeys, loadSession };

const worker = new URLSearchParams(location.search).get('worker');
if (worker) page.electronOfflineSessions.serve(createPort(worker), { adopt });
