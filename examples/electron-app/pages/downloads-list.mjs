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
 * @typedef {Pick<import('./shaka-titles.mjs').ShakaTitles, 'list' | 'download' | 'remove' | 'play'>} Titles
 * @typedef {(error: any) => { action: string, report: { error: string, systemCode: number | null } } | null} Explain
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
  #titles;
  #explain;
  #view;

  /** @param {{ offlineSessions: OfflineSessionsApi, titles: Titles, explain: Explain, view: View }} parts */
  constructor({ offlineSessions, titles, explain, view }) {
    this.#offlineSessions = offlineSessions;
    this.#titles = titles;
    this.#explain = explain;
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
    for (const title of await this.#titles.list()) rows.push({ ...title, verdict: await this.#offlineSessions.verdict(title.contentId) });
    this.#view.show(rows);
  }

  /** @param {string} manifestUri @param {string} title */
  async download(manifestUri, title) {
    this.#view.say('One moment …');
    try {
      await this.#titles.download(manifestUri, title, (progress) => this.#view.say(`Downloading ${title}: ${Math.round(progress * 100)} %`));
      this.#view.say(`${title} is downloaded.`);
    } catch (error) {
      const { action } = this.#explain(error) ?? {};
      this.#view.say(`It could not be downloaded. ${(action && ADVICE[action]) || textOf(error)}`);
    }
    await this.refresh();
  }

  /** @param {string} contentId */
  async remove(contentId) {
    await this.#titles.remove(contentId);
    await this.refresh();
  }

  /** @param {string} contentId */
  async play(contentId) {
    this.#view.say('One moment …');
    // Repaired before all others when it has to be.
    const verdict = await this.#offlineSessions.ensurePlayable(contentId);
    if (verdict.playable === 'no') {
      this.#view.say(ADVICE[verdict.action] ?? '');
    } else {
      this.#view.say('');
      await this.#titles.play(contentId, verdict).catch((error) => this.#failed(contentId, error));
    }
    await this.refresh();
  }

  /** @param {string} contentId @param {unknown} error */
  async #failed(contentId, error) {
    const explanation = this.#explain(error);
    this.#view.say(`It does not play. ${explanation ? ADVICE[explanation.action] : textOf(error)}`);
    if (!explanation) return;
    // The licence is checked again, and made anew if it has to be.
    await this.#offlineSessions.reportPlayback(contentId, explanation.report);
    const { playable, action } = await this.#offlineSessions.ensurePlayable(contentId);
    if (playable === 'offline') this.#view.say('It is ready now: play it again.');
    else if (explanation.action === 'wait') this.#view.say(`It does not play. ${ADVICE[action] ?? ''}`);
  }
}

/** Shaka's errors have a code, others a message. @param {any} error */
const textOf = (error) => (error?.code ? `Error ${error.code}` : String(error?.message ?? error));
