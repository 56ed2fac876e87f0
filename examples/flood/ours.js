'use strict';

const { mkdtemp } = require('node:fs/promises');
const { rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { OfflineSessions } = require('../..');
const { ScriptedCdm, createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { KEY_SYSTEM } = require('../../testbed/session-inputs.js');
const { DriverWatch } = require('../../testbed/watched-driver.js');

/**
 * @typedef {import('./titles.js').Title} Title
 * @typedef {import('./naive.js').RunFigures} RunFigures
 */

const LANE = { origin: 'app://bundle', keySystem: KEY_SYSTEM };
const PLATFORM = { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', cdms: [{ keySystem: KEY_SYSTEM, version: '4.10.2891.0' }] };
const UPDATED = { ...PLATFORM, electron: '35.1.4', chromium: '134.0.6998.179' };
const A_DAY_MS = 86_400_000;

/**
 * Every title's licence is lost in an update of Electron, and got again by the addon, with its default policy.
 * @param {Title[]} titles
 * @param {{ url: string }} server
 * @param {number} timeLimitMs after it the run is given up as it stands
 * @returns {Promise<RunFigures>}
 */
async function licenseWithAddon(titles, server, timeLimitMs) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'offline-sessions-flood-'));
  const cdm = new ScriptedCdm();
  const driver = () => createScriptedDriver(cdm);
  try {
    await store(titles, { directory, cdm, driver: driver(), licenseUrl: server.url });
    cdm.breakSalts();
    return await licenseAll(titles, { directory, driver: driver(), timeLimitMs });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The launch before the update: downloads on record, and the lane's witness planted.
 * @param {Title[]} titles
 * @param {{ directory: string, cdm: ScriptedCdm, driver: any, licenseUrl: string }} app
 */
async function store(titles, { directory, cdm, driver, licenseUrl }) {
  const offline = await OfflineSessions.open({ directory, platform: PLATFORM });
  try {
    const now = Date.now();
    await offline.put(titles.map(({ contentId, keyId, initData }, n) => ({
      ...LANE,
      contentId,
      sessionId: cdm.store(LANE, [keyId]),
      initDataType: 'keyids',
      initData,
      licenseUrl,
      lastPlayedAt: now - n * A_DAY_MS,
      proven: { keyStatuses: { [keyId]: /** @type {const} */ ('usable') } },
    })));
    offline.useDriver(driver);
    await offline.revalidate();
  } finally {
    await offline.close();
  }
}

/**
 * @param {Title[]} titles
 * @param {{ directory: string, driver: any, timeLimitMs: number }} app
 * @returns {Promise<RunFigures>}
 */
async function licenseAll(titles, { directory, driver, timeLimitMs }) {
  const offline = await OfflineSessions.open({ directory, platform: UPDATED });
  const watch = new DriverWatch();
  const ready = new Set();
  const click = new Click(offline, watch);
  /** @type {NodeJS.Timeout | undefined} */
  let giveUp;
  try {
    offline.on('warning', (warning) => console.error(warning));
    offline.useDriver(watch.watch(driver));
    const startedAt = performance.now();
    const over = new Promise((resolve) => {
      giveUp = setTimeout(resolve, timeLimitMs);
      offline.on('content-ready', ({ contentId }) => {
        if (ready.add(contentId).size === titles.length) resolve(undefined);
      });
    });
    // While the lane is at work.
    watch.on('license', () => {
      const last = titles.findLast(({ contentId }) => !ready.has(contentId));
      if (last && ready.size >= titles.length / 2) click.on(last.contentId);
    });
    // It ends when nothing can be done for now; what waits for its time goes on by itself.
    await offline.revalidate();
    await over;
    const seconds = (performance.now() - startedAt) / 1000;
    return { licensed: ready.size, seconds, clickedTitleWaitMs: click.waitMs, clickedLaneMs: click.laneMs, clickedRequests: click.requests };
  } finally {
    clearTimeout(giveUp);
    await offline.close();
  }
}

/** A viewer's click on a title, once, and how long it is until that plays offline. */
class Click {
  /** null: it does not yet. @type {number | null} */
  waitMs = null;
  /** How much of it the phase took that was under way: it ends before anything else begins. */
  laneMs = 0;
  /** How often its licence was asked for: more than once when the server had no room for it. */
  requests = 0;
  #offline;
  #watch;
  #clicked = false;

  /** @param {OfflineSessions} offline @param {DriverWatch} watch */
  constructor(offline, watch) {
    this.#offline = offline;
    this.#watch = watch;
  }

  /** @param {string} contentId */
  on(contentId) {
    if (this.#clicked) return;
    this.#clicked = true;
    const clickedAt = performance.now();
    const passed = () => performance.now() - clickedAt;
    this.#watch.once('end', () => { this.laneMs = passed(); });
    this.#watch.on('license', (license) => { if (license.contentId === contentId) this.requests++; });
    this.#offline.on('content-ready', (verdict) => { if (verdict.contentId === contentId) this.waitMs ??= passed(); });
    // The app asks once; told to wait, it waits for the event.
    this.#offline.ensurePlayable(contentId).catch((error) => { if (error.code !== 'ERR_CLOSED') throw error; });
  }
}

module.exports = { licenseWithAddon };
