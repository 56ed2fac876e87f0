'use strict';

const KEY_SYSTEM = 'org.w3.clearkey';

/**
 * What an app puts on record of a download: what re-licensing needs, and what the CDM has just shown.
 * @param {{ contentId: string, origin: string, licenseUrl: string, capabilities?: import('..').SessionInput['capabilities'] }} title
 * @param {{ sessionId: string, initDataType: string, initData: string, keyIds: string[], keyStatuses: any }[]} sessions `initData` in base64
 * @returns {import('..').SessionInput[]}
 */
function sessionInputs(title, sessions) {
  return sessions.map(({ sessionId, initDataType, initData, keyIds, keyStatuses }) => ({
    ...title,
    keySystem: KEY_SYSTEM,
    sessionId,
    initDataType,
    initData: Buffer.from(initData, 'base64'),
    keyIds,
    proven: { keyStatuses },
  }));
}

module.exports = { sessionInputs, KEY_SYSTEM };
