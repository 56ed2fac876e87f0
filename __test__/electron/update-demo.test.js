'use strict';

const { EXPECTED, tell } = require('../../examples/update/story.js');
const { makeDirectory, removeDirectory } = require('../helpers/store.js');

test('npm run demo:update tells of an update that is put off, agreed to, prepared for and installed', async () => {
  const directory = makeDirectory();
  const log = jest.spyOn(console, 'log').mockImplementation(() => {});
  try {
    expect(await tell(directory)).toEqual(EXPECTED);
  } finally {
    log.mockRestore();
    removeDirectory(directory);
  }
});
