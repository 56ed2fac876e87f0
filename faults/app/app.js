'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { AppProcess, CallFailed } = require('./process');
const { Random } = require('../random');
const { LicenseServer } = require('./license-server');
const { Profile, LANE } = require('./profile');
const { Titles } = require('./titles');

/**
 * @typedef {import('./titles').Title} Title
 * @typedef {import('./titles').Change} Change
 * @typedef {ReturnType<typeof import('./figures').noFigures>} Figures
 * @typedef {(figure: keyof Figures, what: string) => void} Report
 * @typedef {{ keyId: string, launch: number, journalled: boolean, recorded: boolean }} Licence one that the addon had made
 */

const STEPS = /** @type {const} */ ([
  'phase', 'probe', 'load', 'request', 'created', 'message', 'update', 'updated', 'adopt', 'adopted', 'remove', 'removed',
]);
const PLATFORM = { app: '1.0.0', electron: '29.1.6', chromium: '122.0.6261.139', cdms: [{ keySystem: LANE.keySystem, version: '4.10.2891.0' }],
  os: { name: 'Debian', version: '12' }, arch: 'x86_64', profile: 'main', machine: 'this machine' };

/** The licence server of a campaign bears anything. */
const UNPACED = Object.freeze({ licenseRatePerS: 1_000, licenseRateMaxPerS: 1_000 });

/** An app over many launches, of which each may be killed: what it was told, and what must be true whenever it is opened again. */
class App {
  /** @type {Map<string, Licence>} by session id */
  #licences = new Map();
  /** For each kill the licences that were under way, until a launch tells whether they are recorded. @type {Map<string, string>[]} */
  #underWay = [];
  /** What happened, for whoever looks into a failure: JSON, a line each. @type {string[]} */
  trace = [];
  /** Codes of errors that are expected now. @type {Set<string | undefined>} */
  tolerated = new Set();
  /** Bytes of metadata that a title is put with. */
  padding = 0;
  #version = 0;
  #launches = 0;
  #lastLaunchId = 0;
  /** @type {(step: string) => void} */
  #reached = () => {};
  #policy;
  /** The last one. @type {AppProcess | undefined} */
  #process;
  /** Of its own, so that what happens when does not change what is done. */
  #jitter;

  /**
   * @param {string} directory
   * @param {Random} random
   * @param {Figures} figures
   * @param {Report} report
   */
  constructor(directory, random, figures, report) {
    this.directory = directory;
    this.#jitter = new Random('jitter', random.int(0, 2 ** 31));
    this.figures = figures;
    this.report = report;
    this.profile = new Profile();
    this.titles = new Titles(report);
    this.server = new LicenseServer(this.#jitter, this.profile, report);
    this.#policy = { ...UNPACED, backoffBaseMs: 1, backoffMaxMs: 20, licenseConcurrency: random.int(1, 4), batchSize: random.pick([2, 5, 25]) };
    this.#watchSteps(random.chance(0.5));
  }

  /** @param {...unknown} what */
  #note(...what) {
    this.trace.push(JSON.stringify(what));
  }

  /** @param {boolean} slow whether the window takes its time */
  #watchSteps(slow) {
    const { cdm } = this.profile;
    for (const step of STEPS) {
      cdm.on(step, async ({ sessionId = '', keyIds, contentId, phase }) => {
        this.#note('cdm', step, phase, contentId, sessionId);
        if (step === 'created') this.#licences.set(sessionId, { keyId: keyIds?.[0] ?? '', launch: this.#launches, journalled: false, recorded: false });
        const licence = this.#licences.get(sessionId);
        if (step === 'message' && licence) licence.journalled = true;
        if (step === 'updated' && licence) this.server.stored(licence.keyId);
        this.#reached(step);
        if (slow && this.#jitter.chance(0.3)) await sleep(1);
      });
    }
  }

  /** Between two launches: an update perhaps, with what it breaks. @param {Random} random */
  update(random) {
    if (!random.chance(0.6)) return;
    this.#version += 1;
    this.profile.update(random);
  }

  /**
   * A new process and a window for it.
   * @param {(step: string) => void} reached told of every step of the work, while it is taken
   */
  async start(reached = () => {}) {
    const { serveDriver } = await import('../../js/renderer/transport.mjs');
    this.#launches += 1;
    this.#reached = reached;
    const process = this.#process = new AppProcess({
      request: async (request) => {
        reached('asked');
        if (this.#jitter.chance(0.3)) await sleep(1);
        const answer = this.server.answer(request);
        this.#note('server', request.contentId, request.requestId, answer);
        reached('answered');
        return answer;
      },
      event: (event, value) => this.#event(event, value),
      verdicts: (verdicts) => this.#judge(verdicts),
    });
    const driver = this.profile.driver();
    await process.ready;
    serveDriver(process.port, driver);
    return process;
  }

  /** Opens, and holds what is on record against what was acknowledged. @param {AppProcess} process */
  async open(process) {
    const platform = { ...PLATFORM, electron: `30.${this.#version}.0` };
    const launch = await process.call('open', [{ directory: this.directory, platform, policy: this.#policy }]);
    if (launch.launchId <= this.#lastLaunchId || launch.firstRun !== (launch.launchId === 1)) {
      this.report('recordsLost', `launch ${this.#lastLaunchId} is not in the history: ${JSON.stringify(launch)}`);
    }
    if (launch.recovered) this.report('otherFailures', `a kill looked like damage: ${JSON.stringify(launch.recovered)}`);
    this.#lastLaunchId = launch.launchId;
    const rows = await process.call('list', [], this.titles.contentIds);
    this.#note('opened', launch, 'rows', rows, 'catalogue', [...this.profile.catalogue], 'cdm', [...this.profile.storage.index]);
    this.titles.compare(rows);
    this.#settleKills(rows);
    return rows;
  }

  /** @param {AppProcess} process @param {string} method @param {...any} args */
  call(process, method, ...args) {
    this.#note('call', method, ...args);
    const done = process.call(method, args, this.titles.contentIds);
    done.then((value) => this.#note('done', method, value), (error) => this.#note('failed', method, String(error)));
    return done;
  }

  /** @param {AppProcess} process @param {Title[]} adds @param {{ proven?: boolean, replace?: boolean }} [how] */
  async put(process, adds, { proven = false, replace = false } = {}) {
    const removes = replace ? adds.flatMap((title) => this.titles.of(title.contentId)).filter((title) => !adds.includes(title)) : [];
    for (const title of adds) title.sent += 1;
    const sent = adds.map((title) => /** @type {const} */ ([title, title.sent]));
    await this.#change(this.titles.begin({ adds, removes }), this.call(process, 'put', adds.map((title) => this.#input(title, proven)), { replace }));
    for (const [title, version] of sent) title.acked = Math.max(title.acked, version);
  }

  /** @param {Title} title @param {boolean} proven */
  #input(title, proven) {
    const { contentId, keyId, initData, sent } = title;
    const { sessionId } = /** @type {{ sessionId: string }} */ (this.profile.entryOf(title));
    return {
      ...LANE, contentId, sessionId, initDataType: 'keyids', initData, keyIds: [keyId], licenseUrl: 'https://license.example/',
      metadata: { version: sent, padding: 'x'.repeat(this.padding) },
      ...(proven && { proven: { keyStatuses: { [keyId]: 'usable' } } }),
    };
  }

  /** @param {AppProcess} process @param {Title[]} removes all of one content */
  async remove(process, removes) {
    for (const title of removes) this.profile.uncatalogue(title);
    await this.#change(this.titles.begin({ removes }), this.call(process, 'removeContent', removes[0].contentId));
  }

  /** @param {AppProcess} process */
  async reconcile(process) {
    const change = this.titles.begin({ adds: this.titles.which('unrecorded') });
    await this.#change(change, this.call(process, 'reconcile', LANE, this.profile.entries())).catch((error) => {
      if (error.error?.code !== 'ERR_CATALOGUE_SHRANK') throw error;
    });
  }

  /** @param {Change} change @param {Promise<any>} done */
  async #change(change, done) {
    try {
      await done;
      this.titles.acknowledge(change);
    } catch (error) {
      if (error instanceof CallFailed) this.titles.refused(change);
      throw error;
    }
  }

  /** The process is killed. @param {AppProcess} process @param {boolean} windowOutlives */
  async kill(process, windowOutlives) {
    this.#note('killed', { windowOutlives });
    process.kill();
    if (!windowOutlives) this.profile.cdm.restart();
    const { signal, code, errors } = await process.ended;
    this.profile.cdm.restart();
    process.port.onclose?.();
    this.#reached = () => {};
    if (signal !== 'SIGKILL') this.report('processCrashes', `the process ended by itself: ${code ?? signal} ${errors}`);
    this.figures.kills += 1;
    this.figures.answersLostInFlight += this.server.died();
    const { index } = this.profile.storage;
    const underWay = [...this.#licences].filter(([sessionId, { keyId, launch, recorded }]) =>
      launch === this.#launches && !recorded && index.has(sessionId) && this.titles.all.get(keyId)?.state === 'stored');
    if (underWay.length > 0) this.#underWay.push(new Map(underWay.map(([sessionId, { keyId }]) => [sessionId, keyId])));
  }

  /** The process is to end by itself, as it has been closed. @param {AppProcess} process */
  async end(process) {
    process.disconnect();
    await process.ended;
    this.profile.cdm.restart();
    process.port.onclose?.();
  }

  /** Whatever happened. */
  async stop() {
    this.#process?.kill();
    await this.#process?.ended;
  }

  /** A licence that turns out to be recorded was not in the middle. @param {import('../..').StoredSession[]} rows */
  #settleKills(rows) {
    const recorded = (/** @type {[string, string]} */ [sessionId, keyId]) => rows.some((row) => isRecord(row, sessionId, keyId));
    this.figures.killsMidLicence += this.#underWay.filter((licences) => ![...licences].every(recorded)).length;
    this.#underWay = [];
  }

  /** @param {string} event @param {any} value */
  #event(event, value) {
    if (event === 'warning' && !this.tolerated.has(value.code)) this.report('otherFailures', `warning: ${value.code} ${value.message} ${value.cause ?? ''}`);
    if (event === 'content-ready') this.#judge([value]);
    if (event !== 'session-changed') return;
    this.#note('changed', value);
    const licence = this.#licences.get(value.sessionId);
    if (licence && isRecord(value, value.sessionId, licence.keyId)) licence.recorded = true;
    this.#reached('session-changed');
  }

  /** @param {import('../..').Verdict[]} verdicts */
  #judge(verdicts) {
    for (const { contentId, playable, sessions } of verdicts) {
      if (playable !== 'offline') continue;
      const keyIds = this.titles.of(contentId).map(({ keyId }) => keyId);
      const missing = sessions.map(({ sessionId }) => sessionId).filter((sessionId) => !this.profile.holds(sessionId, keyIds));
      if (missing.length > 0) this.report('wrongOfflineVerdicts', `${contentId} is offline, and the CDM does not hold ${missing}`);
    }
  }

  /** What the CDM holds and nobody wants. Of a session that was killed before it was journalled nobody can know: a stray. */
  leftovers() {
    const { records } = this.profile.storage;
    const left = this.profile.leftovers();
    const isStray = (/** @type {string} */ sessionId) => this.#licences.get(sessionId)?.journalled === false && !records.has(sessionId);
    return { lost: left.filter((sessionId) => !isStray(sessionId)), strays: left.filter(isStray) };
  }
}

/** A row may have stood under the same id before. @param {import('../..').StoredSession} row @param {string} sessionId @param {string} keyId */
const isRecord = (row, sessionId, keyId) => row.state === 'active' && row.sessionId === sessionId && row.keyIds.includes(keyId);

module.exports = { App, PLATFORM, UNPACED };
