import { explainShakaError } from '/electron-offline-sessions/shaka/index.mjs';
import { DownloadsList } from './downloads-list.mjs';
import { ShakaTitles } from './shaka-titles.mjs';

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const { offlineSessions, downloads } = /** @type {any} */ (globalThis);

/** @type {Record<string, string>} */
const STATES = { offline: 'ready', online: 'plays online' };

const view = {
  /** @param {import('./downloads-list.mjs').Row[]} rows */
  show(rows) {
    element('titles').replaceChildren(...rows.map(({ contentId, title, verdict }) => {
      const item = document.createElement('li');
      const [name, state] = [title, STATES[verdict.playable] ?? verdict.reason ?? verdict.state].map((text) => {
        return Object.assign(document.createElement('span'), { textContent: text });
      });
      name.className = 'title';
      item.append(name, state, button('Play', () => list.play(contentId)), button('Remove', () => list.remove(contentId)));
      return item;
    }));
  },
  /** @param {number} done @param {number} total */
  progress(done, total) {
    Object.assign(element('progress'), { hidden: done === total, max: total, value: done });
  },
  /** @param {string} text */
  say(text) {
    element('status').textContent = text;
  },
};

/** @param {string} text @param {() => Promise<void>} work */
function button(text, work) {
  return Object.assign(document.createElement('button'), { textContent: text, onclick: () => { work().catch((error) => view.say(error.message)); } });
}

const titles = new ShakaTitles(await downloads.settings(), element('video'));
const list = new DownloadsList({ offlineSessions, titles, explain: explainShakaError, view });
const form = element('download');
form.hidden = false;
form.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const { title, manifest } = form.elements;
  list.download(manifest.value, title.value).catch((error) => view.say(error.message));
};
list.start().catch((error) => view.say(error.message));
