// Which request of a session channel may be served: certificate and roles must agree. One table, as for forwards
// (../permit.ts), so that no request is ever served beside it (S10).
import type { SshAccess } from '../context.ts';
import { copiesFiles, SFTP } from './file-copy.ts';

export type SessionRequest =
  | { readonly what: 'terminal' }
  | { readonly what: 'shell' }
  | { readonly what: 'exec'; readonly command: string }
  | { readonly what: 'subsystem'; readonly name: string };

/** Why it is refused, for admins and the person; undefined when it is permitted. */
export function sessionRefusal(
  request: SessionRequest,
  { grant, options }: Pick<SshAccess, 'grant' | 'options'>,
): string | undefined {
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
