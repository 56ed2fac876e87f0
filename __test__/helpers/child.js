'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const path = require('node:path');
const { LANE, PLATFORM } = require('./store.js');

const ROOT = path.join(__dirname, '../..');

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
// A test that fails halfway leaves nobody behind, who would keep Jest waiting.
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Runs `main(require, ...args)` in a process of its own; `require` is the project's. Nothing of the caller's scope is there.
 *
 * @param {(require: NodeJS.Require, ...args: any[]) => unknown} main
 * @param {...unknown} args plain JSON
 */
function startChild(main, ...args) {
  const script = `(${main})(require('node:module').createRequire(${JSON.stringify(`${ROOT}/`)}), ...${JSON.stringify(args)})`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  let errors = '';
  child.stderr.on('data', (text) => { errors += text; });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ended = once(child, 'close').then(([code, signal]) => {
    running.delete(child);
    return { code, signal, errors };
  });
  return {
    pid: child.pid,
    /** The next line that the child prints. */
    line: async () => (await lines.next()).value,
    kill: () => child.kill('SIGKILL'),
    /** How it ended. */
    ended,
  };
}

const OF_THE_CHILD = { contentId: 'of the child', ...LANE, sessionId: '1' };

/** Says 'open', and holds the directory until it is killed. @param {string} directory */
function holdOpen(directory) {
  return startChild(async (require, options, session) => {
    const { OfflineSessions } = require('./');
    const offline = await OfflineSessions.open(options);
    await offline.put(session);
    console.log('open');
    // Referred to until then: a store that nobody can reach any more is collected, and its directory free.
    process.stdin.resume().on('close', () => offline.close());
  }, { directory, platform: PLATFORM }, OF_THE_CHILD);
}

/** Opens, works, says 'done' and returns from main. @param {string} directory @param {{ closes: boolean }} how */
function workAndReturn(directory, { closes }) {
  return startChild(async (require, options, session, close) => {
    const { OfflineSessions } = require('./');
    const offline = await OfflineSessions.open(options);
    await offline.put({ ...session, initDataType: 'cenc', initData: new Uint8Array(9) });
    await offline.revalidate();
    if (close) await offline.close();
    console.log('done');
  }, { directory, platform: PLATFORM }, OF_THE_CHILD, closes);
}

module.exports = { startChild, holdOpen, workAndReturn };
