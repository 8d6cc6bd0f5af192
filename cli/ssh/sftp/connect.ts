// From a command line to an SFTP client: login, server, connection, subsystem.
import type { Gate } from '../../commands/gate/context.ts';
import { oneLine } from '../../format/text.ts';
import { chooseLogin } from '../choose-login.ts';
import { parseDestination } from '../destination.ts';
import { readSshIdentity } from '../identity.ts';
import { loginFirst } from '../login-first.ts';
import { openServer } from '../open-server.ts';
import { personAt } from '../session/person.ts';
import type { SshSettings } from '../settings.ts';
import { findTargets, requireOne } from '../targets.ts';
import { openSftp, type Sftp } from './client.ts';

export interface ConnectSftpOptions {
  /** [LOGIN@]HOST, or labels that one server has. */
  readonly where: string;
  readonly settings: SshSettings;
  readonly ttlMs: number | undefined;
}

export interface ConnectedSftp {
  readonly sftp: Sftp;
  /** `problem`: one line that is said in quiet mode too. */
  readonly person: { problem(text: string): void };
  close(): void;
}

const BY_APPLICATION = 11;

/** The caller closes it. */
export async function connectSftp(gate: Gate, options: ConnectSftpOptions): Promise<ConnectedSftp> {
  const { io } = gate;
  const { settings, where, ttlMs } = options;
  const destination = parseDestination(where);
  const profile = await loginFirst(gate, { mayAsk: settings.mayAsk, ttlMs });
  const identity = await readSshIdentity(io, profile.cluster);
  const login = chooseLogin(profile, [destination.login, settings.login], io.env['USER']);
  const port = destination.port ?? settings.port;
  const targets = await findTargets(io, profile, { ...destination, ...(port === undefined ? {} : { port }) });
  const person = personAt(io, settings.isQuiet, () => false);
  const connection = await openServer({
    clock: io.clock,
    environment: io.env,
    profile,
    identity,
    server: requireOne(targets, destination.text).server,
    login,
    timeoutMs: settings.connectMs,
    limits: { keepAliveMs: settings.keepAliveMs, keepAliveCount: settings.keepAliveCount },
    onBanner: (text) => person.banner(text),
  });
  const close = (): void => connection.disconnect(BY_APPLICATION, 'disconnected by user');
  try {
    const problem = (text: string): void => void io.stderr.write(`${oneLine(text)}\n`);
    return { sftp: await openSftp(connection), person: { problem }, close };
  } catch (error) {
    close();
    throw error;
  }
}
