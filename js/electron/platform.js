'use strict';

const { withinMs } = require('./within-ms');

/**
 * @typedef {import('./parts').Components} Components
 * @typedef {{ keySystem: string, version: string | null }} Cdm
 */

const WIDEVINE = 'com.widevine.alpha';
/** An installed CDM is ready as soon as it is registered; one that is being downloaded has no licences to lose. */
const CDM_WAIT_MS = 5_000;
/** Chromium's component updater has this for a component that is not installed. */
const NOT_INSTALLED = '0.0.0.0';

/**
 * What this launch runs on, for `OfflineSessions.open`. Waits until Electron and Widevine's component are ready, but for the latter not
 * longer than `cdmWaitMs`: its version is then null, not observed. Stock Electron has no `components`, and no `cdms` are told.
 *
 * @param {{ app: Pick<import('./parts').App, 'getVersion' | 'whenReady'>, components?: Components, cdmWaitMs?: number,
 *   process?: { versions: NodeJS.ProcessVersions } }} electron
 * @returns {Promise<import('../types').PlatformInfo>}
 */
async function electronPlatform({ app, components, cdmWaitMs = CDM_WAIT_MS, process: { versions } = process }) {
  await app.whenReady();
  const cdms = components ? [await withinMs(cdmWaitMs, widevineWhenReady(components)) ?? { keySystem: WIDEVINE, version: null }] : [];
  return { app: app.getVersion(), electron: versions.electron, chromium: versions.chrome, node: versions.node, cdms };
}

/**
 * The CDM that runs. `components` has no events, and before it is ready `status()` need not be about the CDM that will run; when it
 * fails to become ready, an earlier one may be there all the same.
 * @param {Components} components
 * @returns {Promise<Cdm>}
 */
async function widevineWhenReady(components) {
  const { WIDEVINE_CDM_ID: id } = components;
  try {
    await components.whenReady(id === undefined ? undefined : [id]);
  } catch {
    // The status says what there is.
  }
  return widevineNow(components);
}

/** @param {Components} components @returns {Cdm} */
function widevineNow(components) {
  /** @type {string | null | undefined} */
  let version;
  try {
    const status = components.status();
    const isWidevine = (/** @type {import('./parts').ComponentStatus} */ { title, name }) => /^widevine/i.test(title ?? name ?? '');
    version = (status[components.WIDEVINE_CDM_ID ?? ''] ?? Object.values(status).find(isWidevine))?.version;
  } catch {
    // Not observed.
  }
  return { keySystem: WIDEVINE, version: typeof version === 'string' && version !== '' && version !== NOT_INSTALLED ? version : null };
}

module.exports = { electronPlatform, widevineNow, widevineWhenReady };
