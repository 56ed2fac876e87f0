'use strict';

const js = require('@eslint/js');
const globals = require('globals');

module.exports = [
  { ignores: ['dist/', 'native/', 'target/', 'types/', '.cache/'] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023 },
    linterOptions: { noInlineConfig: true },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-unused-vars': ['error', { ignoreRestSiblings: true }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.js'],
    languageOptions: { sourceType: 'commonjs', globals: globals.node },
    rules: { strict: ['error', 'global'] },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { sourceType: 'module', globals: globals.browser },
  },
  {
    files: ['__test__/**/*.js'],
    languageOptions: { globals: globals.jest },
  },
  {
    files: ['__test__/**/*.test.js'],
    rules: {
      'no-restricted-properties': ['error', ...['describe', 'it', 'test'].flatMap((object) => [
        { object, property: 'only', message: 'Every test runs.' },
        { object, property: 'skip', message: 'Every test runs.' },
      ])],
    },
  },
];
