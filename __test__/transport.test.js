'use strict';

const { MessageChannel } = require('node:worker_threads');
const { once } = require('node:events');
const { createTransportDriver } = require('../js/transport.js');

const LANE = { origin: 'app://bundle', partition: null, keySystem: 'org.w3.clearkey' };
const KEY_ID = '00112233445566778899aabbccddeeff';
const GONE = { code: 'ERR_DRIVER_GONE' };
const turn = () => new Promise((resolve) => { setImmediate(resolve); });

/** A port whose window is the test itself. */
function scriptedPort({ ready = true } = {}) {
  const sent = [];
  const port = { postMessage: (message) => sent.push(message), onmessage: null, onclose: null };
  const driver = createTransportDriver(port);
  const say = (data) => port.onmessage({ data });
  if (ready) say({ type: 'ready' });
  return { driver, port, sent, say, sentOf: (type) => sent.filter((message) => message.type === type) };
}

describe('main side of the transport', () => {
  test('a task that is asked for before the window listens is sent when it is ready', async () => {
    const { driver, sent, say } = scriptedPort({ ready: false });
    const probe = driver.probe(LANE, { configurations: [] });
    await driver.endPhase(LANE, 'check');
    expect(sent).toEqual([]);
    say({ type: 'ready' });
    expect(sent).toEqual([{ type: 'task', id: expect.any(String), method: 'probe', args: [LANE], context: { configurations: [] } }]);
    say({ type: 'outcome', id: sent[0].id, outcome: { persistentLicense: 'supported', witness: null } });
    expect(await probe).toEqual({ persistentLicense: 'supported', witness: null });
  });

  test('ready again fails what was outstanding, and serves on', async () => {
    const { driver, sentOf, say } = scriptedPort();
    const lost = driver.check({ lane: LANE });
    const ending = driver.endPhase(LANE, 'check');
    say({ type: 'ready' });
    await expect(lost).rejects.toMatchObject(GONE);
    await ending;
    const check = driver.check({ lane: LANE });
    const { id } = sentOf('task')[2];
    say({ type: 'outcome', id, outcome: { kind: 'gone' } });
    expect(await check).toEqual({ kind: 'gone' });
    // The new document may have been given the first two as well.
    expect(sentOf('abort').map((message) => message.id)).toEqual(sentOf('task').slice(0, 2).map((message) => message.id));
  });

  test('a port that closes or cannot send fails what is asked of it', async () => {
    const { driver, port } = scriptedPort();
    const check = driver.check({ lane: LANE });
    port.onclose();
    await expect(check).rejects.toMatchObject(GONE);
    await expect(driver.check({ lane: LANE })).rejects.toMatchObject(GONE);
    await driver.endPhase(LANE, 'check');

    const destroyed = scriptedPort();
    const cause = new Error('Object has been destroyed');
    destroyed.port.postMessage = () => { throw cause; };
    await expect(destroyed.driver.check({ lane: LANE })).rejects.toMatchObject({ ...GONE, cause });
  });

  test('close() aborts in the window, and lets go of the port', async () => {
    const { driver, port, sentOf } = scriptedPort();
    const check = driver.check({ lane: LANE });
    driver.close();
    await expect(check).rejects.toMatchObject(GONE);
    expect(sentOf('abort')).toHaveLength(1);
    expect(port).toMatchObject({ onmessage: null, onclose: null });
    await expect(driver.check({ lane: LANE })).rejects.toMatchObject(GONE);
    driver.close();
    expect(sentOf('abort')).toHaveLength(1);
  });

  test('an abort rejects at once with the reason; a late answer is dropped', async () => {
    const { driver, sentOf, say } = scriptedPort();
    const aborter = new AbortController();
    const check = driver.check({ lane: LANE }, { signal: aborter.signal });
    aborter.abort(new Error('enough'));
    await expect(check).rejects.toThrow('enough');
    const [{ id }] = sentOf('task');
    expect(sentOf('abort')).toEqual([{ type: 'abort', id }]);
    say({ type: 'outcome', id, outcome: { kind: 'gone' } });
    await expect(driver.check({ lane: LANE }, { signal: aborter.signal })).rejects.toThrow('enough');
    expect(sentOf('task')).toHaveLength(1);
  });

  test.each([
    ['check', [null, 'gone', {}, { kind: 'lost' }, { kind: 'loaded' }, { kind: 'loaded', keyStatuses: { short: 'usable' }, expiration: null },
      { kind: 'loaded', keyStatuses: {}, expiration: 'never' }, { kind: 'rejected', name: 'TypeError' }], { kind: 'hollow' }],
    ['license', [{ kind: 'licensed', sessionId: '', keyStatuses: {}, expiration: null }, { kind: 'licensed', sessionId: 'x'.repeat(1025), keyStatuses: {}, expiration: null },
      { kind: 'refused' }, { kind: 'throttled', status: '429' }], { kind: 'licensed', sessionId: '1', keyStatuses: { [KEY_ID]: 'usable' }, expiration: null }],
    ['release', [{ kind: 'failed' }, { kind: 'gone' }], { kind: 'failed', message: '' }],
    ['adopt', [null, 'done', {}], 'content-gone'],
    ['probe', [{ persistentLicense: 'maybe', witness: null }, { persistentLicense: 'supported' }], { persistentLicense: 'unsupported', witness: null }],
  ])('what is no outcome of %s is ignored', async (method, malformed, outcome) => {
    const { driver, sent, say } = scriptedPort();
    const answer = driver[method]({ lane: LANE }, method === 'adopt' ? '2' : {});
    const [{ id }] = sent;
    for (const garbage of [null, 1, 'ready', [], { type: 'outcome' }, { type: 'outcome', id }, { type: 'failure', id, name: 1 }, { type: 'other', id }]) say(garbage);
    for (const wrong of malformed) say({ type: 'outcome', id, outcome: wrong });
    say({ type: 'outcome', id, outcome });
    expect(await answer).toEqual(outcome);
  });

  test('a window cannot ask for a licence that is not journalled, nor for two at a time', async () => {
    const { driver, sent, say, sentOf } = scriptedPort();
    let journal;
    const requests = [];
    const sessionCreated = jest.fn(() => new Promise((resolve) => { journal = resolve; }));
    const acquireLicense = (request) => new Promise((resolve) => { requests.push({ request, resolve }); });
    const license = driver.license({ lane: LANE }, { requestId: 'r', sessionCreated, acquireLicense });
    const [{ id }] = sent;
    expect(sent[0].context).toEqual({ requestId: 'r' });
    const ask = (messageId, message = 'AAE=') => say({ type: 'licenseMessage', id, messageId, messageType: 'license-request', message });
    ask(1);
    say({ type: 'sessionCreated', id, sessionId: '1' });
    say({ type: 'sessionCreated', id, sessionId: '2' });
    ask(2);
    expect(requests).toEqual([]);
    journal();
    await turn();
    expect(sentOf('sessionJournalled')).toEqual([{ type: 'sessionJournalled', id }]);
    ask(3, '*');
    ask(4);
    ask(5);
    expect(requests.map(({ request }) => request)).toEqual([{ messageType: 'license-request', message: new Uint8Array([0, 1]) }]);
    requests[0].resolve(new Uint8Array([255, 254]));
    await turn();
    ask(6);
    expect(requests).toHaveLength(2);
    expect(sentOf('licenseResponse')).toEqual([{ type: 'licenseResponse', id, messageId: 4, body: '//4=' }]);
    expect(sessionCreated.mock.calls).toEqual([['1']]);
    say({ type: 'outcome', id, outcome: { kind: 'timeout' } });
    requests[1].resolve(new Uint8Array());
    expect(await license).toEqual({ kind: 'timeout' });
    await turn();
    expect(sentOf('licenseResponse')).toHaveLength(1);
  });

  test.each([
    ['an outcome', { kind: 'refused', status: 403, reason: 'geo' }, { kind: 'refused', status: 403, reason: 'geo' }],
    ['an Error with a kind', Object.assign(new Error('try later'), { kind: 'throttled', status: 429, retryAfterMs: 5, extra: 1 }),
      { kind: 'throttled', status: 429, retryAfterMs: 5, message: 'try later' }],
    ['any other Error', new TypeError('fetch failed'), { kind: 'unreachable', message: 'fetch failed' }],
    ['what cannot be a failure', { kind: 'licensed' }, { kind: 'unreachable', message: '[object Object]' }],
  ])('acquireLicense rejecting with %s is told to the window', async (_name, reason, failure) => {
    const { driver, sent, say, sentOf } = scriptedPort();
    driver.release({ lane: LANE }, { acquireLicense: async () => { throw reason; } });
    const [{ id }] = sent;
    say({ type: 'licenseMessage', id, messageId: 'm', messageType: 'license-release', message: '' });
    await turn();
    expect(sentOf('licenseResponse')).toEqual([{ type: 'licenseResponse', id, messageId: 'm', failure }]);
  });
});

describe('both sides over a MessageChannel', () => {
  let ports, driver, window;

  beforeEach(async () => {
    const { serveDriver } = await import('../js/renderer/index.mjs');
    const { port1, port2 } = new MessageChannel();
    ports = [port1, port2];
    window = { startPhase: jest.fn(async () => {}), endPhase: jest.fn(async () => {}) };
    serveDriver(port2, window);
    driver = createTransportDriver(port1);
  });

  afterEach(() => ports.forEach((port) => port.close()));

  test('arguments, context and outcome cross', async () => {
    window.adopt = jest.fn(async () => 'adopted');
    window.probe = jest.fn(async () => ({ persistentLicense: 'supported', witness: 'w' }));
    await expect(driver.startPhase(LANE, 'check', null)).resolves.toBeUndefined();
    expect(window.startPhase).toHaveBeenCalledWith(LANE, 'check', null, expect.objectContaining({ signal: expect.any(AbortSignal) }));
    expect(await driver.adopt({ lane: LANE }, 'new')).toBe('adopted');
    expect(await driver.probe(LANE, { configurations: [] })).toEqual({ persistentLicense: 'supported', witness: 'w' });
    expect(window.probe).toHaveBeenCalledWith(LANE, expect.objectContaining({ configurations: [] }));
  });

  test('a licence of 64 KiB crosses in both directions, after the id is journalled', async () => {
    const bytes = Uint8Array.from({ length: 64 * 1024 }, (_, n) => n % 256);
    const steps = [];
    let received;
    window.license = async (_session, { sessionCreated, acquireLicense }) => {
      await sessionCreated('7');
      received = await acquireLicense({ messageType: 'license-request', message: bytes });
      return { kind: 'licensed', sessionId: '7', keyStatuses: {}, expiration: null };
    };
    const outcome = await driver.license({ lane: LANE }, {
      sessionCreated: async (sessionId) => { steps.push(sessionId); },
      acquireLicense: async ({ messageType, message }) => {
        steps.push(messageType);
        return message.reverse();
      },
    });
    expect(outcome).toMatchObject({ kind: 'licensed', sessionId: '7' });
    expect(steps).toEqual(['7', 'license-request']);
    expect(Buffer.compare(received, bytes.slice().reverse())).toBe(0);
  });

  test('failures cross: of the journal, of the licence, of the driver', async () => {
    window.license = async (_session, { sessionCreated, acquireLicense }) => {
      await sessionCreated('7').catch((error) => { if (error.code !== 'ERR_DISK_FULL') throw error; });
      return acquireLicense({ messageType: 'license-request', message: new Uint8Array() }).catch((failure) => failure);
    };
    const full = driver.license({ lane: LANE }, { sessionCreated: async () => { throw Object.assign(new Error('full'), { code: 'ERR_DISK_FULL' }); } });
    window.release = (_session, { acquireLicense }) => acquireLicense({ messageType: 'license-release', message: new Uint8Array() })
      .catch(({ kind, status }) => ({ kind: 'failed', message: `${kind} ${status}` }));
    expect(await driver.release({ lane: LANE }, { acquireLicense: async () => { throw { kind: 'server-error', status: 503 }; } }))
      .toEqual({ kind: 'failed', message: 'server-error 503' });
    window.plantWitness = async () => { throw new DOMException('no room', 'QuotaExceededError'); };
    await expect(driver.plantWitness(LANE, 'w')).rejects.toMatchObject({ name: 'QuotaExceededError', message: 'no room' });
    await expect(driver.check({ lane: LANE })).rejects.toMatchObject({ name: 'TypeError' });
    driver.close();
    await expect(full).rejects.toMatchObject(GONE);
  });

  test('a catalogue crosses with its init data', async () => {
    const entry = { contentId: 'film', sessionIds: ['7'] };
    window.inventory = async (lane) => (lane.origin === LANE.origin ? [{ ...entry, initData: new Uint8Array([1, 255]) }, entry] : []);
    expect(await driver.inventory(LANE)).toEqual([{ ...entry, initData: new Uint8Array([1, 255]) }, { ...entry, initData: null }]);
    window.inventory = async () => null;
    await expect(driver.inventory(LANE)).rejects.toMatchObject({ name: 'TypeError' });
  });

  test.each([['of Shaka\'s database', 'ERR_SHAKA_LAYOUT', 'ERR_SHAKA_LAYOUT'], ['that is the main process\'s', 'ERR_DRIVER_GONE', undefined]])(
    'of codes of a window\'s errors, one %s counts as it should', async (_name, code, expected) => {
      window.inventory = async () => { throw Object.assign(new Error('no'), { code }); };
      const error = await driver.inventory(LANE).catch((reason) => reason);
      expect([error.message, error.code, error.name]).toEqual(['no', expected, expected ? 'OfflineSessionsError' : 'Error']);
    });

  test('an abort reaches the task in the window, and what it waits for', async () => {
    const aborter = new AbortController();
    const ended = new Promise((resolve) => {
      window.license = (_session, { signal, sessionCreated }) => {
        sessionCreated('7').catch((error) => resolve({ name: error.name, aborted: signal.aborted }));
        return new Promise(() => {});
      };
    });
    const license = driver.license({ lane: LANE }, {
      signal: aborter.signal,
      sessionCreated: () => {
        aborter.abort(new Error('enough'));
        return new Promise(() => {});
      },
    });
    await expect(license).rejects.toThrow('enough');
    expect(await ended).toEqual({ name: 'AbortError', aborted: true });
  });

  test('a port that closes ends what the window does for it: tasks and phases', async () => {
    const { serveDriver } = await import('../js/renderer/index.mjs');
    const port = { postMessage: jest.fn(), onmessage: null, onclose: null };
    const aborted = new Promise((resolve) => {
      window.check = (_session, { signal }) => new Promise(() => signal.addEventListener('abort', resolve));
    });
    serveDriver(port, window);
    const tasks = [['startPhase', [LANE, 'check', null]], ['check', [{ lane: LANE }]]];
    tasks.forEach(([method, args], n) => port.onmessage({ data: { type: 'task', id: `${n}`, method, args } }));
    await turn();
    port.onclose();
    await aborted;
    expect(window.endPhase).toHaveBeenCalledWith(LANE, 'check', undefined);
  });

  test('malformed messages are ignored by the window', async () => {
    const { serveDriver } = await import('../js/renderer/index.mjs');
    const port = { postMessage: jest.fn(), onmessage: null };
    serveDriver(port, window);
    for (const data of [null, 1, [], {}, { type: 'task', id: 'x', method: 'constructor', args: [] }, { type: 'task', id: 'x', method: 'startPhase' },
      { type: 'task', method: 'startPhase', args: [] }, { type: 'abort', id: 'x' }, { type: 'sessionJournalled', id: 'x' }]) port.onmessage({ data });
    await turn();
    expect(port.postMessage.mock.calls).toEqual([[{ type: 'ready' }]]);
    expect(window.startPhase).not.toHaveBeenCalled();
  });

  test('the end of a Node port is seen', async () => {
    window.check = () => new Promise(() => {});
    const check = driver.check({ lane: LANE });
    check.catch(() => {});
    await once(ports[1], 'message');
    ports[1].close();
    await expect(check).rejects.toMatchObject(GONE);
  });
});
