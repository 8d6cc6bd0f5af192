// A short-lived process that touches one path with the rights of one user and hands the open socket to the agent. As the
// agent may be root, doing this in the agent itself would follow links and pass doors that the user could not (S28).
// Started by as-user.ts with: what to do, path, account name, uid, gid. Imports nothing of ours: it begins as root.
import { unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

const [action, path = '', name = '', uid = '', gid = ''] = process.argv.slice(2);

/** For good: a process that could come back would be none of the user's. */
function becomeUser(): void {
  const [user, group] = [Number(uid), Number(gid)];
  if (process.getuid?.() !== user) {
    // Not in the types of Node.
    (process as unknown as { initgroups(user: string, group: number): void }).initgroups(name, group);
    process.setgid?.(group);
    process.setuid?.(user);
  }
  const ids = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()];
  if (ids.some((id, index) => id !== (index < 2 ? user : group))) throw new Error('EPERM');
}

function answer(error: NodeJS.ErrnoException | undefined, handle?: Socket | Server): void {
  const message = error === undefined ? { done: true } : { error: error.code ?? error.message };
  // Not by closing things: a server that is closed in order would remove its path.
  process.send?.(message, handle, {}, () => process.exit(0));
}

try {
  becomeUser();
  process.umask(0o177);
  if (action === 'connect') {
    const socket = connect({ path, allowHalfOpen: true });
    socket.pause();
    socket.once('connect', () => answer(undefined, socket)).once('error', answer);
  } else if (action === 'listen') {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.once('error', answer).listen({ path, backlog: 64 }, () => answer(undefined, server));
  } else if (action === 'remove') {
    unlinkSync(path);
    answer(undefined);
  }
} catch (error) {
  answer(error as NodeJS.ErrnoException);
}
