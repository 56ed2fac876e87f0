'use strict';

const all = { shaka6013: 10, stalled: 0, licensed: 10, licenseRequests: 10, mediaRequests: 0, playedOffline: 10, playedAfterRestart: 10 };
const one = { ...all, shaka6013: 0, stalled: 1, licensed: 1, licenseRequests: 1 };

/** What every version of Shaka must come to in Firefox. */
const FIREFOX = { stored: 10, breaks: { salts: all, storage: all, record: one, flip: one } };
const CHROMIUM = { playedTemporary: 10, unsupported: 10, licenseRequests: 0, playedAgain: 10, mediaRequests: 0 };

module.exports = { FIREFOX, CHROMIUM };
