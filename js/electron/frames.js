'use strict';

/** @typedef {Pick<import('electron').WebFrameMain, 'detached' | 'origin' | 'parent'>} Frame */

/**
 * Whether a message comes from the main frame of a document that is of one of these origins and still there.
 * @param {Frame | null} frame an IPC event's `senderFrame`, read at once: it may navigate
 * @param {string[]} origins
 */
function isMainFrameOf(frame, origins) {
  try {
    return frame !== null && !frame.parent && !frame.detached && origins.includes(frame.origin);
  } catch {
    // Disposed of meanwhile.
    return false;
  }
}

/** @param {Frame | null} frame */
function isSubframe(frame) {
  try {
    return Boolean(frame?.parent);
  } catch {
    return true;
  }
}

/** As Chromium says it: also of schemes that Node's URL knows no origin of. @param {string} url */
function originOf(url) {
  if (!URL.canParse(url)) return null;
  const { protocol, host } = new URL(url);
  return `${protocol}//${host.toLowerCase()}`;
}

module.exports = { isMainFrameOf, isSubframe, originOf };
