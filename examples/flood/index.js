'use strict';

/**
 * `node examples/flood [--json] [--sessions N] [--capacity A,B] [--answer-ms N]`: an update has lost every licence, and the licence server
 * takes so many requests a second. What the addon makes of it with its default policy, and beside it the loop an app writes by hand.
 * Every figure is measured; a target that is missed makes the exit code 1.
 */

const { parseArgs } = require('node:util');
const { licenseRequest } = require('../../testbed/clearkey.js');
const output = require('../demo/output.js');
const { licenseByHand } = require('./naive.js');
const { licenseWithAddon } = require('./ours.js');
const { ServerProcess } = require('./server-process.js');
const { judge } = require('./targets.js');
const { titles } = require('./titles.js');

/**
 * @typedef {import('./naive.js').RunFigures} RunFigures
 * @typedef {{ sessions: number, capacityPerS: number, answerMs: number }} Setting
 */

/** Answered this slowly, and four at a time, a server of the highest capacity here still is what limits a run. */
const ANSWER_MS = 20;
const ROUND_TRIPS = 5;
const GRACE_MS = 60_000;

async function main() {
  const { json, sessions, capacities, answerMs } = readOptions();
  const runs = [];
  /** @type {string[]} */
  const missed = [];
  for (const capacityPerS of capacities) {
    output.headline(`${sessions} licences lost; the server takes ${capacityPerS} requests a second and answers in ${answerMs} ms`);
    const setting = { sessions, capacityPerS, answerMs };
    const roundTripMs = await measureRoundTrip(setting);
    const timeLimitMs = 3_000 * (sessions / capacityPerS) + GRACE_MS;
    const { laneMs, clickedRequests, ...ours } = await against(setting, (all, server) => licenseWithAddon(all, server, timeLimitMs));
    const { laneMs: _, clickedRequests: __, ...naive } = await against(setting, licenseByHand);
    output.table(['', 'licensed', 'requests', 'rejected', 'seconds', 'clicked title waits'], [row('ours', ours), row('naive', naive)]);
    for (const { met, text } of judge(ours, { sessions, capacityPerS, roundTripMs, laneMs, clickedRequests })) {
      output.line(text);
      if (!met) missed.push(`capacity ${capacityPerS}: ${text}`);
    }
    runs.push({ capacityPerS, ours, naive });
  }
  output.headline(missed.length > 0 ? `${missed.length} targets missed:` : 'Every target met.');
  for (const text of missed) output.line(text);
  if (missed.length > 0) process.exitCode = 1;
  if (json) output.line(JSON.stringify({ sessions, runs }));
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      sessions: { type: 'string', default: '1000' },
      capacity: { type: 'string', default: '5,20,100' },
      'answer-ms': { type: 'string', default: String(ANSWER_MS) },
    },
  });
  const number = (/** @type {string} */ name, /** @type {string} */ text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} takes whole numbers from 1`);
    return value;
  };
  return {
    json: values.json,
    sessions: number('sessions', values.sessions),
    capacities: values.capacity.split(',').map((text) => number('capacity', text)),
    answerMs: number('answer-ms', values['answer-ms']),
  };
}

/**
 * One run against a server of its own.
 * @param {Setting} setting
 * @param {(all: import('./titles.js').Title[], server: ServerProcess) => Promise<RunFigures>} license
 */
async function against(setting, license) {
  const server = await ServerProcess.start(setting);
  try {
    const { licensed, seconds, clickedTitleWaitMs, clickedLaneMs = 0, clickedRequests = 0 } = await license(titles(setting.sessions), server);
    const { requests, rejected } = await server.figures();
    return {
      licensed, requests, rejected,
      seconds: Math.round(seconds * 100) / 100,
      clickedTitleWaitMs: clickedTitleWaitMs === null ? null : Math.round(clickedTitleWaitMs),
      laneMs: clickedLaneMs,
      clickedRequests,
    };
  } finally {
    await server.stop();
  }
}

/** The slowest of a few licences, one after another. @param {Setting} setting */
async function measureRoundTrip(setting) {
  const server = await ServerProcess.start({ ...setting, capacityPerS: ROUND_TRIPS + 1 });
  try {
    const [{ keyId }] = titles(1);
    let slowestMs = 0;
    // The first one opens the connection.
    for (let n = 0; n <= ROUND_TRIPS; n++) {
      const askedAt = performance.now();
      const response = await fetch(server.url, { method: 'POST', body: Buffer.from(licenseRequest([keyId])) });
      await response.arrayBuffer();
      if (n > 0) slowestMs = Math.max(slowestMs, performance.now() - askedAt);
    }
    return slowestMs;
  } finally {
    await server.stop();
  }
}

/** @param {string} name @param {import('./targets.js').Side} side */
function row(name, { licensed, requests, rejected, seconds, clickedTitleWaitMs }) {
  const waits = clickedTitleWaitMs === null ? 'never licensed' : `${clickedTitleWaitMs} ms`;
  return [name, String(licensed), String(requests), String(rejected), String(seconds), waits];
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
