'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');

/**
 * Runs one named step and prints one line about it, with the note that `work` resolved with.
 *
 * @param {string} name
 * @param {() => Promise<string | void>} work
 * @returns {Promise<boolean>} whether it passed
 */
async function step(name, work) {
  process.stdout.write(name.padEnd(32));
  const start = performance.now();
  try {
    const note = await work();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${seconds.padStart(7)} s${note ? `  ${note}` : ''}`);
    return true;
  } catch (error) {
    console.log(' failed');
    console.error(error instanceof CommandError ? `$ ${error.message}\n${error.output}` : error);
    return false;
  }
}

class CommandError extends Error {
  constructor(message, output) {
    super(message);
    this.output = output;
  }
}

/**
 * Runs a command in the checkout and resolves with what it wrote; rejects with that when it fails.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<string>}
 */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => { output += chunk; });
    child.stderr.on('data', (chunk) => { output += chunk; });
    const line = [command, ...args].join(' ');
    child.on('error', (error) => reject(new CommandError(line, error.message)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new CommandError(`${line}: ${signal ?? `exit code ${code}`}`, output));
    });
  });
}

/**
 * npm's own script is named by npm when it started us: no shell, the same on every system.
 *
 * @param {...string} args
 * @returns {Promise<string>}
 */
function npm(...args) {
  const script = process.env.npm_execpath;
  return script ? run(process.execPath, [script, ...args]) : run('npm', args, { shell: process.platform === 'win32' });
}

module.exports = { ROOT, step, run, npm };
