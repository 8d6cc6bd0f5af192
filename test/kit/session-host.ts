// Sessions of a node behind a real SSH server on loopback, for tests with OpenSSH clients: real programs as real accounts,
// certificates made here, and no cluster.
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { mergeSessionOptions, mergeTargetOptions, type MergedOptions } from '#core/access/options.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { systemClock } from '#core/clock.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import type { SshGrant } from '#core/certs/ssh/verify.ts';
import { silentLog } from '#core/log.ts';
import type { AgentEvent, SessionForwards, SshAccess } from '#agent/ssh/context.ts';
import { openSessionRuntime, type SessionRuntime } from '#agent/ssh/session/runtime.ts';
import { sessionServer } from '#agent/ssh/session/serve.ts';
import type { SessionParts } from '#agent/ssh/session/parts.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { certified, openSshFiles, type OpenSshFiles } from './openssh.ts';

export interface SessionHostOptions {
  /** A folder that the test removes. */
  readonly folder: string;
  /** Accounts the certificate of the client is for. */
  readonly logins: readonly string[];
  readonly grant?: Partial<SshGrant>;
  readonly options?: Partial<MergedOptions>;
  readonly forwards?: Partial<SessionForwards>;
  readonly parts?: Partial<SessionParts>;
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SessionHost {
  readonly port: number;
  readonly files: OpenSshFiles;
  readonly events: AgentEvent[];
  readonly runtime: SessionRuntime;
  readonly connections: Set<SshConnection>;
  /** `ssh login@host` with further arguments; the first options, then the command. */
  ssh(login: string, args: readonly string[], input?: string | Buffer): Promise<RunResult>;
  /** Another OpenSSH program with our options in front. */
  run(program: string, args: readonly string[], input?: string | Buffer): Promise<RunResult>;
  eventsOf(type: string): AgentEvent[];
  close(): Promise<void>;
}

const IDENTITY = {
  kind: 'user',
  cluster: 'house',
  name: 'joe',
  roles: ['access'],
  traits: {},
  logins: [],
  session_expires: '2099-01-01T00:00:00Z',
} as const;

export async function startSessionHost(about: SessionHostOptions): Promise<SessionHost> {
  const files = openSshFiles(about.folder);
  const user = certified(files.user.privateKey, 'user', about.logins, files.userAuthority);
  files.write('user-cert.pub', `${sshCertificateLine(parseSshCertificate(user.certificate))}\n`);
  const events: AgentEvent[] = [];
  const runtime = about.parts?.runtime ?? openSessionRuntime({ clock: systemClock });
  const serve = sessionServer({
    host: {
      clock: systemClock,
      log: silentLog,
      hostId: 'node-id',
      hostname: 'node-1',
      clusterName: 'house',
      dataDir: about.folder,
      labels: () => ({ env: 'test' }),
      emit: (event) => void events.push(event),
    },
    runtime,
    permitUserEnv: false,
    record: () => undefined,
    ...about.parts,
  });
  const connections = new Set<SshConnection>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    acceptSsh<{ login: string; grant: SshGrant }>({
      socket,
      clock: systemClock,
      log: silentLog,
      hostKeys: [files.host],
      authenticate: ({ user: login, blob }) => {
        const grant = verifySshCertificate(blob, {
          type: 'user',
          authorities: [files.userAuthority.publicKey],
          principal: login,
          now: Date.now(),
        });
        return { accept: true, identity: { login, grant: { ...grant, ...about.grant } } };
      },
      serve: (connection, { login, grant }) => {
        connections.add(connection);
        void connection.closed.then(() => connections.delete(connection));
        const access: SshAccess = {
          identity: { ...IDENTITY, roles: [...IDENTITY.roles], logins: [] },
          login,
          grant,
          roles: ['access'],
          duties: [],
          options: { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]), ...about.options },
          remoteAddress: `127.0.0.1:${socket.remotePort}`,
          localAddress: `127.0.0.1:${socket.localPort}`,
        };
        const forwards: SessionForwards = {
          openAgent: () => Promise.resolve(undefined),
          openX11: () => Promise.resolve(undefined),
          ...about.forwards,
        };
        return {
          onChannel: (opening) => serve(opening, { access, connection, onReview: () => () => {} }, forwards),
        };
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const run: SessionHost['run'] = (program, args, input) =>
    runProgram(program, [...files.clientOptions(port), ...args], input);
  return {
    port,
    files,
    events,
    runtime,
    connections,
    run,
    ssh: (login, args, input) => {
      const split = args.findIndex((arg) => !arg.startsWith('-'));
      const at = split === -1 ? args.length : split;
      return run('ssh', [...args.slice(0, at), `${login}@127.0.0.1`, ...args.slice(at)], input);
    },
    eventsOf: (type) => events.filter(({ event }) => event === type),
    async close() {
      for (const connection of connections) connection.disconnect(11, 'the test is over');
      await new Promise((resolve) => server.close(resolve));
      if (about.parts?.runtime === undefined) runtime.close();
    },
  };
}

export function runProgram(
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (part: Buffer) => stdout.push(part));
    child.stderr.on('data', (part: Buffer) => stderr.push(part));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}
