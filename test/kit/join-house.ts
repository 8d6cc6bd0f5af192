// A node with real terminals where people join each other's sessions: logins, roles and channels as in production, over
// connections in memory. Programs run as the account that runs the tests.
import { userInfo } from 'node:os';
import { openLiveSessions, type LiveSession, type LiveSessions } from '#client/member/live-sessions.ts';
import { systemClock } from '#core/clock.ts';
import type { JoinMode } from '#core/access/join-sessions.ts';
import { silentLog } from '#core/log.ts';
import { joinServer } from '#agent/ssh/join/serve.ts';
import { openSessionRuntime } from '#agent/ssh/session/runtime.ts';
import { sessionServer } from '#agent/ssh/session/serve.ts';
import { JOIN_LOGIN } from '#core/access/ssh-access.ts';
import { JOIN_MODE_VARIABLE, joinSubsystem, TERMINAL_SIZE } from '#wire/join-request.ts';
import {
  envRequest,
  execRequest,
  exitStatus,
  ptyRequest,
  subsystemRequest,
  windowChange,
} from '#wire/ssh/payloads.ts';
import type { Channel, SshConnection } from '#wire/ssh/ssh.ts';
import { makeTestNode, NODE_ID, type TestNode, type UserKeyOptions } from './ssh-node.ts';

export const ACCOUNT = userInfo().username;
const NOTHING = new Uint8Array();

/** What somebody sees of a session. */
export interface Seat {
  readonly connection: SshConnection;
  readonly channel: Channel;
  readonly shown: { out: string; err: string; code?: number; size?: string; isClosed: boolean };
  type(text: string): void;
  request(name: string, payload?: Uint8Array): Promise<boolean>;
}

export interface JoinAs {
  readonly key?: UserKeyOptions;
  readonly columns?: number;
  readonly rows?: number;
  /** Output is not taken. */
  readonly isStuck?: boolean;
}

export interface JoinHouse {
  readonly node: TestNode;
  /** As announced to the cluster, by session id. */
  readonly announced: Map<string, LiveSession>;
  readonly sessionIds: () => readonly string[];
  /** A session of `name` with the roles `access` and those in `options.key`, in a terminal. */
  start(name: string, command: string, options?: JoinAs): Promise<Seat>;
  join(name: string, sessionId: string, mode: JoinMode | undefined, options?: JoinAs): Promise<Seat>;
  eventsOf(type: string): TestNode['events'];
  close(): Promise<void>;
}

/** The role `access` is there, for the account of the tests; the caller adds others with `node.view.putRole`. */
export function openJoinHouse(): JoinHouse {
  const runtime = openSessionRuntime({ clock: systemClock });
  const announced = new Map<string, LiveSession>();
  const told: LiveSessions = {
    ...openLiveSessions(),
    hasNews: false,
    set: (id, session) => void announced.set(id, session),
    end: (id) => void announced.delete(id),
  };
  const host = {
    clock: systemClock,
    log: silentLog,
    hostId: NODE_ID,
    hostname: 'web-1',
    clusterName: 'test.example.com',
    dataDir: '/nonexistent',
    labels: () => ({ env: 'test' }),
    emit: (event: TestNode['events'][number]) => void node.events.push(event),
  };
  const node: TestNode = makeTestNode(
    {
      serveSession: sessionServer({
        host,
        runtime,
        permitUserEnv: false,
        record: () => undefined,
        announced: told,
      }),
      serveGuest: (opening, peer) => joinServer({ host, view: node.view, live: runtime.live })(opening, peer),
    },
    systemClock,
  );
  node.view.putRole('access', { allow: { logins: [ACCOUNT], node_labels: { '*': ['*'] } } });
  const seat = async (
    name: string,
    login: string,
    { key = {}, columns = 100, rows = 30, isStuck = false }: JoinAs,
  ): Promise<Seat> => {
    const connection = await node.connect(login, node.userKey(name, { principals: [ACCOUNT], ...key }));
    const shown: Seat['shown'] = { out: '', err: '', isClosed: false };
    const channel: Channel = await connection.open('session', NOTHING, {
      onData(data) {
        shown.out += data.toString();
        if (!isStuck) channel.consumed(data.length);
      },
      onStderr: (data) => void (shown.err += data.toString()),
      onRequest(request, payload) {
        if (request === 'exit-status') shown.code = exitStatus.decode(payload).code;
        if (request === TERMINAL_SIZE) {
          const size = windowChange.decode(payload);
          shown.size = `${size.columns}x${size.rows}`;
        }
        return true;
      },
      onClose: () => void (shown.isClosed = true),
    });
    const size = { columns, rows, widthPixels: 0, heightPixels: 0 };
    await channel.request('pty-req', ptyRequest.encode({ ...size, term: 'xterm', modes: Uint8Array.of(0) }));
    return {
      connection,
      channel,
      shown,
      type: (text) => void channel.write(Buffer.from(text)),
      request: (request, payload = NOTHING) => channel.request(request, payload),
    };
  };
  return {
    node,
    announced,
    sessionIds: () => runtime.live.all().map(({ id }) => id),
    async start(name, command, options = {}) {
      const opened = await seat(name, ACCOUNT, options);
      await opened.request('exec', execRequest.encode({ command }));
      return opened;
    },
    async join(name, sessionId, mode, options = {}) {
      const opened = await seat(name, JOIN_LOGIN, options);
      if (mode !== undefined) {
        await opened.request('env', envRequest.encode({ name: JOIN_MODE_VARIABLE, value: mode }));
      }
      await opened.request('subsystem', subsystemRequest.encode({ name: joinSubsystem(sessionId) }));
      return opened;
    },
    eventsOf: (type) => node.events.filter(({ event }) => event === type),
    async close() {
      await node.close();
      runtime.close();
    },
  };
}
