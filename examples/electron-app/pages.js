'use strict';

const { readFile } = require('node:fs/promises');
const path = require('node:path');

/** The player's own scheme: its pages are there without a network, and its origin is the same in every version of the app. */
const SCHEME = { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } };
const HOST = 'bundle';
const ORIGIN = `${SCHEME.scheme}://${HOST}`;
/** What can be loaded: the pages, and from node_modules the player and the modules beside it. Nothing of it is in a folder below. */
const FOLDERS = {
  '/': path.join(__dirname, 'pages'),
  '/shaka-player/': path.dirname(require.resolve('shaka-player/dist/shaka-player.compiled.js')),
  '/electron-offline-sessions/shaka/': path.dirname(require.resolve('electron-offline-sessions/shaka')),
  '/electron-offline-sessions/renderer/': path.dirname(require.resolve('electron-offline-sessions/renderer')),
};
/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};
const POLICY = 'default-src \'self\'; connect-src \'self\' https:; media-src blob:; img-src \'self\' https:; form-action \'none\'';

/** Answers `protocol.handle` with the files of FOLDERS. @param {{ url: string }} request @returns {Promise<Response>} */
async function servePage({ url }) {
  const { host, pathname } = new URL(url);
  const name = path.posix.basename(pathname);
  const folder = new Map(Object.entries(FOLDERS)).get(pathname.slice(0, -name.length));
  const type = TYPES[path.extname(name)];
  if (host !== HOST || !folder || !type) return new Response(null, { status: 404 });
  try {
    return new Response(await readFile(path.join(folder, name)), { headers: { 'content-security-policy': POLICY, 'content-type': type } });
  } catch {
    return new Response(null, { status: 404 });
  }
}

module.exports = { ORIGIN, SCHEME, servePage };
