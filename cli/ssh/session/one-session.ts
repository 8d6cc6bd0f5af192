// A whole `gate ssh` to one server: connection, forwards, and the session in it, with the terminal in raw mode as long as
// that lasts and no longer.
import type { GatehouseError } from '#core/errors/error.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { hasTerminal, type Io } from '../../io.ts';
import type { Profile, ProfileProxy } from '../../profile/profile.ts';
import { Forwards } from '../forward/forwards.ts';
import type { SshIdentity } from '../identity.ts';
import { openServer, type ServerAddress } from '../open-server.ts';
import type { SshSettings } from '../settings.ts';
import { ESCAPE_HELP, EscapeFilter, type Escape } from './escape.ts';
import { noInput, openLocalStreams } from './local-streams.ts';
import { personAt, type Person } from './person.ts';
import { CONNECTION_FAILED, runSession, type Program } from './run-session.ts';
import { takeTerminal, terminalModes, terminalSize, type RawTerminal } from './terminal.ts';

export interface OneSessionOptions {
  readonly io: Io;
  readonly profile: Profile & { readonly proxy: ProfileProxy };
  readonly identity: SshIdentity;
  readonly server: ServerAddress;
  readonly login: string;
  readonly settings: SshSettings;
  /** Undefined: forwards only. */
  readonly program: Program | undefined;
  /** Instead of reading the input. */
  readonly hasNoInput: boolean;
  /** Beside those of the settings. */
  readonly env?: readonly (readonly [string, string])[];
}

const BY_APPLICATION = 11;
const DEFAULT_TERM = 'xterm';

/** The exit code of the session. Rejects as openServer and runSession; the terminal is as before then. */
export async function oneSession(options: OneSessionOptions): Promise<number> {
  const { io, settings, profile, identity, server, login } = options;
  let terminal: RawTerminal | undefined;
  const person = personAt(io, settings.isQuiet, () => terminal !== undefined);
  const forwards = forwardsOf(options, person);
  const wantsTerminal = wantsTerminalFor(options);
  const modes = wantsTerminal && hasTerminal(io) ? terminalModes() : Promise.resolve(new Uint8Array([0]));
  const connection = await openServer({
    clock: io.clock,
    environment: io.env,
    profile,
    identity,
    server,
    login,
    timeoutMs: settings.connectMs,
    limits: { keepAliveMs: settings.keepAliveMs, keepAliveCount: settings.keepAliveCount },
    handlers: forwards.handlers,
    onBanner: (text) => person.banner(text),
  });
  let lost: GatehouseError | undefined;
  void connection.closed.then((error) => (lost = error));
  try {
    await forwards.start(connection);
    if (options.program === undefined) return exitCodeOf(await connection.closed, person);
    if (wantsTerminal && !options.hasNoInput) terminal = takeTerminal(io);
    const code = await withTerminal(options, connection, terminal, await modes, person, forwards);
    terminal?.restore();
    terminal = undefined;
    if (code === CONNECTION_FAILED) tellWhy(lost, person);
    await Promise.race([forwards.idle(), connection.closed]);
    return code;
  } finally {
    terminal?.restore();
    forwards.close();
    connection.disconnect(BY_APPLICATION, 'disconnected by user');
  }
}

async function withTerminal(
  { io, settings, program, hasNoInput, env = [] }: OneSessionOptions,
  connection: SshConnection,
  raw: RawTerminal | undefined,
  modes: Uint8Array,
  person: Person,
  forwards: Forwards,
): Promise<number> {
  const filter = new EscapeFilter();
  const onEscape = (escape: Escape): void => {
    if (escape === 'end') connection.disconnect(BY_APPLICATION, 'disconnected by user');
    else if (escape === 'suspend') raw?.suspend();
    else if (escape === 'forwards') person.note(`Forwarded connections: ${forwards.openCount}`);
    else for (const line of ESCAPE_HELP) person.note(line);
  };
  const streams = openLocalStreams(io);
  const wants = wantsTerminalFor({ settings, program: program ?? { is: 'shell' }, io });
  return runSession(connection, {
    program: program ?? { is: 'shell' },
    env: [...settings.env, ...env],
    wantsAgent: settings.forwardsAgent && io.env['SSH_AUTH_SOCK'] !== undefined,
    streams: hasNoInput ? { ...streams, input: noInput } : streams,
    onNote: (text) => person.note(text),
    ...(wants
      ? {
          terminal: {
            term: io.env['TERM'] || DEFAULT_TERM,
            modes,
            size: () => terminalSize(io),
            onResize: (listener) => raw?.onResize(listener),
          },
        }
      : {}),
    ...(raw !== undefined && settings.hasEscapes
      ? { filter: (bytes: Uint8Array) => filter.take(bytes, onEscape) }
      : {}),
  });
}

function forwardsOf({ io, settings }: OneSessionOptions, person: Person): Forwards {
  const agentSocket = settings.forwardsAgent ? io.env['SSH_AUTH_SOCK'] : undefined;
  if (settings.forwardsAgent && agentSocket === undefined)
    person.note('no agent runs here (SSH_AUTH_SOCK), so none is forwarded');
  return new Forwards({
    clock: io.clock,
    locals: settings.locals,
    remotes: settings.remotes,
    agentSocket,
    mustWork: settings.failsWithForwards,
    onNote: (text) => person.note(text),
  });
}

/** As ssh: for a shell where there is one here, for a command when it was asked for, twice where there is none. */
function wantsTerminalFor({
  io,
  settings,
  program,
}: Pick<OneSessionOptions, 'io' | 'settings' | 'program'>): boolean {
  switch (settings.terminal) {
    case 'no':
      return false;
    case 'force':
      return true;
    case 'yes':
      return hasTerminal(io);
    case 'auto':
      return program?.is === 'shell' && hasTerminal(io);
  }
}

/** Not what a program of the server said: that the connection went, and what the server said about it. */
function tellWhy(lost: GatehouseError | undefined, person: Person): void {
  if (lost !== undefined) person.note(lost.message);
}

function exitCodeOf(error: GatehouseError | undefined, person: Person): number {
  if (error === undefined) return 0;
  person.note(error.message);
  return CONNECTION_FAILED;
}
