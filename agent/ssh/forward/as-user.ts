// Stream-local sockets with the rights of the person’s account: connecting, binding and removing them. Each in a process
// of its own (as-user-main.ts).
import { Server, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';
import type { Turns } from './turns.ts';

/** Linux takes 107 bytes and a NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
const TIMEOUT_MS = 10_000;
const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning'];
const MAIN = fileURLToPath(new URL('as-user-main.ts', import.meta.url));

/** As much of an account as this needs. */
export interface UserIds {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export interface AsUser {
  /** A connected socket that nobody has read from. UNAVAILABLE says what the system said. */
  connect(path: string): Promise<Socket>;
  /** A listening server; its path is made with mode 0600, and must not be there yet. The caller closes it, then removes. */
  listen(path: string): Promise<Server>;
  /** Whatever is at the path, but no folder. Never throws. */
  remove(path: string): Promise<void>;
}

/** `turns`: how many helpers run at a time for whoever asks. */
export function asUser(account: UserIds, clock: Clock, turns: Turns): AsUser {
  const task = (action: string, path: string): Promise<unknown> =>
    requirePath(path) ??
    turns.take(() => run([action, path, account.name, String(account.uid), String(account.gid)], clock));
  return {
    async connect(path) {
      const socket = requireHandle(await task('connect', path), Socket);
      socket.allowHalfOpen = true;
      return socket;
    },
    async listen(path) {
      const server = requireHandle(await task('listen', path), Server);
      // What a server that was handed over has forgotten.
      Object.assign(server, { allowHalfOpen: true, pauseOnConnect: true });
      return server;
    },
    async remove(path) {
      await task('remove', path).catch(() => {});
    },
  };
}

function requirePath(path: string): undefined {
  if (path.startsWith('/') && !path.includes('\0') && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES)
    return undefined;
  throw new GatehouseError(
    'BAD_REQUEST',
    `a socket must be named by an absolute path of at most ${MAX_SOCKET_PATH_BYTES} bytes`,
  );
}

function requireHandle<T>(handle: unknown, type: new () => T): T {
  if (handle instanceof type) return handle;
  throw new GatehouseError('UNAVAILABLE', 'the socket could not be handed over');
}

/** What the process hands over; undefined when that is nothing. */
function run(args: readonly string[], clock: Clock): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawnWithoutTerminals(process.execPath, [...NODE_OPTIONS, MAIN, ...args], {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'json',
    });
    const fail = (why: string): void => reject(new GatehouseError('UNAVAILABLE', why));
    const timer = clock.after(TIMEOUT_MS, () => {
      isLate = true;
      child.kill('SIGKILL');
      fail('ETIMEDOUT');
    });
    let isLate = false;
    child.once('message', (message, handle) => {
      const { error } = message as { readonly error?: string };
      if (isLate) release(handle);
      else if (error === undefined) resolve(handle);
      else fail(error);
    });
    child.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    // After the last message, unlike `exit`.
    child.once('disconnect', () => {
      timer.cancel();
      fail('the helper process ended early');
    });
  });
}

/** Handed over when nobody waits any more. */
function release(handle: unknown): void {
  if (handle instanceof Socket) handle.destroy();
  else if (handle instanceof Server) handle.close();
}
