'use strict';

const { readFile } = require('node:fs/promises');
const path = require('node:path');

/** The player's own scheme: its pages are there without a network, and its origin is the same in every version of the app. */
const SCHEME = { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, stream: true } };
const HOST = 'bundle';
const ORIGIN = `${SCHEME.scheme}://${HOST}`;
const FOLDER = path.join(__dirname, 'pages');
/** @type {Record<string, string>} */
const TYPES = { '.html': 'text/html; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };
const HEADERS = { 'content-security-policy': 'default-src \'self\'; connect-src \'self\' https:; media-src blob:; img-src \'self\' https:' };

/** Answers `protocol.handle` with the files of `pages`. @param {{ url: string }} request @returns {Promise<Response>} */
async function servePage({ url }) {
  const { host, pathname } = new URL(url);
  const type = TYPES[path.extname(pathname)];
  const file = path.join(FOLDER, path.basename(pathname));
  if (host !== HOST || !type) return new Response(null, { status: 404 });
  try {
    return new Response(await readFile(file), { headers: { ...HEADERS, 'content-type': type } });
  } catch {
    return new Response(null, { status: 404 });
  }
}

module.exports = { ORIGIN, SCHEME, servePage };
