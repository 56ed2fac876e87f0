import { fromBase64 } from '../renderer/base64.mjs';

/**
 * What is posted of a PlayReady message, as in `unpackPlayReadyRequest_` of Shaka's DRM engine: most CDMs wrap the challenge, and the
 * headers that go with it, in XML in UTF-16.
 * @param {string} keySystem
 * @param {Uint8Array} message
 * @returns {{ body: Uint8Array<ArrayBuffer>, headers: Record<string, string> }} of another key system's message: itself
 */
export function unwrapped(keySystem, message) {
  if (!/^com\.(microsoft|chromecast)\.playready/.test(keySystem)) return { body: new Uint8Array(message), headers: {} };
  const xml = new TextDecoder('utf-16le').decode(message);
  if (!xml.includes('PlayReadyKeyMessage')) return { body: new Uint8Array(message), headers: { 'Content-Type': 'text/xml; charset=utf-8' } };
  const dom = new DOMParser().parseFromString(xml, 'text/xml');
  const text = (/** @type {Document | Element} */ parent, /** @type {string} */ tag) => parent.getElementsByTagName(tag)[0]?.textContent ?? '';
  const headers = [...dom.getElementsByTagName('HttpHeader')].map((header) => [text(header, 'name'), text(header, 'value')]);
  return { body: fromBase64(text(dom, 'Challenge')), headers: Object.fromEntries(headers) };
}
