'use strict';

const { signVmp } = require('./sign-vmp');

module.exports = {
  appId: 'com.example.offline-sessions',
  // Not in Electron's own releases, nor at its place.
  electronDownload: { mirror: 'https://github.com/castlabs/electron-releases/releases/download/v' },
  files: ['*.js', 'pages/**', 'package.json', '!electron-builder.js', '!forge.config.js', '!sign-vmp.js'],
  // A native addon is loaded by the operating system, which knows no archive.
  asarUnpack: ['**/node_modules/electron-offline-sessions/native/*.node'],
  publish: { provider: 'generic', url: 'https://updates.example.com' },
  mac: { target: ['dmg', 'zip'], hardenedRuntime: true },
  win: { target: 'nsis' },
  // macOS: Apple's signature covers the VMP signature, so that comes first. Windows: code signing changes the executable, so it comes last.
  /** @param {{ electronPlatformName: string, appOutDir: string }} context */
  afterPack: async ({ electronPlatformName, appOutDir }) => { if (electronPlatformName === 'darwin') signVmp(appOutDir); },
  /** @param {{ electronPlatformName: string, appOutDir: string }} context */
  afterSign: async ({ electronPlatformName, appOutDir }) => { if (electronPlatformName === 'win32') signVmp(appOutDir); },
};
