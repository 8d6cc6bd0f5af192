// 10,000 roles through the whole service over HTTPS: create, list, and tell a crowd of watchers. The reference is the
// same number of bytes put into the store below, so the ratio is what validation, rules, TLS and HTTP cost.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openSqlite } from '#storage/sqlite/open.ts';
import { startTestAuth, type TestAuth } from '../kit/auth-server.ts';
import { printHeading, time } from './kit.ts';

const ROLES = 10_000;
const BATCH = 500;
const WATCHERS = 20;

const document = (index: number): object => ({
  kind: 'role',
  version: 'v7',
  metadata: { name: `team-${String(index).padStart(5, '0')}`, labels: { team: String(index % 50) } },
  spec: {
    allow: {
      logins: ['{{internal.logins}}', 'ubuntu'],
      node_labels: { team: String(index % 50), env: ['dev', 'test'] },
    },
    options: { max_session_ttl: '8h' },
  },
});

printHeading(`roles: ${ROLES} of them over HTTPS, store on disk`);
const folder = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
const server = await startTestAuth({ storage: { type: 'sqlite', path: join(folder, 'store') } });
try {
  await createAll(server);
  await listAll(server);
  await fanOut(server);
} finally {
  await server.close();
  await rm(folder, { recursive: true, force: true });
}

async function createAll(auth: TestAuth): Promise<void> {
  const documents = Array.from({ length: ROLES }, (_, index) => document(index));
  const ours = await time(async () => {
    for (let start = 0; start < ROLES; start += BATCH) {
      const answer = await auth.call(auth.admin, 'POST', '/v1/apply', {
        mode: 'create',
        documents: documents.slice(start, start + BATCH),
      });
      requireOk(answer.status, answer.text);
    }
  });
  const backend = await openSqlite({ path: join(folder, 'raw.db'), clock: systemClock, log: silentLog });
  const reference = await time(async () => {
    for (let start = 0; start < ROLES; start += BATCH) {
      const steps = documents.slice(start, start + BATCH).map((value, index) => ({
        key: `roles/${start + index}`,
        condition: { is: 'absent' } as const,
        action: { do: 'put', value: Buffer.from(JSON.stringify(value)) } as const,
      }));
      await backend.atomicWrite(steps);
    }
  });
  await backend.close();
  say(`create, ${BATCH} at a time`, ours, reference, 'the store alone');
}

async function listAll(auth: TestAuth): Promise<void> {
  let count = 0;
  const ours = await time(async () => {
    let after: string | undefined;
    do {
      const query = `?limit=1000${after === undefined ? '' : `&after=${after}`}`;
      const { body, status, text } = await auth.call(auth.admin, 'GET', `/v1/resources/roles${query}`);
      requireOk(status, text);
      const page = body as { resources: unknown[]; next?: string };
      count += page.resources.length;
      after = page.next;
    } while (after !== undefined);
  });
  const all = [...auth.auth.state.list('role')];
  const reference = await time(() => void JSON.parse(JSON.stringify(all)));
  say(`list ${count}, pages of 1,000`, ours, reference, 'JSON of the same, both ways, in one process');
}

async function fanOut(auth: TestAuth): Promise<void> {
  const { revision } = auth.auth.state.snapshot(['role']);
  const streams = await Promise.all(
    Array.from({ length: WATCHERS }, () => auth.open(auth.admin, `/v1/watch?kinds=role&from=${revision}`)),
  );
  const seen = streams.map((stream) => countEvents(stream, BATCH * 4));
  for (const one of seen) void one.catch(() => {});
  const ours = await time(async () => {
    for (let part = 0; part < 4; part++) {
      const documents = Array.from({ length: BATCH }, (_, index) => changed(part * BATCH + index));
      const answer = await auth.call(auth.admin, 'POST', '/v1/apply', { mode: 'replace', documents });
      requireOk(answer.status, answer.text);
    }
    await Promise.all(seen);
  });
  const reference = await time(async () => {
    for (let part = 4; part < 8; part++) {
      const documents = Array.from({ length: BATCH }, (_, index) => changed(part * BATCH + index));
      const answer = await auth.call(auth.admin, 'POST', '/v1/apply', { mode: 'replace', documents });
      requireOk(answer.status, answer.text);
    }
  });
  const events = WATCHERS * BATCH * 4;
  console.log(
    `  ${Math.round(events / (ours / 1000)).toLocaleString('en-US')} events/s told to ${WATCHERS} watchers over HTTPS`,
  );
  say(
    `change ${BATCH * 4} with ${WATCHERS} watchers`,
    ours,
    reference,
    'the same change with nobody waiting',
  );
  for (const stream of streams) stream.destroy();
}

function changed(index: number): object {
  return { ...document(index), spec: { allow: { logins: ['root'] } } };
}

async function countEvents(stream: IncomingMessage, wanted: number): Promise<void> {
  let count = 0;
  stream.setEncoding('utf8');
  let rest = '';
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) count += (JSON.parse(line) as { events?: unknown[] }).events?.length ?? 0;
    if (count >= wanted) stream.emit('counted');
  });
  await once(stream, 'counted');
  // The benchmark hangs up on the stream when it has seen enough.
  stream.on('error', () => {});
}

function say(name: string, ours: number, reference: number, what: string): void {
  const numbers = `${ours.toFixed(0)} ms   reference ${reference.toFixed(0)} ms`;
  console.log(`${name.padEnd(44)} ${numbers}   ratio ${(ours / reference).toFixed(2)}   (${what})`);
}

function requireOk(status: number, text: string): void {
  if (status >= 300) throw new Error(`the server answered ${status}: ${text.slice(0, 500)}`);
}
