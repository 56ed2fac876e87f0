'use strict';

const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { readdirSync, readFileSync } = require('node:fs');
const { access, constants, mkdtemp, rm } = require('node:fs/promises');
const { setTimeout: sleep } = require('node:timers/promises');
const os = require('node:os');
const path = require('node:path');
const puppeteer = require('puppeteer-core');

/**
 * @typedef {'firefox' | 'chromium'} BrowserKind
 * @typedef {{ kind: BrowserKind, path: string, version: string }} Found version as the browser says it: "153.7.0esr"
 * @typedef {import('puppeteer-core').Browser} Browser
 */

/** @type {Record<BrowserKind, { names: string[], places: string[], version: RegExp, override: string }>} */
const KINDS = {
  firefox: {
    names: ['firefox-esr', 'firefox'],
    places: ['/Applications/Firefox.app/Contents/MacOS/firefox', 'C:\\Program Files\\Mozilla Firefox\\firefox.exe'],
    version: /Firefox (\S+)/,
    override: 'FIREFOX_PATH',
  },
  chromium: {
    names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    places: ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'],
    version: /Chrom(?:ium|e) (\S+)/,
    override: 'CHROMIUM_PATH',
  },
};

const FIREFOX_PREFS = {
  'media.clearkey.persistent-license.enabled': true,
  'media.eme.enabled': true,
  // Nobody clicks here, and nothing may be fetched from outside.
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
};

const LAUNCH_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 10_000;

/**
 * The browser named by FIREFOX_PATH or CHROMIUM_PATH, else the first that is installed and says its version.
 * @param {BrowserKind} kind
 * @returns {Promise<Found | null>} null when there is none
 */
async function findBrowser(kind) {
  const { names, places, version, override } = KINDS[kind];
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const candidates = process.env[override]
    ? [process.env[override]]
    : [...names.flatMap((name) => folders.map((folder) => path.join(folder, name + suffix))), ...places];
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      // A stub that only says how to install the browser has a path but no version.
      const { stdout } = await promisify(execFile)(candidate, ['--version'], { timeout: 20_000 });
      const said = version.exec(stdout);
      if (said) return { kind, path: candidate, version: said[1] };
    } catch {
      continue;
    }
  }
  return null;
}

/** A folder of its own for one browser's profile, kept over restarts until `removeProfile`. */
function createProfile() {
  return mkdtemp(path.join(os.tmpdir(), 'offline-sessions-profile-'));
}

/** @param {string} profile */
function removeProfile(profile) {
  return rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}

/**
 * @param {Found} found
 * @param {string} profile
 * @returns {Promise<RunningBrowser>}
 */
async function launchBrowser(found, profile) {
  const common = { executablePath: found.path, headless: true, userDataDir: profile, timeout: LAUNCH_TIMEOUT_MS, protocolTimeout: LAUNCH_TIMEOUT_MS };
  const browser = await (found.kind === 'firefox'
    ? puppeteer.launch({ ...common, browser: 'firefox', extraPrefsFirefox: FIREFOX_PREFS })
    : puppeteer.launch({ ...common, browser: 'chrome', args: chromiumArguments() }));
  return new RunningBrowser(found, profile, browser);
}

function chromiumArguments() {
  const args = ['--autoplay-policy=no-user-gesture-required'];
  // Chromium's sandbox refuses to run as root.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return args;
}

class RunningBrowser {
  /** @type {Promise<void> | undefined} */
  #closing;

  /**
   * @param {Found} found
   * @param {string} profile
   * @param {Browser} browser
   */
  constructor(found, profile, browser) {
    this.kind = found.kind;
    this.version = found.version;
    this.profile = profile;
    this.browser = browser;
    this.pid = browser.process()?.pid;
  }

  /** Resolves when the browser and the processes that it started are gone, killed if they must be. */
  close() {
    return this.#closing ??= this.#close();
  }

  /** As a power cut: nothing is flushed. */
  async kill() {
    signalGroup(this.pid, 'SIGKILL');
    await this.close();
  }

  async #close() {
    const timeout = new AbortController();
    await Promise.race([
      this.browser.close().catch(() => {}),
      sleep(CLOSE_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => {}),
    ]);
    timeout.abort();
    if (await this.#gone(CLOSE_TIMEOUT_MS)) return;
    signalGroup(this.pid, 'SIGKILL');
    if (!await this.#gone(CLOSE_TIMEOUT_MS)) throw new Error(`${this.kind} (process ${this.pid}) could not be ended`);
  }

  /** @param {number} timeoutMs */
  async #gone(timeoutMs) {
    for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(20)) {
      if (!groupLives(this.pid)) return true;
    }
    return false;
  }
}

/**
 * puppeteer starts a browser as the head of a process group of its own, except on Windows.
 * @param {number | undefined} pid
 * @param {'SIGKILL' | 0} signal
 * @returns {boolean} whether there was anybody
 */
function signalGroup(pid, signal) {
  if (pid === undefined) return false;
  try {
    return process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    return false;
  }
}

/**
 * Whether a process of the group still runs. Killed ones that nobody waits for, as in a container
 * without an init, answer signals for ever: they do not count.
 * @param {number | undefined} pid
 */
function groupLives(pid) {
  if (!signalGroup(pid, 0)) return false;
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(group) === pid && state !== 'Z' && state !== 'X';
    } catch {
      return false;
    }
  });
}

module.exports = { findBrowser, launchBrowser, createProfile, removeProfile, RunningBrowser };
