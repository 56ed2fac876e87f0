'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { OfflineSessions, OfflineSessionsError } = require('../..');
const { BAD_CALLS, badOptions } = require('./bad-calls.js');
const { BAD_SESSIONS } = require('./bad-sessions.js');
const { failure } = require('./failure.js');
const { KEY_IDS_A, PLATFORM, input, proven, makeDirectory, removeDirectory } = require('./store.js');

/** Declares the tests of bad input: on one store for all, because what is refused leaves no trace in it. */
function refusesBadInput() {
  let directory;
  let offline;
  beforeAll(async () => {
    directory = makeDirectory();
    offline = await OfflineSessions.open({ directory, platform: PLATFORM });
    await offline.put([input('a', { proven: proven(KEY_IDS_A) }), input('b')]);
  });
  afterAll(async () => {
    await offline.close();
    removeDirectory(directory);
  });

  const traces = async () => [await offline.list(), await offline.history(), offline.launch, offline.unready()];

  /** The call is refused, its error names the field, and nothing was written. */
  async function expectRefused(call, field) {
    const before = await traces();
    const error = await failure(call).catch((accepted) => accepted);
    expect(await traces()).toEqual(before);
    expect(error).toBeInstanceOf(OfflineSessionsError);
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: expect.stringMatching(field) });
    expect({}.polluted).toBeUndefined();
  }

  test.each(BAD_SESSIONS)('put: $what', ({ sessions, field }) => expectRefused(() => offline.put(sessions), field));

  test.each(BAD_CALLS)('$call: $what', ({ call, args, field }) => expectRefused(() => offline[call](...args), field));

  const absent = path.join(os.tmpdir(), `offline-sessions-test-never-made-${process.pid}`);
  test.each(badOptions(absent))('open: $what', async ({ options, field }) => {
    const opening = async () => (await OfflineSessions.open(options)).close();
    await expectRefused(opening, field).finally(() => {
      const made = fs.existsSync(absent);
      removeDirectory(absent);
      expect(made).toBe(false);
    });
  });
}

module.exports = { refusesBadInput };
