// The SFTP server that the machine brings. Which commands copy files is core/access/file-copy.ts.
import { accessSync, constants } from 'node:fs';

const SERVERS = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/libexec/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/lib/sftp-server',
];

/** The one that the machine brings, if any. */
export function findSftpServer(candidates: readonly string[] = SERVERS): string | undefined {
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
