'use strict';

const { OfflineSessionsError, ERROR_CODES } = require('./errors');
const { OfflineSessions } = require('./manager');
const { createTransportDriver } = require('./transport');
const { ACTIONS, REASONS } = require('./words');

/**
 * @typedef {import('./types').SessionDriver} SessionDriver
 * @typedef {import('./types').Lane} Lane
 * @typedef {import('./types').PlatformInfo} PlatformInfo
 * @typedef {import('./types').Policy} Policy
 * @typedef {import('./types').OpenOptions} OpenOptions
 * @typedef {import('./types').SessionInput} SessionInput
 * @typedef {import('./types').StoredSession} StoredSession
 * @typedef {import('./types').LaunchReport} LaunchReport
 * @typedef {import('./types').Launch} Launch
 * @typedef {import('./types').Change} Change
 * @typedef {import('./types').Filter} Filter
 * @typedef {import('./types').FindQuery} FindQuery
 * @typedef {import('./types').CatalogueEntry} CatalogueEntry
 * @typedef {import('./types').ReconcileReport} ReconcileReport
 * @typedef {import('./types').Reason} Reason
 * @typedef {import('./types').Action} Action
 * @typedef {import('./types').Verdict} Verdict
 * @typedef {import('./types').Progress} Progress
 * @typedef {import('./types').RevalidationReport} RevalidationReport
 * @typedef {import('./types').UpdateAssessment} UpdateAssessment
 * @typedef {import('./types').Knowledge} Knowledge
 * @typedef {import('./types').Evidence} Evidence
 * @typedef {import('./types').Recovered} Recovered
 * @typedef {import('./types').Rules} Rules
 * @typedef {import('./types').Refusal} Refusal
 * @typedef {import('./types').LicenseRequest} LicenseRequest
 * @typedef {import('./types').AcquireLicenseHook} AcquireLicenseHook
 * @typedef {import('./types').ClassifyRefusalHook} ClassifyRefusalHook
 * @typedef {import('./types').AdoptHook} AdoptHook
 * @typedef {import('./types').PreflightHook} PreflightHook
 * @typedef {import('./manager').OfflineSessionsEvents} OfflineSessionsEvents
 * @typedef {import('./transport').TransportPort} TransportPort
 * @typedef {import('./errors').ErrorCode} ErrorCode
 */

module.exports = { OfflineSessions, OfflineSessionsError, ERROR_CODES, ACTIONS, REASONS, createTransportDriver };
