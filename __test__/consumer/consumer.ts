import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  OfflineSessions, OfflineSessionsError,
  type AcquireLicenseHook, type OfflineSessionsEvents, type SessionDriver, type SessionInput, type StoredSession, type UpdateAssessment, type Verdict,
} from 'electron-offline-sessions';

const keyId = '00112233445566778899aabbccddee01';

const acquireLicense: AcquireLicenseHook = async ({ message }) => message;

const driver: SessionDriver = {
  probe: async (lane) => ({ persistentLicense: lane.keySystem === 'org.w3.clearkey' ? 'supported' : 'unsupported', witness: null }),
  plantWitness: async (_lane, value) => void value.length,
  check: async (session, { signal }) => {
    if (signal.aborted) return { kind: 'timeout' };
    return { kind: 'loaded', keyStatuses: Object.fromEntries(session.keyIds.map((id) => [id, 'usable'])), expiration: null };
  },
  license: async (_session, { requestId, sessionCreated, acquireLicense }) => {
    await sessionCreated('2');
    const licence: Uint8Array = await acquireLicense({ messageType: 'license-request', message: new Uint8Array([requestId.length]) });
    return { kind: 'licensed', sessionId: '2', keyStatuses: { [keyId]: licence.length ? 'usable' : 'internal-error' }, expiration: null };
  },
  adopt: async () => 'adopted',
  release: async () => ({ kind: 'released' }),
};

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'offline-sessions-consumer-data-'));
  const offline: OfflineSessions = await OfflineSessions.open({
    directory,
    platform: { app: '1.0.0', electron: '35.1.4', chromium: '134.0.6998.179', cdms: [{ keySystem: 'org.w3.clearkey', version: null }] },
    acquireLicense,
  });
  assert.equal(offline.launch.firstRun, true);
  offline.on('warning', (warning) => console.error(warning));
  const told: (keyof OfflineSessionsEvents)[] = [];
  offline.on('progress', ({ done, total }) => void (done <= total && told.push('progress')));
  offline.on('session-changed', ({ sessionId }) => void (sessionId && told.push('session-changed')));
  for (const event of ['content-ready', 'content-blocked'] as const) offline.on(event, ({ playable }) => void (playable && told.push(event)));
  offline.on('run-finished', ({ durationMs }) => void (durationMs >= 0 && told.push('run-finished')));
  offline.on('update-assessed', ({ advice }) => void (advice && told.push('update-assessed')));

  const input: SessionInput = {
    contentId: 'film', origin: 'app://bundle', keySystem: 'org.w3.clearkey', sessionId: '1', keyIds: [keyId],
    initDataType: 'keyids', initData: new TextEncoder().encode('{"kids":["ABEiM0RVZneImaq7zN3uAQ"]}'),
    proven: { keyStatuses: { [keyId]: 'usable' } },
  };
  const [stored]: StoredSession[] = await offline.put(input);
  assert.equal(stored?.state, 'active');
  assert.deepEqual((await offline.list({ contentId: 'film' })).map((session) => session.sessionId), ['1']);

  const verdict: Verdict = offline.verdict('film');
  assert.equal(verdict.playable, 'offline');
  assert.equal(offline.verdict('another film').state, 'unknown');

  offline.useDriver((lane) => (lane.origin === 'app://bundle' ? driver : null));
  const assessment: UpdateAssessment = await offline.assessUpdate({ electron: '36.0.0' });
  assert.equal(assessment.advice, 'install');
  assert.deepEqual(told, ['update-assessed']);

  const report = await offline.revalidate({ onProgress: () => {}, signal: AbortSignal.timeout(10_000) });
  assert.equal(report.licenseRequests, 0);

  // @ts-expect-error a title has a name
  await assert.rejects(offline.put({ ...input, contentId: 7 }), (error) => error instanceof OfflineSessionsError && error.code === 'ERR_INVALID_ARGUMENT');
  await offline.close();
  rmSync(directory, { recursive: true });

  const { EmeDriver } = await import('electron-offline-sessions/renderer');
  assert.equal(typeof EmeDriver, 'function');
  const { ShakaDriver, explainShakaError } = await import('electron-offline-sessions/shaka');
  const shakaDriver: Partial<SessionDriver> = new ShakaDriver({ contentIdOf: ({ offlineUri }) => offlineUri });
  assert.ok(shakaDriver instanceof EmeDriver);
  assert.equal(explainShakaError({ code: 6013, data: [] })?.reason, 'gone');
  const requireHere = createRequire(join(process.cwd(), 'consumer.cjs'));
  for (const script of ['worker', 'shaka-worker', 'bridge']) assert.ok(existsSync(requireHere.resolve(`electron-offline-sessions/${script}`)));
  assert.equal(typeof requireHere('electron-offline-sessions/electron').attachElectron, 'function');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
