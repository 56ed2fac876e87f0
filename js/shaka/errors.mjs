/**
 * Shaka's database is not of the layout that is known here: version 5, as Shaka Player 4.7 to 5.x write it. Nothing was touched.
 * Its `code` is stable, its message is not.
 */
export class ShakaLayoutError extends Error {
  /** @type {'ERR_SHAKA_LAYOUT'} */
  code = 'ERR_SHAKA_LAYOUT';

  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'OfflineSessionsError';
  }
}
