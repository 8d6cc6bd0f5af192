// Events on their way to a real auth server: none is lost and none is kept twice, whatever happens on the way.
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { processName } from '#recordings/spool/process-name.ts';
import { silentLog } from '#core/log.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { startTcpProxy, type TcpProxy } from '#test/kit/tcp-proxy.ts';
import { until } from '#test/kit/until.ts';
import { openApi, type Api } from './api.ts';
import { startAuditSender, type AuditSender, type HostEvent } from './audit-sender.ts';

const NODE = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';
const event = (n: number, more: object = {}): HostEvent => ({
  event: 'session.start',
  user: 'joe',
  login: 'root',
  sid: `s${n}`,
  server_id: NODE,
  ...more,
});

let dir: string;
let sender: AuditSender | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-events-'));
});
afterEach(async () => {
  await sender?.close();
  sender = undefined;
  await rm(dir, { recursive: true, force: true });
});

describe('to a real auth server', () => {
  let house: TestAuth;
  let node: TestClient;
  let wire: TcpProxy;
  let api: Api;
  beforeEach(async () => {
    house = await startTestAuth();
    node = house.issueHost(['node'], { hostId: NODE });
    wire = await startTcpProxy(house.auth.port);
    api = openApi({
      addresses: [`127.0.0.1:${wire.port}`],
      authorities: [house.authority],
      identity: node,
    });
  });
  afterEach(async () => {
    await sender?.close();
    api.close();
    await wire.close();
    await house.close();
  });
  const start = (): AuditSender =>
    (sender = startAuditSender({
      dir,
      membership: { joined: Promise.resolve(), api: () => api },
      clock: systemClock,
      log: silentLog,
    }));
  const sids = async (): Promise<string[]> =>
    (await house.events())
      .filter((one) => one.event === 'session.start')
      .map((one) => (one as { sid: string }).sid);

  it('ok: what is emitted is in the log shortly after, in order, with its time, and no file is left', async () => {
    const { emit, status } = bound(start());
    for (let n = 0; n < 1200; n++) emit(event(n));
    await until('the events', () => status().pending === 0);
    expect(await sids()).toEqual(Array.from({ length: 1200 }, (_, n) => `s${n}`));
    const first = (await house.events()).find((one) => one.event === 'session.start');
    expect(first).toMatchObject({ reported_by: NODE, occurred: expect.stringMatching(/Z$/) });
    expect(await readdir(dir)).toEqual([]);
  });

  it('ok: while auth is away events wait on disk, and the next process sends them', async () => {
    wire.refuse(true);
    const first = start();
    for (let n = 0; n < 3; n++) first.emit(event(n));
    await first.flush();
    await first.close();
    expect((await readdir(dir)).length).toBeGreaterThan(0);
    wire.refuse(false);
    const second = start();
    second.emit(event(3));
    await until('the files are gone', async () => (await readdir(dir)).length === 0);
    expect(await sids()).toEqual(['s0', 's1', 's2', 's3']);
  });

  it('ok: an answer that is lost costs no event, and makes none double', async () => {
    const { emit, status } = bound(start());
    for (let n = 0; n < 40; n++) {
      emit(event(n));
      if (n % 10 === 0) await until('it is sent', () => status().pending === 0);
      wire.cut();
    }
    await until('all are sent', () => status().pending === 0, 20_000);
    expect((await sids()).sort()).toEqual(Array.from({ length: 40 }, (_, n) => `s${n}`).sort());
  });

  it('ok: an event that auth does not take holds up no other', async () => {
    const logged: string[] = [];
    const note = (fields: object, message: string): void =>
      void logged.push(message + JSON.stringify(fields));
    sender = startAuditSender({
      dir,
      membership: { joined: Promise.resolve(), api: () => api },
      clock: systemClock,
      log: { ...silentLog, error: note },
    });
    sender.emit({ event: 'user.login', user: 'x', method: 'local', success: true });
    sender.emit(event(1));
    await until('the event', () => sender?.status().pending === 0);
    expect(await sids()).toEqual(['s1']);
    expect(logged.join()).toContain('auth does not take an audit event');
  });

  it('ok: files of a killed process with torn lines, of others that live, and what is no file of ours', async () => {
    const lines = [1, 2].map((n) => JSON.stringify({ uid: randomUUID(), ...event(n) }));
    // Its number belongs to another process by now, as after a restart of the machine.
    const dead = `0000000000001-0123abcd-1-p${process.ppid}-0123456789ab1.jsonl`;
    const alive = `0000000000001-0123abcd-2-${processName(process.ppid)}.jsonl`;
    const link = `0000000000001-0123abcd-3-${processName()}.jsonl`;
    await writeFile(join(dir, dead), `${lines.join('\n')}\n{"event":"session.st`);
    await writeFile(join(dir, alive), `${lines.join('\n')}\n`);
    await writeFile(join(dir, 'notes.txt'), 'hello');
    await symlink('/etc/passwd', join(dir, link));
    start();
    await until('the file is gone', async () => !(await readdir(dir)).includes(dead));
    await until('the link is put aside', async () => !(await readdir(dir)).includes(link));
    expect(await sids()).toEqual(['s1', 's2']);
    expect(await readdir(dir)).toEqual(expect.arrayContaining([alive, 'notes.txt', 'refused']));
  });

  it('ok: at the end what auth takes at once is sent', async () => {
    const one = start();
    one.emit(event(1));
    await one.flush();
    await one.close();
    expect(await sids()).toEqual(['s1']);
    one.emit(event(2));
    expect(one.status().lost).toBe(1);
  });
});

describe('limits', () => {
  const away = { call: () => Promise.reject(new GatehouseError('UNAVAILABLE', 'away')) } as unknown as Api;
  const startAway = (more: object = {}): AuditSender =>
    (sender = startAuditSender({
      dir,
      membership: { joined: Promise.resolve(), api: () => away },
      clock: systemClock,
      log: silentLog,
      ...more,
    }));

  it('S33 what waits is bounded, and the loss is on record', async () => {
    const one = startAway({ maxBytes: 10_000 });
    for (let n = 0; n < 100; n++) one.emit(event(n));
    expect(one.status().lost).toBeGreaterThan(20);
    await one.flush();
    const text = (
      await Promise.all((await readdir(dir)).map((name) => readFile(join(dir, name), 'utf8')))
    ).join('');
    expect(text.length).toBeLessThan(11_000);
    expect(text.split('\n').length).toBeLessThan(80);
  });

  it('ok: a loss is told once there is room again', async () => {
    const sent: HostEvent[] = [];
    let isAway = true;
    const api = {
      call: async (_: unknown, { events }: { events: HostEvent[] }) => {
        if (isAway) throw new GatehouseError('UNAVAILABLE', 'away');
        sent.push(...events);
        return { accepted: events.length, refused: [] };
      },
    } as unknown as Api;
    const clock = new FakeClock();
    const one = startAway({
      maxBytes: 2000,
      clock,
      membership: { joined: Promise.resolve(), api: () => api },
    });
    for (let n = 0; n < 50; n++) one.emit(event(n));
    const { lost } = one.status();
    isAway = false;
    await until('the rest is sent', async () => {
      await clock.advance(1000);
      return one.status().pending === 0;
    });
    one.emit(event(99));
    await until('the gap is sent', async () => {
      await clock.advance(1000);
      return sent.some((found) => found.event === 'audit.gap');
    });
    expect(sent.find((found) => found.event === 'audit.gap')).toMatchObject({ lost });
    const closing = one.close();
    await clock.advance(1000);
    await closing;
  });

  it('refuses: a flush while the disk takes nothing, and sends from memory nevertheless', async () => {
    const sent: HostEvent[] = [];
    const api = {
      call: async (_: unknown, { events }: { events: HostEvent[] }) => {
        sent.push(...events);
        return { accepted: events.length, refused: [] };
      },
    } as unknown as Api;
    const blocked = join(dir, 'file');
    await writeFile(blocked, '');
    const joined = Promise.withResolvers<void>();
    const one = startAway({
      dir: join(blocked, 'events'),
      membership: { joined: joined.promise, api: () => api },
    });
    one.emit(event(1));
    await expect(one.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(one.status().failing).toMatch(/cannot write/);
    joined.resolve();
    await until('it is sent', () => sent.length === 1);
    await one.close();
  });

  it('refuses: what is no JSON, or too large; both are counted', () => {
    const one = startAway();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    one.emit({ event: 'exec', circle });
    one.emit({ event: 'exec', command: 'x'.repeat(2 * 1024 * 1024) });
    expect(one.status()).toMatchObject({ pending: 0, lost: 2 });
  });
});

function bound(one: AuditSender): Pick<AuditSender, 'emit' | 'status'> {
  return { emit: (given) => one.emit(given), status: () => one.status() };
}
