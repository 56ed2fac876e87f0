'use strict';

const fc = require('fast-check');
const { startLicenseServer } = require('../../testbed/servers.js');
const { KEYS } = require('../helpers/offline-app.js');
const { heal } = require('./heal.js');
const { judge } = require('./judge.js');
const { act } = require('./life.js');
const { library, operation } = require('./operations.js');
const { REGRESSIONS } = require('./regressions.js');
const { World } = require('./world.js');

/** @typedef {import('./operations.js').Operation} Operation */

const SEQUENCES = Number(process.env.MODEL_SEQUENCES ?? 2000);
/** The same lives in every check; others are for hunting. */
const SEED = Number(process.env.MODEL_SEED ?? 1);
/** Side by side, because most of a life is spent waiting for a disk. Each has a seed of its own. */
const SIDE_BY_SIDE = 4;
const TIMEOUT_MS = 900_000;

/** @type {Awaited<ReturnType<typeof startLicenseServer>>} */
let server;
/** By the path under which its titles are licensed. @type {Map<string, World>} */
const worlds = new Map();
let lives = 0;

beforeAll(async () => {
  server = await startLicenseServer({ keys: KEYS });
  server.behave((call) => worlds.get(call.url)?.serve(call) ?? 'reset');
});
afterAll(() => server.close());

/** An app's life: what happens in it, and how all is well in the end. @param {(world: World) => Promise<void>} happen */
async function live(happen) {
  const path = `/license/${++lives}`;
  const world = new World(`${server.origin}${path}`);
  worlds.set(path, world);
  try {
    await world.launch();
    await happen(world);
    await heal(world);
  } finally {
    worlds.delete(path);
    await world.end();
    server.calls.length = 0;
  }
}

/** An operation as fast-check's command: it can be left out of a sequence that failed. */
class Happening {
  /** @param {Operation} what */
  constructor(what) {
    this.what = what;
  }

  check() {
    return true;
  }

  /** @param {unknown} _model @param {World} world */
  async run(_model, world) {
    await act(world, this.what);
    await judge(world);
  }

  toString() {
    return `\n  ${JSON.stringify(this.what)}`;
  }
}

describe('what once failed', () => {
  for (const { shows, sequence } of REGRESSIONS) {
    test(shows, () => live(async (world) => {
      for (const what of sequence) await new Happening(what).run(undefined, world);
    }));
  }
});

test(`${SEQUENCES} random lives, seeds ${SEED} to ${SEED + SIDE_BY_SIDE - 1}`, async () => {
  const sequences = fc.commands([operation.map((what) => new Happening(what))], { maxCommands: 16, size: 'max' });
  const property = fc.asyncProperty(library, sequences, (first, commands) => live(async (world) => {
    await new Happening(first).run(undefined, world);
    await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
  }));
  const runs = Array.from({ length: SIDE_BY_SIDE }, (_, n) => fc.check(property, { seed: SEED + n, numRuns: Math.ceil(SEQUENCES / SIDE_BY_SIDE) }));
  const failures = (await Promise.all(runs)).filter(({ failed }) => failed)
    .map(({ seed, errorInstance, counterexample }) => `seed ${seed}: ${errorInstance}\n  ${JSON.stringify(counterexample?.[0])},${counterexample?.[1]}`);
  expect(failures.join('\n')).toBe('');
}, TIMEOUT_MS);
