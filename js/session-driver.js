'use strict';

/**
 * What a SessionDriver takes and gives. Times are milliseconds; key ids are 32 lower-case hexadecimal digits.
 *
 * @typedef {object} Lane within it EME work is serial
 * @property {string} origin
 * @property {string | null} [partition]
 * @property {string} keySystem
 *
 * @typedef {'probe' | 'check' | 'license' | 'verify' | 'adopt' | 'release'} PhaseName
 *
 * @typedef {object} Configuration a MediaKeySystemConfiguration less what the driver adds to it
 * @property {string[]} initDataTypes
 * @property {MediaCapability[]} audioCapabilities
 * @property {MediaCapability[]} videoCapabilities
 *
 * @typedef {{ contentType: string, robustness?: string | null, encryptionScheme?: string | null }} MediaCapability
 *
 * @typedef {object} DriverSession the part of a stored session that a driver reads
 * @property {Lane} lane
 * @property {string} contentId
 * @property {string} sessionId what the CDM calls it today
 * @property {string[]} previousSessionIds for `adopt`: what the player's catalogue may call it still, the latest first
 * @property {string[]} keyIds the expected ones; empty when none are known yet
 * @property {number} keyStatusWaitMs
 * @property {string} initDataType
 * @property {string} initData base64
 *
 * @typedef {Record<string, string>} KeyStatuses key id → MediaKeyStatus
 *
 * @typedef {{ kind: 'rejected', name: string, message: string, systemCode: number | null }} Rejected
 *
 * @typedef {{ kind: 'loaded', keyStatuses: KeyStatuses, expiration: number | null }
 *   | { kind: 'gone' | 'hollow' | 'timeout' } | Rejected} CheckOutcome `expiration` null: never
 *
 * @typedef {{ kind: 'throttled', status: number, retryAfterMs: number | null }
 *   | { kind: 'refused', status: number | null, reason: string }
 *   | { kind: 'unreachable' | 'timeout', status?: number, message?: string }
 *   | { kind: 'server-error', status: number } | Rejected} LicenseFailure
 *
 * @typedef {{ kind: 'licensed', sessionId: string, keyStatuses: KeyStatuses, expiration: number | null }
 *   | LicenseFailure} LicenseOutcome
 *
 * @typedef {{ kind: 'released' | 'absent' } | { kind: 'failed', message: string }} ReleaseOutcome
 *
 * @typedef {'adopted' | 'catalogue-changed' | 'content-gone' | 'open-in-player'} AdoptOutcome
 *
 * @typedef {object} ProbeOutcome
 * @property {'supported' | 'unsupported' | 'unavailable'} persistentLicense
 * @property {string | null} witness
 *
 * @typedef {{ messageType: string, message: Uint8Array<ArrayBuffer> }} LicenseMessage
 *
 * @typedef {(message: LicenseMessage) => Promise<Uint8Array>} AcquireLicense rejects with a LicenseFailure
 *
 * @typedef {object} LicenseContext
 * @property {string} requestId the same when the request is repeated after a crash, so that a server can bill once
 * @property {AbortSignal} signal
 * @property {(sessionId: string) => Promise<void>} sessionCreated resolves when the id is journalled
 * @property {AcquireLicense} acquireLicense
 *
 * @typedef {{ signal: AbortSignal }} Context aborted when the answer is no longer wanted
 *
 * @typedef {object} SessionDriver does EME for the lanes of one origin and partition (design, section 6)
 * @property {(lane: Lane, phase: PhaseName, configuration: Configuration | null, context: Context) => Promise<void>} [startPhase]
 *   resolves when the origin's lock is held and, for check, license, verify and release, one fresh MediaKeys is there
 * @property {(lane: Lane, phase: PhaseName) => Promise<void>} [endPhase] also after a startPhase that failed; never rejects
 * @property {(lane: Lane, context: Context & { configurations: Configuration[] }) => Promise<ProbeOutcome>} probe
 * @property {(lane: Lane, value: string) => Promise<void>} plantWitness
 * @property {(session: DriverSession, context: Context & { acquireLicense: AcquireLicense }) => Promise<CheckOutcome>} check also used
 *   to verify a new session; `acquireLicense` for what a CDM asks after a load
 * @property {(session: DriverSession, context: LicenseContext) => Promise<LicenseOutcome>} license
 * @property {(session: DriverSession, newSessionId: string, context: Context) => Promise<AdoptOutcome>} adopt
 * @property {(session: DriverSession, context: Context & { acquireLicense: AcquireLicense }) => Promise<ReleaseOutcome>} release
 * @property {(lane: Lane, context?: Partial<Context>) => Promise<import('./types').CatalogueEntry[]>} [inventory] the player's catalogue
 *   of a lane, for `reconcile`
 */

module.exports = {};
