'use strict';

/**
 * `node benches/launch.js [sessions…]`: what a launch, a first verdict and storing cost with ten, a thousand and a hundred
 * thousand stored sessions. Prints medians of seven launches.
 */

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { OfflineSessions } = require('..');

const LAUNCHES = 7;
const PUT_SIZE = 10_000;
const PLATFORM = { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', cdms: [{ keySystem: 'org.w3.clearkey', version: '1' }] };
const UPDATED = { ...PLATFORM, electron: '35.1.4' };

/** @param {number} n @returns {import('..').SessionInput} */
function session(n) {
  const keyId = n.toString(16).padStart(32, '0');
  return {
    contentId: `title-${n}`,
    origin: 'app://bundle',
    keySystem: 'org.w3.clearkey',
    sessionId: `session-${n}`,
    initDataType: 'keyids',
    initData: Buffer.from(JSON.stringify({ kids: [Buffer.from(keyId, 'hex').toString('base64url')] })),
    licenseUrl: 'https://license.example/',
    proven: { keyStatuses: { [keyId]: 'usable' } },
  };
}

/** @param {() => any} work @returns {Promise<[any, number]>} its result, and the milliseconds it took */
async function timed(work) {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** @param {number} count @param {string} directory */
async function measure(count, directory) {
  const store = await OfflineSessions.open({ directory, platform: PLATFORM });
  let putMs = 0;
  for (let from = 0; from < count; from += PUT_SIZE) {
    const sessions = Array.from({ length: Math.min(PUT_SIZE, count - from) }, (_, n) => session(from + n));
    putMs += (await timed(() => store.put(sessions)))[1];
  }
  await store.close();

  const openMs = [];
  const verdictMs = [];
  for (let launch = 0; launch < LAUNCHES; launch += 1) {
    const [opened, ms] = await timed(() => OfflineSessions.open({ directory, platform: PLATFORM }));
    openMs.push(ms);
    // Asked at once, before memory is filled: one indexed read.
    verdictMs.push((await timed(() => opened.verdict('title-5')))[1]);
    await opened.close();
  }
  const [updated, updatedMs] = await timed(() => OfflineSessions.open({ directory, platform: UPDATED }));
  const { suspects } = updated.launch;
  await updated.close();
  return { sessions: count, putMs, openMs: median(openMs), firstVerdictMs: median(verdictMs), openAfterUpdateMs: updatedMs, suspects };
}

async function main() {
  const counts = process.argv.slice(2).map(Number);
  const rows = [];
  for (const count of counts.length > 0 ? counts : [10, 1_000, 100_000]) {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'offline-sessions-bench-'));
    try {
      const row = await measure(count, directory);
      rows.push(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Math.round(value * 100) / 100])));
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
  console.table(rows);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
