'use strict';

const { EventEmitter } = require('node:events');
const { types } = require('node:util');
const { Announcer } = require('./announcer');
const check = require('./arguments');
const { OfflineSessionsError } = require('./errors');
const { inventoryOf } = require('./inventory');
const { createAcquireLicense } = require('./license-request');
const { call, loadNative } = require('./native');
const { refusedByServer } = require('./preflight');
const { StoreCalls } = require('./store-calls');
const { WorkLoop } = require('./work-loop');

/**
 * @typedef {import('./types').OpenOptions} OpenOptions
 * @typedef {import('./types').PlatformInfo} PlatformInfo
 * @typedef {import('./types').LaunchReport} LaunchReport
 * @typedef {import('./types').SessionInput} SessionInput
 * @typedef {import('./types').StoredSession} StoredSession
 * @typedef {import('./types').SessionDriver} SessionDriver
 * @typedef {import('./types').Verdict} Verdict
 * @typedef {import('./types').Lane} Lane
 * @typedef {import('./types').Progress} Progress
 * @typedef {import('./types').RevalidationReport} RevalidationReport
 * @typedef {import('./types').UpdateAssessment} UpdateAssessment
 *
 * @typedef {object} OfflineSessionsEvents
 * @property {[Progress]} progress
 * @property {[StoredSession]} session-changed
 * @property {[Verdict]} content-ready a content has become playable offline
 * @property {[Verdict]} content-blocked
 * @property {[RevalidationReport]} run-finished
 * @property {[UpdateAssessment]} update-assessed
 * @property {[import('./types').Warning]} warning something failed that no caller was waiting for, or that does not stop the work
 */

const MAX_TIMEOUT_MS = 86_400_000;
const MAX_LOCK_WAIT_MS = 600_000;
/** The database is copied when nothing was stored for so long; after a run at once. */
const COPY_AFTER_MS = 30_000;
const DRIVER_METHODS = /** @type {const} */ (['probe', 'plantWitness', 'check', 'license', 'adopt', 'release']);
const OPTIONS = ['directory', 'platform', 'policy', 'acquireLicense', 'classifyRefusal', 'adopt', 'knowledge', 'preflight', 'lockWaitMs'];

/**
 * The offline licences of one app. Opening it is a launch: what changed since the last one is in `launch`. Nothing is checked or
 * licensed before `revalidate()` or `ensurePlayable()`; from then on due work goes on by timer until `close()`.
 *
 * Every rejection is an `OfflineSessionsError`. Input that is refused (`ERR_INVALID_ARGUMENT`, with `field`) is refused whole.
 *
 * @extends {EventEmitter<OfflineSessionsEvents>}
 */
class OfflineSessions extends EventEmitter {
  /** Kept until they are closed: one that was collected would let go of its directory. @type {Set<OfflineSessions>} */
  static #open = new Set();

  #native;
  #calls;
  #announcer;
  #loop;
  #policy;
  /** @type {import('./types').PreflightHook | undefined} */
  #preflight;
  /** @type {(lane: Lane) => SessionDriver | null} */
  #driverFor = () => null;
  /** @type {Promise<void> | undefined} */
  #closing;
  #closed = new AbortController();
  /** @type {NodeJS.Timeout | undefined} */
  #copying;
  /** @type {LaunchReport} */
  #launch;

  /**
   * Opens the store in `directory` and records a launch.
   *
   * Rejects with ERR_INVALID_ARGUMENT, ERR_IN_USE (it is open already; the pid of who has it is in the message), ERR_READ_ONLY,
   * ERR_DISK_FULL, ERR_NEWER_DATABASE, ERR_CORRUPT_DATABASE, ERR_STORAGE or ERR_NATIVE_MISSING.
   *
   * @param {OpenOptions} options
   * @returns {Promise<OfflineSessions>}
   */
  static async open(options) {
    const given = check.options(check.object('options', options), OPTIONS);
    const { directory, platform, policy } = given;
    const json = check.toJson('options', () => ({
      directory: check.absolutePath('directory', directory),
      platform: { node: process.versions.node, ...check.object('platform', platform) },
      policy: policy === undefined || policy === null ? {} : check.object('policy', policy),
      lockWaitMs: check.optionalMs('lockWaitMs', given.lockWaitMs, MAX_LOCK_WAIT_MS) ?? 0,
      knowledge: given.knowledge === undefined || given.knowledge === null ? [] : check.array('knowledge', given.knowledge),
    }));
    const classifyRefusal = check.optionalFunction('classifyRefusal', given.classifyRefusal);
    const hooks = {
      acquireLicense: check.optionalFunction('acquireLicense', given.acquireLicense) ?? createAcquireLicense(classifyRefusal),
      adopt: check.optionalFunction('adopt', given.adopt),
    };
    const preflight = check.optionalFunction('preflight', given.preflight);
    const opened = new OfflineSessions(await call(() => loadNative().NativeEngine.open(json)), hooks);
    opened.#preflight = preflight;
    return opened;
  }

  /**
   * Use `OfflineSessions.open`.
   * @param {import('../native/binding').NativeEngine} native
   * @param {{ acquireLicense: import('./types').AcquireLicenseHook, adopt: import('./types').AdoptHook | undefined }} hooks
   */
  constructor(native, hooks) {
    super();
    OfflineSessions.#open.add(this);
    this.#native = native;
    this.#launch = JSON.parse(native.launch);
    this.#policy = JSON.parse(native.policy);
    const emit = /** @type {(event: any, value: any) => void} */ ((event, value) => this.emit(event, value));
    const announcer = new Announcer(emit, (contentId) => (this.#closing ? null : this.verdict(contentId)));
    const warn = announcer.warn.bind(announcer);
    this.#announcer = announcer;
    this.#calls = new StoreCalls(native, () => announcer.forget(), warn);
    this.#loop = new WorkLoop(native, {
      ...hooks,
      driverFor: (lane) => this.#driverFor(lane),
      changed: (sessions) => announcer.changed(sessions),
      warn,
      recover: () => this.#calls.recover(),
    }, {
      progress: (progress) => announcer.tell('progress', progress),
      finished: (report) => {
        native.copy();
        announcer.tell('run-finished', report);
      },
    });
  }

  /** What this launch found changed. @returns {LaunchReport} */
  get launch() {
    return this.#launch;
  }

  /**
   * Facts that come late, such as a CDM's version; compared again with the launch before this one. What is absent stays.
   * @param {Partial<PlatformInfo>} platform
   * @returns {Promise<LaunchReport>}
   */
  async updatePlatform(platform) {
    const json = check.toJson('platform', () => check.object('platform', platform));
    const { recovered } = this.#launch;
    this.#launch = { ...JSON.parse(await this.#calls.call((native) => native.updatePlatform(json))), recovered };
    this.#announcer.forget();
    this.#loop.nudge();
    return this.#launch;
  }

  /**
   * Stores sessions, all or none. A session that is known by (lane, contentId, sessionId) is updated. With `replace` the contents'
   * other sessions are removed, and their licences released when there is a driver. In a lane a session id is of one content only:
   * put for another one as well, it proves that the first has lost its licence.
   * @param {SessionInput | SessionInput[]} sessions
   * @param {{ replace?: boolean }} [options]
   * @returns {Promise<StoredSession[]>} in the order of `sessions`
   */
  async put(sessions, options) {
    const replace = check.optionalBoolean('replace', check.options(options, ['replace']).replace) ?? false;
    const json = check.sessionsJson('sessions', sessions);
    const stored = await this.#sessions((native) => native.put(json, replace));
    this.#hasStored();
    return stored;
  }

  /** @param {import('./types').Filter} [filter] @returns {Promise<StoredSession[]>} */
  async list(filter = {}) {
    const json = check.toJson('filter', () => check.object('filter', filter));
    return this.#sessions((native) => native.list(json));
  }

  /** @param {import('./types').FindQuery} query @returns {Promise<StoredSession[]>} */
  async find(query) {
    const json = check.toJson('query', () => check.withInitData('', { ...check.object('query', query) }));
    return this.#sessions((native) => native.find(json));
  }

  /** Forgets a content; its licences are released when there is a driver. @param {string} contentId @returns {Promise<void>} */
  async removeContent(contentId) {
    check.string('contentId', contentId);
    await this.#calls.call((native) => native.removeContent(contentId));
    this.#hasStored();
  }

  /**
   * Compares what is stored with the player's catalogue of a lane. New contents are stored (nothing is proven by that), one that
   * was downloaded again replaces its old sessions, and what is missing in two launches is removed; its licences are then released.
   *
   * Rejects with ERR_INVALID_ARGUMENT, or with ERR_CATALOGUE_SHRANK when the catalogue is empty or lacks more than 20 % (and more
   * than 3) of the contents: then nothing is removed, and the additions stand.
   *
   * @param {Lane} lane
   * @param {import('./types').CatalogueEntry[]} [catalogue] all of the lane's contents; the ids of incomplete downloads are left alone.
   *   Default: what the lane's driver lists (`inventory`, of a ShakaDriver); rejects with what that rejects with, such as ERR_SHAKA_LAYOUT
   * @param {{ allowMassRemoval?: boolean }} [options] `allowMassRemoval`: that so much is missing is right
   * @returns {Promise<import('./types').ReconcileReport>}
   */
  async reconcile(lane, catalogue, options) {
    const { allowMassRemoval } = check.options(options, ['allowMassRemoval']);
    const allowed = check.optionalBoolean('allowMassRemoval', allowMassRemoval) ?? false;
    const laneJson = check.toJson('lane', () => check.object('lane', lane));
    const entries = catalogue === undefined ? await inventoryOf(JSON.parse(laneJson), this.#driverFor, this.#closed.signal) : check.array('catalogue', catalogue);
    const json = check.sessionsJson('catalogue', entries);
    const report = await this.#calls.call((native) => native.reconcile(laneJson, json, JSON.stringify({ allowMassRemoval: allowed })));
    this.#hasStored();
    return JSON.parse(report);
  }

  /**
   * May the renderer play this now? Answers at once.
   * @param {string} contentId
   * @returns {Verdict}
   */
  verdict(contentId) {
    check.string('contentId', contentId);
    return JSON.parse(this.#calls.callNow((native) => native.verdict(contentId)));
  }

  /** What would not play offline now, of whoever is signed in. @returns {Verdict[]} */
  unready() {
    return JSON.parse(this.#calls.callNow((native) => native.unready()));
  }

  /**
   * Who does EME: one driver for every lane, or a function that knows which. `null` defers a lane's work.
   * @param {SessionDriver | ((lane: Lane) => SessionDriver | null)} driver
   */
  useDriver(driver) {
    this.#calls.assertOpen();
    if (typeof driver === 'function') {
      this.#driverFor = (lane) => {
        const found = driver(lane);
        return found === null || found === undefined ? null : assertDriver(found);
      };
    } else {
      const only = assertDriver(driver);
      this.#driverFor = () => only;
    }
    this.#native.resume();
    this.#loop.nudge();
  }

  /**
   * Does what can be done so that a content plays offline, before anything else that is due; joins work that is under way. On
   * time-out it gives the verdict as it stands, and the work goes on. Rejects with ERR_ABORTED or ERR_CLOSED.
   * @param {string} contentId
   * @param {{ timeoutMs?: number, signal?: AbortSignal }} [options] `timeoutMs`: default `policy.ensurePlayableTimeoutMs`
   * @returns {Promise<Verdict>}
   */
  async ensurePlayable(contentId, options) {
    check.string('contentId', contentId);
    const { timeoutMs, signal } = check.options(options, ['timeoutMs', 'signal']);
    const limit = check.optionalMs('timeoutMs', timeoutMs, MAX_TIMEOUT_MS) ?? this.#policy.ensurePlayableTimeoutMs;
    const abort = check.optionalSignal('signal', signal);
    if (abort?.aborted) throw new OfflineSessionsError('ERR_ABORTED', 'the signal was aborted', { cause: abort.reason });
    await this.#calls.call((native) => native.want(contentId));
    if (abort?.aborted) {
      this.#loop.unwant(contentId);
      throw new OfflineSessionsError('ERR_ABORTED', 'the signal was aborted', { cause: abort.reason });
    }
    return this.#loop.settle(contentId, () => this.verdict(contentId), limit, abort);
  }

  /**
   * Checks every suspect session and licenses again what is lost, until nothing more can run now. Calls that overlap share the
   * work. Rejects with ERR_ABORTED (what runs is called off unless others wait for it), ERR_CLOSED or a storage error.
   * @param {{ signal?: AbortSignal, onProgress?: (progress: Progress) => void, spread?: boolean }} [options] `spread`: nobody waits for this,
   *   so licences begin after a random delay of up to `policy.spreadMaxMs`, but for the ten titles played last: every install is at the
   *   same after an update. A later call without it ends the delay
   * @returns {Promise<RevalidationReport>}
   */
  async revalidate(options) {
    const { signal, onProgress, spread } = check.options(options, ['signal', 'onProgress', 'spread']);
    const abort = check.optionalSignal('signal', signal);
    const listener = check.optionalFunction('onProgress', onProgress);
    const isSpread = check.optionalBoolean('spread', spread) ?? false;
    this.#calls.assertOpen();
    if (this.#preflight) {
      const refused = await this.#refused(abort);
      if (refused) this.#calls.callNow((native) => native.setRefused(JSON.stringify(refused)));
    }
    this.#native.spread(isSpread);
    return this.#loop.run((progress) => listener?.(progress), abort);
  }

  /**
   * What the app knows of the network. Offline defers licences, and checks that might destroy one.
   * @param {'online' | 'offline' | 'unknown'} connectivity
   * @param {{ changedLocation?: boolean }} [options] `changedLocation`: titles blocked by region are tried again
   */
  setConnectivity(connectivity, options) {
    check.string('connectivity', connectivity);
    const { changedLocation } = check.options(options, ['changedLocation']);
    const moved = check.optionalBoolean('changedLocation', changedLocation) ?? false;
    this.#calls.assertOpen();
    call(() => this.#native.setConnectivity(connectivity, moved));
    this.#loop.nudge();
  }

  /**
   * Who is signed in; null: nobody. Titles of other accounts are neither licensed nor playable (`other-account`), and what was
   * blocked for want of a sign-in is tried again. Until it is called every title counts.
   * @param {string | null} account
   * @returns {Promise<void>}
   */
  async setAccount(account) {
    if (account === undefined) throw check.invalid('account', 'must be a string, or null for nobody');
    const given = account === null ? undefined : check.string('account', account);
    await this.#calls.call(async (native) => native.setAccount(given));
    this.#loop.nudge();
  }

  /**
   * Says that a title is playing (it is then not checked, adopted or released), or that a download is writing licences (then nothing
   * writes in its lane). Licences that the app makes itself want the window's lock as well: `withCdmLock` of `…/renderer`.
   * @param {{ contentId?: string, lane: Lane, kind: 'playing' | 'downloading' }} hold without `contentId`: all of the lane
   * @returns {{ release(): void }} `release` may be called more than once
   */
  hold(hold) {
    this.#calls.assertOpen();
    const json = check.toJson('hold', () => check.object('hold', hold));
    const id = call(() => this.#native.hold(json));
    this.#loop.nudge();
    return {
      release: () => {
        this.#native.releaseHold(id);
        this.#loop.nudge();
      },
    };
  }

  /**
   * How playback went. An error, or key statuses that are not good, take a title's proof away: it is checked next. Nothing the
   * player says gives a proof.
   * @param {string} contentId
   * @param {{ error?: unknown, systemCode?: number | null, keyStatuses?: Record<string, import('./types').MediaKeyStatus>,
   *   expiration?: number | null }} report
   * @returns {Promise<Verdict>}
   */
  async reportPlayback(contentId, report) {
    check.string('contentId', contentId);
    if (types.isNativeError(report)) throw check.invalid('report', 'must be an object such as { error }');
    const given = check.reading('report', () => ({ ...check.object('report', report) }));
    const error = given.error === undefined || given.error === null ? null : check.reading('error', () => String(given.error));
    const json = check.toJson('report', () => ({ ...check.sessionInput('report', given), error }));
    const [verdict, sessions] = JSON.parse(await this.#calls.call((native) => native.reportPlayback(contentId, json)));
    this.#announcer.changed(sessions.map(check.withBytes));
    this.#loop.nudge();
    return verdict;
  }

  /**
   * Changes limits, mode or waits while work goes on: an app's remote kill switch. What is out already ends by the old ones.
   * Throws ERR_INVALID_ARGUMENT, and then nothing has changed.
   * @param {Partial<import('./types').Policy>} policy what is left out stays
   * @returns {import('./types').Policy} what is in force now
   */
  setPolicy(policy) {
    const json = check.toJson('policy', () => check.object('policy', policy));
    this.#calls.assertOpen();
    this.#policy = JSON.parse(call(() => this.#native.setPolicy(json)));
    this.#loop.nudge();
    return { ...this.#policy };
  }

  /**
   * What an update would do to what is stored, before it is installed. `defer`: titles would be stranded, or might be; `warn`: some
   * could not be licensed again; `install`. Weighs what this install has seen, then `knowledge`, then what is publicly known, whose
   * sources disagree. With a `preflight` hook the app's server is asked for titles that it would refuse.
   * @param {Partial<PlatformInfo>} target versions that the update brings, as far as they are known
   * @returns {Promise<import('./types').UpdateAssessment>}
   */
  async assessUpdate(target) {
    const json = check.toJson('target', () => check.object('target', target));
    const refused = Object.keys((await this.#refused()) ?? {});
    const assessment = JSON.parse(await this.#calls.call((native) => native.assessUpdate(json, refused)));
    this.#announcer.tell('update-assessed', assessment);
    return assessment;
  }

  /**
   * Before an update is installed, while the old CDM still works: a note of it (`launch.expected` of the next launch), then a copy of what
   * is stored; what re-licensing needs is completed from the player's catalogue where a driver lists one; and due work is done, such as
   * renewals ahead of those that opted in, if work was ever begun in this launch. The app may quit at any time meanwhile.
   * @param {Partial<PlatformInfo>} [target] as of `assessUpdate`; without it nothing is noted
   * @returns {Promise<{ copied: boolean, notRenewable: string[] }>} `copied`: something was written since the last copy; `notRenewable`:
   *   contents of these catalogues that could not be licensed again
   */
  async prepareForUpdate(target) {
    const json = target === undefined ? 'null' : check.toJson('target', () => check.object('target', target));
    const prepare = async () => JSON.parse(await this.#calls.call((native) => native.prepareForUpdate(json)));
    const copied = await prepare();
    /** @type {string[]} */
    const notRenewable = [];
    for (const lane of /** @type {Lane[]} */ (JSON.parse(this.#native.lanes()))) {
      try {
        if (!this.#driverFor(lane)?.inventory) continue;
        notRenewable.push(...(await this.reconcile(lane)).notRenewable);
      } catch (error) {
        if (/** @type {any} */ (error).code === 'ERR_CLOSED') throw error;
        this.#announcer.warn(error);
      }
    }
    await this.#loop.runOn();
    return { copied: await prepare() || copied, notRenewable };
  }

  /** @param {AbortSignal} [signal] @returns {Promise<Record<string, import('./types').Refusal> | null>} by content id; null: nobody waits for it */
  async #refused(signal) {
    const preflight = this.#preflight;
    if (!preflight) return {};
    const sessions = await this.list();
    try {
      return await refusedByServer(preflight, sessions, [signal, this.#closed.signal]);
    } catch (error) {
      this.#calls.assertOpen();
      // The app's server may not be there; then nobody knows.
      if (signal?.aborted) return null;
      this.#announcer.warn(error);
      return {};
    }
  }

  /** A content's waits are over, but for those that a server asked for: it is tried again. @param {string} contentId @returns {Promise<void>} */
  async retry(contentId) {
    check.string('contentId', contentId);
    await this.#calls.call((native) => native.retry(contentId));
    this.#loop.nudge();
  }

  /** Launches and what changed, newest first. @param {{ limit?: number }} [options] @returns {Promise<import('./types').Launch[]>} */
  async history(options = {}) {
    const json = check.toJson('options', () => check.object('options', options));
    return JSON.parse(await this.#calls.call((native) => native.history(json)));
  }

  /**
   * Forgets for good; what was stored is overwritten. Without `account` that is everything but this launch, work that runs is called
   * off, and licences stay in the CDM: clear the storage of the Electron session too. With `account` it is the sessions of that
   * account, whose licences are released when there is a driver. Rejects with ERR_STORAGE when the file could not be cleaned.
   * @param {{ account?: string }} [options]
   * @returns {Promise<void>}
   */
  async erase(options) {
    const { account } = check.options(options, ['account']);
    // An account that is not known must not be taken for all of them.
    const isGiven = check.reading('options', () => Object.hasOwn(options ?? {}, 'account'));
    if (isGiven && account === undefined) throw check.invalid('account', 'must be a string; leave it out to erase everything');
    const given = account === undefined ? undefined : check.string('account', account);
    if (given === undefined) this.#loop.callOff();
    await this.#calls.call((native) => native.erase(given));
    this.#announcer.forget();
    this.#loop.nudge();
  }

  /** Ends all work and lets go of the directory. Idempotent; a run under way rejects with ERR_CLOSED. @returns {Promise<void>} */
  close() {
    clearTimeout(this.#copying);
    this.#calls.close();
    this.#closed.abort(new OfflineSessionsError('ERR_CLOSED', 'close() ended the wait'));
    this.#closing ??= this.#loop.close()
      .then(async () => { await call(this.#native.close()); })
      .finally(() => OfflineSessions.#open.delete(this));
    return this.#closing;
  }

  /** What the app has stored may be due; and no copy has it yet. */
  #hasStored() {
    clearTimeout(this.#copying);
    if (!this.#closing) this.#copying = setTimeout(() => this.#native.copy(), COPY_AFTER_MS).unref();
    this.#loop.nudge();
  }

  /** @param {(native: import('../native/binding').NativeEngine) => Promise<string>} work @returns {Promise<StoredSession[]>} */
  async #sessions(work) {
    return JSON.parse(await this.#calls.call(work)).map(check.withBytes);
  }
}

/** @param {SessionDriver} driver @returns {SessionDriver} */
function assertDriver(driver) {
  const methods = check.object('driver', driver);
  const missing = check.reading('driver', () => DRIVER_METHODS.find((method) => typeof methods[method] !== 'function'));
  if (missing !== undefined) throw check.invalid(`driver.${missing}`, 'must be a function');
  return driver;
}

module.exports = { OfflineSessions };
