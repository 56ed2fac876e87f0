'use strict';

/**
 * @typedef {object} Side
 * @property {number} licensed
 * @property {number} requests as the server counted
 * @property {number} rejected as the server counted
 * @property {number} seconds
 * @property {number | null} clickedTitleWaitMs
 *
 * @typedef {object} Facts what a run was like, beside its figures
 * @property {number} sessions
 * @property {number} capacityPerS
 * @property {number} roundTripMs
 * @property {number} laneMs of the click's wait, what the phase took that was under way
 * @property {number} clickedRequests how often the clicked title's licence was asked for
 *
 * @typedef {{ met: boolean, text: string }} Judgement
 */

const MOST_REQUESTS = 1.05;
const MOST_TIME = 1.3;
const CLICK_ROUND_TRIPS = 2;

/**
 * @param {Side} ours
 * @param {Facts} facts
 * @returns {Judgement[]}
 */
function judge(ours, { sessions, capacityPerS, roundTripMs, laneMs, clickedRequests }) {
  const click = CLICK_ROUND_TRIPS * roundTripMs + laneMs;
  const waited = ours.clickedTitleWaitMs ?? Infinity;
  return [
    within('every session licensed', sessions - ours.licensed, 0, (missing) => `${missing} of ${sessions} not licensed`),
    within(`requests ≤ ${MOST_REQUESTS} × sessions`, ours.requests / sessions, MOST_REQUESTS, (factor) => `${factor.toFixed(3)} × sessions`),
    within(`time ≤ ${MOST_TIME} × sessions ÷ capacity`, ours.seconds / (sessions / capacityPerS), MOST_TIME,
      (factor) => `${factor.toFixed(2)} × sessions ÷ capacity`),
    within(`click ≤ ${CLICK_ROUND_TRIPS} round trips of ${roundTripMs.toFixed(0)} ms + lane's phase of ${laneMs.toFixed(0)} ms`, waited, click,
      (ms) => (ms === Infinity ? 'never' : `${ms.toFixed(0)} ms, limit ${click.toFixed(0)} ms, asked for ${clickedRequests} ×`)),
  ];
}

/** @param {string} target @param {number} value @param {number} most @param {(value: number) => string} say */
function within(target, value, most, say) {
  const met = value <= most;
  return { met, text: `${met ? 'met   ' : 'MISSED'}  ${target}: ${say(value)}` };
}

module.exports = { judge };
