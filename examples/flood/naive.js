'use strict';

const { licenseRequest, parseLicense } = require('../../testbed/clearkey.js');

/**
 * @typedef {import('./titles.js').Title} Title
 * @typedef {{ licensed: number, seconds: number, clickedTitleWaitMs: number | null, clickedLaneMs?: number, clickedRequests?: number }} RunFigures
 *   seconds: until the last licence, or to the end where some did not come. clickedTitleWaitMs null: it never came. clickedLaneMs: how much
 *   of that the phase took that was under way. clickedRequests: how often it was asked for.
 */

const CONCURRENCY = 4;
const RETRIES = 3;

/**
 * The loop that an app writes by hand: p-queue, and whatever fails is tried again at once. It is given its licences without a CDM, an
 * update or a store in its way, so it has the time of the requests alone.
 * @param {Title[]} titles
 * @param {{ url: string }} server
 * @returns {Promise<RunFigures>}
 */
async function licenseByHand(titles, { url }) {
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const startedAt = performance.now();
  const licensed = new Set();
  let done = 0;
  /** @type {Promise<number | null> | undefined} */
  let click;

  /** @param {Title} title */
  const license = async (title) => {
    for (let attempt = 0; attempt <= RETRIES && !licensed.has(title); attempt++) {
      if (await request(url, title)) licensed.add(title);
    }
  };
  /** A viewer's own title goes first. @param {Title} title */
  const clicked = async (title) => {
    const clickedAt = performance.now();
    await queue.add(() => license(title), { priority: 1 });
    return licensed.has(title) ? performance.now() - clickedAt : null;
  };

  for (const title of titles) {
    queue.add(async () => {
      await license(title);
      if (++done === Math.ceil(titles.length / 2)) click = clicked(titles[titles.length - 1]);
    });
  }
  await queue.onIdle();
  return { licensed: licensed.size, seconds: (performance.now() - startedAt) / 1000, clickedTitleWaitMs: await click ?? null };
}

/** @param {string} url @param {Title} title */
async function request(url, { keyId }) {
  const response = await fetch(url, { method: 'POST', body: Buffer.from(licenseRequest([keyId])) });
  const body = await response.arrayBuffer();
  return response.ok && keyId in parseLicense(new Uint8Array(body));
}

module.exports = { licenseByHand };
