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
  'never-proven': 'wait',
  'new-generation': 'wait',
  'cdm-not-observed': 'wait',
  'expiration-passed': 'wait',
  'playback-broken': 'wait',
  gone: 'wait',
  hollow: 'wait',
  'foreign-keys': 'wait',
  'system-id-changed': 'wait',
  'load-failed': 'wait',
  released: 'wait',
  'id-reused': 'wait',
  expired: 'renew',
  auth: 'sign-in',
  geo: 'change-location',
  entitlement: 'renew',
  'offline-not-allowed': 'connect',
  'device-limit': 'free-device',
  concurrency: 'wait',
  revoked: 'download-again',
  rejected: 'wait',
  unverified: 'wait',
  'in-use': 'wait',
  'keys-not-ready': 'wait',
  throttled: 'wait',
  unreachable: 'wait',
  'server-error': 'wait',
  timeout: 'wait',
  'catalogue-changed': 'wait',
  'open-in-player': 'wait',
  'no-license-data': 'download-again',
  'not-in-catalogue': 'download-again',
  offline: 'connect',
  'no-driver': 'wait',
  unavailable: 'wait',
  unsupported: 'connect',
  'other-account': 'sign-in',
  unknown: 'connect',
}));

/**
 * @typedef {keyof typeof ACTIONS} Action
 * @typedef {keyof typeof REASONS} Reason
 */

module.exports = { ACTIONS, REASONS };
