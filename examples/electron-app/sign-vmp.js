'use strict';

const { execFileSync } = require('node:child_process');

/**
 * Signs a packaged app for Widevine's Verified Media Path with castLabs' EVS client (`python3 -m pip install castlabs-evs`), `--persistent`, without
 * which there are no persistent licences.
 * @param {string} folder
 */
function signVmp(folder) {
  const python = process.platform === 'win32' ? 'py' : 'python3';
  execFileSync(python, ['-m', 'castlabs_evs.vmp', '--no-ask', 'sign-pkg', '--persistent', folder], { stdio: 'inherit' });
}

module.exports = { signVmp };
