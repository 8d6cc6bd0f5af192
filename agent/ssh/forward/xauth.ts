// Tells the X programs of an account how to get in: one entry in its .Xauthority, written by `xauth` as that account.
import { accessSync, constants } from 'node:fs';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { X11Request } from '#wire/ssh/payloads.ts';
import { spawnWithoutTerminals } from '#client/clean-spawn.ts';

const PLACES = ['/usr/bin/xauth', '/usr/X11R6/bin/xauth', '/usr/local/bin/xauth', '/opt/X11/bin/xauth'];
const TIMEOUT_MS = 10_000;
const PROTOCOL = /^[A-Za-z0-9-]{1,64}$/;
const COOKIE = /^(?:[0-9a-f]{2}){1,128}$/i;

/** How a program is started as the account: what stands in front of it, and its home. */
export interface XauthUser {
  readonly prefix: readonly string[];
  readonly home: string;
}

/** Undefined where there is none. */
export function findXauth(): string | undefined {
  return PLACES.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** BAD_REQUEST unless protocol and cookie are single words: `xauth` reads commands by lines (CVE-2016-3115). */
export function requireSoundX11({ protocol, cookie, screen }: X11Request): void {
  if (PROTOCOL.test(protocol) && COOKIE.test(cookie) && screen < 1000) return;
  throw new GatehouseError('BAD_REQUEST', 'the X11 request names no protocol and cookie that are known');
}

/** NOT_SUPPORTED without xauth; UNAVAILABLE when it fails. `display` is the number. */
export function addXauth(request: X11Request, display: number, user: XauthUser, clock: Clock): Promise<void> {
  requireSoundX11(request);
  const xauth = findXauth();
  if (xauth === undefined) {
    throw new GatehouseError('NOT_SUPPORTED', 'X11 forwarding needs the program xauth on this server');
  }
  // OpenSSH's choice: with a server on loopback, X programs look for the entry of the local display.
  const name = `unix:${display}.${request.screen}`;
  const script = `remove ${name}\nadd ${name} ${request.protocol} ${request.cookie}\n`;
  return run([...user.prefix, xauth, '-q', '-'], script, user.home, clock);
}

function run(argv: readonly string[], input: string, home: string, clock: Clock): Promise<void> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new GatehouseError('UNAVAILABLE', `xauth ${why}`));
    const child = spawnWithoutTerminals(program, args, {
      cwd: '/',
      env: { HOME: home, PATH: '/usr/bin:/bin' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const timer = clock.after(TIMEOUT_MS, () => child.kill('SIGKILL'));
    child.once('error', (error: NodeJS.ErrnoException) => {
      timer.cancel();
      fail(`cannot be started (${error.code ?? 'failed'})`);
    });
    child.once('close', (code) => {
      timer.cancel();
      if (code === 0) resolve();
      else fail('failed');
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
