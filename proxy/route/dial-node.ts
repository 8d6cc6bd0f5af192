// A TCP connection to a node that announced its address. The address is judged as it resolves, the relay header goes
// first, and nothing of the user is sent before the other end has shown that it speaks SSH: a node that points the proxy
// at some other service gives its users no way to talk to it.
import { lookup, type LookupAddress } from 'node:dns';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { parseAddress } from '#config/address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { dialProblem, type DialRules } from './dial-policy.ts';

const SSH_PORT = 3022;
const GREETING = 'SSH-';

export type Resolve = (host: string, done: (error: Error | null, found: LookupAddress[]) => void) => void;

export interface NodeDial {
  /** `host:port` as the node announced it. */
  readonly address: string;
  readonly rules: DialRules;
  /** Written before anything else; see core/relay-header.ts. Left out for servers that would not understand it. */
  readonly header?: Uint8Array;
  /** For all of it: resolving, connecting, the greeting. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Default: the resolver of the system. */
  readonly resolve?: Resolve;
}

/**
 * Resolves once the greeting has begun to arrive; it is still to be read. The caller destroys the socket, which stays half open when the node ends
 * its direction. UNAVAILABLE names the address and why it cannot be reached.
 */
export function dialNode(options: NodeDial): Promise<Socket> {
  const { address, rules, header, timeoutMs, clock } = options;
  const { host, port } = parseAddress(address, SSH_PORT);
  if (isIP(host) !== 0) requireDialable(address, host, rules);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      allowHalfOpen: true,
      lookup: guardedLookup(address, rules, options.resolve ?? resolveBySystem),
    });
    const settle = (error?: Error): void => {
      timer.cancel();
      socket.off('readable', onReadable).off('end', onEnd).off('error', onError).off('close', onEnd);
      // Whoever takes it may not look at it for a while, and what answers may reset the connection at any time.
      socket.on('error', () => {});
      if (error === undefined) resolve(socket);
      else {
        socket.destroy();
        reject(error);
      }
    };
    let head = '';
    const onReadable = (): void => {
      for (let part = socket.read() as Buffer | null; part !== null; part = socket.read() as Buffer | null) {
        head += part.toString('latin1');
      }
      const isSsh = isGreeting(head);
      if (isSsh === undefined) return;
      // Once only: what is put back is readable again.
      if (isSsh) socket.unshift(head, 'latin1');
      settle(isSsh ? undefined : unreachable(address, 'what answers there is no SSH server'));
    };
    const onEnd = (): void => settle(unreachable(address, 'the connection was ended'));
    const onError = (error: NodeJS.ErrnoException): void =>
      settle(isCode(error) ? error : unreachable(address, error.code ?? error.message, error));
    const timer = clock.after(timeoutMs, () =>
      settle(unreachable(address, `no answer within ${timeoutMs / 1000} s`)),
    );
    socket.on('readable', onReadable).once('end', onEnd).once('error', onError).once('close', onEnd);
    if (header !== undefined) socket.write(header);
  });
}

/** Whether these first bytes are those of an SSH server; undefined until there are enough. */
function isGreeting(head: string): boolean | undefined {
  if (head.startsWith(GREETING)) return true;
  return GREETING.startsWith(head) ? undefined : false;
}

function requireDialable(address: string, ip: string, rules: DialRules): void {
  const problem = dialProblem(ip, rules);
  if (problem !== undefined) throw unreachable(address, problem);
}

const resolveBySystem: Resolve = (host, done) => lookup(host, { all: true }, done);

/** Only the addresses that may be dialed: what a name resolves to is judged at the very lookup that the dial uses. */
function guardedLookup(address: string, rules: DialRules, resolve: Resolve): LookupFunction {
  return (host, { all }, callback) => {
    resolve(host, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const fine = found.filter((one) => dialProblem(one.address, rules) === undefined);
      const [first] = fine;
      if (first === undefined) {
        const problem =
          found[0] === undefined ? 'it resolves to nothing' : dialProblem(found[0].address, rules);
        callback(unreachable(address, problem ?? 'it resolves to nothing'), []);
      } else if (all === true) callback(null, fine);
      else callback(null, first.address, first.family);
    });
  };
}

const unreachable = (address: string, why: string, cause?: unknown): GatehouseError =>
  new GatehouseError('UNAVAILABLE', `${address}: ${why}`, { cause });
