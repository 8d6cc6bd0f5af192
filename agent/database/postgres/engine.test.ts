// The login and the end of sessions, with a server that the test plays: what must be asked of the guard, recorded and told
// before and after, and what no client may do.
import { once } from 'node:events';
import { duplexPair, type Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { TARGET_EVENTS } from '#events/catalogue-target.ts';
import { mergeSessionOptions, mergeTargetOptions, type MergedOptions } from '#core/access/options.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { CLIENT, SERVER } from '#wire/postgres/protocol.ts';
import { cancelProcessId } from '#wire/target/cancel-keys.ts';
import {
  authenticationOk,
  backendKeyData,
  cancelRequest,
  errorMessage,
  message,
  parameterStatus,
  readyForQuery,
  sslRequest,
  startupPacket,
  uint32,
} from '#wire/postgres/write.ts';
import { testDb } from '#test/kit/target-agent.ts';
import { dbDocument } from '../../target/documents.ts';
import type { TargetConnection, TargetEvent } from '../../target/connection.ts';
import type { GuardHooks } from '../../target/guard.ts';
import { PostgresEngine } from './engine.ts';
import { RECORDED_CODES } from './session-events.ts';

interface House {
  readonly engine: PostgresEngine;
  readonly clock: FakeClock;
  readonly events: TargetEvent[];
  /** What the guard was asked. */
  readonly questions: object[];
  readonly hooks: GuardHooks[];
  /** The server's ends of the connections that were made to it. */
  readonly servers: Duplex[];
  /** Our ends of them. */
  readonly calls: Duplex[];
  connect(...bytes: readonly Uint8Array[]): { readonly stream: Duplex; readonly heard: () => string };
}

interface Setup {
  readonly options?: Partial<MergedOptions>;
  readonly record?: () => SessionRecorder | undefined;
  readonly password?: () => Promise<string>;
  readonly isTls?: boolean;
  /** Before the server is called. */
  readonly connects?: Promise<void>;
  readonly refusal?: GatehouseError;
}

function openHouse({ options, record, password, isTls = true, refusal, connects }: Setup = {}): House {
  const [events, questions, hooks, servers] = [[], [], [], []] as [
    TargetEvent[],
    object[],
    GuardHooks[],
    Duplex[],
  ];
  const calls: Duplex[] = [];
  const open = (): Duplex => {
    const [near, far] = duplexPair();
    calls.push(near);
    servers.push(far);
    return near;
  };
  const clock = new FakeClock();
  const engine = new PostgresEngine({
    clock,
    log: silentLog,
    hostId: 'host-1',
    hostname: 'agent-1',
    view: { clusterName: () => 'test' } as ClusterView,
    guard: {
      open(_, request, given) {
        questions.push(request);
        if (refusal !== undefined) throw refusal;
        hooks.push(given);
        return {
          id: '00000000-0000-4000-8000-000000000001',
          roles: ['access'],
          options: { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]), ...options },
          touch() {},
          close() {},
        };
      },
    },
    emit: (event) => void events.push(event),
    record: record ?? (() => undefined),
    connector: {
      connect: async () => {
        await connects;
        return { stream: open(), isTls, password };
      },
      dial: async () => open(),
      typeOf: () => 'self-hosted',
      close() {},
    },
    provisioner: {} as never,
  });
  return {
    engine,
    clock,
    events,
    questions,
    hooks,
    servers,
    calls,
    connect(...bytes) {
      const [near, far] = duplexPair();
      let text = '';
      far.on('data', (data: Buffer) => (text += data.toString('latin1')));
      for (const each of bytes) far.write(each);
      engine.serve(connectionOf(near), dbDocument(testDb('shop'), {}));
      return { stream: far, heard: () => text };
    },
  };
}

const connectionOf = (stream: Duplex): TargetConnection => ({
  stream,
  identity: {
    kind: 'user',
    cluster: 'test',
    name: 'joe',
    roles: [],
    traits: {},
    logins: [],
    session_expires: '2099-01-01T00:00:00Z',
  },
  validBefore: Infinity,
  certificate: new Uint8Array(),
  client: '192.0.2.1:5',
  target: 'shop',
  proxyId: 'proxy-1',
});

const STARTUP = startupPacket([
  ['user', 'alice'],
  ['database', 'orders'],
  ['application_name', 'test'],
]);

/** All that the other end sends. */
function listen(stream: Duplex): () => string {
  let text = '';
  stream.on('data', (data: Buffer) => (text += data.toString('latin1')));
  return () => text;
}

const KEY = backendKeyData(77, 88);
const GREETING = [authenticationOk(), parameterStatus('server_version', '15.1'), KEY, readyForQuery('I')];

async function openSession(setup: Setup = {}) {
  const house = openHouse(setup);
  const client = house.connect(STARTUP);
  const server = await until('the server is called', () => house.servers[0]);
  const asked = listen(server);
  await until('the startup message', () => asked().includes('application_name'));
  for (const each of GREETING) server.write(each);
  await until('the client is let in', () => client.heard().endsWith('Z\0\0\0\x05I'));
  return { ...house, client, server, asked };
}

describe('the login', () => {
  test('ok: names are asked about and sent on as they are, with our own cancel key', async () => {
    const { asked, client, ...house } = await openSession();
    expect(house.questions).toMatchObject([{ kind: 'db', user: 'alice', database: 'orders' }]);
    expect(asked()).toContain('user\0alice\0database\0orders\0application_name\0test\0\0');
    const heard = Buffer.from(client.heard(), 'latin1');
    expect(client.heard()).toContain('server_version\x0015.1\0');
    const key = heard.indexOf(Buffer.from([SERVER.backendKeyData, 0, 0, 0, 12]));
    expect(heard.readUInt32BE(key + 5)).toBe(cancelProcessId('host-1'));
    expect(heard.readUInt32BE(key + 9)).not.toBe(88);
    expect(house.events).toMatchObject([{ event: 'db.session.start', success: true, db_user: 'alice' }]);
  });

  test('ok: encryption asked for within TLS is declined, then the login goes on', async () => {
    const house = openHouse();
    const { heard } = house.connect(Buffer.from('0000000804d21630', 'hex'), sslRequest(), STARTUP);
    await until('the server is called', () => house.servers[0]);
    expect(heard()).toBe('NN');
  });

  test('ok: a later version and options that nobody knows are negotiated', async () => {
    const house = openHouse();
    const newer = startupPacket([
      ['user', 'alice'],
      ['_pq_.new', '1'],
    ]);
    newer.writeUInt32BE((3 << 16) | 2, 4);
    const { heard } = house.connect(newer);
    const server = await until('the server is called', () => house.servers[0]);
    const asked = listen(server);
    await until('the startup message', () => asked().includes('alice'));
    expect(asked()).not.toContain('_pq_');
    expect(heard()).toContain('_pq_.new');
    expect(heard().startsWith('v')).toBe(true);
  });

  test.each([
    [
      'replication',
      startupPacket([
        ['user', 'a'],
        ['replication', 'true'],
      ]),
      '0A000',
    ],
    [
      'replication of a database',
      startupPacket([
        ['user', 'a'],
        ['replication', 'database'],
      ]),
      '0A000',
    ],
    ['nobody', startupPacket([['database', 'a']]), '08P01'],
    ['S15 a name that the server would cut', startupPacket([['user', 'x'.repeat(64)]]), '08P01'],
    ['S34 what is not the protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '08P01'],
    ['version 2', Buffer.from([0, 0, 0, 8, 0, 2, 0, 0]), '0A000'],
    [
      'S34 requests for encryption without end',
      Buffer.concat(Array.from({ length: 9 }, () => sslRequest())),
      '08P01',
    ],
  ])('refuses: %s, before anybody is asked', async (_, bytes, code) => {
    const house = openHouse();
    const { heard } = house.connect(bytes);
    await until('it is refused', () => heard().includes(`C${code}`));
    await until('nobody is served', () => house.engine.count === 0);
    expect(house.questions).toEqual([]);
    expect(house.servers).toEqual([]);
  });

  test('refuses: who is denied, in words, without a call to the server', async () => {
    const house = openHouse({ refusal: new GatehouseError('ACCESS_DENIED', 'access denied (denial 12)') });
    const { heard } = house.connect(STARTUP);
    await until('it is refused', () => heard().includes('Gatehouse: access denied (denial 12)'));
    expect(house.servers).toEqual([]);
    expect(house.events).toEqual([]);
  });

  test('refuses: what the server refuses, with its words, on record', async () => {
    const house = openHouse();
    const { heard } = house.connect(STARTUP);
    const server = await until('the server is called', () => house.servers[0]);
    server.resume();
    server.write(errorMessage({ severity: 'FATAL', code: '28000', message: 'role "alice" does not exist' }));
    await until('it is refused', () => heard().includes('does not exist'));
    await until('nobody is served', () => house.engine.count === 0);
    expect(house.events).toMatchObject([
      { event: 'db.session.start', success: false, error: '28000: role "alice" does not exist' },
    ]);
  });

  test.each([
    ['cleartext over TLS with a password', 3, true, true],
    ['cleartext without a password', 3, false, true],
    ['cleartext without TLS', 3, true, false],
    ['MD5', 5, true, true],
    ['GSSAPI', 7, true, true],
  ])('ok: a password goes out only where it may: %s', async (what, code, hasPassword, isTls) => {
    const password = async (): Promise<string> => 'token-of-iam';
    const house = openHouse({ isTls, ...(hasPassword ? { password } : {}) });
    const { heard } = house.connect(STARTUP);
    const server = await until('the server is called', () => house.servers[0]);
    const asked = listen(server);
    server.write(
      message(SERVER.authentication, uint32(code), code === 5 ? Buffer.alloc(4) : Buffer.alloc(0)),
    );
    if (what === 'cleartext over TLS with a password') {
      await until('the password', () => asked().includes('token-of-iam\0'));
      return;
    }
    await until('it is refused', () => heard().includes('FATAL'));
    expect(asked()).not.toContain('token-of-iam');
  });
});

test('refuses: a server that lets in before it proved that it knows the password', async () => {
  const house = openHouse({ password: async () => 'secret' });
  const { heard } = house.connect(STARTUP);
  const server = await until('the server is called', () => house.servers[0]);
  server.resume();
  const mechanisms = Buffer.from('SCRAM-SHA-256\0\0');
  server.write(Buffer.concat([message(SERVER.authentication, uint32(10), mechanisms), ...GREETING]));
  await until('it is refused', () => heard().includes('did not prove'));
});

test('S34 refuses: a server whose greeting does not end, long before memory does', async () => {
  const house = openHouse();
  const { heard } = house.connect(STARTUP);
  const server = await until('the server is called', () => house.servers[0]);
  server.resume();
  server.write(authenticationOk());
  for (let n = 0; n < 20; n++) server.write(message(SERVER.notice, Buffer.alloc(60_000)));
  await until('it is refused', () => heard().includes('does not end'));
  await until('nobody is served', () => house.engine.count === 0);
});

describe('the end', () => {
  test('R32 ok: while a query runs, it is cancelled with the key of the server', async () => {
    const house = await openSession();
    house.client.stream.write(message(CLIENT.query, 'select pg_sleep(600)'));
    await until('the query arrives', () => house.asked().includes('pg_sleep'));
    house.client.stream.destroy();
    const second = await until('a second connection', () => house.servers[1]);
    const cancelled = listen(second);
    await until('the cancel request', () => cancelled() === cancelRequest(77, 88).toString('latin1'));
    second.end();
    await until('the goodbye', () => house.asked().endsWith('X\0\0\0\x04'));
    expect(house.events.at(-1)).toMatchObject({ event: 'db.session.end', db_queries: 1 });
  });

  test('R32 ok: a cancel request with our key is the one of the server; another secret is nothing', async () => {
    const house = await openSession();
    const heard = Buffer.from(house.client.heard(), 'latin1');
    const key = heard.indexOf(Buffer.from([SERVER.backendKeyData, 0, 0, 0, 12]));
    const processId = heard.readUInt32BE(key + 5);
    const secret = heard.readUInt32BE(key + 9);
    house.engine.cancel({ processId, secret: (secret ^ 1) >>> 0 });
    house.engine.cancel({ processId: (processId ^ 1) >>> 0, secret });
    house.engine.cancel({ processId, secret });
    const second = await until('a second connection', () => house.servers[1]);
    const cancelled = listen(second);
    await until('the cancel request', () => cancelled() === cancelRequest(77, 88).toString('latin1'));
    expect(house.servers).toHaveLength(2);
  });

  test('S16 ok: cut: the client hears why, the server goodbye', async () => {
    const house = await openSession();
    house.hooks[0]?.cut('lock', 'locked by an admin');
    await until('the client hears it', () =>
      house.client.heard().includes('C57P01\0MGatehouse: locked by an admin'),
    );
    await until('the goodbye', () => house.asked().endsWith('X\0\0\0\x04'));
    await until('nobody is served', () => house.engine.count === 0);
  });

  test('S16 ok: cut while a query runs and the database cannot be asked to cancel it', async () => {
    const house = await openSession();
    house.client.stream.write(message(CLIENT.query, 'select pg_sleep(600)'));
    await until('the query arrives', () => house.asked().includes('pg_sleep'));
    const ended = once(house.client.stream, 'end');
    house.hooks[0]?.cut('lock', 'locked by an admin');
    // Nobody answers the second connection, and no time passes.
    await until('it is asked', () => house.servers[1]);
    await ended;
    expect(house.client.heard()).toContain('locked by an admin');
    const closed = house.engine.close();
    await house.clock.advance(1500);
    await closed;
  });

  test('S16 ok: cut while the login goes on', async () => {
    const house = openHouse();
    const { heard } = house.connect(STARTUP);
    await until('the server is called', () => house.servers[0]);
    house.hooks[0]?.cut('lock', 'locked by an admin');
    await until('the client hears it', () => heard().includes('locked by an admin'));
    await until('nobody is served', () => house.engine.count === 0);
  });

  test('S16 ok: cut while nobody knows whether the database can be reached', async () => {
    const connects = Promise.withResolvers<void>();
    const house = openHouse({ connects: connects.promise });
    const { heard } = house.connect(STARTUP);
    const hooks = await until('the guard is asked', () => house.hooks[0]);
    hooks.cut('lock', 'locked by an admin');
    await until('the client hears it', () => heard().includes('locked by an admin'));
    await until('nobody is served', () => house.engine.count === 0);
    connects.resolve();
    await until('what opened too late is closed', () => house.calls[0]?.destroyed);
  });

  test('ok: the agent ends: everybody is told, and close resolves', async () => {
    const house = await openSession();
    await house.engine.close();
    expect(house.client.heard()).toContain('the agent ends');
    const late = house.connect(STARTUP);
    await until('who comes late is refused', () => late.heard().includes('about to end'));
  });
});

describe('recordings', () => {
  const recorder = (
    more: Partial<SessionRecorder> = {},
  ): { told: [string, object][]; recorder: SessionRecorder } => {
    const told: [string, object][] = [];
    const base = {
      started: Promise.resolve(),
      failed: new Promise<never>(() => {}),
      event: (name: string, fields: object) => told.push([name, fields]) > 0,
      drained: () => Promise.resolve(),
      end: () => Promise.resolve(),
    };
    return { told, recorder: { ...base, ...more } as unknown as SessionRecorder };
  };

  test('ok: events with codes, ids and numbers, and what came of queries', async () => {
    const { told, recorder: made } = recorder();
    const house = await openSession({ record: () => made });
    house.client.stream.write(message(CLIENT.query, 'select 1'));
    await until('the query arrives', () => house.asked().includes('select 1'));
    house.server.write(Buffer.concat([message(SERVER.commandComplete, 'SELECT 1'), readyForQuery('I')]));
    await until('the result', () => told.length === 3);
    house.client.stream.end(message(CLIENT.terminate));
    await until('the end', () => told.length === 4);
    expect(told).toMatchObject([
      ['db.session.start', { code: 'TDB00I', ei: 0, cluster_name: 'test' }],
      ['db.session.query', { code: 'TDB02I', ei: 1, db_query: 'select 1', user: 'joe', success: true }],
      ['db.session.result', { query_number: 1, affected_rows: 1, command: 'SELECT 1', success: true }],
      ['db.session.end', { code: 'TDB01I', ei: 2, db_queries: 1 }],
    ]);
    expect(told[1]?.[1]).toMatchObject({ uid: house.events[1]?.['uid'] });
  });

  test('refuses: a strict session that cannot be recorded', async () => {
    const record = (): never => {
      throw new GatehouseError('STORAGE_FULL', 'no room');
    };
    const house = openHouse({ record, options: { recordTarget: 'strict' } });
    const { heard } = house.connect(STARTUP);
    await until('it is refused', () => heard().includes('cannot be recorded'));
    expect(house.servers).toEqual([]);
    await until('on record', () => house.events.length === 1);
    expect(house.events).toMatchObject([{ event: 'db.session.start', success: false }]);
  });

  test('refuses: a strict session goes on no longer than its recording', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const { recorder: made } = recorder({ failed: promise });
    const house = await openSession({ record: () => made, options: { recordTarget: 'strict' } });
    reject(new GatehouseError('STORAGE_FULL', 'no room'));
    await until('it is ended', () => house.client.heard().includes('cannot be recorded'));
  });

  test('ok: none where roles say so', async () => {
    const record = (): never => {
      throw new Error('not to be asked');
    };
    const house = await openSession({ record, options: { recordTarget: 'off' } });
    expect(house.events).toMatchObject([{ event: 'db.session.start', success: true }]);
  });

  test('ok: the codes in recordings are those of the catalogue', () => {
    for (const [event, code] of Object.entries(RECORDED_CODES)) {
      expect(TARGET_EVENTS[event as keyof typeof TARGET_EVENTS].codes.ok).toBe(code);
    }
  });
});
