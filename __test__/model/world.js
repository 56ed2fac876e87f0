'use strict';

const { rm } = require('node:fs/promises');
const { OfflineSessions } = require('../..');
const { license } = require('../../testbed/clearkey.js');
const { ScriptedCdm, createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { initDataOf } = require('../helpers/offline-app.js');
const { LANE, PLATFORM, input, makeDirectory, proven } = require('../helpers/store.js');
const { GOOD, REFUSALS, Reference, key } = require('./reference.js');
const { watch } = require('./spy.js');
const { LANES, STRANGER, TITLES, laneIndex, slotOf } = require('./titles.js');

const HOUR = 3_600_000;
/** Waits that never end unless somebody clicks. */
/** The licence server bears anything. */
const UNPACED = { licenseRatePerS: 1000, licenseRateMaxPerS: 1000, licensesPerSessionPerDay: 1000 };
const PATIENT = { ...UNPACED, backoffBaseMs: HOUR, backoffMaxMs: HOUR, strikeSpacingMs: HOUR };
const POLICIES = {
  patient: PATIENT,
  // Waits that end by themselves, and grow, so that a run ends though a server goes on refusing.
  hasty: { ...UNPACED, backoffBaseMs: 1, backoffMaxMs: 1000, strikeSpacingMs: 1 },
  // No wait of before counts either.
  healing: { ...UNPACED, backoffBaseMs: 1, backoffMaxMs: 1, strikeSpacingMs: 1 },
  // Does not wait for a driver that does not answer.
  brisk: { ...PATIENT, startPhaseTimeoutMs: 25, taskTimeoutMs: 25, licenseTimeoutMs: 25 },
  observe: { ...PATIENT, mode: 'observe' },
};

/** @type {Record<string, any>} what the licence server answers, besides good licences */
const ANSWERS = {
  geo: { status: 403, body: '{"error":"geo-blocked"}' },
  auth: { status: 401 },
  'html-403': { status: 403, body: '<!doctype html><title>Your region</title>' },
  throttled: { status: 429, headers: { 'retry-after': '120' } },
  'throttled-at-once': { status: 503, headers: { 'retry-after': '0' } },
  unavailable: { status: 503 },
  ...Object.fromEntries(REFUSALS.slice(2).map((reason) => [reason, { status: 403, body: reason }])),
};

/**
 * An app under test: the real addon on a directory of its own; a scripted CDM, driver and licence server; a player's catalogue. All that
 * is asked of the driver passes the reference.
 */
class World {
  directory = makeDirectory();
  cdm = new ScriptedCdm();
  reference = new Reference();
  /** @type {Map<string, { lane: number, sessionId: string, initData: string, keyIds: readonly string[] }[]>} */
  catalogue = new Map();
  /** @type {{ lane: number, sessionId: string, record: object }[]} */
  strangers = [];
  /** @type {any[]} */
  warnings = [];
  /** @type {any} */
  offline = null;
  /** Whether anything was asked of the addon in this launch: from then on it works by itself. */
  started = false;
  policy = 'patient';
  /** A run that waits in the middle of a step. @type {{ open(): void, run: Promise<unknown> } | null} */
  paused = null;
  /** Nothing is going on: what was asked for has been done. */
  atRest = true;
  /** When the addon goes on by itself, as it said last; null: not before something is asked of it. @type {number | null} */
  nextAttemptAt = null;
  /** @type {{ release(): void, model: any }[]} */
  holds = [];
  /** @type {Record<string, { answer: any, left: number }[]>} */
  scripts = {};
  /** @type {any} */
  #pause = null;
  /** @type {any} */
  #window = null;

  /** @param {string} licenseUrl the licence server answers there what `serve` says */
  constructor(licenseUrl) {
    this.licenseUrl = licenseUrl;
    for (const step of /** @type {const} */ (['phase', 'probe', 'load', 'created', 'update', 'adopt', 'remove'])) {
      this.cdm.on(step, (what) => this.#onStep(what));
    }
  }

  /** @param {{ electron?: number, cdm?: number | null, policy?: string, driver?: boolean }} [options] */
  async launch({ electron = 0, cdm = 0, policy = 'patient', driver = true } = {}) {
    this.policy = policy;
    this.offline = await OfflineSessions.open({
      directory: this.directory,
      platform: { ...PLATFORM, electron: electronVersion(electron), cdms: cdms(cdm) },
      policy: POLICIES[/** @type {'patient'} */ (policy)],
      classifyRefusal: ({ body }) => REFUSALS.find((reason) => reason === body),
    });
    this.offline.on('warning', (/** @type {any} */ warning) => this.warnings.push(warning));
    this.offline.on('error', (/** @type {any} */ error) => this.reference.must(false, () => `an error event: ${error}`));
    this.reference.launched({ electron, cdm }, POLICIES[/** @type {'patient'} */ (policy)]);
    Object.assign(this, { started: false, atRest: true, holds: [] });
    this.hasDriver = driver;
    if (driver) this.openWindow();
  }

  /** A window with a driver; the one before it is gone. */
  openWindow() {
    this.#window?.close();
    this.#window = createScriptedDriver(this.cdm, { catalogue: this.catalogue });
    this.useDriver(watch(this.#window, this.reference, this));
  }

  /** @param {any} [driver] the one before, if left out; null: none */
  useDriver(driver = this.driver) {
    this.hasDriver = Boolean(driver);
    if (driver) this.driver = driver;
    for (const lane of this.reference.lanes) if (lane.stuck === 'failed') lane.stuck = null;
    this.offline.useDriver(driver ?? (() => null));
  }

  /** The app ends, in the middle of whatever it does, and its browser with it. */
  async quit() {
    await this.offline.close();
    this.cdm.restart();
    this.#window = null;
    this.driver = undefined;
    this.unpause();
  }

  async end() {
    await this.quit();
    await rm(this.directory, { recursive: true, force: true });
  }

  // What is in the CDM.

  /** @param {number} lane @param {string} sessionId */
  record(lane, sessionId) {
    return this.cdm.storage(LANES[lane]).records.get(sessionId);
  }

  /** @param {number} lane @param {string} sessionId @param {readonly string[]} keyIds */
  isGood(lane, sessionId, keyIds) {
    const shown = this.record(lane, sessionId)?.keyStatuses ?? {};
    return keyIds.every((keyId) => GOOD.includes(shown[keyId]));
  }

  /** Whether the player could play it offline. @param {string} title */
  plays(title) {
    const entries = this.catalogue.get(title) ?? [];
    // A licence may hold fewer keys than the content names.
    const keyIds = (/** @type {any} */ entry) => this.reference.rowsOf(title).find(({ slot }) => slot === slotOf(title, entry.keyIds))?.keyIds ?? entry.keyIds;
    return entries.length > 0 && entries.every((entry) => this.isGood(entry.lane, entry.sessionId, keyIds(entry)));
  }

  /** Breaks something behind the addon's back. @param {() => void} destroy */
  damage(destroy) {
    const all = [...this.reference.rows.values()].flatMap((row) => [row.sessionId, ...row.pending].map((sessionId) => ({ row, sessionId })));
    const good = all.filter(({ row, sessionId }) => this.isGood(row.lane, sessionId, row.keyIds));
    destroy();
    for (const { row, sessionId } of good) if (!this.isGood(row.lane, sessionId, row.keyIds)) this.reference.facts(row, sessionId).damaged = true;
    this.strangers = this.strangers.filter(({ lane, sessionId, record }) => this.record(lane, sessionId) === record);
  }

  addStranger(/** @type {number} */ lane) {
    const sessionId = this.cdm.store(LANES[lane], [STRANGER]);
    this.strangers.push({ lane, sessionId, record: /** @type {object} */ (this.record(lane, sessionId)) });
  }

  /** Sessions in the CDM that neither the player nor the addon has, though nobody ever said that they were gone. */
  leftovers() {
    const wanted = new Set([...this.catalogue.values()].flat().map(({ lane, sessionId }) => key(lane, sessionId)));
    for (const { lane, sessionId } of [...this.strangers, ...this.reference.rows.values()]) wanted.add(key(lane, sessionId));
    const all = LANES.flatMap((lane, at) => [...this.cdm.storage(lane).index].map((sessionId) => key(at, sessionId)));
    const { disowned, unjournalled } = this.reference;
    return all.filter((at) => !wanted.has(at) && !disowned.has(at) && !unjournalled.has(at));
  }

  // What the player and the app do.

  /** A download: its licences are in the CDM, and it is in the catalogue. @param {string} title */
  download(title) {
    this.catalogue.set(title, TITLES[title].sessions.map(({ lane, keyIds }) => ({
      lane, keyIds, initData: Buffer.from(initDataOf(keyIds)).toString('base64'), sessionId: this.cdm.store(LANES[lane], keyIds),
    })));
  }

  /**
   * What the app puts of a title as it stands in its catalogue.
   * @param {string} title
   * @param {{ isProven?: boolean, renewable?: boolean }} [how] proven: as the CDM shows it, if it does
   */
  inputs(title, { isProven = false, renewable = true } = {}) {
    const { account, canary } = TITLES[title];
    return (this.catalogue.get(title) ?? []).map(({ lane, sessionId, keyIds, initData }) => input(title, {
      ...LANES[lane], sessionId, keyIds, account, canary,
      ...(renewable && { initDataType: 'keyids', initData: new Uint8Array(Buffer.from(initData, 'base64')), licenseUrl: this.licenseUrl }),
      ...(isProven && this.isGood(lane, sessionId, keyIds) && { proven: proven(keyIds) }),
    }));
  }

  /** @param {any[]} inputs */
  async put(inputs) {
    const titles = new Set(inputs.map(({ contentId }) => contentId));
    const before = [...this.reference.rows.values()].filter(({ title }) => titles.has(title));
    // What is replaced may be released at once.
    for (const row of before) row.isReplaced = true;
    const stored = await this.offline.put(inputs, { replace: true });
    for (const [at, session] of stored.entries()) {
      const { keyIds, proven: shown, initData } = inputs[at];
      this.reference.put(session, { keyIds, proven: Boolean(shown), renewable: Boolean(initData) });
    }
    this.reference.removed((row) => row.isReplaced);
  }

  // What goes otherwise than it should.

  /**
   * Stops the next run that comes to `step` for the nth time, until `open` is called.
   * @param {string} step
   * @param {number} nth
   * @param {boolean} arrives a licence that is on its way is in the CDM by then
   */
  pauseAt(step, nth, arrives) {
    /** @type {any} */
    const pause = { step, nth, arrives };
    pause.reached = new Promise((resolve) => { pause.reach = () => resolve(true); });
    pause.gate = new Promise((resolve) => { pause.open = () => resolve(undefined); });
    this.#pause = pause;
    return pause;
  }

  unpause() {
    this.#pause?.open();
    this.#pause = null;
    this.paused?.open();
    this.paused = null;
  }

  /** @param {{ step: string, lane: import('../../testbed/scripted-cdm.js').Lane, contentId?: string, sessionId?: string }} what */
  async #onStep(what) {
    if (what.step === 'created') this.reference.unjournalled.add(key(laneIndex(what.lane), String(what.sessionId)));
    const pause = this.#pause;
    if (pause?.step === what.step && pause.nth-- === 0) {
      this.#pause = null;
      if (pause.arrives && pause.step === 'update') this.#arrive(what);
      pause.reach();
      await pause.gate;
    }
    const script = this.scripts[what.step]?.find(({ left }) => left > 0);
    if (!script) return undefined;
    script.left -= 1;
    return this.#answer(what, script.answer);
  }

  /** A licence is in the CDM before the driver is told. @param {any} what */
  #arrive({ lane, sessionId }) {
    const row = [...this.reference.rows.values()].find((one) => one.lane === laneIndex(lane) && one.pending.has(sessionId));
    if (row) this.cdm.storage(lane).records.set(sessionId, { keyStatuses: proven(row.keyIds).keyStatuses, expiration: null });
  }

  /** @param {any} what @param {any} answer */
  #answer({ step, lane, contentId }, answer) {
    if (answer === 'throws') throw new Error('trouble');
    if (step === 'load' && typeof answer === 'number') return rejected('InvalidStateError', answer);
    if (step === 'probe') return { persistentLicense: answer, witness: this.cdm.storage(lane).witnesses.get(lane.keySystem) ?? null };
    if (step !== 'adopt') return answer === 'rejected' ? rejected('TypeError', null) : { kind: answer, message: 'trouble' };
    if (answer === 'content-gone') this.catalogue.delete(contentId);
    return answer;
  }

  /** What the licence server does with a request. @param {{ keyIds: string[] }} call @returns {any} */
  serve({ keyIds }) {
    const script = this.scripts.server?.find(({ left }) => left > 0);
    if (!script) return 'ok';
    script.left -= 1;
    if (script.answer === 'fewer-keys') return { status: 200, body: license({ [keyIds[0]]: keyIds[0] }) };
    return ANSWERS[script.answer] ?? script.answer;
  }
}

/** @param {string} name @param {number | null} systemCode */
const rejected = (name, systemCode) => ({ kind: 'rejected', name, message: systemCode ? `system code (${systemCode})` : '', systemCode });

const electronVersion = (/** @type {number} */ n) => `${29 + n}.1.6`;

/** @param {number | null} n */
const cdms = (n) => [{ keySystem: LANE.keySystem, version: n === null ? null : `4.10.${n}.0` }];

module.exports = { World, electronVersion, cdms };
