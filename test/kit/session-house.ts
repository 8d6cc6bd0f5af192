// Session channels over a real connection in one process, with real programs of the account that runs the tests. Made
// once per test file; what it opens ends with the test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { mergeSessionOptions, mergeTargetOptions, type MergedOptions } from '#core/access/options.ts';
import type { SshGrant } from '#core/certs/ssh/verify.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { connectedPair, type ConnectedPair } from '#wire/ssh/pair.ts';
import { exitSignal, exitStatus } from '#wire/ssh/payloads.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { until } from './until.ts';
import type { AgentEvent, SshAccess } from '#agent/ssh/context.ts';
import type { SessionParts } from '#agent/ssh/session/parts.ts';
import { openSessionRuntime, type SessionRuntime } from '#agent/ssh/session/runtime.ts';
import { sessionServer } from '#agent/ssh/session/serve.ts';

export const LOGIN = userInfo().username;
const NOTHING = new Uint8Array();

export let runtime: SessionRuntime;
export let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'gatehouse-session-'));
  const { uid, gid } = userInfo();
  // Whatever the account's own shell does at its start is no part of this.
  const account = { name: LOGIN, uid, gid, home, loginShell: '/bin/sh' };
  runtime = {
    ...openSessionRuntime({ clock: systemClock }),
    accounts: {
      isRoot: uid === 0,
      find: () => Promise.resolve(account),
      terminalGroup: () => Promise.resolve(undefined),
    },
  };
});
afterAll(() => {
  runtime.close();
  rmSync(home, { recursive: true, force: true });
});

interface Shown {
  out: string;
  err: string;
  code?: number;
  signal?: string;
  closed: boolean;
}
interface Session {
  readonly channel: Channel;
  readonly shown: Shown;
  request(name: string, payload?: Uint8Array): Promise<boolean>;
  ended(): Promise<Shown>;
}
interface House {
  readonly events: AgentEvent[];
  readonly pair: ConnectedPair;
  /** Of the person, as the roles are now. */
  readonly access: { options: MergedOptions };
  /** Roles have changed. */
  review(): void;
  open(options?: { readonly consumes?: boolean }): Promise<Session>;
  eventsOf(type: string): AgentEvent[];
}

const pairs: ConnectedPair[] = [];
afterEach(async () => {
  for (const pair of pairs.splice(0)) await pair.close();
});

export async function house(
  about: {
    readonly grant?: Partial<SshGrant>;
    readonly options?: Partial<MergedOptions>;
    readonly parts?: Partial<SessionParts>;
  } = {},
): Promise<House> {
  const events: AgentEvent[] = [];
  const serve = sessionServer({
    host: {
      clock: systemClock,
      log: silentLog,
      hostId: 'node-id',
      hostname: 'node-1',
      clusterName: 'house',
      dataDir: '/nonexistent',
      labels: () => ({ env: 'test' }),
      emit: (event) => void events.push(event),
    },
    runtime,
    permitUserEnv: false,
    record: () => undefined,
    ...about.parts,
  });
  const reviews = new Set<() => void>();
  const onReview = (listener: () => void) => {
    reviews.add(listener);
    return () => reviews.delete(listener);
  };
  const access = {
    identity: {
      kind: 'user',
      cluster: 'house',
      name: 'joe',
      roles: ['access'],
      traits: {},
      logins: [],
      session_expires: '2099-01-01T00:00:00Z',
    },
    login: LOGIN,
    grant: { permitPty: true, certificate: { extensions: new Map() }, ...about.grant } as unknown as SshGrant,
    options: { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]), ...about.options },
    roles: ['access'],
    duties: [],
    remoteAddress: '203.0.113.9:4711',
    localAddress: '10.0.0.7:3022',
  } satisfies SshAccess;
  const forwards = { openAgent: async () => undefined, openX11: async () => undefined };
  const pair = await connectedPair({
    clock: systemClock,
    server: (connection) => ({
      onChannel: (opening) => serve(opening, { access, connection, onReview }, forwards),
    }),
  });
  pairs.push(pair);
  return {
    events,
    pair,
    access,
    review: () => reviews.forEach((listener) => listener()),
    eventsOf: (type) => events.filter(({ event }) => event === type),
    async open({ consumes = true } = {}) {
      const shown: Shown = { out: '', err: '', closed: false };
      const take = (field: 'out' | 'err') => (data: Buffer) => {
        shown[field] += data.toString();
        if (consumes) channel.consumed(data.length);
      };
      const channel = await pair.client.open('session', NOTHING, {
        onData: take('out'),
        onStderr: take('err'),
        onRequest: (name, payload) => {
          if (name === 'exit-status') shown.code = exitStatus.decode(payload).code;
          if (name === 'exit-signal') shown.signal = exitSignal.decode(payload).signal;
          return true;
        },
        onClose: () => (shown.closed = true),
      });
      return {
        channel,
        shown,
        request: (name, payload = NOTHING) => channel.request(name, payload),
        ended: () => until('the end of the session', () => (shown.closed ? shown : undefined)),
      };
    },
  };
}
