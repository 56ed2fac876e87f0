import { createMediaKeys, loadSession, readStatuses, withCdmLock } from './eme.mjs';

/**
 * What a test may ask of the CDM behind everybody's back, by ids, in the order in which the CDM hands them out.
 */

const CAPABILITIES = { audio: [], video: [{ contentType: 'video/mp4; codecs="avc1.42E01E"' }] };
/** Statuses come with `load()`; a hollow session never gets any. */
const STATUS_WAIT_MS = 100;
/** So many ids in a row that are not there: there are no more. */
const GAP = 40;

/**
 * Every stored session of this origin: its keys' statuses, or null when it is hollow.
 * @returns {Promise<Record<string, Record<string, string> | null>>}
 */
export function inventory() {
  return withCdmLock(async () => {
    const mediaKeys = await anyMediaKeys();
    /** @type {Record<string, Record<string, string> | null>} */
    const found = {};
    for (let id = 1, last = 0; id <= last + GAP; id++) {
      const session = mediaKeys.createSession('persistent-license');
      if (await session.load(String(id))) {
        last = id;
        if (session.keyStatuses.size === 0) await new Promise((resolve) => setTimeout(resolve, STATUS_WAIT_MS));
        found[id] = session.keyStatuses.size > 0 ? readStatuses(session) : null;
      }
      await session.close().catch(() => {});
    }
    return found;
  });
}

/**
 * Takes licences out of the CDM, as a CDM does that discards them: catalogue and record know nothing of it.
 * @param {string[]} sessionIds
 */
export function discard(sessionIds) {
  return withCdmLock(async () => {
    const mediaKeys = await anyMediaKeys();
    for (const sessionId of sessionIds) await (await loadSession(mediaKeys, { sessionId, keyIds: [] })).remove();
  });
}

/** A CDM whose process has just crashed refuses the first, and is there for the next. */
const anyMediaKeys = () => createMediaKeys({ capabilities: CAPABILITIES }).catch(() => createMediaKeys({ capabilities: CAPABILITIES }));
