'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, run, npm } = require('./steps');

const FIXTURE = path.join(ROOT, '__test__/consumer');

/**
 * What an app gets: the packed tarball, installed into an empty project. One source is compiled with `tsc --strict` and run
 * twice, as CommonJS (`require`) and as an ES module (`import`).
 */
async function checkConsumer() {
  const project = fs.mkdtempSync(path.join(os.tmpdir(), 'offline-sessions-consumer-'));
  try {
    await npm('pack', '--pack-destination', project);
    const tarball = fs.readdirSync(project).find((name) => name.endsWith('.tgz'));
    for (const name of ['package.json', 'tsconfig.json']) fs.copyFileSync(path.join(FIXTURE, name), path.join(project, name));
    for (const name of ['consumer.cts', 'consumer.mts']) fs.copyFileSync(path.join(FIXTURE, 'consumer.ts'), path.join(project, name));
    await npm('install', '--prefix', project, path.join(project, tarball));
    await run(process.execPath, [
      path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project, '--typeRoots', path.join(ROOT, 'node_modules/@types'),
    ]);
    for (const name of ['consumer.cjs', 'consumer.mjs']) await run(process.execPath, [name], { cwd: project });
  } finally {
    fs.rmSync(project, { recursive: true, force: true });
  }
}

module.exports = { checkConsumer };
