'use strict';

/**
 * A process of its own, so that its logs can be read: an app that lets secrets slip wherever one could come along. Ends after having said 'done'.
 * Argument: the store's directory. The files are left as a kill would leave them, damaged and set aside ones among them.
 */

const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { OfflineApp, keyId, UPDATED } = require('./offline-app.js');
const { hexToBase64url } = require('../../testbed/clearkey.js');
const { failure } = require('./failure.js');
const { removeDirectory } = require('./store.js');

/** What no byte on disk and no line of a log may hold. */
const secret = (/** @type {string} */ where) => `canary-${where}`;
const WHERES = [
  'query', 'fragment', 'password', 'hook error', 'hook outcome', 'request header', 'refusal body', 'refusal header', 'classifier', 'page', 'licence',
  'probe', 'start', 'check', 'license', 'adopt', 'release', 'playback', 'abort', 'machine', 'metadata',
].map((where) => where.replaceAll(' ', '-'));

/** As often as a title has to be tried until all that can leak has leaked, and it plays. */
const ROUNDS = 12;

/** Ids are the app's own and stored, but no log says them in full. */
const CONTENT_ID = `content-${'long'.repeat(20)}`;

/** @param {string} file */
function damage(file) {
  const bytes = readFileSync(file);
  bytes.fill(0, 100, 200);
  writeFileSync(file, bytes);
}

async function main() {
  const app = new OfflineApp();
  await app.start();
  removeDirectory(app.directory);
  app.directory = process.argv[2];
  const leak = (/** @type {string} */ where) => Object.assign(new Error(secret(where)), { token: secret(where) });
  const behaviours = [
    { status: 401, body: secret('refusal-body'), headers: { 'set-cookie': secret('refusal-header'), 'www-authenticate': secret('refusal-header') } },
    { status: 403, body: JSON.stringify({ error: 'geo', token: secret('refusal-body') }) },
    { status: 200, body: `<!doctype html>${secret('page')}`, headers: { 'content-type': 'text/html' } },
    { status: 500, body: secret('refusal-body') },
    /** @type {const} */ ('ok'),
  ];
  const jwk = { kty: 'oct', kid: hexToBase64url(keyId(1)), k: hexToBase64url(keyId(1)) };
  let answer = 0;
  app.server.behave(() => /** @type {any} */ (behaviours[Math.min(answer++, behaviours.length - 1)]));
  // Whatever fails is tried again when the app says so, and not before: what is asked can be counted.
  const policy = { backoffBaseMs: 600_000, backoffMaxMs: 600_000, strikeSpacingMs: 1, licensesPerSessionPerDay: 1000 };
  const platform = { ...UPDATED, machine: secret('machine') };
  const url = `${app.server.url}/?token=${secret('query')}#${secret('fragment')}`;

  await app.open({ platform, policy });
  await app.offline.put(app.download(CONTENT_ID, [keyId(1)], { licenseUrl: url }));
  await failure(() => app.offline.put(app.download('b', [keyId(2)], { licenseUrl: `https://user:${secret('password')}@license.example/` })));
  const metadata = { authorization: `Bearer ${secret('metadata')}`, nested: [{ Cookie: secret('metadata') }] };
  await app.offline.put(app.download('c', [keyId(3)], { metadata })).catch(() => {});
  await app.offline.reportPlayback(CONTENT_ID, { error: leak('playback') });
  await failure(() => app.offline.ensurePlayable(CONTENT_ID, { signal: AbortSignal.abort(leak('abort')) }));
  await app.quit();

  // The default request, with a classifier that throws; then the app's own hook; the driver rejects with secrets all the time.
  const hooks = [
    { classifyRefusal: () => { throw leak('classifier'); } },
    { acquireLicense: async () => { throw leak('hook-error'); } },
    { acquireLicense: async () => {
      const [name, headers] = [secret('hook-outcome'), { authorization: secret('request-header') }];
      throw { kind: 'rejected', name, message: name, systemCode: 1, headers };
    } },
    { acquireLicense: async () => new TextEncoder().encode(JSON.stringify({ keys: [jwk], type: 'persistent-license', token: secret('licence') })) },
  ];
  /** What has not leaked yet in this launch: each does once. @type {Set<string>} */
  let unleaked = new Set();
  const throws = (/** @type {string} */ where) => { if (unleaked.delete(where)) throw leak(where); };
  const rejects = (/** @type {string} */ where) => {
    if (unleaked.delete(where)) throw Object.assign(leak(where), { kind: 'rejected', name: secret(where), systemCode: null });
  };
  app.cdm.on('phase', () => throws('start'));
  app.cdm.on('probe', () => throws('probe'));
  app.cdm.on('load', () => rejects('check'));
  app.cdm.on('update', () => rejects('license'));
  app.cdm.on('adopt', () => throws('adopt'));
  app.cdm.on('remove', () => throws('release'));
  for (const [n, hook] of hooks.entries()) {
    app.cdm.breakSalts();
    await app.open({ platform: { ...platform, electron: `4${n}.0.0` }, policy, ...hook });
    await app.offline.put(app.download('owed', [keyId(9)]));
    await app.offline.removeContent('owed');
    unleaked = new Set(['probe', 'start', 'check', 'license', 'adopt', 'release']);
    for (let round = 0; round < ROUNDS; round++) {
      await app.offline.retry(CONTENT_ID);
      await app.offline.revalidate();
      // What an app may do with what it is told is its own; ours is only what we write.
      app.warnings.splice(0);
    }
    console.log(`unleaked: ${[...unleaked]}`);
    if (n < hooks.length - 1) await app.quit();
    if (n === 1) damage(path.join(app.directory, 'offline-sessions.sqlite3'));
  }
  // The copy that follows a run may not be there yet.
  await app.offline.prepareForUpdate();
  const { playable } = app.offline.verdict(CONTENT_ID);
  console.log(`${playable}`);
  console.log(`${app.server.requests} requests`);
  console.log('done');
  process.kill(process.pid, 'SIGKILL');
}

if (require.main === module) main();
else module.exports = { secrets: WHERES.map(secret), CONTENT_ID };
