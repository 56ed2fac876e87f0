'use strict';

const { ScriptedCdm } = require('../../testbed/scripted-cdm.js');
const { OfflineApp, keyId } = require('./offline-app.js');
const { LANE, CDM_VERSION } = require('./store.js');

const WIDEVINE = 'com.widevine.alpha';
const WIDEVINE_VERSION = '4.10.2710.0';

/** Two origins, two partitions, two key systems: each pair of lanes differs in one of them alone, or has one in common. */
const LANES = Object.freeze({
  main: { ...LANE, partition: '' },
  kids: { ...LANE, partition: 'persist:kids' },
  wide: { origin: LANE.origin, partition: '', keySystem: WIDEVINE },
  web: { origin: 'https://player.example', partition: '', keySystem: WIDEVINE },
});
/** @typedef {keyof typeof LANES} LaneName */
const NAMES = Object.freeze(/** @type {LaneName[]} */ (Object.keys(LANES)));

/** The versions that the CDMs have. @param {{ clearkey?: string | null, widevine?: string | null }} [versions] */
const cdms = ({ clearkey = CDM_VERSION, widevine = WIDEVINE_VERSION } = {}) =>
  ({ cdms: [{ keySystem: LANE.keySystem, version: clearkey }, { keySystem: WIDEVINE, version: widevine }] });

/** An update of Electron alone. */
const UPDATE = Object.freeze({ electron: '35.1.4' });

/** @param {import('../../testbed/scripted-cdm.js').Lane} lane */
const laneKey = ({ origin, partition, keySystem }) => [origin, partition ?? '', keySystem].join(' ');

/** @param {LaneName} name @param {number} [n] a title that lies in that lane */
const title = (name, n = 1) => `${name} ${n}`;

/** The key of a title of a lane: no two have the same. @param {LaneName} name @param {number} [n] from 1 to 9 */
const keyOf = (name, n = 1) => keyId(NAMES.indexOf(name) * 10 + n);

/** An app with one store and several lanes. Each has a window, a CDM and a catalogue of its own, so ids are the same in all. */
class LanesApp extends OfflineApp {
  /** The app as it is in each lane: its downloads, its CDM. */
  lanes = /** @type {Record<LaneName, OfflineApp>} */ ({});

  async start() {
    await super.start();
    for (const name of NAMES) this.lanes[name] = this.#inLane(name);
  }

  /** @param {LaneName} name */
  #inLane(name) {
    const lane = LANES[name];
    const cdm = new ScriptedCdm();
    cdm.on('phase', ({ lane: asked }) => {
      if (laneKey(asked) !== laneKey(lane)) cdm.violations.push(`the driver of ${laneKey(lane)} was asked for ${laneKey(asked)}`);
    });
    return Object.assign(new OfflineApp(), { lane, server: this.server, cdm, catalogue: new Map() });
  }

  /** @param {Parameters<OfflineApp['open']>[0]} [options] */
  open({ platform, driver = this.drivers(), ...options } = {}) {
    return super.open({ platform: { ...cdms(), ...platform }, driver, ...options });
  }

  /** What `useDriver` is given: every lane's own driver, but for those that have no window. @param {LaneName[]} [without] */
  drivers(without = []) {
    const windows = NAMES.filter((name) => !without.includes(name));
    const drivers = new Map(windows.map((name) => [laneKey(LANES[name]), this.lanes[name].driver()]));
    return (/** @type {import('../../testbed/scripted-cdm.js').Lane} */ lane) => drivers.get(laneKey(lane)) ?? null;
  }

  async quit() {
    await super.quit();
    for (const { cdm } of Object.values(this.lanes)) cdm.restart();
  }

  /** Downloads and puts n titles in each lane. @param {number} n @param {Record<string, any>} [more] */
  async store(n, more) {
    const numbers = Array.from({ length: n }, (_, at) => at + 1);
    return this.offline.put(NAMES.flatMap((name) => numbers.map((number) =>
      this.lanes[name].download(title(name, number), [keyOf(name, number)], more))));
  }

  /** A launch with n titles in each lane, all witnesses planted; the app has quit. @param {number} n */
  async stored(n) {
    await this.open();
    await this.store(n);
    await this.offline.revalidate();
    await this.quit();
  }

  /** What one lane's CDM was asked, or each one's. @param {keyof ScriptedCdm['counts']} what */
  counts(what) {
    return Object.fromEntries(NAMES.map((name) => [name, this.lanes[name].cdm.counts[what]]));
  }

  async end() {
    await super.end();
    for (const { cdm } of Object.values(this.lanes)) expect(cdm.violations).toEqual([]);
  }
}

/** An app with lanes for each test of the suite. */
function useLanesApp() {
  const app = new LanesApp();
  beforeEach(() => app.start());
  afterEach(() => app.end());
  return app;
}

/** The same for every lane, but for some. @template T @param {T} value @param {Partial<Record<LaneName, T>>} [others] */
const perLane = (value, others) => ({ ...Object.fromEntries(NAMES.map((name) => [name, value])), ...others });

module.exports = { useLanesApp, LANES, NAMES, UPDATE, cdms, title, keyOf, perLane };
