// Which request of a session channel may be served: certificate and roles must agree. One table, as for forwards
// (ssh-forwards.ts), so that no request is ever served beside it (S10).
import { copiesFiles, SFTP } from './file-copy.ts';
import type { SshRights } from './ssh-forwards.ts';

export type SessionRequest =
  | { readonly what: 'terminal' }
  | { readonly what: 'shell' }
  | { readonly what: 'exec'; readonly command: string }
  | { readonly what: 'subsystem'; readonly name: string };

/** `hasTerminal`: others can join it. Why it is refused, for admins and the person; undefined when it is permitted. */
export function sessionRefusal(
  request: SessionRequest,
  { grant, options, duties }: SshRights,
  hasTerminal = false,
): string | undefined {
  const isSeen = request.what === 'terminal' || (request.what !== 'subsystem' && hasTerminal);
  if (duties.length > 0 && !isSeen) return UNSEEN;
  switch (request.what) {
    case 'terminal':
      return grant.permitPty ? undefined : 'the certificate does not permit a terminal';
    case 'shell':
      return undefined;
    case 'exec':
      return options.fileCopy || !copiesFiles(request.command) ? undefined : NO_FILES;
    case 'subsystem':
      if (request.name !== SFTP) return 'this server has no such subsystem';
      return options.fileCopy ? undefined : NO_FILES;
  }
}

const NO_FILES = 'the roles do not permit copying files (ssh_file_copy)';
const UNSEEN =
  'the roles require others to join the sessions (require_session_join), which needs a terminal: ssh -t';
