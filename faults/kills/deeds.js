'use strict';

const { putAgain } = require('../app/whole');

/**
 * @typedef {import('../app/titles').Title} Title
 *
 * @typedef {object} Launch
 * @property {import('../app/app').App} app
 * @property {import('../app/process').AppProcess} process
 * @property {import('../random').Random} random
 * @property {Set<Title>} busy titles that no other deed of this launch may be about
 *
 * @typedef {(launch: Launch) => any} Deed
 */

const MAX_TITLES = 10;

/** What an app does beside the work; as often as it weighs. @type {Record<string, { weight: number, does: Deed }>} */
const DEEDS = {
  download: { weight: 4, does: (launch) => download(launch, 1) },
  downloads: { weight: 2, does: (launch) => download(launch, 3) },
  replace: { weight: 2, does: changing(replace) },
  touch: { weight: 4, does: changing(({ app, process }, title) => app.put(process, [title])) },
  remove: { weight: 3, does: changing(({ app, process }, title) => app.remove(process, [title])) },
  reconcile: { weight: 2, does: ({ app, process }) => app.reconcile(process) },
  play: { weight: 3, does: about(({ app, process }, { contentId }) => app.call(process, 'ensurePlayable', contentId, { timeoutMs: 2_000 })) },
  broken: { weight: 2, does: about(({ app, process }, { contentId }) => app.call(process, 'reportPlayback', contentId, { error: 'it does not play' })) },
  retry: { weight: 1, does: about(({ app, process }, { contentId }) => app.call(process, 'retry', contentId)) },
  find: { weight: 1, does: about(({ app, process }, { keyId }) => app.call(process, 'find', { keyIds: [keyId] })) },
  revalidate: { weight: 1, does: ({ app, process }) => app.call(process, 'revalidate') },
};

/** @param {(launch: Launch, title: Title) => any} does @returns {Deed} does it with a title that is on record, if there is one */
function about(does) {
  return (launch) => {
    const { app, random, busy } = launch;
    const free = app.titles.which('stored').filter((title) => !busy.has(title) && app.titles.of(title.contentId).length === 1);
    return free.length > 0 ? does(launch, random.pick(free)) : undefined;
  };
}

/** @param {(launch: Launch, title: Title) => any} does @returns {Deed} the same, and nothing else is done with that title */
function changing(does) {
  return about((launch, title) => {
    launch.busy.add(title);
    return does(launch, title);
  });
}

/** What was downloaded before and not put goes first. @param {Launch} launch @param {number} count */
function download({ app, process, random, busy }, count) {
  const [unrecorded] = app.titles.which('unrecorded').filter((title) => !busy.has(title));
  if (unrecorded) {
    busy.add(unrecorded);
    return putAgain(app, process, unrecorded);
  }
  return app.profile.locked(() => {
    const names = Array.from({ length: count }, () => `title ${random.int(1, MAX_TITLES)}`);
    const titles = [...new Set(names)].filter((contentId) => app.titles.of(contentId).length === 0).map((contentId) => app.titles.create(contentId));
    for (const title of titles) {
      busy.add(title);
      app.profile.download(title);
    }
    return titles.length > 0 ? app.put(process, titles, { proven: true }) : undefined;
  });
}

/** @param {Launch} launch @param {Title} title */
function replace({ app, process, busy }, { contentId }) {
  return app.profile.locked(() => {
    const next = app.titles.create(contentId);
    busy.add(next);
    app.profile.download(next, true);
    return app.put(process, [next], { proven: true, replace: true });
  });
}

module.exports = { DEEDS };
