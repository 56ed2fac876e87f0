'use strict';

// The licence server, in a process of its own: its clock and its books do not wait for the app. Arguments: capacity, sessions, answerMs.

const { startLicenseServer } = require('../../testbed/servers.js');
const { titles } = require('./titles.js');

const [capacityPerS, sessions, answerMs] = process.argv.slice(2).map(Number);

async function main() {
  const keys = Object.fromEntries(titles(sessions).map(({ keyId }) => [keyId, keyId]));
  const server = await startLicenseServer({ keys, capacityPerS, answerMs });
  process.on('message', () => process.send?.({ requests: server.requests, rejected: server.load.rejected, perSecond: server.load.perSecond }));
  process.on('disconnect', () => process.exit());
  process.send?.({ url: server.url });
}

main();
