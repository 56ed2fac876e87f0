'use strict';

const { readFileSync } = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');

describe.each(['worker.js', 'shaka-worker.js'])('%s', (name) => {
  const BUNDLE = path.join(__dirname, '..', 'dist', name);

  /** Runs the bundle in a global scope of its own, with `scope` in it. */
  function runBundle(scope) {
    const context = vm.createContext({ location: { origin: 'app://bundle' }, AbortController, AbortSignal, DOMException, ...scope });
    vm.runInContext(readFileSync(BUNDLE, 'utf8'), context);
    return context;
  }

  test('as a preload it serves over IPC, says so again to who comes late, and leaves the page alone', async () => {
    const sent = [];
    let listener;
    const ipcRenderer = {
      send: (channel, message) => sent.push({ channel, ...message }),
      on: (channel, heard) => { listener = { channel, heard }; },
    };
    const context = runBundle({ require: (wanted) => (wanted === 'electron' ? { ipcRenderer } : undefined) });
    const channel = 'electron-offline-sessions:worker';
    expect(sent).toEqual([{ channel, type: 'ready' }]);
    expect(listener.channel).toBe(channel);
    expect(context).not.toHaveProperty('electronOfflineSessions');
    listener.heard({}, { type: 'task', id: '1', method: 'check', args: [{ lane: { keySystem: 'org.w3.clearkey' } }] });
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(sent[1]).toEqual({ channel, type: 'failure', id: '1', name: 'Error', message: expect.stringContaining('no phase') });
    listener.heard({}, { type: 'hello' });
    expect(sent[2]).toEqual({ channel, type: 'ready' });
  });

  test.each([
    ['without a require', {}],
    ['with a require of another kind', { require: () => { throw new Error('not loaded yet for this context'); } }],
  ])('as a script of a page %s it waits for a port', (_name, scope) => {
    const { electronOfflineSessions } = runBundle(scope);
    const port = { postMessage: jest.fn(), onmessage: null };
    electronOfflineSessions.serve(port);
    expect(port.postMessage.mock.calls).toEqual([[{ type: 'ready' }]]);
  });
});
