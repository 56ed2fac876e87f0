/**
 * The two kinds of DASH manifest in testbed/content: segments in files with a timeline, and one file per track.
 *
 * @typedef {object} Track
 * @property {'audio' | 'video'} kind
 * @property {string} contentType with codecs
 * @property {string} keyId hexadecimal
 * @property {string} pssh base64
 * @property {{ url: string, range?: string }[]} segments the initialization segment first
 */

const CENC = 'urn:mpeg:cenc:2013';

/**
 * @param {string} text
 * @param {string} url
 * @returns {Track[]}
 */
export function parseManifest(text, url) {
  const manifest = new DOMParser().parseFromString(text, 'application/xml');
  return [...manifest.querySelectorAll('AdaptationSet')].map((set) => {
    const representation = one(set, 'Representation');
    const mimeType = attribute(representation, 'mimeType');
    return {
      kind: mimeType.startsWith('audio/') ? 'audio' : 'video',
      contentType: `${mimeType}; codecs="${attribute(representation, 'codecs')}"`,
      keyId: (one(set, 'ContentProtection').getAttributeNS(CENC, 'default_KID') ?? '').replaceAll('-', ''),
      pssh: set.getElementsByTagNameNS(CENC, 'pssh')[0].textContent ?? '',
      segments: segmentsOf(representation, url),
    };
  });
}

/** @param {Element} representation @param {string} manifestUrl */
function segmentsOf(representation, manifestUrl) {
  const template = representation.querySelector('SegmentTemplate');
  if (template) {
    const first = Number(attribute(template, 'startNumber'));
    const times = [...template.querySelectorAll('S')];
    const count = times.reduce((sum, time) => sum + 1 + Number(time.getAttribute('r') ?? 0), 0);
    const names = Array.from({ length: count }, (_, n) => attribute(template, 'media').replace('$Number$', String(first + n)));
    return [attribute(template, 'initialization'), ...names].map((name) => ({ url: new URL(name, manifestUrl).href }));
  }
  const url = new URL(one(representation, 'BaseURL').textContent ?? '', manifestUrl).href;
  const range = attribute(one(representation, 'Initialization'), 'range');
  return [{ url, range }, { url, range: `${Number(range.split('-')[1]) + 1}-` }];
}

/** @param {Element} parent @param {string} name */
function one(parent, name) {
  const element = parent.querySelector(name);
  if (!element) throw new Error(`the manifest has no ${name} in ${parent.tagName}`);
  return element;
}

/** @param {Element} element @param {string} name */
function attribute(element, name) {
  const value = element.getAttribute(name);
  if (value === null) throw new Error(`the manifest has a ${element.tagName} without ${name}`);
  return value;
}
