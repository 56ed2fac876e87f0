'use strict';

/**
 * What a window may send to the licence server for one task, and certificates that need not be asked for again.
 *
 * @typedef {import('./session-driver').LicenseMessage} LicenseMessage
 */

/** Renewals, individualization and the like: more than a CDM sends for one session. */
const MAX_OTHER_MESSAGES = 4;

/**
 * Widevine asks for the licence server's certificate in a message of its own, of the type `license-request`: a SignedMessage that
 * says SERVICE_CERTIFICATE_REQUEST and nothing more (the bytes that Shaka Player's DRM tutorial has one post for `serverCertificateUri`).
 * @param {LicenseMessage} message
 */
function isCertificateRequest({ messageType, message }) {
  return messageType === 'license-request' && message.length === 2 && message[0] === 0x08 && message[1] === 0x04;
}

/** @param {LicenseMessage} message */
const isLicenseRequest = (message) => message.messageType === 'license-request' && !isCertificateRequest(message);

/**
 * A window cannot be trusted with the app's tokens: a licence is one request, and other tasks ask for none.
 * @param {import('./session-driver').PhaseName} phase
 * @returns {(message: LicenseMessage) => boolean} whether this one may be sent
 */
function messageLimit(phase) {
  let requests = phase === 'license' ? 1 : 0;
  let others = MAX_OTHER_MESSAGES;
  return (message) => (isLicenseRequest(message) ? requests-- > 0 : others-- > 0);
}

/** Certificates of licence servers, asked for once in each launch. */
class Certificates {
  /** @type {Map<string, Promise<Uint8Array>>} */
  #known = new Map();

  /**
   * @param {SessionOfServer} session
   * @param {() => Promise<Uint8Array>} request
   * @returns {Promise<Uint8Array>}
   */
  async get(session, request) {
    const key = serverOf(session);
    // Only the app's own hook knows whom it asks.
    if (key === null) return request();
    const known = this.#known.get(key);
    // One that another session asked for and did not get is asked for again.
    if (known) return known.catch(request);
    const asked = request();
    this.#known.set(key, asked);
    asked.catch(() => this.#known.delete(key));
    return asked;
  }

  /** The CDM rejected what came of it: the certificate may have been a bad one. @param {SessionOfServer} session */
  forget(session) {
    const key = serverOf(session);
    if (key !== null) this.#known.delete(key);
  }
}

/**
 * @typedef {{ lane: import('./session-driver').Lane, licenseUrl: string | null }} SessionOfServer
 * @param {SessionOfServer} session
 * @returns {string | null}
 */
function serverOf({ lane: { origin, partition, keySystem }, licenseUrl }) {
  return licenseUrl && JSON.stringify([origin, partition, keySystem, new URL(licenseUrl).origin]);
}

module.exports = { Certificates, isCertificateRequest, isLicenseRequest, messageLimit };
