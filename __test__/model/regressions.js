'use strict';

/**
 * Sequences that once showed a fault, each as short as it could be made. They run first.
 * @type {{ shows: string, sequence: import('./operations.js').Operation[] }[]}
 */
const REGRESSIONS = [];

module.exports = { REGRESSIONS };
