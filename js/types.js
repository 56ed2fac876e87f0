'use strict';

/**
 * The shapes of the public surface. Moments are milliseconds since 1970, durations carry their unit in their name, key ids
 * are 32 lower-case hexadecimal digits, and `null` means never, none or not observed.
 *
 * @typedef {import('./session-driver').Lane} Lane
 * @typedef {import('./session-driver').SessionDriver} SessionDriver
 * @typedef {import('./session-driver').DriverSession} DriverSession
 * @typedef {import('./session-driver').AdoptOutcome} AdoptOutcome
 *
 * @typedef {'usable' | 'expired' | 'released' | 'output-restricted' | 'output-downscaled' | 'usable-in-future' | 'status-pending'
 *   | 'internal-error'} MediaKeyStatus EME's
 *
 * @typedef {null | boolean | number | string | object} JsonValue what JSON.stringify can write
 *
 * @typedef {object} PlatformInfo what this launch runs on
 * @property {string} app the app's version
 * @property {string} electron
 * @property {string} chromium
 * @property {string | null} [node] default: this process's
 * @property {{ keySystem: string, version: string | null }[]} [cdms] `version: null`: not observed (yet)
 * @property {{ name?: string | null, version?: string | null } | null} [os] default: probed
 * @property {string | null} [arch] default: probed
 * @property {string | null} [profile] the app's profile, where it has several
 * @property {string | null} [machine] any text of the machine's own, of which only a hash is kept; default: probed
 *
 * @typedef {object} Policy
 * @property {'repair' | 'observe'} mode `observe` detects and reports, and does nothing else; default `repair`
 * @property {'install' | 'warn' | 'defer' | null} updateAdvice what `assessUpdate` advises whatever it finds, with the reason `policy`; default null:
 *   what it finds
 * @property {number} batchSize sessions of one lane that are handed out at a time; default and most 25
 * @property {number} licenseConcurrency licence requests in parallel at one server (the origin of `licenseUrl`); default 4
 * @property {number} licenseRatePerS requests a second with which a server that is not known yet is asked; more, as long as it bears
 *   them; default 10
 * @property {number} licenseRateMaxPerS the most requests a second; default 90
 * @property {number} licensesPerSessionPerDay licence requests for one session in a day (UTC), whatever goes wrong; default 24
 * @property {number} licensesPerHour licence requests of this install in an hour; default 5,000
 * @property {number} travelModeMaxDays the longest that travel mode holds updates back; default 30
 * @property {number} spreadMaxMs the longest random delay before licences that nobody waits for (`revalidate({ spread: true })`);
 *   default 60,000
 * @property {number} keyStatusWaitMs how long a loaded session may show no key status; default 2,000
 * @property {number} startPhaseTimeoutMs how long to wait for the origin's lock and a MediaKeys; default 60,000
 * @property {number} taskTimeoutMs for one check, verification, adoption or release; default 30,000
 * @property {number} licenseTimeoutMs for one licence with its request; default 30,000
 * @property {number} backoffBaseMs the first wait after a failure, doubled by each further one; after a failed request some random part
 *   of that is waited for (full jitter); default 5,000
 * @property {number} backoffMaxMs the longest wait, a server's Retry-After included; default 6 hours
 * @property {number} strikeSpacingMs when a second failed load counts; default 60,000
 * @property {boolean} relicenseExpired whether an expired licence is licensed again unasked; default true
 * @property {boolean} keepLicenseQuery whether the query of a licence URL is stored; default false: it may carry a token
 * @property {number} ensurePlayableTimeoutMs default of `ensurePlayable`'s `timeoutMs`; default 15,000
 *
 * @typedef {object} Capabilities what `requestMediaKeySystemAccess` was asked for
 * @property {MediaCapability[]} [audio]
 * @property {MediaCapability[]} [video]
 *
 * @typedef {{ contentType: string, robustness?: string | null, encryptionScheme?: string | null }} MediaCapability
 *
 * @typedef {object} Rules the rules that came with the licence
 * @property {number} [licenseDurationMs]
 * @property {number} [rentalDurationMs]
 * @property {number} [playbackDurationMs]
 * @property {number} [firstPlayedAt]
 * @property {number} [renewAheadMs] opt-in: a licence that is good is asked for anew so long before it expires, while there is a network;
 *   it may cost a download or a device slot
 *
 * @typedef {object} SessionInput
 * @property {string} contentId the app's own id of what it plays; a content is ready when all its sessions are
 * @property {string} origin of the page that holds the licence, as `app://bundle`
 * @property {string | null} [partition] Electron's storage partition; default: the default session's, ''
 * @property {string} keySystem
 * @property {string} sessionId what the CDM calls the session today
 * @property {string | null} [account]
 * @property {string | null} [initDataType] `cenc`, `keyids` or `webm`; needed with `initData`
 * @property {Uint8Array | null} [initData] at most 64 KiB; without it the session cannot be licensed again
 * @property {string[] | null} [keyIds] the expected key ids; default: those seen when the session is first proven
 * @property {number | null} [expiration] null: never
 * @property {string | null} [licenseUrl] http or https; origin and path are stored
 * @property {Capabilities | null} [capabilities]
 * @property {number | null} [lastPlayedAt]
 * @property {Rules | null} [rules]
 * @property {boolean} [canary] a sacrificial licence that no content needs
 * @property {JsonValue} [metadata] the app's own, at most 64 KiB as JSON
 * @property {{ keyStatuses: Record<string, MediaKeyStatus> } | null} [proven] what the CDM showed just now; without it the
 *   session is suspect until a check
 *
 * @typedef {'active' | 'lost' | 'expired' | 'blocked'} State
 *
 * @typedef {import('./words').Reason} Reason
 *
 * @typedef {object} StoredFacts
 * @property {number} id
 * @property {string} partition
 * @property {string | null} account
 * @property {Uint8Array | null} initData
 * @property {string | null} initDataType
 * @property {string[]} keyIds
 * @property {number | null} expiration
 * @property {string | null} licenseUrl
 * @property {number | null} lastPlayedAt
 * @property {State} state
 * @property {boolean} suspect active, but not proven in its lane's current generation
 * @property {Reason | null} reason
 * @property {number | null} provenAt
 * @property {number | null} nextAttemptAt
 *
 * @typedef {Omit<SessionInput, 'proven' | keyof StoredFacts> & StoredFacts} StoredSession
 *
 * @typedef {object} CatalogueEntry one content of the player's catalogue; what it says of its licences, it says of each of them
 * @property {string} contentId
 * @property {string[]} sessionIds
 * @property {boolean} [incomplete] still being downloaded: its session ids are in use, and nothing else follows from it
 * @property {string | null} [account]
 * @property {string | null} [initDataType]
 * @property {Uint8Array | null} [initData]
 * @property {string[] | null} [keyIds]
 * @property {number | null} [expiration]
 * @property {string | null} [licenseUrl]
 * @property {Capabilities | null} [capabilities]
 * @property {number | null} [lastPlayedAt]
 * @property {Rules | null} [rules]
 * @property {JsonValue} [metadata]
 *
 * @typedef {object} ReconcileReport counts stored sessions
 * @property {number} added
 * @property {number} replaced removed because their content was downloaded again
 * @property {number} missing not in the catalogue; removed when a later launch's lacks them too
 * @property {number} removed
 * @property {string[]} notRenewable contents that could not be licensed again, for want of init data
 *
 * @typedef {object} Filter all that are given hold
 * @property {string} [contentId]
 * @property {string} [origin]
 * @property {string} [partition]
 * @property {string} [keySystem]
 * @property {string} [account]
 * @property {State} [state]
 * @property {boolean} [suspect]
 *
 * @typedef {object} FindQuery at least one of `contentId`, `keyIds` and `initData`
 * @property {string} [contentId]
 * @property {string[]} [keyIds] sessions that share one of these
 * @property {Uint8Array} [initData] or one of those that this names
 * @property {string} [initDataType] of `initData`; default `cenc`
 *
 * @typedef {object} Change one difference from the launch before
 * @property {'app' | 'electron' | 'chromium' | 'node' | 'cdm' | 'os' | 'osVersion' | 'arch' | 'profile' | 'machine'} component
 * @property {string} [keySystem] for `cdm`
 * @property {string | null} from
 * @property {string | null} to
 * @property {'upgrade' | 'downgrade' | 'change'} kind
 *
 * @typedef {object} LaunchReport
 * @property {number} launchId
 * @property {boolean} firstRun
 * @property {Change[]} changes
 * @property {ExpectedUpdate | null} expected the update that the launch before this one prepared for; null: none was announced
 * @property {number} suspects active sessions that are not proven in their lane's current generation
 * @property {number} unfinished sessions that are suspect or lost and could be licensed again: what a repair that was cut short has left. Where
 *   no version of the CDM is observed, every launch has suspects, and they are not counted
 * @property {Recovered | null} recovered what was regained from a damaged database; null: nothing was damaged
 *
 * @typedef {object} ExpectedUpdate
 * @property {number} atMs
 * @property {Partial<PlatformInfo>} target what was known of it
 *
 * @typedef {object} Recovered
 * @property {string[]} damagedFiles what was set aside in the store's folder, by name; it stays there for at least 90 days, or until `erase()`
 * @property {number | null} copyAt when the copy was made from which sessions were restored
 * @property {number} kept stored sessions that were intact in the damaged file
 * @property {number} restored stored sessions that only a copy had; they are as they were then
 * @property {boolean} complete whether every stored session, pending licence and owed release of the damaged file is known to be there
 * @property {{ sessions: number, pendingLicenses: number, releases: number }} lost what is known to be gone, at least: a page that cannot be read
 *   does not say what it had, and then `complete` is false
 *
 * @typedef {object} Launch
 * @property {number} launchId
 * @property {number} atMs
 * @property {Record<string, unknown>} platform
 * @property {Change[]} changes
 * @property {ExpectedUpdate | null} expected the update that was prepared for in it
 * @property {Evidence[]} evidence what the changes of each lane's binding have done, as far as sessions have been checked since
 *
 * @typedef {object} Evidence
 * @property {Lane} lane
 * @property {Record<string, string | null>} from Electron, Chromium, CDM, OS name, architecture, profile and hashed machine before
 * @property {Record<string, string | null>} to
 * @property {number} kept sessions that were proven before, and are again
 * @property {number} lost
 * @property {number} unsupported stored sessions of a lane that has no persistent licences any more
 *
 * @typedef {import('./words').Action} Action
 *
 * @typedef {object} Verdict may the renderer play this now?
 * @property {string} contentId
 * @property {'offline' | 'try' | 'online' | 'no'} playable `offline`: proven; `try`: suspect, and nothing more can be done now
 * @property {'proven' | 'suspect' | 'lost' | 'expired' | 'blocked' | 'unsupported' | 'unknown'} state
 * @property {Reason | null} reason
 * @property {Action} action what to offer the viewer, as a translation key
 * @property {number | null} retryAt
 * @property {{ sessionId: string, keySystem: string, expiration: number | null }[]} sessions
 *
 * @typedef {object} Counts
 * @property {number} checked sessions whose check answered
 * @property {number} proven sessions that a check proved
 * @property {number} lost
 * @property {number} licensed
 * @property {number} adopted new licences verified and recorded
 * @property {number} blocked
 * @property {number} released
 * @property {number} licenseRequests
 *
 * @typedef {Counts & { done: number, total: number, expectedLicenseRequests: number, remainingMs: number }} Progress `total`: sessions with work
 *   when the run began; `expectedLicenseRequests`: still to come, as far as what checks have found tells; `remainingMs`: how long these take
 *   at the pace that their servers bear
 *
 * @typedef {object} RunEnd
 * @property {number} unsupported sessions in lanes without persistent licences
 * @property {number} deferred sessions not trusted that cannot be worked on now
 * @property {number} heldBack of these, those whose share of licence requests is spent (`policy.licensesPerSessionPerDay`, `licensesPerHour`)
 * @property {number | null} nextAttemptAt when work goes on by itself
 * @property {number} durationMs
 *
 * @typedef {Counts & RunEnd} RevalidationReport
 *
 * @typedef {import('./errors').OfflineSessionsError & { lane?: Lane, phase?: import('./session-driver').PhaseName, contentId?: string }} Warning
 *   with where, in what and for which title it happened, as far as that is known
 *
 * @typedef {object} LicenseRequest
 * @property {DriverSession & { licenseUrl: string | null, metadata: JsonValue, account: string | null }} session
 * @property {string} requestId the same when a request is repeated after a crash, so that a server can bill once
 * @property {string} messageType EME's MediaKeyMessageType
 * @property {Uint8Array<ArrayBuffer>} message
 * @property {string} replaces the session id that the new licence takes the place of
 * @property {AbortSignal} signal
 *
 * @typedef {(request: LicenseRequest) => Promise<Uint8Array | ArrayBuffer>} AcquireLicenseHook resolves with the licence, or throws
 *   an object such as `{ kind: 'refused', status: 403, reason: 'geo' }` or `{ kind: 'throttled', status: 429, retryAfterMs: 5000 }`
 *
 * @typedef {import('./words').Refusal} Refusal
 *
 * @typedef {(response: { status: number, headers: Headers, body: string, session: DriverSession }) => Refusal | null | undefined
 *   | Promise<Refusal | null | undefined>} ClassifyRefusalHook names a refusal that the app recognises in a 4xx answer
 *
 * @typedef {(session: DriverSession, newSessionId: string, context: { signal: AbortSignal }) => Promise<AdoptOutcome>} AdoptHook
 *   writes the new session id into the player's catalogue
 *
 * @typedef {(sessions: StoredSession[]) => Promise<{ contentId: string, reason: Refusal }[]>} PreflightHook what the app's server would refuse,
 *   asked in one call before each `revalidate()` and `assessUpdate()`: these titles are neither asked for nor risked by a check, unless
 *   somebody wants them
 *
 * @typedef {object} Knowledge what the app's fleet has seen of versions from `since` up to, not including, `until`
 * @property {string} keySystem
 * @property {'electron' | 'chromium' | 'cdm'} component
 * @property {string} since
 * @property {string | null} [until]
 * @property {'kept' | 'lost' | 'unsupported'} outcome what became of stored sessions; `unsupported`: no persistent licences any more
 * @property {'certain' | 'likely' | 'disputed'} confidence
 * @property {string} [source]
 *
 * @typedef {object} UpdateAssessment
 * @property {'install' | 'warn' | 'defer'} advice
 * @property {{ code: string, message: string }[]} reasons codes: `nothing-at-risk`, `binding-changes`, `target-unknown`,
 *   `persistent-license-unsupported`, `licenses-lost-before`, `licenses-kept-before`, `offline`, `not-renewable`, `policy`
 * @property {string[]} atRisk contents whose licences are bound to what changes
 * @property {string[]} stranded of these, those of lanes that are known or suspected to have no persistent licences then
 * @property {string[]} notRenewable of these, those that could not be licensed again
 *
 * @typedef {object} OpenOptions
 * @property {Knowledge[]} [knowledge] for `assessUpdate`
 * @property {PreflightHook} [preflight]
 * @property {string} directory a folder of its own; made with mode 0700
 * @property {PlatformInfo} platform
 * @property {Partial<Policy>} [policy]
 * @property {AcquireLicenseHook} [acquireLicense] default: POST of the message to the session's `licenseUrl`
 * @property {ClassifyRefusalHook} [classifyRefusal] for the default `acquireLicense`
 * @property {AdoptHook} [adopt] default: the driver's own
 * @property {number} [lockWaitMs] how long to wait for another process to let go of the directory; default 0
 */

module.exports = {};
