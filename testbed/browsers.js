'use strict';

const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { existsSync, readdirSync, readFileSync } = require('node:fs');
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

/** Of a profile that is in use. */
const BACKUPS = ['prefs.js.puppeteer', 'user.js.puppeteer'];
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

  /**
   * Ends some of Firefox's processes as a crash does, on Linux: those of pages, or the one that the CDM runs in. The browser goes on.
   * @param {'tab' | 'gmplugin'} type
   */
  crash(type) {
    const pids = processesOf(this.pid).filter((pid) => readProcess(pid, 'cmdline').replaceAll('\0', ' ').trimEnd().endsWith(` ${type}`));
    if (pids.length === 0) throw new Error(`the browser has no process of type ${type}`);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  }

  async #close() {
    const timeout = new AbortController();
    await Promise.race([
      this.browser.close().catch(() => {}),
      sleep(CLOSE_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => {}),
    ]);
    timeout.abort();
    const isGone = () => !groupLives(this.pid);
    if (!await becomes(isGone)) {
      signalGroup(this.pid, 'SIGKILL');
      if (!await becomes(isGone)) throw new Error(`${this.kind} (process ${this.pid}) could not be ended`);
    }
    // puppeteer puts Firefox's preferences back when the process has ended: a start meanwhile would find none.
    await becomes(() => !BACKUPS.some((name) => existsSync(path.join(this.profile, name))));
  }
}

/**
 * @param {() => boolean} condition
 * @returns {Promise<boolean>} whether it came to hold in time
 */
async function becomes(condition) {
  for (const end = Date.now() + CLOSE_TIMEOUT_MS; Date.now() < end; await sleep(20)) {
    if (condition()) return true;
  }
  return false;
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

/** @param {number | undefined} pid whether a process of its group still runs */
function groupLives(pid) {
  return signalGroup(pid, 0) && (process.platform !== 'linux' || processesOf(pid).length > 0);
}

/**
 * The processes of a group, on Linux. Killed ones that nobody waits for, as in a container without an init, answer signals
 * for ever: they do not count.
 * @param {number | undefined} group
 * @returns {number[]}
 */
function processesOf(group) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    const stat = readProcess(pid, 'stat');
    const [state, , ofGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(ofGroup) === group && state !== 'Z' && state !== 'X';
  });
}

/** @param {number} pid @param {'stat' | 'cmdline'} file */
function readProcess(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    // It has gone meanwhile.
    return '';
  }
}

module.exports = { findBrowser, launchBrowser, createProfile, removeProfile, RunningBrowser };
