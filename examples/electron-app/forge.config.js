'use strict';

const { signVmp } = require('./sign-vmp');

module.exports = {
  packagerConfig: {
    asar: true,
    // Of Electron for Content Security.
    download: { mirrorOptions: { mirror: 'https://github.com/castlabs/electron-releases/releases/download/' } },
    // macOS: no `osxSign`. The packager would make Apple's signature before the VMP signature that it has to cover; see README.md.
  },
  plugins: [{ name: '@electron-forge/plugin-auto-unpack-natives', config: {} }],
  makers: [{ name: '@electron-forge/maker-zip' }],
  hooks: {
    // Windows: after `windowsSign`, which changes the executable.
    /** @param {unknown} _config @param {{ platform: string, outputPaths: string[] }} packaged */
    postPackage: async (_config, { platform, outputPaths }) => { if (platform !== 'linux') outputPaths.forEach(signVmp); },
  },
};
