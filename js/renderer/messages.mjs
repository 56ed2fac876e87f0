import { abortable, settledWithin } from './abortable.mjs';
import { CdmRejection, LicenseRefusal } from './outcomes.mjs';

/**
 * What a CDM asks for through a session, answered.
 *
 * @typedef {import('../session-driver.js').AcquireLicense} AcquireLicense
 * @typedef {import('../session-driver.js').DriverSession} DriverSession
 * @typedef {import('../session-driver.js').KeyStatuses} KeyStatuses
 * @typedef {import('../session-driver.js').LicenseMessage} LicenseMessage
 * @typedef {import('./cdm-session.mjs').CdmSession} CdmSession
 */

export const RELEASE_MESSAGE_WAIT_MS = 500;
/** A check must not wait for a server longer than for its own task: the licence is there or it is not. */
const ANSWER_WAIT_MS = 5000;
/** A renewal and what goes before it; a CDM that goes on asking is left. */
const MAX_MESSAGES_OF_A_CHECK = 4;

/**
 * @param {LicenseMessage} message
 * @param {AcquireLicense} acquireLicense
 * @param {AbortSignal} signal
 */
export async function answerTo(message, acquireLicense, signal) {
  try {
    return await abortable(acquireLicense(message), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw LicenseRefusal.from(error);
  }
}

/**
 * Answers a new session's messages, the licence request and what may go before it, until keys have shown.
 * @param {CdmSession} cdm
 * @param {DriverSession} session
 * @param {AcquireLicense} acquireLicense
 * @param {AbortSignal} signal
 */
export async function obtainKeys(cdm, session, acquireLicense, signal) {
  do {
    const message = await cdm.nextMessage(signal);
    await cdm.update(await answerTo(message, acquireLicense, signal), signal);
    await cdm.keysShown(session, signal, { orMessage: true });
  } while (cdm.hasMessage && Object.keys(cdm.keyStatuses).length === 0);
  if (Object.keys(cdm.keyStatuses).length > 0) return;
  throw new LicenseRefusal({ kind: 'rejected', name: 'HollowLicense', message: 'no key came of the licence', systemCode: null });
}

/**
 * Waits for the keys of a session that was loaded, and answers what the CDM asks for meanwhile: a renewal, a certificate, its
 * individualization, or that the server be told of a release. An answer that does not come changes nothing.
 * @param {CdmSession} cdm
 * @param {DriverSession} session
 * @param {AcquireLicense | undefined} acquireLicense
 * @param {AbortSignal} signal
 * @returns {Promise<{ keyStatuses: KeyStatuses, expiration: number | null }>}
 */
export async function showKeys(cdm, session, acquireLicense, signal) {
  await cdm.keysShown(session, signal, { orMessage: acquireLicense !== undefined });
  let shown = read(cdm);
  if (isReleased(shown.keyStatuses)) await cdm.releaseMessage(RELEASE_MESSAGE_WAIT_MS, signal);
  for (let answered = 0; acquireLicense && cdm.hasMessage && answered < MAX_MESSAGES_OF_A_CHECK; answered += 1) {
    await answer(cdm, acquireLicense, signal);
    // Acknowledged, the release closes the session: what it showed before is what counts.
    if (isReleased(shown.keyStatuses)) break;
    await cdm.keysShown(session, signal, { orMessage: true });
    shown = read(cdm);
  }
  return shown;
}

/** @param {CdmSession} cdm @param {AcquireLicense} acquireLicense @param {AbortSignal} signal */
async function answer(cdm, acquireLicense, signal) {
  const answering = answerTo(await cdm.nextMessage(signal), acquireLicense, signal);
  try {
    if (await settledWithin(answering, ANSWER_WAIT_MS)) await cdm.update(await answering, signal);
  } catch (error) {
    if (!(error instanceof LicenseRefusal || error instanceof CdmRejection)) throw error;
  }
}

/** @param {CdmSession} cdm */
const read = ({ keyStatuses, expiration }) => ({ keyStatuses, expiration });

/** @param {KeyStatuses} keyStatuses */
function isReleased(keyStatuses) {
  const statuses = Object.values(keyStatuses);
  return statuses.length > 0 && statuses.every((status) => status === 'released');
}
