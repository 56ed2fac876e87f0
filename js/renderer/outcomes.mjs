/**
 * @typedef {import('../session-driver.js').LicenseFailure} LicenseFailure
 * @typedef {import('../session-driver.js').Rejected} Rejected
 */

/** The CDM rejected what it was asked for. */
export class CdmRejection extends Error {
  /** @param {any} cause */
  constructor(cause) {
    super(String(cause?.message ?? cause), { cause });
    this.name = String(cause?.name ?? 'Error');
  }

  /** @returns {Rejected} */
  get outcome() {
    // Widevine's wording; other CDMs give no code.
    const code = /system code \((\d+)\)/i.exec(this.message)?.[1];
    return { kind: 'rejected', name: this.name, message: this.message, systemCode: code ? Number(code) : null };
  }
}

/** The CDM closed the session while we waited. It says nothing about the licence, which may be stored or not. */
export class ClosedByCdm extends Error {
  /** @param {unknown} reason a MediaKeySessionClosedReason, where the browser gives one */
  constructor(reason) {
    super(`the CDM closed the session${reason ? ` (${reason})` : ''}`);
    this.name = 'ClosedByCdm';
  }
}

/** There will be no licence, for the reason given in the outcome. */
export class LicenseRefusal extends Error {
  /** @param {LicenseFailure} outcome */
  constructor(outcome) {
    super(outcome.kind);
    this.name = 'LicenseRefusal';
    this.outcome = outcome;
  }

  /**
   * @param {any} error what `acquireLicense` rejected with: a LicenseFailure, or anything else
   */
  static from(error) {
    const refused = typeof error?.kind === 'string' && error.kind !== 'licensed';
    return new LicenseRefusal(refused ? error : { kind: 'unreachable', message: String(error?.message ?? error) });
  }
}
