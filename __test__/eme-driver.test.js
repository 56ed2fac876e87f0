'use strict';

const { installFakeEme } = require('./helpers/fake-eme.js');

const LANE = { origin: 'app://bundle', partition: null, keySystem: 'com.widevine.alpha' };
const CONFIGURATION = { initDataTypes: ['cenc'], audioCapabilities: [], videoCapabilities: [{ contentType: 'video/mp4; codecs="avc1.42E01E"' }] };
const [KEY, UHD_KEY] = ['00112233445566778899aabbccddee01', '00112233445566778899aabbccddee02'];
const WAIT_MS = 5000;

describe('EME driver on a scripted CDM', () => {
  let fake, driver, script;

  beforeEach(async () => {
    jest.useFakeTimers();
    script = {};
    fake = installFakeEme(script);
    const { EmeDriver } = await import('../js/renderer/index.mjs');
    driver = new EmeDriver();
  });

  afterEach(async () => {
    const ending = driver.endPhase(LANE, 'check');
    await jest.advanceTimersByTimeAsync(20_000);
    await ending;
    expect(fake.held).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  const start = (phase) => driver.startPhase(LANE, phase, CONFIGURATION);
  const session = (fields) => ({ lane: LANE, contentId: 'c', sessionId: 's', keyIds: [KEY], keyStatusWaitMs: WAIT_MS, initDataType: 'cenc', initData: 'AAAA', ...fields });
  const licenseContext = (fields) => ({ sessionCreated: async () => {}, acquireLicense: async () => new Uint8Array([2]), ...fields });
  const settle = () => jest.advanceTimersByTimeAsync(0);

  describe('check', () => {
    beforeEach(() => start('check'));

    test('a key status that is pending is waited for, and an expiration told', async () => {
      script.load = (cdm) => cdm.show(KEY, 'status-pending');
      const check = driver.check(session());
      await jest.advanceTimersByTimeAsync(100);
      fake.sessions[0].expiration = 1_900_000_000_000;
      fake.sessions[0].show(KEY, 'output-restricted');
      expect(await check).toEqual({ kind: 'loaded', keyStatuses: { [KEY]: 'output-restricted' }, expiration: 1_900_000_000_000 });
      expect(fake.sessions[0].calls).toEqual(['load', 'close']);
    });

    test('an expected key that never comes is waited for no longer than keyStatusWaitMs; other ids are no key ids', async () => {
      script.load = (cdm) => {
        cdm.expiration = Infinity;
        cdm.show(KEY, 'usable');
        cdm.show('01', 'usable');
      };
      let outcome;
      driver.check(session({ keyIds: [KEY, UHD_KEY] })).then((value) => { outcome = value; });
      await jest.advanceTimersByTimeAsync(WAIT_MS - 1);
      expect(outcome).toBeUndefined();
      await jest.advanceTimersByTimeAsync(1);
      expect(outcome).toEqual({ kind: 'loaded', keyStatuses: { [KEY]: 'usable' }, expiration: null });
    });

    test.each([
      ['QuotaExceededError', 'in use, system code (70)', 70],
      ['InvalidStateError', 'SYSTEM CODE (75)', 75],
      ['TypeError', '', null],
    ])('a load rejected with %s "%s" is told with its system code', async (name, message, systemCode) => {
      script.load = () => { throw Object.assign(new Error(message), { name }); };
      expect(await driver.check(session())).toEqual({ kind: 'rejected', name, message, systemCode });
    });

    test('a session that the CDM closes says nothing about the licence', async () => {
      const check = driver.check(session());
      await settle();
      fake.sessions[0].end('hardware-context-reset');
      expect(await check).toEqual({ kind: 'timeout' });
    });

    test('loads run one after another, also behind one that was aborted; the waits overlap', async () => {
      const loads = [];
      script.load = () => new Promise((resolve) => { loads.push(resolve); });
      const aborter = new AbortController();
      const aborted = driver.check(session(), { signal: aborter.signal });
      const never = new AbortController();
      const others = [driver.check(session(), { signal: never.signal }), driver.check(session()), driver.check(session())];
      aborted.catch(() => {});
      others[0].catch(() => {});
      await settle();
      aborter.abort(new Error('enough'));
      never.abort(new Error('not even begun'));
      await settle();
      expect(loads).toHaveLength(1);
      loads[0](true);
      await expect(aborted).rejects.toThrow('enough');
      await expect(others[0]).rejects.toThrow('not even begun');
      await settle();
      expect(loads).toHaveLength(2);
      loads[1](true);
      await settle();
      expect(loads).toHaveLength(3);
      loads[2](true);
      await jest.advanceTimersByTimeAsync(WAIT_MS);
      expect(await Promise.all(others.slice(1))).toEqual([{ kind: 'hollow' }, { kind: 'hollow' }]);
      expect(fake.sessions.map(({ calls }) => calls.at(-1))).toEqual(['close', 'close', 'close', 'close']);
    });

    describe('messages after a load', () => {
      /** Checks a session whose CDM sends these, and shows its key when the last is answered. */
      async function check(types, acquireLicense, fields) {
        let updates = 0;
        script.load = (cdm) => types.forEach((type) => cdm.say(type));
        script.update = (cdm) => { if (++updates === types.length) cdm.show(KEY, 'usable'); };
        const checking = driver.check(session(fields), { acquireLicense });
        await jest.advanceTimersByTimeAsync(30_000);
        return checking;
      }

      test('are answered, in turn, before the keys count', async () => {
        const types = ['individualization-request', 'license-request', 'license-renewal'];
        const acquireLicense = jest.fn(async () => new Uint8Array([2]));
        expect(await check(types, acquireLicense)).toEqual({ kind: 'loaded', keyStatuses: { [KEY]: 'usable' }, expiration: null });
        expect(acquireLicense.mock.calls.map(([{ messageType }]) => messageType)).toEqual(types);
        expect(fake.sessions[0].calls).toEqual(['load', 'update', 'update', 'update', 'close']);
      });

      test.each([
        ['refused', async () => { throw { kind: 'refused', status: 403, reason: 'geo' }; }, undefined],
        ['not given in time', () => new Promise(() => {}), undefined],
        ['one that the CDM rejects', async () => new Uint8Array([9]), () => { throw new TypeError(''); }],
      ])('whose answer is %s say nothing against the licence', async (_what, acquireLicense, update) => {
        script.load = (cdm) => { cdm.show(KEY, 'usable'); cdm.say('license-renewal'); };
        script.update = update;
        const checking = driver.check(session(), { acquireLicense });
        await jest.advanceTimersByTimeAsync(6000);
        expect(await checking).toMatchObject({ kind: 'loaded', keyStatuses: { [KEY]: 'usable' } });
      });

      test('without end are not answered without end', async () => {
        script.load = (cdm) => { cdm.show(KEY, 'usable'); cdm.say('license-renewal'); };
        script.update = (cdm) => cdm.say('license-renewal');
        const acquireLicense = jest.fn(async () => new Uint8Array([2]));
        expect(await driver.check(session(), { acquireLicense })).toMatchObject({ kind: 'loaded' });
        expect(acquireLicense.mock.calls.length).toBeLessThan(10);
      });

      test('of a released licence are delivered, and its end is not taken for a failure', async () => {
        script.load = (cdm) => {
          cdm.show(KEY, 'released');
          setTimeout(() => cdm.say('license-release'), 100);
        };
        script.update = (cdm) => cdm.end('release-acknowledged');
        const acquireLicense = jest.fn(async () => new Uint8Array([3]));
        const checking = driver.check(session(), { acquireLicense });
        await jest.advanceTimersByTimeAsync(1000);
        expect(await checking).toEqual({ kind: 'loaded', keyStatuses: { [KEY]: 'released' }, expiration: null });
        expect(acquireLicense.mock.calls).toEqual([[{ messageType: 'license-release', message: new Uint8Array([1]) }]]);
      });
    });

    test('a load that never settles does not keep the lock beyond the end of its phase', async () => {
      script.load = () => new Promise(() => {});
      const check = driver.check(session());
      check.catch(() => {});
      await settle();
      const ending = driver.endPhase(LANE, 'check');
      await jest.advanceTimersByTimeAsync(2000);
      await ending;
      expect(fake.held).toBe(0);
      await expect(check).rejects.toMatchObject({ name: 'AbortError' });
    });
  });

  describe('license', () => {
    beforeEach(() => start('license'));

    test('what comes before the licence request is answered too', async () => {
      const answered = [];
      script.generateRequest = (cdm) => cdm.say('individualization-request');
      script.update = (cdm) => { if (answered.length === 2) cdm.show(KEY, 'usable'); };
      const outcome = await driver.license(session(), licenseContext({
        acquireLicense: async ({ messageType }) => {
          answered.push(messageType);
          return new Uint8Array([2]);
        },
      }));
      expect(answered).toEqual(['individualization-request', 'license-request']);
      expect(outcome).toEqual({ kind: 'licensed', sessionId: '1', keyStatuses: { [KEY]: 'usable' }, expiration: null });
      expect(fake.sessions[0].calls).toEqual(['generateRequest', 'update', 'update', 'close']);
    });

    test('a licence that shows no key is rejected and removed', async () => {
      const license = driver.license(session(), licenseContext());
      await jest.advanceTimersByTimeAsync(WAIT_MS);
      expect(await license).toMatchObject({ kind: 'rejected', name: 'HollowLicense', systemCode: null });
      expect(fake.sessions[0].calls).toEqual(['generateRequest', 'update', 'remove', 'close']);
    });

    test('an update rejected with system code 75 says so', async () => {
      script.update = () => { throw new DOMException('system code (75)', 'InvalidStateError'); };
      const license = driver.license(session(), licenseContext());
      await jest.advanceTimersByTimeAsync(200);
      expect(await license).toEqual({ kind: 'rejected', name: 'InvalidStateError', message: 'system code (75)', systemCode: 75 });
      expect(fake.sessions[0].calls).toEqual(['generateRequest', 'update', 'remove', 'close']);
    });

    test('a request that the CDM refuses announces nothing', async () => {
      script.generateRequest = () => { throw new DOMException('no', 'NotSupportedError'); };
      const sessionCreated = jest.fn();
      expect(await driver.license(session(), licenseContext({ sessionCreated }))).toMatchObject({ kind: 'rejected', name: 'NotSupportedError' });
      expect(sessionCreated).not.toHaveBeenCalled();
    });

    test.each([
      ['after it was announced, it is closed', 1, ['generateRequest', 'close']],
      ['before it was announced, it is removed', 0, ['generateRequest', 'remove', 'close']],
    ])('aborted %s', async (_name, announced, calls) => {
      const aborter = new AbortController();
      if (!announced) script.generateRequest = () => aborter.abort(new Error('enough'));
      const license = driver.license(session(), licenseContext({ signal: aborter.signal, acquireLicense: () => new Promise(() => aborter.abort(new Error('enough'))) }));
      if (announced) {
        expect(await license).toEqual({ kind: 'timeout' });
      } else {
        license.catch(() => {});
        await jest.advanceTimersByTimeAsync(1000);
        await expect(license).rejects.toThrow('enough');
      }
      expect(fake.sessions[0].calls).toEqual(calls);
    });

    test('a session that the CDM closes is left to be checked', async () => {
      script.update = (cdm) => cdm.end('internal-error');
      expect(await driver.license(session(), licenseContext())).toEqual({ kind: 'timeout', message: expect.stringContaining('internal-error') });
      expect(fake.sessions[0].calls).toEqual(['generateRequest', 'update', 'close']);
    });

    test('a new session is created when the last one is written, or after a while', async () => {
      const requests = [];
      const acquireLicense = () => new Promise((resolve) => { requests.push(resolve); });
      script.update = (cdm) => cdm.show(KEY, 'usable');
      const licenses = [1, 2, 3].map(() => driver.license(session(), licenseContext({ acquireLicense })));
      const created = () => fake.sessions.filter(({ calls }) => calls.includes('generateRequest')).length;
      await settle();
      expect(created()).toBe(1);
      requests[0](new Uint8Array([2]));
      await settle();
      expect(created()).toBe(2);
      await jest.advanceTimersByTimeAsync(200);
      expect(created()).toBe(3);
      requests[1](new Uint8Array([2]));
      requests[2](new Uint8Array([2]));
      expect((await Promise.all(licenses)).map(({ kind }) => kind)).toEqual(['licensed', 'licensed', 'licensed']);
    });
  });

  describe('release', () => {
    beforeEach(() => start('release'));

    const release = (acquireLicense = async () => new Uint8Array([3])) => driver.release(session(), { acquireLicense });

    test('a release message is delivered and acknowledged', async () => {
      script.remove = (cdm) => {
        cdm.say('license-renewal');
        setTimeout(() => cdm.say('license-release'), 100);
      };
      const acquireLicense = jest.fn(async () => new Uint8Array([3]));
      const releasing = release(acquireLicense);
      await jest.advanceTimersByTimeAsync(100);
      expect(await releasing).toEqual({ kind: 'released' });
      expect(acquireLicense.mock.calls).toEqual([[{ messageType: 'license-release', message: new Uint8Array([1]) }]]);
      expect(fake.sessions[0].calls).toEqual(['load', 'remove', 'update', 'close']);
    });

    test('one that cannot be delivered has failed', async () => {
      script.remove = (cdm) => cdm.say('license-release');
      expect(await release(async () => { throw { kind: 'server-error', status: 503 }; })).toEqual({ kind: 'failed', message: expect.stringContaining('server-error') });
    });

    test('without a message it is released after a short wait, or as soon as the session is closed', async () => {
      const waiting = release();
      await jest.advanceTimersByTimeAsync(1000);
      expect(await waiting).toEqual({ kind: 'released' });
      script.remove = (cdm) => cdm.end('release-acknowledged');
      expect(await release()).toEqual({ kind: 'released' });
    });

    test('a removal that never settles fails, and the next one is not kept waiting', async () => {
      script.remove = (cdm) => (cdm === fake.sessions[0] ? new Promise(() => {}) : undefined);
      const releases = [release(), release()];
      await jest.advanceTimersByTimeAsync(6000);
      expect(await Promise.all(releases)).toEqual([{ kind: 'failed', message: expect.stringContaining('remove()') }, { kind: 'released' }]);
    });

    test('absent, or not to be loaded now', async () => {
      script.load = () => false;
      expect(await release()).toEqual({ kind: 'absent' });
      script.load = () => { throw new DOMException('open elsewhere', 'QuotaExceededError'); };
      expect(await release()).toEqual({ kind: 'failed', message: 'QuotaExceededError: open elsewhere' });
    });
  });

  test('a probe asks the browser to keep the storage, and waits for nobody\'s answer', async () => {
    navigator.storage = { persist: jest.fn(() => new Promise(() => {})) };
    globalThis.indexedDB = { open: () => { throw new Error('no storage'); } };
    await start('probe');
    await expect(driver.probe(LANE, { configurations: [] })).rejects.toThrow('no storage');
    expect(navigator.storage.persist).toHaveBeenCalledTimes(1);
    delete globalThis.indexedDB;
  });

  test('a phase that is started while another is open in the lane ends that one', async () => {
    await start('check');
    const check = driver.check(session());
    check.catch(() => {});
    await settle();
    await Promise.all([expect(start('verify')).rejects.toMatchObject({ name: 'AbortError' }), start('check')]);
    await expect(check).rejects.toMatchObject({ name: 'AbortError' });
    expect(fake.held).toBe(1);
  });
});
