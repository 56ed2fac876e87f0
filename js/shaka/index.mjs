export { ShakaDriver } from './shaka-driver.mjs';
export { recordShaka } from './recorder.mjs';
export { playWithTemporaryLicenses, shakaConfiguration } from './configuration.mjs';
export { explainShakaError } from './explain.mjs';
export { ShakaLayoutError } from './errors.mjs';
