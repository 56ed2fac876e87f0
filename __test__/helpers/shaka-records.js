'use strict';

const KEY_IDS = ['00112233445566778899aabbccddee01', '00112233445566778899aabbccddee02'];
const COMMON = '1077efecc0b24d02ace33c1e52e2fb4b';
const WIDEVINE = 'edef8ba979d64acea3c827dcd51d21ed';

/** @param {string} type @param {...Buffer} parts */
function box(type, ...parts) {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(parts.reduce((sum, { length }) => sum + length, 8));
  return Buffer.concat([size, Buffer.from(type, 'latin1'), ...parts]);
}

/** A PSSH box of version 0. @param {string} systemId @param {string} data hexadecimal */
const pssh = (systemId, data) => box('pssh', Buffer.from(`00000000${systemId}${(data.length / 2).toString(16).padStart(8, '0')}${data}`, 'hex'));

/** A record as Shaka writes it, as far as anybody reads it. @param {object} [fields] */
const recordOf = (fields) => ({
  creationTime: 1_700_000_000_000,
  originalManifestUri: 'https://user:secret@cdn.example.com/film/m.mpd?token=secret',
  expiration: null,
  sessionIds: ['7'],
  isIncomplete: false,
  appMetadata: { title: 'Film' },
  drmInfo: {
    keySystem: 'org.w3.clearkey', licenseServerUri: 'https://user:secret@license.example.com/clearkey?tenant=1', audioRobustness: '',
    videoRobustness: 'SW_SECURE_CRYPTO', encryptionScheme: 'cenc', keyIds: [KEY_IDS[0]],
  },
  streams: [
    { type: 'video', mimeType: 'video/mp4', codecs: 'avc1.42c00c', keyIds: [KEY_IDS[0].toUpperCase()], segments: [] },
    { type: 'audio', mimeType: 'audio/mp4', codecs: 'mp4a.40.2', keyIds: [KEY_IDS[1], '0'.repeat(32)], segments: [] },
    { type: 'text', mimeType: 'text/vtt', codecs: '', keyIds: [], segments: [] },
  ],
  ...fields,
});

/** @param {...Buffer} segments */
const base64 = (...segments) => segments.map((segment) => segment.toString('base64'));

module.exports = { KEY_IDS, COMMON, WIDEVINE, box, pssh, recordOf, base64 };
