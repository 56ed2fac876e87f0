'use strict';

const { setMaxListeners } = require('node:events');
const check = require('../arguments');
const { PAGE, PROGRESS } = require('../channels');
const { OfflineSessionsError } = require('../errors');
const { isMainFrameOf } = require('./frames');

/**
 * @typedef {import('../manager').OfflineSessions} OfflineSessions
 * @typedef {import('../types').Lane} Lane
 *
 * @typedef {object} Page what one document of the app has asked for
 * @property {Map<number, { release(): void }>} holds
 * @property {number} pending calls
 * @property {boolean} listens to progress
 * @property {AbortController} gone
 *
 * @typedef {{ value: unknown } | { error: { code: string, message: string } }} Answer
 */

/** A page may ask for all of its titles at once. */
const MAX_PENDING = 1_000;
const MAX_HOLDS = 32;
/** Characters and values of one call's arguments; a report on 64 KiB of keys is far less. */
const MAX_SIZE = 65_536;
const MAX_DEPTH = 8;

/** What ends a document; a reload too, though the contents stay. */
const ENDS = /** @type {const} */ (['destroyed', 'render-process-gone', 'did-navigate']);

/**
 * Serves the app's own pages that have `exposeOfflineSessions` in their preload. What they ask before the store is open waits for it.
 *
 * @param {Promise<OfflineSessions>} opening
 * @param {{ ipcMain: Pick<import('./parts').IpcMain, 'handle' | 'removeHandler'>, allowedOrigins: string[], lanes: Lane[] }} options
 * @returns {() => void} ends it
 */
function serveIpc(opening, { ipcMain, allowedOrigins, lanes }) {
  /** @type {Map<import('electron').WebContents, Page>} */
  const pages = new Map();
  /** Those that are watched, with what ends that. @type {Map<import('electron').WebContents, () => void>} */
  const watched = new Map();
  let lastHold = 0;

  /** @type {Record<string, (offline: OfflineSessions, page: Page, ...args: any[]) => unknown>} */
  const methods = {
    verdict: (offline, _page, contentId) => offline.verdict(contentId),
    ensurePlayable: (offline, page, contentId, options) => {
      const { timeoutMs } = check.options(options ?? undefined, ['timeoutMs']);
      return offline.ensurePlayable(contentId, { timeoutMs: /** @type {any} */ (timeoutMs), signal: page.gone.signal });
    },
    reportPlayback: (offline, _page, contentId, report) => offline.reportPlayback(contentId, report),
    hold: (offline, page, hold) => {
      const { contentId, kind, lane } = check.options(check.object('hold', hold), ['contentId', 'kind', 'lane']);
      if (page.holds.size >= MAX_HOLDS) throw new OfflineSessionsError('ERR_TOO_MANY_CALLS', `more than ${MAX_HOLDS} holds`);
      page.holds.set(++lastHold, offline.hold(/** @type {any} */ ({ contentId, lane: laneOf(lane), kind })));
      return lastHold;
    },
    release: (_offline, page, id) => {
      page.holds.get(id)?.release();
      page.holds.delete(id);
    },
    progress: (_offline, page) => { page.listens = true; },
  };

  /** @param {unknown} lane @returns {Lane} one of the app's */
  function laneOf(lane) {
    if (lane === undefined && lanes.length === 1) return lanes[0];
    const { origin, partition, keySystem } = check.object('lane', lane);
    const found = lanes.find((one) => one.origin === origin && (one.partition ?? '') === (partition ?? '') && one.keySystem === keySystem);
    if (!found) throw check.invalid('lane', 'is none of this app\'s');
    return found;
  }

  /** @param {import('electron').WebContents} contents */
  function pageOf(contents) {
    const known = pages.get(contents);
    if (known) return known;
    const page = { holds: new Map(), pending: 0, listens: false, gone: new AbortController() };
    pages.set(contents, page);
    // Each call that waits listens.
    setMaxListeners(0, page.gone.signal);
    if (!watched.has(contents)) watch(contents);
    return page;
  }

  /** @param {import('electron').WebContents} contents */
  function watch(contents) {
    const onEnd = () => forget(contents);
    const unwatch = () => {
      for (const end of ENDS) contents.off(/** @type {any} */ (end), onEnd);
      contents.off('destroyed', unwatch);
      watched.delete(contents);
    };
    for (const end of ENDS) contents.on(/** @type {any} */ (end), onEnd);
    contents.on('destroyed', unwatch);
    watched.set(contents, unwatch);
  }

  /** @param {import('electron').WebContents} contents */
  function forget(contents) {
    const page = pages.get(contents);
    pages.delete(contents);
    page?.gone.abort(new OfflineSessionsError('ERR_ABORTED', 'the page has gone'));
    for (const hold of page?.holds.values() ?? []) hold.release();
  }

  /** @param {import('electron').IpcMainInvokeEvent} event @param {unknown} method @param {unknown} args @returns {Promise<Answer>} */
  async function answer(event, method, args) {
    try {
      // At once: the frame that has sent this may navigate.
      if (!isMainFrameOf(event.senderFrame, allowedOrigins)) throw new OfflineSessionsError('ERR_NOT_ALLOWED', 'this page may not ask');
      if (typeof method !== 'string' || !Object.hasOwn(methods, method)) throw check.invalid('method', 'is none that pages have');
      assertSmall(check.array('arguments', args), { left: MAX_SIZE }, 0);
      const page = pageOf(event.sender);
      if (page.pending >= MAX_PENDING) throw new OfflineSessionsError('ERR_TOO_MANY_CALLS', `more than ${MAX_PENDING} calls at a time`);
      page.pending += 1;
      try {
        const offline = await opening;
        page.gone.signal.throwIfAborted();
        return { value: await methods[method](offline, page, ...(/** @type {unknown[]} */ (args))) };
      } finally {
        page.pending -= 1;
      }
    } catch (error) {
      return failure(error);
    }
  }

  /** @param {import('../types').Progress} progress */
  const tell = (progress) => {
    for (const [contents, { listens }] of pages) if (listens && !contents.isDestroyed()) contents.send(PROGRESS, progress);
  };

  try {
    ipcMain.handle(PAGE, answer);
  } catch (cause) {
    throw new OfflineSessionsError('ERR_IN_USE', 'the pages of this process are served by another OfflineSessions', { cause });
  }
  opening.then((offline) => offline.on('progress', tell), () => {});
  return () => {
    ipcMain.removeHandler(PAGE);
    opening.then((offline) => offline.off('progress', tell), () => {});
    for (const contents of [...pages.keys()]) forget(contents);
    for (const unwatch of [...watched.values()]) unwatch();
  };
}

/**
 * Refuses what is bigger than any honest call, before anything reads all of it.
 * @param {unknown} value as the structured clone algorithm gives it
 * @param {{ left: number }} budget
 * @param {number} depth
 */
function assertSmall(value, budget, depth) {
  // An array counts by its length: it may be all holes, and what reads it would make billions of values of them.
  budget.left -= typeof value === 'string' || Array.isArray(value) ? value.length + 1 : 1;
  if (budget.left < 0 || depth > MAX_DEPTH) throw check.invalid('arguments', 'are more than this call takes');
  // No call takes one, and to write a long one as text takes minutes.
  if (typeof value === 'bigint') throw check.invalid('arguments', 'must be plain data');
  if (typeof value !== 'object' || value === null) return;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && Object.getPrototypeOf(prototype) !== null) throw check.invalid('arguments', 'must be plain data');
  for (const name in value) {
    assertSmall(name, budget, depth);
    assertSmall(/** @type {any} */ (value)[name], budget, depth + 1);
  }
}

/** Only what is ours is told; anything else may name files and machines. @param {unknown} error @returns {Answer} */
function failure(error) {
  if (!(error instanceof OfflineSessionsError)) return { error: { code: 'ERR_INTERNAL', message: 'the call failed' } };
  return { error: { code: error.code, message: error.message } };
}

module.exports = { serveIpc };
