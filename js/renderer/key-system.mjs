import { abortable } from './abortable.mjs';

/** @typedef {import('../session-driver.js').Configuration} Configuration */

/** For stored sessions that came without capabilities. What a browser does not know it leaves out. */
const DEFAULT_CONFIGURATION = {
  initDataTypes: ['cenc', 'keyids', 'webm'],
  audioCapabilities: ['audio/mp4; codecs="mp4a.40.2"', 'audio/webm; codecs="opus"'].map((contentType) => ({ contentType })),
  videoCapabilities: ['video/mp4; codecs="avc1.42E01E"', 'video/webm; codecs="vp09.00.10.08"'].map((contentType) => ({ contentType })),
};

/**
 * Without fields that are null: WebIDL would read a robustness of null as the word.
 * @param {import('../session-driver.js').MediaCapability} capability
 */
function stated(capability) {
  return /** @type {MediaKeySystemMediaCapability} */ (Object.fromEntries(Object.entries(capability).filter(([, value]) => value !== null)));
}

/**
 * @param {Configuration | null} configuration
 * @returns {Configuration}
 */
function withDefaults(configuration) {
  const { initDataTypes = [], audioCapabilities = [], videoCapabilities = [] } = configuration ?? {};
  if (audioCapabilities.length + videoCapabilities.length === 0) {
    return { ...DEFAULT_CONFIGURATION, ...(initDataTypes.length > 0 && { initDataTypes }) };
  }
  return { initDataTypes, audioCapabilities, videoCapabilities };
}

/**
 * @param {string} keySystem
 * @param {Configuration | null} configuration
 * @param {'temporary' | 'persistent-license'} sessionType
 * @param {'optional' | 'required'} persistentState
 */
function requestAccess(keySystem, configuration, sessionType, persistentState) {
  const { initDataTypes, audioCapabilities, videoCapabilities } = withDefaults(configuration);
  return navigator.requestMediaKeySystemAccess(keySystem, [{
    audioCapabilities: audioCapabilities.map(stated),
    videoCapabilities: videoCapabilities.map(stated),
    ...(initDataTypes.length > 0 && { initDataTypes }),
    persistentState,
    sessionTypes: [sessionType],
  }]);
}

/**
 * Asked with the stored configuration, always: the robustness can decide which CDM instance answers.
 * @param {string} keySystem
 * @param {Configuration | null} configuration
 */
export async function createMediaKeys(keySystem, configuration) {
  const access = await requestAccess(keySystem, configuration, 'persistent-license', 'required');
  return access.createMediaKeys();
}

/**
 * @param {string} keySystem
 * @param {Configuration} configuration
 * @param {'temporary' | 'persistent-license'} sessionType
 * @returns {Promise<'granted' | 'refused' | 'unknown'>}
 */
async function ask(keySystem, configuration, sessionType) {
  try {
    await requestAccess(keySystem, configuration, sessionType, 'optional');
    return 'granted';
  } catch (error) {
    return ['NotSupportedError', 'TypeError'].includes(/** @type {any} */ (error)?.name) ? 'refused' : 'unknown';
  }
}

/**
 * Design, section 5, "Capability of a lane". A refusal counts only beside a temporary session that is granted: without a CDM, or without
 * permission, everything is refused, and so is a codec or a robustness that this machine does not have (ADR 11).
 * @param {string} keySystem
 * @param {Configuration[]} recorded
 * @param {AbortSignal} signal
 * @returns {Promise<'supported' | 'unsupported' | 'unavailable'>}
 */
export async function persistentLicenseSupport(keySystem, recorded, signal) {
  const asked = recorded.length > 0 ? recorded : [DEFAULT_CONFIGURATION];
  // Twice in one document: the first answer may come before the browser has registered the CDM.
  let isCertain = true;
  for (const configurations of [asked, asked]) {
    let isRefused = false;
    for (const configuration of configurations) {
      const persistent = await abortable(ask(keySystem, configuration, 'persistent-license'), signal);
      if (persistent === 'granted') return 'supported';
      const temporary = await abortable(ask(keySystem, configuration, 'temporary'), signal);
      isCertain &&= persistent === 'refused' && temporary !== 'unknown';
      isRefused ||= temporary === 'granted';
    }
    isCertain &&= isRefused;
  }
  return isCertain ? 'unsupported' : 'unavailable';
}
