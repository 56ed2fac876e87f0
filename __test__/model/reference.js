'use strict';

const { LANES, TITLES, laneIndex, slotOf } = require('./titles.js');

/**
 * The reference: what an app may believe of its titles. It knows what was put, what the CDM and the server were asked and what they
 * answered, and nothing of how the addon works. What the addon says must have its reason here. Where it cannot know whether an
 * answer was still recorded (a run that was aborted, an app that ended), it allows both.
 *
 * @typedef {object} Row a stored session
 * @property {number} id
 * @property {string} title
 * @property {number} slot which of its title's sessions
 * @property {number} lane
 * @property {string | null} account
 * @property {boolean} renewable
 * @property {string} sessionId
 * @property {string} state as it was listed last; unsure: something was said of it since
 * @property {string[]} keyIds the expected ones
 * @property {Set<string>} pending ids that the CDM gave for it and that it does not have yet
 * @property {Set<string>} past ids it once had
 * @property {Map<string, Facts>} facts of each id that it has or had
 * @property {Set<string>} refused words that the server and the CDM have said of its new licences
 * @property {boolean} mayBeGone its player said that the content is gone
 * @property {string | null} reason as it was listed last
 * @property {boolean} isWished somebody asked for it to be tried, and it was not yet
 * @property {boolean} isAnew and that since the last try was begun, because something is different
 * @property {boolean} isReplaced the app has put its title anew, and this is not known to be put again
 * @property {string | null} requestId under which its licence was asked for, until one is adopted or refused
 * @property {string | null} adoptedAs the request id of the licence that the player has
 * @property {Set<string>} spent request ids whose licence was adopted
 *
 * @typedef {object} Facts what is known of one session of the CDM
 * @property {{ epoch: number, launch: number, sure: boolean } | null} proof
 * @property {number} bad the last epoch in which it was answered anything but loaded
 * @property {boolean} damaged broken behind everybody's back since it was last proven
 * @property {Set<string>} said words that checks have said of it
 * @property {{ tasks: number }[]} absences the phases in which it was found absent, in a row
 * @property {number[]} strikes when it could not be loaded
 *
 * @typedef {object} LaneModel
 * @property {number} epoch counts what makes every licence of the lane suspect
 * @property {{ electron: number, cdm: number | null, launch: number } | null} bound null: nothing was put in it yet
 * @property {Set<string | null>} capabilities what may be recorded as the last answer
 * @property {string | null} probed this launch's answer
 * @property {string | null} witness the last that was planted
 * @property {'failed' | 'unavailable' | null} stuck a phase could not start, or there is no CDM yet
 * @property {boolean} grace what is allowed has changed while work was out: what was handed out before may still come
 * @property {{ name: string, tasks: number } | null} phase
 */

const REFUSALS = ['auth', 'geo', 'entitlement', 'offline-not-allowed', 'device-limit', 'concurrency', 'revoked'];
/** Good for playing, whatever the screen or the date allow right now. */
const GOOD = ['usable', 'output-restricted', 'output-downscaled', 'usable-in-future'];

const key = (/** @type {number} */ lane, /** @type {string} */ sessionId) => `${lane}/${sessionId}`;

class Reference {
  /** @type {string[]} */
  violations = [];
  /** @type {Map<number, Row>} */
  rows = new Map();
  /** @type {LaneModel[]} */
  lanes = LANES.map(() => ({
    epoch: 0, bound: null, capabilities: new Set([null]), probed: null, witness: null, stuck: null, grace: false, phase: null,
  }));
  launch = 0;
  /** @type {{ electron: number, cdm: number | null }} */
  platform = { electron: 0, cdm: 0 };
  mode = 'repair';
  strikeSpacingMs = 0;
  /** @type {string | null | undefined} undefined: the app has not said */
  account = undefined;
  connectivity = 'unknown';
  /** @type {Set<{ kind: string, title: string | null, lane: number }>} */
  holds = new Set();
  /** The licence server asked for patience, once. */
  isThrottled = false;
  /** Accounts that it wants to be signed in. @type {Set<string | null>} */
  unauthorized = new Set();
  /** Titles that somebody clicked in this launch. @type {Set<string>} */
  clicked = new Set();
  /** Sessions that the CDM made, of which an app that ended never told the addon. @type {Set<string>} */
  unjournalled = new Set();
  /** Ids of which the addon was told that its licence is no longer there: whatever is there is not its to remove. @type {Set<string>} */
  disowned = new Set();
  /** Rows that ever had an id. @type {Map<string, Set<number>>} */
  holders = new Map();
  /** What drivers answered, counted. */
  tally = { licenseRequests: 0, licensed: 0, adopted: 0, released: 0, loaded: 0 };

  /** @param {boolean} holds @param {() => string} what */
  must(holds, what) {
    if (!holds) this.violations.push(what());
  }

  /** @param {{ electron: number, cdm: number | null }} platform @param {{ mode?: string, strikeSpacingMs: number }} policy */
  launched(platform, { mode = 'repair', strikeSpacingMs }) {
    this.launch += 1;
    Object.assign(this, { mode, strikeSpacingMs });
    for (const row of this.rows.values()) row.isWished = false;
    this.account = undefined;
    this.connectivity = 'unknown';
    this.holds.clear();
    this.clicked.clear();
    this.unauthorized.clear();
    for (const lane of this.lanes) Object.assign(lane, { probed: null, stuck: null, grace: false, phase: null });
    this.observed(platform);
  }

  /** Every difference of a lane's binding makes its licences suspect. @param {{ electron: number, cdm: number | null }} platform */
  observed(platform) {
    this.platform = platform;
    for (const lane of this.lanes) {
      const { bound } = lane;
      if (!bound) continue;
      const cdm = platform.cdm ?? bound.cdm;
      // Never seen before, a version may have changed unseen; but not within the launch that bound the lane.
      const cdmChanged = cdm !== bound.cdm && (bound.cdm !== null || bound.launch !== this.launch);
      if (cdmChanged || platform.electron !== bound.electron) lane.epoch += 1;
      if (cdm !== bound.cdm || platform.electron !== bound.electron) lane.bound = { electron: platform.electron, cdm, launch: this.launch };
    }
  }

  /**
   * @param {any} stored what `put` gave
   * @param {{ keyIds: string[], proven: boolean, renewable: boolean }} how
   */
  put(stored, { keyIds, proven, renewable }) {
    const { id, contentId: title, sessionId } = stored;
    const lane = laneIndex(stored);
    this.lanes[lane].bound ??= { ...this.platform, launch: this.launch };
    const slot = slotOf(title, keyIds);
    const { account = null } = TITLES[title];
    /** @type {Row} */
    const row = this.rows.get(id) ?? {
      id, title, slot, lane, account, renewable: false, sessionId, state: 'active', keyIds, pending: new Set(), past: new Set(),
      facts: new Map(), refused: new Set(), mayBeGone: false, isReplaced: false, isWished: false, isAnew: false, reason: null, requestId: null, adoptedAs: null, spent: new Set(),
    };
    row.renewable ||= renewable;
    // After a wipe the id may be that of another session of the title, of which nothing is proven, and nothing was asked for.
    if (row.slot !== slot) {
      this.facts(row).proof = null;
      row.requestId = null;
    }
    Object.assign(row, { slot, keyIds, isReplaced: false });
    if (proven) {
      // The app has a licence of its own making: what was asked for before is over.
      if (row.sessionId !== sessionId) row.requestId = null;
      this.claimed(row, sessionId);
      this.proven(row, sessionId, { sure: true });
      row.state = 'active';
    }
    this.facts(row, sessionId);
    this.held(row, sessionId);
    this.rows.set(id, row);
  }

  /** What the licence server has said of more than this row. @param {Row} row @param {{ kind: string, reason?: string }} outcome */
  answered({ account }, { kind, reason }) {
    if (kind === 'throttled') this.isThrottled = true;
    if (kind === 'licensed') this.unauthorized.delete(account);
    if (reason === 'auth') this.unauthorized.add(account);
  }

  /** @param {Row} row @param {string} sessionId */
  held(row, sessionId) {
    const at = key(row.lane, sessionId);
    this.holders.set(at, (this.holders.get(at) ?? new Set()).add(row.id));
  }

  /** @param {Row} row @returns {Facts} */
  facts({ facts, sessionId: current }, sessionId = current) {
    const known = facts.get(sessionId) ?? { proof: null, bad: -1, damaged: false, said: new Set(), absences: [], strikes: [] };
    facts.set(sessionId, known);
    return known;
  }

  /** The player has a new licence of this row, and what was told of it is probably recorded. @param {Row} row @param {string} sessionId */
  adopted(row, sessionId) {
    row.past.add(row.sessionId);
    row.pending.delete(sessionId);
    Object.assign(row, { sessionId, adoptedAs: row.requestId ?? row.adoptedAs, requestId: null });
  }

  /** @param {(row: Row) => boolean} which */
  removed(which) {
    for (const row of this.rows.values()) if (which(row)) this.rows.delete(row.id);
  }

  /** The CDM has given this id to `claimant`: nobody else's licence is there any more. @param {Row} claimant @param {string} sessionId */
  claimed(claimant, sessionId) {
    const lane = this.lanes[claimant.lane];
    for (const row of this.rows.values()) {
      if (row === claimant || row.lane !== claimant.lane) continue;
      row.pending.delete(sessionId);
      if (row.sessionId !== sessionId) continue;
      const facts = this.facts(row);
      // It was proven, and it is gone: nothing of the lane can be believed.
      if (facts.proof?.sure && facts.proof.epoch === lane.epoch) lane.epoch += 1;
      facts.proof = null;
      row.state = 'lost';
    }
  }

  /** @param {Row} row @param {string} sessionId @param {{ epoch?: number, sure?: boolean }} [how] */
  proven(row, sessionId, { epoch = this.lanes[row.lane].epoch, sure = false } = {}) {
    Object.assign(this.facts(row, sessionId), { proof: { epoch, launch: this.launch, sure }, damaged: false });
    // One licence never proves two sessions: whoever else has this id has lost it.
    for (const other of this.rows.values()) {
      if (other !== row && other.lane === row.lane && other.sessionId === sessionId) other.state = 'unsure';
    }
  }

  /** @param {Row} row whether its licence under this id may be believed */
  trusted(row, sessionId = row.sessionId) {
    const { proof } = this.facts(row, sessionId);
    return proof?.epoch === this.lanes[row.lane].epoch && (proof.launch === this.launch || this.platform.cdm !== null);
  }

  /** @param {Row} row */
  isAnothers({ account }) {
    return account !== null && this.account !== undefined && account !== this.account;
  }

  /** @param {Row} row @param {string} phase */
  isHeld({ lane, title }, phase) {
    return [...this.holds].some((hold) => hold.lane === lane && (hold.kind === 'downloading'
      ? phase === 'license'
      : phase !== 'license' && (hold.title === null || hold.title === title)));
  }

  /** @param {string} title */
  rowsOf(title) {
    return [...this.rows.values()].filter((row) => row.title === title);
  }

  /**
   * The row that a task is about, if it still is what it was when the task went out.
   * @param {{ contentId: string, keyIds: string[], sessionId: string }} session
   */
  rowOf({ contentId, keyIds, sessionId }) {
    const slot = slotOf(contentId, keyIds);
    return this.rowsOf(contentId).find((row) => row.slot === slot && [row.sessionId, ...row.pending, ...row.past].includes(sessionId));
  }
}

module.exports = { Reference, key, REFUSALS, GOOD };
