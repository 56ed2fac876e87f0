'use strict';

/**
 * Sequences that once showed a fault, each as short as it could be made. They run first.
 * @type {{ shows: string, sequence: import('./operations.js').Operation[] }[]}
 */
const REGRESSIONS = [
  {
    shows: 'a title that was clicked while there was no driver waits as it did when one comes',
    sequence: [
      { op: 'library', cdm: 0, titles: { film: null, series: null, abroad: null, split: 'unproven', hers: null, canary: null } },
      { op: 'interrupt', step: 'load', nth: 0, then: 'window', arrives: false, update: null },
      { op: 'relaunch', electron: 0, cdm: 0, breaks: 'none', policy: 'patient', driver: false },
      { op: 'ensure', title: 'split', limit: null },
      { op: 'driver', what: 'none' },
    ],
  },
];

module.exports = { REGRESSIONS };
