'use strict';

const { OfflineSessionsError, ERROR_CODES } = require('./errors');
const { OfflineSessions } = require('./manager');
const { createTransportDriver } = require('./transport');

module.exports = { OfflineSessions, OfflineSessionsError, ERROR_CODES, createTransportDriver };
