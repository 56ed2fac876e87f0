'use strict';

// Everything that a fresh clone lacks: `node scripts/setup.js demo|test|flood`. Needs Node's own modules only.

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, step, run, npm } = require('./steps');

const BROWSERS = {
  demo: [{ name: 'firefox', debianPackage: 'firefox-esr' }],
  flood: [],
  test: [{ name: 'firefox', debianPackage: 'firefox-esr' }, { name: 'chromium', debianPackage: 'chromium' }],
};

async function main(purpose) {
  if (!Object.hasOwn(BROWSERS, purpose)) throw new Error('usage: node scripts/setup.js demo|test|flood');
  await checkTools();
  const steps = [
    ['npm packages', installPackages],
    ['native addon, release build', () => npm('run', 'build')],
    ['bundle for the window', () => npm('run', 'bundle')],
    ...BROWSERS[purpose].map((browser) => [`browser: ${browser.name}`, () => provideBrowser(browser)]),
  ];
  for (const [name, work] of steps) {
    const passed = await step(name, async () => (await work())?.note);
    if (!passed) process.exit(1);
  }
}

async function checkTools() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`This is Node ${process.versions.node}; building and testing needs 20.19 or newer.`);
  }
  await run('cargo', ['--version']).catch(() => {
    throw new Error('cargo was not found: install Rust (stable) from https://rustup.rs, and open a new terminal.');
  });
  // On Windows the compiler is MSVC, which cargo finds without any PATH and asks for by name.
  if (process.platform === 'win32') return;
  await run('cc', ['--version']).catch(() => {
    const how = process.platform === 'darwin' ? 'xcode-select --install' : 'on Debian or Ubuntu: apt-get install build-essential';
    throw new Error(`cc was not found: SQLite is built from its C source, so install a C compiler (${how}).`);
  });
}

async function installPackages() {
  const modified = (file) => fs.statSync(path.join(ROOT, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  // npm writes this file last, so an interrupted installation counts as none.
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return { note: 'up to date' };
  await npm('ci');
}

async function provideBrowser({ name, debianPackage }) {
  const { findBrowser } = require('../testbed/browsers');
  let found = await findBrowser(name);
  if (!found && isDebian() && process.getuid() === 0) {
    // A browser that cannot be had is no reason to stop: demo and tests say what they do without it.
    await run('apt-get', ['update']).catch(() => {});
    await run('apt-get', ['install', '-y', '--no-install-recommends', debianPackage]).catch(() => {});
    found = await findBrowser(name);
  }
  if (found) return { note: `${found.version}, ${found.path}` };
  return { note: `not found; install it${isDebian() ? ` (apt-get install ${debianPackage})` : ''} to run against it` };
}

function isDebian() {
  try {
    return /^ID=debian$/m.test(fs.readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

main(process.argv[2]).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
