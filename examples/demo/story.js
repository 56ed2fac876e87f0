'use strict';

const { OfflineSessions } = require('../..');
const { rewriteSalts } = require('../../testbed/cdm-breaks.js');
const { KEY_SYSTEM } = require('../../testbed/session-inputs.js');
const { titles } = require('./titles.js');
const output = require('./output.js');

/**
 * Where the story takes place: in Firefox, or on a scripted CDM.
 * @typedef {object} Stage
 * @property {string} browser as the figures name it
 * @property {() => Promise<void>} start
 * @property {(title: import('../../testbed/browser-app.js').Title) => Promise<import('../..').SessionInput[]>} store downloads segments and licences
 * @property {(breakCdm: (profile: string) => Promise<void>) => Promise<void>} restart the browser, the CDM's storage broken in between
 * @property {() => any} driver
 * @property {() => { media: number, license: number }} requests that the servers have counted
 * @property {() => Promise<void>} stopServers
 * @property {(contentId: string) => Promise<string>} play resolves with what was seen of it; rejects when it does not play
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Figures
 * @property {number} stored
 * @property {string[]} changes
 * @property {number} suspects
 * @property {number} playableBefore verdicts 'offline' after the update
 * @property {number} lost
 * @property {number} licensed
 * @property {number} licenseRequests since the end of storing, as the server counted
 * @property {number} mediaRequests since the end of storing, as the server counted
 * @property {number} played
 * @property {string} browser
 */

const PLATFORM = { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', cdms: [{ keySystem: KEY_SYSTEM, version: '4.10.2891.0' }] };
const UPDATED = { ...PLATFORM, electron: '35.1.4', chromium: '134.0.6998.179' };
const REVALIDATE_TIMEOUT_MS = 120_000;

/** @type {Omit<Figures, 'browser'>} */
const EXPECTED = {
  stored: 12,
  changes: ['electron', 'chromium'],
  suspects: 13,
  playableBefore: 0,
  lost: 13,
  licensed: 13,
  licenseRequests: 13,
  mediaRequests: 0,
  played: 12,
};

/**
 * @param {Stage} stage
 * @param {string} directory for the addon's database
 * @returns {Promise<Figures>}
 */
async function tell(stage, directory) {
  output.headline(`1. Download ${titles.length} titles on Electron ${PLATFORM.electron}`);
  await stage.start();
  const stored = await storeAll(stage, directory);
  const afterStoring = stage.requests();

  output.headline('2. Quit. An update of Electron comes, and the CDM forgets who it was');
  await stage.restart(rewriteSalts);
  output.line(`Electron ${PLATFORM.electron} → ${UPDATED.electron}, Chromium ${PLATFORM.chromium} → ${UPDATED.chromium}, CDM ${PLATFORM.cdms[0].version} as before.`);

  output.headline('3. The next launch notices, before anything is played');
  const offline = await OfflineSessions.open({ directory, platform: UPDATED });
  try {
    const { changes, suspects } = offline.launch;
    output.line(`Changed: ${changes.map(({ component }) => component).join(', ')}. Stored sessions under suspicion: ${suspects}.`);
    const playableBefore = showVerdicts(offline);

    output.headline('4. Every session is checked, and licensed again where it must be');
    const report = await revalidate(offline, stage);
    showVerdicts(offline);

    output.headline('5. Licence and media servers stopped: play every title');
    const { media, license } = stage.requests();
    await stage.stopServers();
    return {
      stored,
      changes: changes.map(({ component }) => component),
      suspects,
      playableBefore,
      lost: report.lost,
      licensed: report.licensed,
      licenseRequests: license - afterStoring.license,
      mediaRequests: media - afterStoring.media,
      played: await playAll(stage, offline),
      browser: stage.browser,
    };
  } finally {
    await offline.close();
  }
}

/**
 * The app as it was before the update: each download is put on record with what the CDM showed of it.
 * @param {Stage} stage
 * @param {string} directory
 */
async function storeAll(stage, directory) {
  const offline = await OfflineSessions.open({ directory, platform: PLATFORM });
  try {
    for (const title of titles) {
      await offline.put(await stage.store(title));
    }
    showVerdicts(offline);
    return new Set((await offline.list()).map(({ contentId }) => contentId)).size;
  } finally {
    await offline.close();
  }
}

/**
 * @param {OfflineSessions} offline
 * @param {Stage} stage
 */
async function revalidate(offline, stage) {
  const progress = output.progress();
  offline.useDriver(stage.driver());
  const report = await offline.revalidate({ signal: AbortSignal.timeout(REVALIDATE_TIMEOUT_MS), onProgress: progress.update });
  progress.end();
  output.line(`Checked ${report.checked}, lost ${report.lost}, licensed ${report.licensed} with ${report.licenseRequests} licence requests, in ${report.durationMs} ms.`);
  return report;
}

/**
 * @param {OfflineSessions} offline
 * @returns {number} how many would play offline
 */
function showVerdicts(offline) {
  const verdicts = titles.map(({ contentId }) => offline.verdict(contentId));
  output.table(['title', 'sessions', 'playable', 'state', 'reason', 'action'], verdicts.map((verdict) => [
    verdict.contentId,
    verdict.sessions.map(({ sessionId }) => sessionId).join(' '),
    verdict.playable,
    verdict.state,
    verdict.reason ?? '',
    verdict.action,
  ]));
  return verdicts.filter(({ playable }) => playable === 'offline').length;
}

/**
 * @param {Stage} stage
 * @param {OfflineSessions} offline
 * @returns {Promise<number>} how many played
 */
async function playAll(stage, offline) {
  let played = 0;
  for (const { contentId } of titles) {
    if (offline.verdict(contentId).playable !== 'offline') {
      output.line(`${contentId}  not started: its verdict is not offline`);
      continue;
    }
    try {
      output.line(`${contentId}  ${await stage.play(contentId)}`);
      played++;
    } catch (error) {
      output.line(error instanceof Error ? error.message : String(error));
    }
  }
  return played;
}

/** @param {Figures} figures */
function mismatches(figures) {
  const names = /** @type {(keyof typeof EXPECTED)[]} */ (Object.keys(EXPECTED));
  return names
    .filter((name) => JSON.stringify(figures[name]) !== JSON.stringify(EXPECTED[name]))
    .map((name) => `${name} is ${JSON.stringify(figures[name])}, should be ${JSON.stringify(EXPECTED[name])}`);
}

module.exports = { tell, mismatches };
