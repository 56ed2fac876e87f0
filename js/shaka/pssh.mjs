/**
 * PSSH boxes (ISO/IEC 23001-7, section 8.1) of stored segments: in `moov` of an init segment, in `moof` where keys rotate.
 */

const CONTAINERS = ['moov', 'moof'];
const COMMON = '1077efecc0b24d02ace33c1e52e2fb4b';
/** @type {Record<string, string>} by the key system's first two labels, as in com.microsoft.playready.recommendation.3000 */
const SYSTEM_IDS = {
  'com.widevine': 'edef8ba979d64acea3c827dcd51d21ed',
  'com.microsoft': '9a04f07998404286ab92e65be0885f95',
  'org.w3': COMMON,
};

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string[]} [containers] in which boxes are looked for; they are not inside each other
 * @returns {Generator<Uint8Array<ArrayBuffer>>} each box, its header included
 */
export function* psshBoxes(bytes, containers = CONTAINERS) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length;) {
    let [size, header] = [view.getUint32(at), 8];
    // 1: a 64-bit size follows; 0: to the end.
    if (size === 1 && at + 16 <= bytes.length) [size, header] = [Number(view.getBigUint64(at + 8)), 16];
    else if (size === 0) size = bytes.length - at;
    if (size < header || at + size > bytes.length) return;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === 'pssh') yield bytes.slice(at, at + size);
    else if (containers.includes(type)) yield* psshBoxes(bytes.subarray(at + header, at + size), []);
    at += size;
  }
}

/**
 * The boxes that a key system reads: its own, else common ones; each once.
 * @param {Iterable<Uint8Array<ArrayBuffer>>} boxes
 * @param {string} keySystem
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
export function boxesFor(boxes, keySystem) {
  const distinct = [...new Map([...boxes].map((box) => [hex(box), box]))];
  // Behind size, type, version and flags.
  const bySystem = (/** @type {string | undefined} */ id) => distinct.filter(([text]) => text.slice(24, 56) === id).map(([, box]) => box);
  const own = bySystem(SYSTEM_IDS[keySystem.split('.').slice(0, 2).join('.')]);
  return own.length > 0 ? own : bySystem(COMMON);
}

/** @param {Uint8Array[]} parts */
export function concatenated(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
