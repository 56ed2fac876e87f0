'use strict';

const { createServer } = require('node:http');
const { open } = require('node:fs/promises');
const { createReadStream } = require('node:fs');
const path = require('node:path');
const { setTimeout: after } = require('node:timers/promises');
const clearkey = require('./clearkey.js');
const { CONTENT_KEYS } = require('./keys.js');
const { LicenseLoad } = require('./license-load.js');

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {{ origin: string, port: number, close: () => Promise<void> }} Loopback
 */

const ROOT = path.join(__dirname, '..');
/** What a page may load besides its own folder: the addon's modules as they are written, and the versions of Shaka Player. */
const MODULES = ['js', ...['', '-4.14', '-4.7'].map((version) => `node_modules/shaka-player${version}/dist`)];
/** Whatever is not in this list is not served: README files name keys. */
const CONTENT_TYPES = new Map([
  ['.mpd', 'application/dash+xml'],
  ['.mp4', 'video/mp4'],
  ['.m4s', 'video/iso.segment'],
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
]);
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, POST',
  'access-control-allow-headers': 'content-type, range',
  'access-control-expose-headers': 'content-range',
};

/**
 * @param {(request: Request, response: Response) => Promise<void>} handle
 * @param {number} port 0: any that is free
 * @returns {Promise<Loopback>}
 */
async function listen(handle, port) {
  const server = createServer((request, response) => {
    if (request.method === 'OPTIONS') response.writeHead(204, CORS).end();
    else handle(request, response).catch((error) => response.destroy(error));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  /** @type {Promise<void> | undefined} */
  let closing;
  return {
    origin: `http://127.0.0.1:${bound}`,
    port: bound,
    close: () => closing ??= new Promise((resolve) => {
      server.close(() => resolve());
      // Browsers and fetch keep connections open, and a hanging answer never ends by itself.
      server.closeAllConnections();
    }),
  };
}

/**
 * `bytes=a-b`, `bytes=a-` or `bytes=-n` of a file of `size` bytes; null when it cannot be met.
 * @param {string} header
 * @param {number} size
 */
function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header);
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return start <= end ? { start, end } : null;
}

/**
 * @param {string} file
 * @param {Request} request
 * @param {Response} response
 */
async function sendFile(file, request, response) {
  const type = CONTENT_TYPES.get(path.extname(file));
  const handle = type && await open(file).catch(() => null);
  if (!handle) {
    response.writeHead(404, CORS).end();
    return;
  }
  const { size } = await handle.stat();
  await handle.close();
  const { range } = request.headers;
  const wanted = range ? parseRange(range, size) : { start: 0, end: size - 1 };
  if (!wanted) {
    response.writeHead(416, { ...CORS, 'content-range': `bytes */${size}` }).end();
    return;
  }
  response.writeHead(range ? 206 : 200, {
    ...CORS,
    'content-type': type,
    'content-length': wanted.end - wanted.start + 1,
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
    ...(range && { 'content-range': `bytes ${wanted.start}-${wanted.end}/${size}` }),
  });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file, wanted).on('error', (error) => response.destroy(error)).pipe(response);
}

/**
 * @param {string} root
 * @param {string | undefined} url
 */
function inside(root, url) {
  const file = path.join(root, decodeURIComponent(new URL(url ?? '/', 'http://loopback').pathname));
  return file.startsWith(root + path.sep) ? file : root;
}

/**
 * The titles, with byte ranges. `requests` counts what was asked for, found or not.
 * @param {{ root?: string, port?: number }} [options]
 */
async function startMediaServer({ root = path.join(__dirname, 'content'), port = 0 } = {}) {
  let requests = 0;
  const loopback = await listen(async (request, response) => {
    requests++;
    await sendFile(inside(root, request.url), request, response);
  }, port);
  return { ...loopback, get requests() { return requests; } };
}

/**
 * The player's own origin, as an app's local protocol: testbed/page, the worker bundle as /worker.js, and MODULES.
 * Keep its port over restarts of the browser: CDM storage and IndexedDB belong to the origin.
 * @param {{ worker?: string, port?: number }} [options]
 */
async function startPageServer({ worker = path.join(ROOT, 'dist', 'worker.js'), port = 0 } = {}) {
  return listen(async (request, response) => {
    const folder = MODULES.find((name) => request.url?.startsWith(`/${name}/`));
    const file = request.url === '/worker.js' ? worker : inside(folder ? ROOT : path.join(__dirname, 'page'), request.url);
    await sendFile(file, request, response);
  }, port);
}

/**
 * How the licence server answers. 'hang' never does, 'reset' cuts the connection, 'garbage' is a page of HTML with status 200,
 * 'captive-portal' sends to such a page, 'noise' is bytes that mean nothing, 'empty' a body of none, 'wrong-keys' a licence for other
 * key ids than were asked for. `afterMs`: slow.
 * @typedef {'ok' | 'hang' | 'reset' | 'garbage' | 'captive-portal' | 'noise' | 'empty' | 'wrong-keys'
 *   | { status: number, body?: string | Uint8Array, headers?: Record<string, string> } | { afterMs: number, then: Behaviour }} Behaviour
 *
 * @typedef {{ keyIds: string[], type: 'persistent-license' | 'temporary', headers: import('node:http').IncomingHttpHeaders, url: string,
 *   at: number }} LicenseCall
 */

/** @type {Behaviour} */
const OVERLOADED = Object.freeze({ status: 503, headers: { 'retry-after': '1' }, body: 'Too many requests at a time' });
const PORTAL = '/welcome';

/**
 * A W3C ClearKey licence server that gives licences of the type that is asked for. Beyond `capacityPerS` requests in any one second it
 * answers 503 with `Retry-After: 1`. `answerMs`: how long every answer takes on its way.
 * @param {{ keys?: Readonly<Record<string, string>>, port?: number, capacityPerS?: number, answerMs?: number }} [options]
 */
async function startLicenseServer({ keys = CONTENT_KEYS, port = 0, capacityPerS = Infinity, answerMs = 0 } = {}) {
  /** @type {LicenseCall[]} */
  const calls = [];
  const load = new LicenseLoad(capacityPerS);
  /** @type {(call: LicenseCall) => Behaviour | Promise<Behaviour>} */
  let behaviour = () => 'ok';

  const loopback = await listen(async (request, response) => {
    if (request.method !== 'POST') {
      const how = request.method === 'GET' && request.url === PORTAL ? 'garbage' : { status: 405 };
      respond({ keyIds: [], type: 'temporary' }, how, response);
      return;
    }
    /** @type {Buffer[]} */
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const call = { ...requested(Buffer.concat(chunks)), headers: request.headers, url: request.url ?? '', at: Date.now() };
    calls.push(call);
    let how = load.take(performance.now()) ? await behaviour(call) : OVERLOADED;
    if (answerMs > 0) await after(answerMs);
    for (; typeof how === 'object' && 'afterMs' in how; how = how.then) await after(how.afterMs);
    respond(call, how, response);
  }, port);

  /**
   * @param {Pick<LicenseCall, 'keyIds' | 'type'>} call
   * @param {Exclude<Behaviour, { afterMs: number }>} how
   * @param {Response} response
   */
  function respond({ keyIds, type }, how, response) {
    if (how === 'hang') return;
    if (how === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (typeof how === 'object') {
      response.writeHead(how.status, { ...CORS, ...how.headers }).end(how.body ?? '');
      return;
    }
    if (how === 'captive-portal') {
      response.writeHead(302, { ...CORS, location: PORTAL }).end();
      return;
    }
    const known = keyIds.filter((keyId) => keys[keyId]);
    if (how === 'ok' && known.length === 0) {
      response.writeHead(400, CORS).end();
      return;
    }
    const html = how === 'garbage';
    response.writeHead(200, { ...CORS, 'content-type': html ? 'text/html' : 'application/json' });
    if (html) response.end('<!doctype html><title>Welcome to our network</title>');
    else if (how === 'noise') response.end(Buffer.from('00ff80c3280a0d1b', 'hex'));
    else if (how === 'empty') response.end();
    else if (how === 'wrong-keys') response.end(clearkey.license(Object.fromEntries(keyIds.map((keyId) => [anotherKeyId(keyId), keyId]))));
    else response.end(clearkey.license(Object.fromEntries(known.map((keyId) => [keyId, keys[keyId]])), type));
  }

  return {
    ...loopback,
    url: `${loopback.origin}/license`,
    calls,
    load,
    get requests() { return calls.length; },
    /**
     * From now on, or for the next `times` requests and then 'ok' again.
     * @param {Behaviour | ((call: LicenseCall) => Behaviour | Promise<Behaviour>)} how
     * @param {{ times?: number }} [options]
     */
    behave(how, { times = Infinity } = {}) {
      let left = times;
      behaviour = (call) => left-- > 0 ? (typeof how === 'function' ? how(call) : how) : 'ok';
    },
  };
}

/** @param {Buffer} body @returns {Pick<LicenseCall, 'keyIds' | 'type'>} */
function requested(body) {
  for (const type of /** @type {const} */ (['persistent-license', 'temporary'])) {
    try {
      return { keyIds: clearkey.parseLicenseRequest(body, type), type };
    } catch {
      continue;
    }
  }
  return { keyIds: [], type: 'persistent-license' };
}

/** @param {string} keyId */
const anotherKeyId = (keyId) => (keyId.startsWith('ff') ? '00' : 'ff') + keyId.slice(2);

module.exports = { startMediaServer, startPageServer, startLicenseServer };
