'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { OfflineSessionsError, ERROR_CODES } = require('./errors');

/** @typedef {typeof import('../native/binding')} Binding */

const NAME = 'electron-offline-sessions';

/**
 * What napi-rs calls this platform, most likely first. Electron on Linux is always glibc; musl is Node alone, as in a container.
 *
 * @param {string} platform
 * @param {string} arch
 * @returns {string[]}
 */
function platformTriples(platform, arch) {
  switch (platform) {
    case 'linux': {
      const abis = arch === 'arm' ? ['gnueabihf', 'musleabihf'] : ['gnu', 'musl'];
      return abis.map((abi) => `linux-${arch}-${abi}`);
    }
    case 'win32':
      return [`win32-${arch}-msvc`];
    default:
      return [`${platform}-${arch}`];
  }
}

/** @type {Binding | undefined} */
let loaded;

/**
 * The addon: from this package's `native` folder, where a checkout builds it, else from the optional package for this platform.
 *
 * @returns {Binding}
 * @throws {OfflineSessionsError} ERR_NATIVE_MISSING
 */
function loadNative() {
  loaded ??= load(platformTriples(process.platform, process.arch));
  return loaded;
}

/**
 * @param {string[]} triples
 * @returns {Binding}
 */
function load(triples) {
  const tried = [];
  /** @type {unknown} */
  let cause;
  for (const triple of triples) {
    const file = path.join(__dirname, '..', 'native', `${NAME}.${triple}.node`);
    const packageName = `${NAME}-${triple}`;
    tried.push(file, `package ${packageName}`);
    for (const id of fs.existsSync(file) ? [file, packageName] : [packageName]) {
      try {
        return require(id);
      } catch (error) {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
        // A package that is not installed says nothing new; a file that is there and does not load does.
        if (code !== 'MODULE_NOT_FOUND' || !message.includes(packageName)) cause ??= error;
      }
    }
  }
  const [platform, reason] = [`${process.platform}-${process.arch}`, cause ? ` (${/** @type {Error} */ (cause).message})` : ''];
  throw new OfflineSessionsError('ERR_NATIVE_MISSING',
    `No native addon for ${platform} could be loaded${reason}. Looked for ${tried.join(', ')}. `
    + 'Install the package as it was packed on this platform, or run "npm run build" in a checkout of it.', { cause });
}

/**
 * Runs a native call, or waits for one, and turns what it throws into an `OfflineSessionsError`.
 *
 * @template T
 * @param {T | (() => T)} work a native promise, or a function that makes native calls
 * @returns {T}
 */
function call(work) {
  try {
    const result = typeof work === 'function' ? /** @type {() => T} */ (work)() : work;
    if (typeof (/** @type {any} */ (result)?.then) !== 'function') return result;
    return /** @type {any} */ (result).then(undefined, (/** @type {unknown} */ error) => {
      throw toCodedError(error);
    });
  } catch (error) {
    throw toCodedError(error);
  }
}

/**
 * The addon's errors have the JSON `{ code, message, field? }` as their message. Everything else is a fault of ours.
 *
 * @param {unknown} error
 * @returns {OfflineSessionsError}
 */
function toCodedError(error) {
  if (error instanceof OfflineSessionsError) return error;
  const text = String(/** @type {any} */ (error)?.message ?? error);
  try {
    const { code, message, field } = JSON.parse(text);
    if (Object.hasOwn(ERROR_CODES, code)) return new OfflineSessionsError(code, String(message), { field: field ?? undefined });
  } catch {
    // Not JSON: not an error the addon meant to raise.
  }
  return new OfflineSessionsError('ERR_INTERNAL', text, { cause: error });
}

module.exports = { loadNative, call };
