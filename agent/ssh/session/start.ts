// Starts what a session is for, once it is permitted: account, recording, environment, program. Whatever fails here the
// person reads, because the request itself was taken.
import { RELAY_NODE_EXTENSION } from '#core/api/relay.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { MAX_COMMAND_CHARACTERS } from '#recordings/meta.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { exitStatus } from '#wire/ssh/payloads.ts';
import {
  accountEnvironment,
  readSystemEnvironment,
  sessionEnvironment,
  type ClientVariables,
} from '../process/environment.ts';
import type { Account } from '../account/passwd.ts';
import type { SshPeer } from '../context.ts';
import type { Party } from '../join/party.ts';
import type { AskedTerminal } from './serve.ts';
import { closedForLogins } from './greeting.ts';
import type { SessionParts, TerminalSize } from './parts.ts';
import type { Run } from './run.ts';
import { sizeText, type SessionEvents } from '#client/audit/session-events.ts';
import { chooseProgram, type ChosenProgram } from './choose-program.ts';
import { startPipes, startTerminal } from './start-run.ts';
import { readUserEnvironment } from './user-environment.ts';
import type { SessionRequest } from '#core/access/ssh-sessions.ts';

export type Wanted = Exclude<SessionRequest, { readonly what: 'terminal' }>;

/** A session with a terminal, which others can join. */
export interface TerminalWanted {
  readonly asked: AskedTerminal;
  readonly party: Party;
}

export interface SessionRequestFacts {
  readonly wanted: Wanted;
  readonly sessionId: string;
  readonly channel: Channel;
  readonly peer: SshPeer;
  readonly events: SessionEvents;
  readonly terminal: TerminalWanted | undefined;
  readonly size: () => TerminalSize;
  readonly variables: ClientVariables;
  readonly agentSocket: string | undefined;
  readonly display: string | undefined;
  /** The client has closed the channel. */
  readonly isClosed: () => boolean;
  /** Bytes of the client so far. */
  readonly received: () => number;
}

/** Everything that a run needs besides its pipes or terminal. */
export interface Prepared {
  readonly facts: SessionRequestFacts;
  readonly account: Account;
  readonly program: ChosenProgram;
  readonly env: Record<string, string>;
  readonly ownEnv: Record<string, string>;
  readonly recorder: SessionRecorder | undefined;
}

/** What sshd answers when it cannot start a session. */
const CANNOT_START = 254;
const INTERNAL_TEXT = 'the session cannot be started; the log of the server says why';

/** Undefined when it cannot be: then the person was told, and the channel is closed. Never rejects. */
export async function startSession(
  parts: SessionParts,
  facts: SessionRequestFacts,
): Promise<Run | undefined> {
  let prepared: Prepared | undefined;
  try {
    await facts.terminal?.party.admitted();
    prepared = await prepare(parts, facts);
    if (facts.isClosed()) throw new GatehouseError('UNAVAILABLE', 'the client has gone');
    const { terminal } = facts;
    return terminal === undefined
      ? await startPipes(parts, prepared)
      : await startTerminal(parts, prepared, terminal);
  } catch (error) {
    refuse(parts, facts, error);
    void prepared?.recorder?.end({}).catch(() => {});
    return undefined;
  }
}

async function prepare(parts: SessionParts, facts: SessionRequestFacts): Promise<Prepared> {
  const { runtime, host } = parts;
  const { access } = facts.peer;
  const account = await runtime.accounts.find(access.login);
  const closed = closedForLogins(account);
  if (closed !== undefined) throw new GatehouseError('UNAVAILABLE', closed.trim());
  const program = chooseProgram(facts.wanted, access.grant.forceCommand);
  const recorder = openRecording(parts, facts, program);
  const [ownEnv] = await Promise.all([
    parts.permitUserEnv ? readUserEnvironment({ clock: host.clock, ...runtime }, account) : {},
    recorder?.started,
  ]);
  const env = {
    ...accountEnvironment(account, readSystemEnvironment()),
    ...facts.variables.entries(),
    ...sessionEnvironment({
      sessionId: facts.sessionId,
      hostId: host.hostId,
      clusterName: host.clusterName,
      user: access.identity.name,
      remoteAddress: access.remoteAddress,
      localAddress: access.localAddress,
    }),
    ...program.env,
    ...(facts.agentSocket === undefined ? {} : { SSH_AUTH_SOCK: facts.agentSocket }),
    ...(facts.display === undefined ? {} : { DISPLAY: facts.display }),
  };
  return { facts, account, program, env, ownEnv, recorder };
}

/** A session that must be recorded and cannot be is refused; others go on, which the log tells. */
function openRecording(
  parts: SessionParts,
  { peer: { access }, sessionId, terminal, size }: SessionRequestFacts,
  { shown }: ChosenProgram,
): SessionRecorder | undefined {
  const { host, record } = parts;
  const mode = access.options.recordSsh;
  if (mode === 'off') return undefined;
  try {
    return record({
      sessionId,
      // A shell is for people, with a terminal or without.
      kind: terminal === undefined && shown !== undefined ? 'exec' : 'interactive',
      mode,
      byProxy: access.grant.certificate.extensions.has(RELAY_NODE_EXTENSION),
      facts: {
        user: access.identity.name,
        login: access.login,
        server_id: host.hostId,
        server_hostname: host.hostname,
        cluster_name: host.clusterName,
        recorded_by: host.hostId,
        protocol: 'ssh',
        'addr.remote': access.remoteAddress,
        ...(shown === undefined ? {} : { command: shown.slice(0, MAX_COMMAND_CHARACTERS) }),
        ...(terminal === undefined ? {} : { term: terminal.asked.term, size: sizeText(size()) }),
      },
    });
  } catch (error) {
    if (mode === 'strict') throw error;
    host.log.warn(
      { session: sessionId, why: isCode(error) ? error.message : error },
      'a session is not recorded',
    );
    return undefined;
  }
}

function refuse({ host }: SessionParts, facts: SessionRequestFacts, error: unknown): void {
  const { channel, events, sessionId, isClosed } = facts;
  const text = isCode(error) ? error.message : INTERNAL_TEXT;
  if (!isCode(error)) host.log.error({ session: sessionId, error }, 'a session could not be started');
  else host.log.info({ session: sessionId, why: text }, 'a session was not started');
  if (!isClosed()) events.rejected(text);
  channel.writeStderr(Buffer.from(`${text}\r\n`));
  channel.notify('exit-status', exitStatus.encode({ code: CANNOT_START }));
  channel.end();
  channel.close();
}
