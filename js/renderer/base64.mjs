/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  // One by one: spread over the arguments of fromCharCode, 64 KiB would overflow the stack.
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
