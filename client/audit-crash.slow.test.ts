// A host that is killed at any point, over a network that breaks: what it was told is safe is in the audit log, once.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { startTestAuth } from '#test/kit/auth-server.ts';
import { startTcpProxy } from '#test/kit/tcp-proxy.ts';
import { until } from '#test/kit/until.ts';
import { openApi } from './api.ts';
import { startAuditSender } from './audit-sender.ts';

const CHILD = fileURLToPath(new URL('audit-crash.child.ts', import.meta.url));
const NODE = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';
const ROUNDS = 25;

test('S35 ok: killed 25 times at any point, every event that was safe is in the log, and none twice', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-events-'));
  const house = await startTestAuth();
  const node = house.issueHost(['node'], { hostId: NODE });
  const wire = await startTcpProxy(house.auth.port);
  const address = `127.0.0.1:${wire.port}`;
  const identity = JSON.stringify({
    authority: house.authority,
    certificate: node.certificate,
    privateKey: node.privateKey,
    hostId: NODE,
  });
  const api = openApi({ addresses: [address], authorities: [house.authority], identity: node });
  const safe: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      wire.refuse(round % 5 === 4);
      safe.push(...(await killSometime([dir, address, identity, String(round * 100_000)], () => wire.cut())));
    }
    wire.refuse(false);
    const membership = { joined: Promise.resolve(), api: () => api };
    const last = startAuditSender({ dir, membership, clock: systemClock, log: silentLog });
    await until('the spool is empty', async () => (await readdir(dir)).length === 0, 60_000);
    await last.close();
    const found = new Map<string, number>();
    let cursor: string | undefined;
    do {
      const query = { from: 0, to: Number.MAX_SAFE_INTEGER, limit: 10_000, order: 'asc', cursor } as const;
      const page = await house.auth.audit.search({ ...query, types: ['session.start'] });
      for (const event of page.events as readonly { sid?: string }[]) {
        found.set(event.sid ?? '', (found.get(event.sid ?? '') ?? 0) + 1);
      }
      cursor = page.next;
    } while (cursor !== undefined);
    expect(safe.length).toBeGreaterThan(ROUNDS);
    expect(safe.filter((n) => !found.has(`s${n}`))).toEqual([]);
    expect([...found].filter(([, times]) => times > 1)).toEqual([]);
  } finally {
    api.close();
    await wire.close();
    await house.close();
    await rm(dir, { recursive: true, force: true });
  }
});

/** What the child said was safe before it was killed. */
function killSometime(args: readonly string[], disturb: () => void): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, ...args]);
    let text = '';
    let left = 1 + randomInt(60);
    child.stderr.pipe(process.stderr);
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString('latin1');
      left--;
      if (left % 20 === 0) disturb();
      if (left === 0) child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', () => {
      const lines = text.split('\n').slice(0, -1);
      resolve(lines.map(Number));
    });
  });
}
