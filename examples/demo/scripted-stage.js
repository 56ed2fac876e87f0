'use strict';

const { readdir } = require('node:fs/promises');
const path = require('node:path');
const clearkey = require('../../testbed/clearkey.js');
const { ScriptedCdm, createScriptedDriver } = require('../../testbed/scripted-cdm.js');
const { startLicenseServer, startMediaServer } = require('../../testbed/servers.js');
const { KEY_SYSTEM, sessionInputs } = require('../../testbed/session-inputs.js');

const CONTENT = path.join(__dirname, '../../testbed/content');

/** The story without a browser: real servers, scripted CDM. "Playing" is all keys of all sessions usable, and all bytes there. */
class ScriptedStage {
  browser = 'none (scripted CDM)';
  origin = 'http://127.0.0.1';
  #cdm = new ScriptedCdm();
  /** @type {Map<string, { sessionId: string, initData: string, keyIds: string[] }[]>} */
  #catalogue = new Map();
  /** @type {Map<string, ArrayBuffer[]>} */
  #files = new Map();

  get #lane() {
    return { origin: this.origin, keySystem: KEY_SYSTEM };
  }

  async start() {
    this.mediaServer = await startMediaServer();
    this.licenseServer = await startLicenseServer();
  }

  /** @param {import('../../testbed/browser-app.js').Title} title */
  async store({ contentId, folder, separateSessions }) {
    if (!this.mediaServer || !this.licenseServer) throw new Error('the stage has not been started');
    const files = [];
    for (const name of await readdir(path.join(CONTENT, folder))) files.push(await bytesOf(await fetch(`${this.mediaServer.origin}/${folder}/${name}`)));
    this.#files.set(contentId, files);
    const manifest = await (await fetch(`${this.mediaServer.origin}/${folder}/m.mpd`)).text();
    const sessions = [];
    for (const wanted of separateSessions ? perTrack(manifest) : [perTitle(manifest)]) {
      const answer = await fetch(this.licenseServer.url, { method: 'POST', body: new Uint8Array(clearkey.licenseRequest(wanted.keyIds)) });
      const keyIds = Object.keys(clearkey.parseLicense(new Uint8Array(await bytesOf(answer))));
      const sessionId = this.#cdm.store(this.#lane, keyIds);
      sessions.push({ ...wanted, sessionId, keyStatuses: { ...this.#cdm.record(sessionId).keyStatuses } });
    }
    this.#catalogue.set(contentId, sessions.map(({ sessionId, initData, keyIds }) => ({ sessionId, initData, keyIds })));
    return sessionInputs({ contentId, origin: this.origin, licenseUrl: this.licenseServer.url }, sessions);
  }

  /** The only break there is here. */
  async restart() {
    this.#cdm.breakSalts();
  }

  driver() {
    return createScriptedDriver(this.#cdm, { catalogue: this.#catalogue });
  }

  requests() {
    return { media: this.mediaServer?.requests ?? 0, license: this.licenseServer?.requests ?? 0 };
  }

  async stopServers() {
    await this.mediaServer?.close();
    await this.licenseServer?.close();
  }

  /** @param {string} contentId */
  async play(contentId) {
    const sessions = this.#catalogue.get(contentId) ?? [];
    const shown = sessions.map(({ sessionId, keyIds }) => {
      const { keyStatuses } = this.#cdm.record(sessionId);
      return keyIds.every((keyId) => keyStatuses[keyId] === 'usable');
    });
    if (shown.length === 0 || shown.includes(false) || !this.#files.get(contentId)?.length) throw new Error(`${contentId} would not play`);
    return 'all its keys are usable';
  }

  close() {
    return this.stopServers();
  }
}

/** @param {Response} response */
async function bytesOf(response) {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return response.arrayBuffer();
}

/** @param {string} manifest */
function perTitle(manifest) {
  const initData = /<cenc:pssh>(.+?)<\/cenc:pssh>/.exec(manifest)?.[1] ?? '';
  return { initDataType: 'cenc', initData, keyIds: clearkey.keyIdsOf('cenc', Buffer.from(initData, 'base64')) };
}

/** @param {string} manifest */
function perTrack(manifest) {
  return [...manifest.matchAll(/default_KID="(.+?)"/g)].map(([, uuid]) => {
    const keyId = uuid.replaceAll('-', '');
    const initData = Buffer.from(JSON.stringify({ kids: [clearkey.hexToBase64url(keyId)] })).toString('base64');
    return { initDataType: 'keyids', initData, keyIds: [keyId] };
  });
}

module.exports = { ScriptedStage };
