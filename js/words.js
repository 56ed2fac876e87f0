'use strict';

/**
 * Every `action` of a verdict: what to offer the viewer. Meant as keys of an app's translations.
 */
const ACTIONS = Object.freeze(/** @type {const} */ ({
  play: 'Play it, offline too.',
  try: 'Not proven, and nothing more can be done now: playing may work.',
  connect: 'Go online: to play it, or to have it repaired.',
  'sign-in': 'Sign in, with the account that it was downloaded with.',
  'free-device': 'Too many devices hold a licence: give one of them up.',
  'change-location': 'Not licensed where this device is.',
  renew: 'Rent or buy it again.',
  wait: 'It is being repaired, or will be by itself.',
  'download-again': 'Nothing else helps.',
}));

/**
 * Every `reason` of a verdict or a stored session, with the action that goes with it where a title does not play (`playable: 'no'`).
 * Meant as keys of an app's translations. While the network is down `wait` becomes `connect`; an expired title that is being
 * licensed again says `wait`.
 */
const REASONS = Object.freeze(/** @type {const} */ ({
  /** No check has shown its keys yet. */
  'never-proven': 'wait',
  /** Something that it is bound to has changed since it was proven. */
  'new-generation': 'wait',
  /** The version of the CDM is not known in this launch. */
  'cdm-not-observed': 'wait',
  /** By our clock it has expired; only the CDM can tell. */
  'expiration-passed': 'wait',
  /** The player has reported that it does not play. */
  'playback-broken': 'wait',
  /** The CDM has no such session any more. */
  gone: 'wait',
  /** The CDM loads it and shows no keys. */
  hollow: 'wait',
  /** It shows keys, and none of the title's. */
  'foreign-keys': 'wait',
  /** Widevine's system id has changed (75). */
  'system-id-changed': 'wait',
  /** The CDM could not load it, twice (Widevine: 72). */
  'load-failed': 'wait',
  /** Its keys have been released. */
  released: 'wait',
  /** The CDM has handed its id out to another session. */
  'id-reused': 'wait',
  /** The CDM says that it has expired. */
  expired: 'renew',
  /** The licence server wants the viewer to be signed in. */
  auth: 'sign-in',
  /** It is not licensed where this device is. */
  geo: 'change-location',
  /** The viewer has no right to it (any more). */
  entitlement: 'renew',
  /** It may be played online only. */
  'offline-not-allowed': 'connect',
  /** Too many devices hold a licence. */
  'device-limit': 'free-device',
  /** Too many play at once. */
  concurrency: 'wait',
  /** This device or licence was revoked. */
  revoked: 'download-again',
  /** The CDM did not take the licence that the server gave. */
  rejected: 'wait',
  /** The new licence did not show the title's keys. */
  unverified: 'wait',
  /** The session is open elsewhere. */
  'in-use': 'wait',
  /** The CDM does not know yet whether its keys are usable. */
  'keys-not-ready': 'wait',
  /** The licence server asks for patience. */
  throttled: 'wait',
  /** The licence server could not be reached, or gave no licence. */
  unreachable: 'wait',
  /** The licence server failed. */
  'server-error': 'wait',
  /** There was no answer in time. */
  timeout: 'wait',
  /** The player's catalogue has something else there by now. */
  'catalogue-changed': 'wait',
  /** A player has the title open. */
  'open-in-player': 'wait',
  /** What a new licence needs was never stored. */
  'no-license-data': 'download-again',
  /** The player does not list it any more. */
  'not-in-catalogue': 'download-again',
  /** There is no network. */
  offline: 'connect',
  /** There is no window that can look. */
  'no-driver': 'wait',
  /** There is no CDM (yet), or no permission for it. */
  unavailable: 'wait',
  /** There are no persistent licences here. */
  unsupported: 'connect',
  /** It was downloaded with another account. */
  'other-account': 'sign-in',
  /** Nothing is stored of it. */
  unknown: 'connect',
}));

/** Why a licence server refuses. */
const REFUSALS = Object.freeze(/** @type {const} */ (['auth', 'geo', 'entitlement', 'offline-not-allowed', 'device-limit', 'concurrency', 'revoked']));

/**
 * @typedef {typeof REFUSALS[number]} Refusal
 * @typedef {keyof typeof ACTIONS} Action
 * @typedef {keyof typeof REASONS} Reason
 */

module.exports = { ACTIONS, REASONS, REFUSALS };
