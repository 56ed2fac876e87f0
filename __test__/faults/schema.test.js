'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { gunzipSync } = require('node:zlib');
const { PLATFORM, makeDirectory, removeDirectory } = require('../helpers/store.js');
const { rowOf } = require('../../faults/damage/facts');
const { DATABASE, ID, holds } = require('../../faults/damage/held');
const { currentPages } = require('../../faults/damage/pages');
const { schemaOf } = require('../../faults/damage/records');
const { OfflineSessions } = require('../..');

/** By version. A text that differs is another version, with a migration: to code that knows another text, every user's database is damaged. */
const SCHEMAS = { 1: 'ab41fa748fb9e9b076896250e55f26f7386262b82844614bab8d39b92cc63cb4' };
const FIXTURES = path.join(__dirname, '../fixtures');
const NO_LOG = Buffer.alloc(0);

/** @type {string} */
let directory;
beforeEach(() => { directory = makeDirectory(); });
afterEach(() => removeDirectory(directory));

const open = () => OfflineSessions.open({ directory, platform: PLATFORM });

/** @param {Buffer} database */
const schemaIn = (database) => schemaOf(currentPages(database, NO_LOG));

/** The database that a released version has written. @param {string} version */
const fixtureOf = (version) => gunzipSync(fs.readFileSync(path.join(FIXTURES, `schema-${version}`, `${DATABASE}.gz`)));

test('a new database has the schema that its version stands for', async () => {
  await (await open()).close();
  const database = fs.readFileSync(path.join(directory, DATABASE));
  const version = String(database.readUInt32BE(60));
  expect(Object.keys(SCHEMAS).at(-1)).toBe(version);
  expect(schemaIn(database)).toEqual(schemaIn(fixtureOf(version)));
});

describe.each(Object.entries(SCHEMAS))('a database of schema %s', (version, hash) => {
  test('is as it was released', () => {
    expect(createHash('sha256').update(schemaIn(fixtureOf(version)).join('\n')).digest('hex')).toBe(hash);
  });

  test('is opened, and all that it holds is there', async () => {
    const fixture = path.join(FIXTURES, `schema-${version}`);
    fs.writeFileSync(path.join(directory, DATABASE), fixtureOf(version));
    fs.copyFileSync(path.join(fixture, ID), path.join(directory, ID));
    const { rows, unfinished } = JSON.parse(fs.readFileSync(path.join(fixture, 'holds.json'), 'utf8'));
    const offline = await open();
    expect(offline.launch.recovered).toBeNull();
    expect((await offline.list()).map(rowOf)).toEqual(rows);
    await offline.close();
    expect([...holds(directory).unfinished]).toEqual(unfinished);
  });
});
