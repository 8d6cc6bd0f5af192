// Recordings for tests, made and uploaded as a host does it: recorder, spool, uploader, the API of auth.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openApi } from '#client/api.ts';
import { apiUploadTarget } from '#client/recordings.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openRecorder } from '#recordings/recorder/open.ts';
import { openSpool } from '#recordings/spool/open.ts';
import { startUploader } from '#recordings/spool/uploader.ts';
import type { SystemRole } from '#core/identity.ts';
import { TEST_CLUSTER, type TestAuth } from './auth-server.ts';

export const TEST_NODE = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';

export interface TestSession {
  readonly sid: string;
  readonly user: string;
  readonly output: string;
}

/** Resolves when auth has all of them; `helper` took part in each. Returns what went wrong on the host. */
export async function recordSessions(
  house: TestAuth,
  sessions: readonly TestSession[],
  kind: 'interactive' | 'exec' = 'interactive',
  role: SystemRole = 'node',
): Promise<readonly string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-spool-'));
  const failures: string[] = [];
  const onFailure = ({ reason }: { readonly reason: string }): void => void failures.push(reason);
  const spool = await openSpool({
    dir,
    maxBytes: 64 * 1024 * 1024,
    clock: systemClock,
    log: silentLog,
    onFailure,
  });
  const api = openApi({
    addresses: [`127.0.0.1:${house.auth.port}`],
    authorities: [house.authority],
    identity: house.issueHost([role], { hostId: TEST_NODE }),
  });
  const target = apiUploadTarget(() => api);
  const uploader = startUploader({ spool, target, clock: systemClock, log: silentLog });
  try {
    for (const { sid, user, output } of sessions) {
      const facts = {
        user,
        login: 'root',
        server_id: TEST_NODE,
        server_hostname: 'web-1',
        cluster_name: TEST_CLUSTER,
        recorded_by: TEST_NODE,
        protocol: 'ssh',
      } as const;
      const about = { spool, sessionId: sid, facts, kind, clock: systemClock, log: silentLog };
      const recorder = openRecorder({ ...about, mode: 'strict', sync: false });
      await recorder.started;
      recorder.output(Buffer.from(output));
      await recorder.end({ exit_code: 0, participants: [user, 'helper'] });
    }
    await uploader.flush();
    return failures;
  } finally {
    await uploader.close();
    await spool.close();
    api.close();
    await rm(dir, { recursive: true, force: true });
  }
}
