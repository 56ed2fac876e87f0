'use strict';

const { findBrowser } = require('./testbed/browsers');

module.exports = async () => ({
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  testTimeout: 20_000,
  // Every file runs as it is written.
  transform: {},
  // The example requires this package by its name, as an app does.
  moduleNameMapper: {
    '^electron-offline-sessions/electron$': '<rootDir>/js/electron/index.js',
    '^electron-offline-sessions/bridge$': '<rootDir>/dist/bridge.js',
    '^electron-offline-sessions/(shaka|renderer)$': '<rootDir>/js/$1/index.mjs',
  },
  // Build output holds nothing to test, and much to crawl.
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/.cache/', '<rootDir>/dist/', '<rootDir>/types/'],
  // Looked for once and here, because whether a suite runs must be known before its tests are declared.
  globals: { BROWSERS: { firefox: await findBrowser('firefox'), chromium: await findBrowser('chromium') } },
});
