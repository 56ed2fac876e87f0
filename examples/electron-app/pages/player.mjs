import { DownloadsList } from './downloads-list.mjs';

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const { offlineSessions, downloads } = /** @type {any} */ (globalThis);

const player = {
  /** Here Shaka Player comes in: `player.load(offlineUri)`. @param {string} contentId @param {{ sessionId: string }[]} sessions */
  async play(contentId, sessions) {
    element('status').textContent = `${contentId} may play, with ${sessions.map(({ sessionId }) => sessionId).join(', ')}.`;
  },
};

const view = {
  /** @param {import('./downloads-list.mjs').Row[]} rows */
  show(rows) {
    element('titles').replaceChildren(...rows.map(({ contentId, title, verdict }) => {
      const item = document.createElement('li');
      const [name, state, button] = ['span', 'span', 'button'].map((tag) => document.createElement(tag));
      name.className = 'title';
      name.textContent = title;
      state.textContent = verdict.playable === 'offline' ? 'ready' : verdict.reason ?? verdict.state;
      button.textContent = 'Play';
      button.onclick = () => list.play(contentId).catch((error) => view.say(error.message));
      item.append(name, state, button);
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

const list = new DownloadsList({ offlineSessions, downloads, player, view });
list.start().catch((error) => view.say(error.message));
