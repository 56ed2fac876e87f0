'use strict';

const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** What a test of a store begins with: a platform, a lane, real init data, a directory that goes again. */

const LANE = Object.freeze({ origin: 'app://bundle', keySystem: 'org.w3.clearkey' });
const CDM_VERSION = '4.10.2891.0';

/** Everything is said, so that a test can change one part alone and knows the others. */
const PLATFORM = Object.freeze({
  app: '1.0.0',
  electron: '29.1.6',
  chromium: '122.0.6261.139',
  node: '20.9.0',
  cdms: [{ keySystem: LANE.keySystem, version: CDM_VERSION }],
  os: { name: 'Debian', version: '12' },
  arch: 'x86_64',
  profile: 'main',
  machine: 'this machine',
});

const KEY_IDS_A = Object.freeze(['00112233445566778899aabbccddee01', '00112233445566778899aabbccddee02']);
const KEY_IDS_B = Object.freeze(['00112233445566778899aabbccddee03']);

/** The common PSSH box of a test content's manifest. @param {'a' | 'b'} content @returns {Uint8Array} */
function psshOf(content) {
  const manifest = readFileSync(path.join(__dirname, '../../testbed/content', content, 'm.mpd'), 'utf8');
  return new Uint8Array(Buffer.from(/** @type {RegExpExecArray} */ (/<cenc:pssh>(.+?)<\/cenc:pssh>/.exec(manifest))[1], 'base64'));
}

/** The least that `put` takes. @param {string} contentId @param {object} [more] */
const input = (contentId, more) => ({ contentId, ...LANE, sessionId: `session of ${contentId}`, ...more });

/** As the CDM shows a licence that is good. @param {readonly string[]} keyIds */
const proven = (keyIds) => ({ keyStatuses: Object.fromEntries(keyIds.map((keyId) => [keyId, 'usable'])) });

/** @returns {string} a directory of its own, that need not be empty when it is removed */
const makeDirectory = () => mkdtempSync(path.join(os.tmpdir(), 'offline-sessions-test-'));

/** @param {string} directory */
const removeDirectory = (directory) => rmSync(directory, { recursive: true, force: true });

module.exports = { LANE, CDM_VERSION, PLATFORM, KEY_IDS_A, KEY_IDS_B, psshOf, input, proven, makeDirectory, removeDirectory };
