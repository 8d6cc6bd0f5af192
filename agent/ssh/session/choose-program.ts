// What is run for what the client asks: a shell, a command, or the SFTP server, and the certificate's own command before
// all of them. Everything is run by the account's login shell, so that a shell that keeps people out keeps them out here.
import { fileURLToPath } from 'node:url';
import type { Program } from '../process/launcher.ts';
import { parseScp, SFTP, type ScpCommand } from '#core/access/file-copy.ts';
import { findSftpServer } from './sftp-program.ts';
import type { Wanted } from './start.ts';

export interface ChosenProgram {
  readonly program: Program;
  /** As audit and recordings name it; undefined for a shell. */
  readonly shown: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** The file protocol that goes through it. */
  readonly transfer: { readonly kind: 'sftp' } | ({ readonly kind: 'scp' } & ScpCommand) | undefined;
}

/** The word that OpenSSH has for a file server without a program. */
const INTERNAL_SFTP = 'internal-sftp';
/** Constant: the paths come in variables, so that no shell reads them as words. */
const OWN_SERVER = 'exec "$GATEHOUSE_SFTP_NODE" --disable-warning=ExperimentalWarning "$GATEHOUSE_SFTP_MAIN"';
const OWN_SERVER_ENV = {
  GATEHOUSE_SFTP_NODE: process.execPath,
  GATEHOUSE_SFTP_MAIN: fileURLToPath(new URL('../sftp/main.ts', import.meta.url)),
};

export function chooseProgram(
  wanted: Wanted,
  forceCommand: string | undefined,
  findServer: () => string | undefined = findSftpServer,
): ChosenProgram {
  const asked = nameOf(wanted);
  if (forceCommand === undefined) return wanted.what === 'subsystem' ? sftp(findServer, {}) : plain(wanted);
  const original: Record<string, string> = asked === undefined ? {} : { SSH_ORIGINAL_COMMAND: asked };
  if (/^internal-sftp(?:\s|$)/.test(forceCommand.trim())) return sftp(findServer, original);
  return {
    program: { kind: 'command', command: forceCommand },
    shown: forceCommand,
    env: original,
    transfer: undefined,
  };
}

function plain(wanted: Exclude<Wanted, { readonly what: 'subsystem' }>): ChosenProgram {
  if (wanted.what === 'shell') {
    return { program: { kind: 'shell' }, shown: undefined, env: {}, transfer: undefined };
  }
  const { command } = wanted;
  const scp = parseScp(command);
  return {
    program: { kind: 'command', command },
    shown: command,
    env: {},
    transfer: scp === undefined ? undefined : { kind: 'scp', ...scp },
  };
}

function sftp(findServer: () => string | undefined, env: Readonly<Record<string, string>>): ChosenProgram {
  const server = findServer();
  return {
    program: { kind: 'command', command: server ?? OWN_SERVER },
    shown: SFTP,
    env: server === undefined ? { ...env, ...OWN_SERVER_ENV } : env,
    transfer: { kind: 'sftp' },
  };
}

/** What sshd puts into SSH_ORIGINAL_COMMAND. */
function nameOf(wanted: Wanted): string | undefined {
  if (wanted.what === 'shell') return undefined;
  if (wanted.what === 'exec') return wanted.command;
  return wanted.name === SFTP ? INTERNAL_SFTP : wanted.name;
}
