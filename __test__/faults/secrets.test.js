'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { secrets, CONTENT_ID } = require('../helpers/with-secrets.js');
const { makeDirectory, removeDirectory } = require('../helpers/store.js');

let directory;
beforeAll(() => { directory = makeDirectory(); });
afterAll(() => removeDirectory(directory));

test('no secret that came along is on disk or in a log, nor a long id in a log', async () => {
  const script = path.join(__dirname, '../helpers/with-secrets.js');
  const child = spawn(process.execPath, [script, directory], { env: { ...process.env, ELECTRON_OFFLINE_SESSIONS_LOG: 'trace' } });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { log += text; });
  await once(child, 'close');
  expect(log).toMatch(/^offline$/m);
  expect(log).toMatch(/^done$/m);
  // Everything that the server had to say was heard, its good licence twice: the CDM rejected it once. Where none came, that could not be.
  expect(log).toMatch(/^6 requests$/m);
  expect(log.match(/^unleaked: .*$/gm)).toEqual(['unleaked: ', 'unleaked: license,adopt', 'unleaked: license,adopt', 'unleaked: ']);
  expect(log).toMatch(/launch/);
  const files = Object.fromEntries(fs.readdirSync(directory).map((name) => [name, fs.readFileSync(path.join(directory, name))]));
  expect(Object.values(files).some((bytes) => bytes.includes(CONTENT_ID))).toBe(true);
  expect(['damaged-', 'copy-1', 'sqlite3-wal'].filter((kind) => !Object.keys(files).some((name) => name.includes(kind)))).toEqual([]);
  const found = secrets.flatMap((secret) => [
    ...Object.entries(files).filter(([, bytes]) => bytes.includes(secret)).map(([name]) => `${secret} in ${name}`),
    ...(log.includes(secret) ? [`${secret} in the log`] : []),
  ]);
  expect(found).toEqual([]);
  expect(log).not.toContain(CONTENT_ID);
});
