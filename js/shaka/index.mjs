export { ShakaDriver } from './shaka-driver.mjs';
export { recordShaka } from './recorder.mjs';
export { playWithTemporaryLicenses, shakaConfiguration } from './configuration.mjs';
export { explainShakaError } from './explain.mjs';
export { ShakaLayoutError } from './errors.mjs';

/**
 * @typedef {import('./shaka-driver.mjs').ShakaDriverOptions} ShakaDriverOptions
 * @typedef {import('./recorder.mjs').RecorderOptions} RecorderOptions
 * @typedef {import('./recorder.mjs').Hold} Hold
 * @typedef {import('./recorder.mjs').PersistentSession} PersistentSession
 * @typedef {import('./explain.mjs').Explanation} Explanation
 */
