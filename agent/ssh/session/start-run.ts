// Joins a prepared session to its program: by a terminal or by pipes. Opens what it needs, and closes it again when the
// program cannot be started.
import { closeSync, fchownSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Account } from '../account/passwd.ts';
import type { Pipe } from '../process/pipes.ts';
import { recordLogin, recordLogout } from '../process/login-records.ts';
import { setTerminal } from '../process/set-terminal.ts';
import { userHas } from '../process/user-file.ts';
import { SftpWatch } from '#wire/sftp/watch.ts';
import type { TerminalWanted } from './start.ts';
import { forTerminal, messageOfTheDay } from './greeting.ts';
import { PipeRun } from './pipe-run.ts';
import type { SessionParts } from './parts.ts';
import type { Run } from './run.ts';
import type { FlowWatch } from '#wire/sftp/flow-watch.ts';
import { ScpWatch } from '#wire/sftp/scp-watch.ts';
import type { ExitOutcome } from '#client/audit/session-events.ts';
import type { Prepared } from './start.ts';
import { TerminalRun } from './terminal-run.ts';

export async function startPipes(parts: SessionParts, prepared: Prepared): Promise<Run> {
  const { runtime } = parts;
  const { account, program, env, ownEnv, facts, recorder } = prepared;
  const kept: Kept = { facts, program, recorder };
  // Asked before the program can change it.
  const watch = await watchOf(parts, prepared);
  const [input, output, errors] = (await runtime.pipes.take(3)) as [Pipe, Pipe, Pipe];
  const theirs = [input.readEnd, output.writeEnd, errors.writeEnd] as const;
  const ours = { input: input.writeEnd, output: output.readEnd, errors: errors.readEnd };
  let launched;
  try {
    if (runtime.accounts.isRoot) for (const end of theirs) give(end, account);
    launched = await runtime.launcher.launch({
      account,
      program: program.program,
      env,
      ownEnv,
      stdio: theirs,
      terminal: false,
    });
  } catch (error) {
    for (const end of Object.values(ours)) closeSync(end);
    throw error;
  } finally {
    for (const end of theirs) closeSync(end);
  }
  if (launched.isHomeless) facts.channel.writeStderr(Buffer.from(homeless(account)));
  const startedAt = parts.host.clock.now();
  const run: PipeRun = new PipeRun({
    channel: facts.channel,
    recorder,
    process: launched.process,
    ends: ours,
    readBuffer: runtime.readBuffer,
    user: facts.peer.access.identity.name,
    knowsEow: facts.peer.connection.peerVersion.includes('OpenSSH'),
    ...(watch === undefined ? {} : { watch }),
    onEnd: (exit) => ended(parts, kept, { run, exit, startedAt }),
  });
  if (program.shown === undefined) facts.events.started(undefined, undefined);
  endWhenUnrecorded(parts, kept, run);
  return run;
}

export async function startTerminal(
  parts: SessionParts,
  prepared: Prepared,
  { asked, party }: TerminalWanted,
): Promise<Run> {
  const { runtime, host } = parts;
  const { account, program, env, ownEnv, facts, recorder } = prepared;
  const kept: Kept = { facts, program, recorder };
  const { access } = facts.peer;
  const { terminal, term, settings } = asked;
  party.command = program.shown;
  // Asked early, because it takes a process: the person waits for the shell.
  const greeting =
    program.program.kind === 'shell'
      ? messageOfTheDay(account, (path) => userHas(askingOf(parts), account, path, 'anything'))
      : '';
  if (settings.length > 0) await setTerminal(runtime.terminals, terminal.slave, settings);
  const message = await greeting;
  // Who joined may have left while all this was prepared.
  await party.admitted();
  const launched = await runtime.launcher.launch({
    account,
    program: program.program,
    env: { ...env, TERM: term, SSH_TTY: terminal.path },
    ownEnv,
    stdio: [terminal.slave, terminal.slave, terminal.slave],
    terminal: true,
  });
  terminal.closeSlave();
  const login = {
    line: terminal.path.replace('/dev/', ''),
    name: account.name,
    host: access.remoteAddress.replace(/:\d+$/, ''),
    pid: launched.process.pid ?? 0,
  };
  if (runtime.accounts.isRoot) recordLogin({ ...login, now: host.clock.now() });
  const run: TerminalRun = new TerminalRun({
    party,
    clock: host.clock,
    channel: facts.channel,
    recorder,
    process: launched.process,
    terminal,
    batch: runtime.batch,
    onResize: (now) => facts.events.resized(now),
    onEnd: (exit) => {
      if (runtime.accounts.isRoot) recordLogout({ ...login, now: host.clock.now() });
      ended(parts, kept, { run, exit, startedAt: run.startedAt });
    },
  });
  facts.events.started(facts.size(), program.shown);
  party.begin(run);
  if (launched.isHomeless) run.greet(forTerminal(homeless(account)));
  if (message !== '') run.greet(message);
  endWhenUnrecorded(parts, kept, run);
  return run;
}

/** What is needed at the end: an idle session holds no more. */
type Kept = Pick<Prepared, 'facts' | 'program' | 'recorder'>;

interface Ended {
  readonly run: Run;
  readonly exit: ExitOutcome;
  readonly startedAt: number;
}

function ended({ host }: SessionParts, kept: Kept, { run, exit, startedAt }: Ended): void {
  const { facts, program, recorder } = kept;
  const { events, terminal } = facts;
  if (program.shown !== undefined) events.executed(program.shown, exit);
  if (terminal !== undefined || program.shown === undefined) {
    events.ended({ interactive: terminal !== undefined, participants: run.participants, startedAt, exit });
  }
  events.data(run.sent, facts.received());
  recorder
    ?.end({
      participants: [...run.participants],
      ...(exit.code === undefined ? {} : { exit_code: exit.code }),
      ...(exit.signal === undefined ? {} : { exit_signal: exit.signal }),
    })
    .catch((error: unknown) =>
      host.log.warn({ session: facts.sessionId, error }, 'a recording could not be ended'),
    );
}

/** In strict mode nothing may happen that is not recorded. */
function endWhenUnrecorded({ host }: SessionParts, { recorder, facts }: Kept, run: Run): void {
  recorder?.failed.catch((error: unknown) => {
    host.log.warn({ session: facts.sessionId, error }, 'a session was ended because it cannot be recorded');
    facts.channel.writeStderr(
      Buffer.from('\r\nthis session must be recorded, and cannot be any more; it ends\r\n'),
    );
    run.hangUp();
  });
}

async function watchOf(
  parts: SessionParts,
  { program: { transfer }, facts: { events }, account }: Prepared,
): Promise<FlowWatch | undefined> {
  if (transfer === undefined) return undefined;
  if (transfer.kind === 'sftp') return new SftpWatch((fields) => events.sftp(fields));
  const { action, path } = transfer;
  const target = resolve(account.home, path.replace(/^~\//, ''));
  // For the audit log only: what is named there is not opened.
  const isFolder = action === 'write' && (await userHas(askingOf(parts), account, target, 'folder'));
  return new ScpWatch(
    transfer,
    (file) => events.copied(file),
    () => isFolder,
  );
}

const askingOf = ({ runtime, host: { clock } }: SessionParts) => ({ clock, ...runtime });

/** Opening /dev/stdout asks for the rights of the file, pipe or not. */
function give(end: number, { uid, gid }: Account): void {
  fchownSync(end, uid, gid);
}

const homeless = ({ home }: Account): string =>
  `Could not chdir to home directory ${home}: No such file or directory\n`;
