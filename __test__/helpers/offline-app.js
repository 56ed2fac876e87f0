'use strict';

const { on } = require('node:events');
const { OfflineSessions } = require('../..');
const { hexToBase64url } = require('../../testbed/clearkey.js');
const { ScriptedCdm, createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { startLicenseServer } = require('../../testbed/servers.js');
const { LANE, PLATFORM, input, proven, makeDirectory, removeDirectory } = require('./store.js');

/** The key id of title n. @param {number} n */
const keyId = (n) => `00112233445566778899aabb0000${n.toString(16).padStart(4, '0')}`;

/** What the licence server can license: titles 1 to 99. */
const KEYS = Object.fromEntries(Array.from({ length: 99 }, (_, n) => [keyId(n + 1), keyId(n + 1)]));

/** @param {readonly string[]} keyIds @returns {Uint8Array} init data of type `keyids` */
const initDataOf = (keyIds) => new Uint8Array(Buffer.from(JSON.stringify({ kids: keyIds.map(hexToBase64url) })));

/** An update of Electron alone. */
const UPDATED = { ...PLATFORM, electron: '35.1.4' };

/**
 * An app with offline titles: the real addon and licence server, a directory, a player's catalogue; and instead of a browser a
 * scripted CDM.
 */
class OfflineApp {
  /** What was warned of. A test that expects warnings takes them; others fail on them. @type {any[]} */
  warnings = [];
  /** Where its downloads go. @type {import('../../testbed/scripted-cdm.js').Lane} */
  lane = LANE;

  /** @param {Parameters<typeof startLicenseServer>[0]} [options] of the licence server */
  async start({ keys = KEYS, ...server } = {}) {
    this.directory = makeDirectory();
    this.server = await startLicenseServer({ keys, ...server });
    this.cdm = new ScriptedCdm();
    /** @type {Map<string, { sessionId: string, initData: string, keyIds: readonly string[] }[]>} */
    this.catalogue = new Map();
    this.warnings = [];
    /** @type {OfflineSessions | undefined} */
    this.offline = undefined;
  }

  /**
   * A launch. `driver`: what `useDriver` is given; null: nothing.
   * @param {{ driver?: any, platform?: object, policy?: object, [hook: string]: any }} [options]
   */
  async open({ driver = this.driver(), platform, policy, ...options } = {}) {
    // This server has no limit, unless a test gives it one.
    const quick = { licenseRatePerS: 1000, licenseRateMaxPerS: 1000, ...policy };
    this.offline = await OfflineSessions.open({ directory: this.directory, platform: { ...PLATFORM, ...platform }, policy: quick, ...options });
    this.offline.on('warning', (warning) => this.warnings.push(warning));
    if (driver) this.offline.useDriver(driver);
    return this.offline;
  }

  /** A driver in a window of its own. */
  driver() {
    return createScriptedDriver(this.cdm, { catalogue: this.catalogue });
  }

  /** The app ends, and its browser with it. */
  async quit() {
    await this.offline?.close();
    this.cdm.restart();
  }

  /** Quits, and is opened again. @param {Parameters<OfflineApp['open']>[0]} [options] */
  async relaunch(options) {
    await this.quit();
    return this.open(options);
  }

  /**
   * A download: the licence is in the CDM and the title in the catalogue. Gives what the app puts.
   * @param {string} contentId
   * @param {readonly string[]} keyIds those that the licence holds
   * @param {Record<string, any>} [more]
   */
  download(contentId, keyIds, more = {}) {
    const { origin = this.lane.origin, partition = this.lane.partition, keySystem = this.lane.keySystem } = more;
    const lane = { origin, partition, keySystem };
    const sessionId = this.cdm.store(lane, [...keyIds]);
    const initData = more.initData ?? initDataOf(keyIds);
    const entry = { sessionId, initData: Buffer.from(initData).toString('base64'), keyIds };
    this.catalogue.set(contentId, [...(this.catalogue.get(contentId) ?? []), entry]);
    return input(contentId, { ...lane, sessionId, initDataType: 'keyids', initData, licenseUrl: this.server.url, proven: proven(keyIds), ...more });
  }

  /** Downloads and puts the titles `title 1` to `title n`. @param {number} n @param {Record<string, any>} [more] */
  async store(n, more) {
    return this.offline.put(titles(n).map((contentId, at) => this.download(contentId, [keyId(at + 1)], more)));
  }

  /**
   * n titles; then an update, and nothing of them is left in the CDM.
   * @param {number} n
   * @param {Parameters<OfflineApp['open']>[0]} [options] of the launch after it
   * @param {Record<string, any>} [more] of each title
   */
  async updateThatBroke(n, options, more) {
    await this.open();
    await this.store(n, more);
    await this.quit();
    this.cdm.breakSalts();
    return this.open({ platform: UPDATED, ...options });
  }

  /**
   * Whether the player could play a title offline: every session of its catalogue entry is in the CDM, with its keys.
   * @param {string} contentId
   */
  plays(contentId) {
    const sessions = this.catalogue.get(contentId) ?? [];
    const { records } = this.cdm.storage(this.lane);
    return sessions.length > 0 && sessions.every(({ sessionId, keyIds }) => {
      const shown = records.get(sessionId)?.keyStatuses ?? {};
      return keyIds.every((id) => shown[id] === 'usable');
    });
  }

  /** Session ids that the CDM knows and no title of the catalogue has, hollow ones too. */
  leftovers() {
    const wanted = new Set([...this.catalogue.values()].flat().map(({ sessionId }) => sessionId));
    return [...this.cdm.storage(this.lane).index].filter((sessionId) => !wanted.has(sessionId));
  }

  /** The ids under which the server was asked, each once: what it would bill. */
  billed() {
    return [...new Set(this.server.calls.map(({ headers }) => headers['idempotency-key']))];
  }

  /** @param {string} contentId */
  async session(contentId) {
    const [session, ...others] = await this.offline.list({ contentId });
    if (!session || others.length > 0) throw new Error(`${contentId} has ${others.length ? 'several sessions' : 'none'}`);
    return session;
  }

  /** What the CDM and the warnings must show after every test. */
  async end() {
    await this.offline?.close();
    await this.server.close();
    removeDirectory(this.directory);
    expect(this.cdm.violations).toEqual([]);
    expect(this.warnings).toEqual([]);
  }
}

/** @param {number} n @returns {string[]} */
const titles = (n) => Array.from({ length: n }, (_, at) => `title ${at + 1}`);

/**
 * An app for each test of the suite.
 * @param {Parameters<OfflineApp['start']>[0]} [options]
 */
function useApp(options) {
  const app = new OfflineApp();
  beforeEach(() => app.start(options));
  afterEach(() => app.end());
  return app;
}

/**
 * The first event of that name for which `accept` holds.
 * @param {import('node:events').EventEmitter} emitter
 * @param {string} event
 * @param {(value: any) => boolean} [accept]
 */
async function next(emitter, event, accept = () => true) {
  for await (const [value] of on(emitter, event)) if (accept(value)) return value;
}

/** What never comes. */
const never = () => new Promise(() => {});

/** Nothing happened in a run. */
const NOTHING = Object.freeze({
  checked: 0, proven: 0, lost: 0, licensed: 0, adopted: 0, blocked: 0, released: 0, licenseRequests: 0, unsupported: 0, deferred: 0, heldBack: 0,
});

module.exports = { OfflineApp, useApp, next, never, titles, keyId, initDataOf, KEYS, UPDATED, NOTHING };
