'use strict';

/**
 * The real electron-updater in plain Node: its updater for AppImages, which asks an AppAdapter where Electron would be asked, and an executor
 * that makes its HTTP requests. The "AppImage" is a shell script, so it is really installed.
 */

const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { AppImageUpdater } = require('electron-updater');
const { HttpExecutor, configureRequestUrl } = require(require.resolve('builder-util-runtime', { paths: [require.resolve('electron-updater')] }));

/** An app of that version, as a file that can be installed and run. @param {string} version */
const appImage = (version) => Buffer.from(`#!/bin/sh\n# ${version}\nexit 0\n`);

/** What ElectronHttpExecutor does with Electron's net. */
class NodeHttpExecutor extends HttpExecutor {
  createRequest(options, callback) {
    return http.request(options, callback);
  }
  async download(url, destination, options) {
    return options.cancellationToken.createPromise((resolve, reject, onCancel) => {
      const request = { headers: options.headers };
      configureRequestUrl(url, request);
      const callback = (error) => (error ? reject(error) : resolve(destination));
      this.doDownload(request, { destination, options, onCancel, callback, responseHandler: null }, 0);
    });
  }
}

/** An installed app: its AppImage, what it would have in Electron's `app`, and its updater. */
class LinuxUpdater {
  /** @type {((exitCode: number) => void)[]} */
  #quitHandlers = [];

  /** A launch of what is installed there, at first 1.0.0. @param {string} directory @param {string} feed its URL */
  constructor(directory, feed) {
    this.file = path.join(directory, 'player.AppImage');
    mkdirSync(directory, { recursive: true });
    if (!existsSync(this.file)) writeFileSync(this.file, appImage('1.0.0'), { mode: 0o755 });
    const version = this.installed;
    // Where an AppImage that runs finds itself. One app at a time, then.
    process.env.APPIMAGE = this.file;
    const config = path.join(directory, 'app-update.yml');
    writeFileSync(config, `provider: generic\nurl: ${feed}\nupdaterCacheDirName: updater\n`);
    /** @type {import('electron-updater/out/AppAdapter').AppAdapter} */
    const adapter = {
      version, name: 'player', isPackaged: true, appUpdateConfigPath: config, userDataPath: directory, baseCachePath: path.join(directory, 'cache'),
      whenReady: async () => {}, relaunch: () => {}, quit: () => {}, onQuit: (handler) => { this.#quitHandlers.push(handler); },
    };
    this.autoUpdater = new AppImageUpdater(null, adapter);
    this.autoUpdater.httpExecutor = new NodeHttpExecutor();
    this.autoUpdater.logger = null;
    // There is no block map.
    this.autoUpdater.disableDifferentialDownload = true;
  }

  /** The app quits; what is to be installed on quit is. @param {number} [exitCode] */
  quit(exitCode = 0) {
    for (const handler of this.#quitHandlers.splice(0)) handler(exitCode);
  }

  /** The version that would start now. */
  get installed() {
    return /** @type {RegExpExecArray} */ (/# (.+)/.exec(readFileSync(this.file, 'utf8')))[1];
  }
}

/**
 * A feed of the generic provider, on loopback.
 * @typedef {object} Release
 * @property {string} version
 * @property {unknown} [vendor]
 * @property {number} [stagingPercentage]
 * @property {boolean} [broken] the file is not the one that the checksum is of
 */
class UpdateFeed {
  /** @type {Release} */
  release = { version: '1.0.0' };
  /** Requests for files, but for the feed's own. */
  downloads = 0;
  #server = http.createServer(({ url = '' }, response) => {
    const { version, broken } = this.release;
    if (url.startsWith('/latest-linux.yml')) return response.end(this.#yaml());
    if (url !== `/player-${version}.AppImage`) return response.writeHead(404).end();
    this.downloads += 1;
    response.end(broken ? appImage('broken') : appImage(version));
  });

  async start() {
    await new Promise((resolve) => { this.#server.listen(0, '127.0.0.1', () => resolve(undefined)); });
    return this;
  }

  get url() {
    return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (this.#server.address()).port}/`;
  }

  /** As electron-builder writes it; JSON is YAML too. */
  #yaml() {
    const { version, vendor, stagingPercentage } = this.release;
    const file = appImage(version);
    const sha512 = createHash('sha512').update(file).digest('base64');
    const name = `player-${version}.AppImage`;
    return JSON.stringify({
      version, files: [{ url: name, sha512, size: file.length }], path: name, sha512, releaseDate: '2026-11-22T00:00:00.000Z', vendor, stagingPercentage,
    });
  }

  close() {
    return new Promise((resolve) => {
      this.#server.close(() => resolve(undefined));
      this.#server.closeAllConnections();
    });
  }
}

module.exports = { LinuxUpdater, UpdateFeed };
