'use strict';

const { readFileSync } = require('node:fs');
const path = require('node:path');
const electronRoom = require('../../js/electron/index.js');
const { useAttachedApp, componentsOf, updaterOf, process39, PLACE } = require('../helpers/attached-app.js');
const { keyId } = require('../helpers/offline-app.js');

const app = useAttachedApp();
const readme = readFileSync(path.join(__dirname, '../../README.md'), 'utf8');
const [program] = /(?<=```js\n).*?(?=```)/s.exec(readme);

test('the first program of the README repairs what an update broke, and says that it plays', async () => {
  await app.attach();
  await app.offline.put(app.download('film-42', [keyId(1)]));
  await app.quit();
  app.cdm.breakSalts();

  const handled = [];
  const electron = {
    ...app.newElectron().parts,
    protocol: { registerSchemesAsPrivileged: ([{ scheme }]) => handled.push(scheme), handle: (scheme) => handled.push(scheme) },
    net: { fetch, isOnline: () => true },
    components: componentsOf(),
    process: process39,
  };
  const modules = {
    electron,
    'electron-updater': { autoUpdater: updaterOf() },
    'electron-offline-sessions/electron': {
      attachElectron: async (options) => (app.offline = await electronRoom.attachElectron(options)),
    },
  };
  const said = await new Promise((resolve) => {
    const console = { log: (...words) => resolve(words), warn: resolve };
    const names = { require: (id) => modules[id], console, servePage() {}, token: async () => 'secret', LICENSE_URL: app.server.url };
    new Function(...Object.keys(names), program)(...Object.values(names));
  });
  expect(said).toEqual(['offline', 'play']);
  expect(handled).toEqual(['app', 'app']);
  expect(PLACE).toMatchObject({ origin: 'app://bundle', keySystem: 'com.widevine.alpha', pageUrl: 'app://bundle/blank.html' });
  expect(app.server.calls).toMatchObject([{ headers: { authorization: 'Bearer secret', 'idempotency-key': expect.any(String) } }]);
});
