// Which commands copy files: the roles can forbid that (ssh_file_copy), and the audit log tells it apart from other
// commands. A command that hides what it does is still on record as `exec`; who may run any command can copy files. Pure.

export const SFTP = 'sftp';

export interface ScpCommand {
  /** `write`: files come to the server. */
  readonly action: 'read' | 'write';
  /** As the client named it; empty when it cannot be told. */
  readonly path: string;
}

// Each takes time in proportion to the command: clients send what they like.
const SCP = /^\s*(?:\S*\/)?scp((?:\s+-[A-Za-z0-9]+)*)(?:\s+--)?(?:\s+(\S.*))?$/s;
const DIRECTION = /\s-[A-Za-z0-9]*([ft])/;
const ANY_SCP = /(?:^|[\s/;&|(`])scp(?=\s)/;
const OTHERS = /(?:^|[\s/;&|(`])(?:sftp-server|internal-sftp|rsync\s+--server)/;

/** The server side of the old scp protocol; undefined for every other command. */
export function parseScp(command: string): ScpCommand | undefined {
  const [match, options = '', path = ''] = SCP.exec(command.trimEnd()) ?? [];
  const direction = match === undefined ? undefined : DIRECTION.exec(options)?.[1];
  if (direction === undefined) return undefined;
  return { action: direction === 't' ? 'write' : 'read', path };
}

/** Whether a command is made to copy files, by scp, sftp or rsync. */
export function copiesFiles(command: string): boolean {
  const scp = ANY_SCP.exec(command);
  if (scp !== null && DIRECTION.test(command.slice(scp.index + scp[0].length))) return true;
  return OTHERS.test(command);
}
