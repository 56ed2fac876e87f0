export { EmeDriver } from './eme-driver.mjs';
export { serveDriver } from './transport.mjs';
export { withCdmLock } from './cdm-lock.mjs';
