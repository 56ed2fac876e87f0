'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');

/**
 * Runs `main(require, ...args)` in a process of its own; `require` is the project's. Nothing of the caller's scope is there.
 *
 * @param {(require: NodeJS.Require, ...args: any[]) => unknown} main
 * @param {...unknown} args plain JSON
 */
function startChild(main, ...args) {
  const script = `(${main})(require('node:module').createRequire(${JSON.stringify(`${ROOT}/`)}), ...${JSON.stringify(args)})`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => { errors += text; });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, errors }));
  return {
    pid: child.pid,
    /** The next line that the child prints. */
    line: async () => (await lines.next()).value,
    /** Lets a child that waits for the end of its input go on. */
    go: () => child.stdin.end(),
    kill: () => child.kill('SIGKILL'),
    /** How it ended. */
    ended,
  };
}

module.exports = { startChild };
