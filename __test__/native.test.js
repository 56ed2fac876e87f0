'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { call, loadNative } = require('../js/native');
const { ERROR_CODES, OfflineSessionsError } = require('../js/errors');

const failWith = (message) => () => {
  throw new Error(message);
};

describe('an error of the addon', () => {
  const inUse = JSON.stringify({ code: 'ERR_IN_USE', message: 'held by process 7', field: null });

  test('keeps its code, message and field, thrown or rejected', async () => {
    const invalid = JSON.stringify({ code: 'ERR_INVALID_ARGUMENT', message: 'too long', field: 'sessions[1].contentId' });
    expect(() => call(failWith(invalid))).toThrow(expect.objectContaining({
      name: 'OfflineSessionsError', code: 'ERR_INVALID_ARGUMENT', message: 'too long', field: 'sessions[1].contentId',
    }));
    await expect(call(Promise.reject(new Error(inUse)))).rejects.toMatchObject({ code: 'ERR_IN_USE', message: 'held by process 7', field: undefined });
    await expect(call(async () => failWith(inUse)())).rejects.toBeInstanceOf(OfflineSessionsError);
  });

  test.each(['', 'null', '7', '[]', '{}', 'no JSON', '{"code":"ERR_UNHEARD_OF","message":"x"}', '{"code":"toString","message":"x"}'])(
    'that is not of its making is internal: %s', (message) => {
      expect(() => call(failWith(message))).toThrow(expect.objectContaining({ code: 'ERR_INTERNAL', message, cause: expect.anything() }));
    });

  test('is not wrapped twice', () => {
    const error = new OfflineSessionsError('ERR_CLOSED', 'closed');
    expect(() => call(() => { throw error; })).toThrow(error);
  });

  test('does not come between a call and its value', async () => {
    expect(call(() => 7)).toBe(7);
    await expect(call(Promise.resolve(7))).resolves.toBe(7);
  });
});

test('every code has its meaning', () => {
  for (const [code, meaning] of Object.entries(ERROR_CODES)) expect([code, meaning]).toEqual([expect.stringMatching(/^ERR_[A-Z_]+$/), expect.stringMatching(/\.$/)]);
});

describe('the addon', () => {
  const files = fs.readdirSync(path.join(__dirname, '../native')).filter((name) => name.endsWith('.node'));
  let folder;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'offline-sessions-native-'));
    for (const name of ['errors.js', 'native.js']) {
      fs.mkdirSync(path.join(folder, 'js'), { recursive: true });
      fs.copyFileSync(path.join(__dirname, '../js', name), path.join(folder, 'js', name));
    }
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  const loadFromFolder = () => {
    const { loadNative } = require(path.join(folder, 'js/native.js'));
    try {
      return loadNative();
    } catch (error) {
      return error;
    }
  };

  test('that is missing is named, with what to do', () => {
    const error = loadFromFolder();
    expect(error.code).toBe('ERR_NATIVE_MISSING');
    expect(error.message).toContain(path.join(fs.realpathSync(folder), 'native', files[0]));
    expect(error.message).toContain('npm run build');
  });

  test('that does not load says why', () => {
    fs.mkdirSync(path.join(folder, 'native'));
    fs.writeFileSync(path.join(folder, 'native', files[0]), 'no library');
    expect(loadFromFolder()).toMatchObject({ code: 'ERR_NATIVE_MISSING', cause: { code: 'ERR_DLOPEN_FAILED' } });
  });

  test('is found in the package for this platform', () => {
    const packageFolder = path.join(folder, 'node_modules', path.basename(files[0], '.node').replace('.', '-'));
    fs.mkdirSync(packageFolder, { recursive: true });
    fs.copyFileSync(path.join(__dirname, '../native', files[0]), path.join(packageFolder, 'index.node'));
    fs.writeFileSync(path.join(packageFolder, 'package.json'), '{ "main": "index.node" }');
    expect(Object.keys(loadFromFolder())).toEqual(Object.keys(loadNative()));
  });

  test('declares Node-API 9, not the 8 that Node would assume', () => {
    expect(fs.readFileSync(path.join(__dirname, '../native', files[0])).includes('node_api_module_get_api_version_v1')).toBe(true);
  });
});
