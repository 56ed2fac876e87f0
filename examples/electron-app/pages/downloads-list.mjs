/**
 * @typedef {import('electron-offline-sessions/preload').OfflineSessionsApi} OfflineSessionsApi
 * @typedef {import('electron-offline-sessions').Verdict} Verdict
 * @typedef {{ contentId: string, title: string, verdict: Verdict }} Row
 *
 * @typedef {object} View
 * @property {(rows: Row[]) => void} show
 * @property {(done: number, total: number) => void} progress
 * @property {(text: string) => void} say
 *
 * @typedef {{ play(contentId: string, sessions: Verdict['sessions']): Promise<void> }} Player resolves when the title has ended
 */

/** What to tell the viewer of a title that may not play now, by `verdict.action`. @type {Record<string, string>} */
const ADVICE = {
  connect: 'Connect to the internet once, and it plays offline again.',
  wait: 'It is being made ready.',
  'sign-in': 'Sign in to play it.',
  'free-device': 'Too many devices have downloads: remove one of them.',
  'change-location': 'It cannot be made ready in this country.',
  renew: 'It has expired: renew it.',
  'download-again': 'It has to be downloaded again.',
};

/** The list of downloads: status while they are made ready, and a title plays when its verdict allows it. */
export class DownloadsList {
  #offlineSessions;
  #downloads;
  #player;
  #view;

  /**
   * @param {{ offlineSessions: OfflineSessionsApi, downloads: { list(): Promise<{ contentId: string, title: string }[]> }, player: Player,
   *   view: View }} parts
   */
  constructor({ offlineSessions, downloads, player, view }) {
    this.#offlineSessions = offlineSessions;
    this.#downloads = downloads;
    this.#player = player;
    this.#view = view;
  }

  async start() {
    this.#offlineSessions.onProgress(({ done, total }) => {
      this.#view.progress(done, total);
      if (done === total) this.refresh().catch((error) => this.#view.say(error.message));
    });
    await this.refresh();
  }

  async refresh() {
    const rows = [];
    for (const title of await this.#downloads.list()) rows.push({ ...title, verdict: await this.#offlineSessions.verdict(title.contentId) });
    this.#view.show(rows);
  }

  /** @param {string} contentId */
  async play(contentId) {
    this.#view.say('One moment …');
    // Repaired before all others when it has to be.
    const { playable, action, sessions } = await this.#offlineSessions.ensurePlayable(contentId);
    if (playable !== 'offline' && playable !== 'try') {
      this.#view.say(ADVICE[action] ?? '');
    } else {
      this.#view.say('');
      const hold = await this.#offlineSessions.hold({ contentId, kind: 'playing' });
      try {
        await this.#player.play(contentId, sessions);
      } catch (error) {
        this.#view.say(`It does not play: ${/** @type {any} */ (error)?.message ?? error}`);
        await this.#offlineSessions.reportPlayback(contentId, { error });
      } finally {
        hold.release();
      }
    }
    await this.refresh();
  }
}
