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
 * @typedef {{ contentType: string, robustness?: string, encryptionScheme?: string | null }} MediaCapability
 *
 * @typedef {object} DriverSession the part of a stored session that a driver reads
 * @property {Lane} lane
 * @property {string} contentId
 * @property {string} sessionId what the CDM calls it today
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
 *   | { kind: 'unreachable' | 'timeout', message?: string }
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
 * @typedef {{ messageType: string, message: Uint8Array }} LicenseMessage
 *
 * @typedef {(message: LicenseMessage) => Promise<Uint8Array>} AcquireLicense rejects with a LicenseFailure
 *
 * @typedef {object} LicenseContext
 * @property {string} [requestId]
 * @property {AbortSignal} [signal]
 * @property {(sessionId: string) => Promise<void>} sessionCreated resolves when the id is journalled
 * @property {AcquireLicense} acquireLicense
 *
 * @typedef {object} SessionDriver
 * @property {(lane: Lane, phase: PhaseName, configuration: Configuration | null, context?: { signal?: AbortSignal }) => Promise<void>} startPhase
 * @property {(lane: Lane, phase: PhaseName) => Promise<void>} endPhase never rejects
 * @property {(lane: Lane, context: { configurations: Configuration[], signal?: AbortSignal }) => Promise<ProbeOutcome>} probe
 * @property {(lane: Lane, value: string) => Promise<void>} plantWitness
 * @property {(session: DriverSession, context?: { signal?: AbortSignal }) => Promise<CheckOutcome>} check
 * @property {(session: DriverSession, context: LicenseContext) => Promise<LicenseOutcome>} license
 * @property {(session: DriverSession, newSessionId: string, context?: { signal?: AbortSignal }) => Promise<AdoptOutcome>} adopt
 * @property {(session: DriverSession, context: { acquireLicense: AcquireLicense, signal?: AbortSignal }) => Promise<ReleaseOutcome>} release
 */

module.exports = {};
