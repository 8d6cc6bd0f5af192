import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openCredentialDir } from '#client/credentials-dir.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { Secret } from '#core/secret.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { startTcpProxy, type TcpProxy } from '#test/kit/tcp-proxy.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import { startAgent, type AgentHealth } from './main.ts';
import { startClusterView } from '#client/cluster-view.ts';
import { startMembership, type MembershipOptions } from '#client/member/membership.ts';
import { HEARTBEAT_MS, startPresence, type Presence } from '#client/member/presence.ts';
import type { CommandLabel } from '#config/labels.ts';

const TOKEN = 'e94d68a8a1e5821dbd79d03a960644f0';
const DAY_MS = 86_400_000;
let house: TestAuth;
let proxy: TcpProxy;
let clock: FakeClock;
let folder: string;
let lines: string[];
const agents: Started[] = [];

beforeAll(async () => {
  house = await startTestAuth();
  const expires = new Date(house.clock.now() + 3_600_000).toISOString();
  await house.put('token', TOKEN, { roles: ['node'] }, { expires });
});
afterAll(() => house.close());
beforeEach(async () => {
  proxy = await startTcpProxy(house.auth.port);
  clock = new FakeClock(Date.now());
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-agent-'));
  lines = [];
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.close();
  await proxy.close();
  rmSync(folder, { recursive: true, force: true });
});

const write = (level: string) => (fields: object, message: string) => {
  lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
};
const log: Log = {
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
  child: () => log,
};

interface Started {
  readonly hostId: string | undefined;
  readonly failed: Promise<never>;
  readonly heartbeats: Presence['counts'];
  health(): AgentHealth;
  close(): Promise<void>;
}

/** An agent with what its process gives it: a membership, a view, heartbeats. */
function start(more: Partial<MembershipOptions> & { commands?: readonly CommandLabel[] } = {}): Started {
  const { commands = [], ...rest } = more;
  const membership = startMembership({
    clock,
    log,
    store: openCredentialDir(folder),
    nodeName: 'web-1',
    roles: ['node'],
    addresses: [],
    authServers: [`127.0.0.1:${proxy.port}`],
    token: new Secret(TOKEN),
    caPins: [caPin(derFromPem(house.authority))],
    ...rest,
  });
  const view = startClusterView({ membership, clock, log });
  const agent = startAgent({
    clock,
    log,
    version: '0.1.0',
    membership,
    view,
    audit: { emit: () => {} },
    dataDir: folder,
    config: {
      ssh: {
        listenAddr: { host: '127.0.0.1', port: 0 },
        publicAddrs: [],
        labels: { env: 'test' },
        commands,
        allowTcpForwarding: true,
        fileCopy: true,
        permitUserEnv: false,
        x11: { enabled: false, displayOffset: 10, maxDisplays: 10 },
      },
    },
    limits: { maxConnections: 10, maxUsers: 10 },
    address: '10.0.0.7:3022',
    environment: { PATH: process.env['PATH'] },
  });
  const presence = startPresence({
    clock,
    log,
    version: '0.1.0',
    membership,
    ready: agent.ready,
    resources: (record) => agent.documents(record),
  });
  const started: Started = {
    get hostId() {
      return membership.record()?.certificates.host_id;
    },
    failed: Promise.race([membership.failed, agent.failed]),
    get heartbeats() {
      return presence.counts;
    },
    health: () => (agent.health().ready ? presence.health() : agent.health()),
    async close() {
      await agent.close();
      await presence.close();
      await view.close();
      await membership.close();
    },
  };
  agents.push(started);
  return started;
}

const nodeOf = (agent: Started): Resource<NodeSpec> | undefined =>
  agent.hostId === undefined
    ? undefined
    : (house.auth.state.get('node', agent.hostId) as Resource<NodeSpec> | undefined);

/** Moves the agent's clock in steps, so that what it does in between gets done. */
async function pass(ms: number, steps = 20): Promise<void> {
  for (let i = 0; i < steps; i++) {
    await clock.advance(ms / steps);
    await letOthersWork();
  }
}
async function ready(agent: Started): Promise<void> {
  await until('the agent to be ready', async () => {
    await clock.advance(500);
    return agent.health().ready;
  });
}

describe('presence', () => {
  it('ok: joins and is listed with labels, static and from commands', async () => {
    const agent = start({ commands: [{ name: 'arch', command: ['uname', '-m'], periodMs: 60_000 }] });
    expect(agent.health()).toEqual({ ready: false, reason: 'has not joined the cluster yet' });
    await ready(agent);
    const node = nodeOf(agent);
    expect(node).toMatchObject({
      metadata: { name: agent.hostId, labels: { env: 'test' } },
      spec: { hostname: 'web-1', addr: '10.0.0.7:3022', version: '0.1.0' },
    });
    expect(node?.spec.cmd_labels?.['arch']?.result).toMatch(/^\w+$/);
    expect(Date.parse(node?.metadata.expires ?? '') - house.clock.now()).toBe(600_000);
    expect(house.auth.state.get('instance', agent.hostId ?? '')).toMatchObject({ spec: { roles: ['node'] } });
  });

  it('ok: goes off the list when it is stopped', async () => {
    const agent = start();
    await ready(agent);
    await agent.close();
    await until(
      'the goodbye',
      () => Date.parse(nodeOf(agent)?.metadata.expires ?? '') <= house.clock.now() + 1000,
    );
  });

  it('R17 ok: while auth is away it is not ready, tries on, and comes back by itself', async () => {
    const agent = start();
    await ready(agent);
    proxy.refuse(true);
    proxy.cut();
    await pass(4 * HEARTBEAT_MS, 60);
    expect(agent.health()).toMatchObject({ ready: false });
    expect(agent.heartbeats.failed).toBeGreaterThan(1);
    expect(lines.filter((line) => line.includes('not answered')).length).toBe(1);
    proxy.refuse(false);
    await ready(agent);
    expect(lines.some((line) => line.includes('answered again'))).toBe(true);
  });

  it('ok: another auth server of the list takes over', async () => {
    const agent = start({ authServers: ['127.0.0.1:1', `127.0.0.1:${proxy.port}`] });
    // First contact and calls both go on to the next address.
    await ready(agent);
  });
});

describe('membership', () => {
  it('ok: waits for an auth server that comes up later', async () => {
    proxy.refuse(true);
    const agent = start();
    await pass(30_000);
    expect(agent.health()).toMatchObject({ ready: false, reason: 'has not joined the cluster yet' });
    expect(lines.filter((line) => line.includes('cannot join the cluster yet')).length).toBeGreaterThan(1);
    proxy.refuse(false);
    await ready(agent);
  });

  it('ok: after a restart it is the same host, without a token', async () => {
    const first = start();
    await ready(first);
    await first.close();
    const second = start({ token: undefined });
    await ready(second);
    expect(second.hostId).toBe(first.hostId);
  });

  it('ok: a new node name gets a certificate of that name, for the same host', async () => {
    const first = start();
    await ready(first);
    await first.close();
    const second = start({ nodeName: 'web-9' });
    await until('the new name', async () => {
      await clock.advance(500);
      return nodeOf(second)?.spec.hostname === 'web-9';
    });
    expect(second.hostId).toBe(first.hostId);
  });

  it('ok: certificates are renewed when two thirds of their time are over, once', async () => {
    const membership = startMembership({
      clock,
      log,
      store: openCredentialDir(folder),
      nodeName: 'web-1',
      roles: ['node'],
      authServers: [`127.0.0.1:${proxy.port}`],
      token: new Secret(TOKEN),
      caPins: [],
      addresses: [],
    });
    await membership.joined;
    const first = membership.record();
    await pass(19 * DAY_MS);
    expect(membership.record()).toBe(first);
    await pass(2 * DAY_MS);
    await until('the renewal', () => membership.record() !== first);
    await pass(30_000);
    expect(membership.record()?.generation).toBe(2);
    expect(await openCredentialDir(folder).load()).toEqual(membership.record());
    await membership.close();
  });

  it('ok: a machine that was away until its certificates expired is told how to join again', async () => {
    const membership = startMembership({
      clock,
      log,
      store: openCredentialDir(folder),
      nodeName: 'web-1',
      roles: ['node'],
      authServers: [`127.0.0.1:${proxy.port}`],
      token: new Secret(TOKEN),
      caPins: [],
      addresses: [],
    });
    await membership.joined;
    proxy.refuse(true);
    proxy.cut();
    // It tries to renew in vain, then it is switched off for a month.
    await pass(21 * DAY_MS);
    clock.step(40 * DAY_MS);
    await until('the advice', async () => {
      await clock.advance(3_600_000);
      return lines.some((line) => line.startsWith('error') && line.includes('identity.json'));
    });
    await membership.close();
  });

  it('S7 refuses: for good with a wrong pin, a bad token and a damaged identity', async () => {
    const wrongPin = start({ caPins: [`sha256:${'0'.repeat(64)}`] });
    await expect(wrongPin.failed).rejects.toMatchObject({ code: 'CA_PIN_MISMATCH' });
    const badToken = start({ token: new Secret('not-a-token-here') });
    await expect(badToken.failed).rejects.toMatchObject({ code: 'BAD_JOIN_TOKEN' });
    writeFileSync(join(folder, 'identity.json'), '{}');
    await expect(start().failed).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(readFileSync(join(folder, 'identity.json'), 'utf8')).toBe('{}');
  });

  it('ok: a clock that differs is told once', async () => {
    clock = new FakeClock(Date.now() + 3_600_000);
    const agent = start();
    await ready(agent);
    await pass(3 * HEARTBEAT_MS);
    expect(lines.filter((line) => line.includes('clock')).length).toBe(1);
  });

  it('S36 ok: no token and no key in the log', async () => {
    await ready(start());
    expect(lines.join('\n')).not.toMatch(new RegExp(`${TOKEN}|PRIVATE`));
  });
});
