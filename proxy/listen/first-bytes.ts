// Waits for as many first bytes of a connection as are needed to know what it is, and puts them back. Bounded in bytes
// and time: who says nothing is gone after ten seconds.
import type { Socket } from 'node:net';
import type { IpNetwork } from '#core/certs/ip-address.ts';
import { isInNetwork, parseIp } from '#core/certs/ip-address.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_HELLO_BYTES } from './client-hello.ts';
import { detect, type Spoken } from './detect.ts';
import { ipOf, originOf, type Origin } from './origin.ts';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from './proxy-header.ts';

export interface FirstBytesOptions {
  readonly clock: Clock;
  /** Balancers whose PROXY header is read; from others it is refused. */
  readonly balancers: readonly IpNetwork[];
  /** False: only the header of a balancer is looked for; what follows is not read. */
  readonly detects: boolean;
}

export interface Opening {
  readonly origin: Origin;
  /** Undefined when it was not asked for. */
  readonly spoken: Spoken | undefined;
}

export const FIRST_BYTES_MS = 10_000;
const MAX_BYTES = MAX_HELLO_BYTES + MAX_PROXY_HEADER_BYTES;

/**
 * Calls `opened` in the same turn in which it becomes known, with the socket paused and all bytes but those of a PROXY
 * header still in it. BAD_REQUEST to `refused` when it is nothing that is spoken here, UNAVAILABLE when it ended or said
 * too little in time; the caller destroys the socket.
 */
export function readFirstBytes(
  socket: Socket,
  options: FirstBytesOptions,
  opened: (opening: Opening) => void,
  refused: (error: GatehouseError) => void,
): void {
  const own = originOf(socket);
  const isBalancer = isIn(ipOf(own), options.balancers);
  if (!options.detects && !isBalancer) {
    opened({ origin: own, spoken: undefined });
    return;
  }
  let bytes: Buffer = Buffer.alloc(0);
  const settle = (then: () => void): void => {
    timer.cancel();
    socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd);
    socket.pause();
    then();
  };
  const onEnd = (): void => settle(() => refused(new GatehouseError('UNAVAILABLE', 'ended before it began')));
  const onData = (part: Buffer): void => {
    bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
    const judged = judge(bytes, isBalancer, options.detects);
    if (judged === 'partial' && bytes.length < MAX_BYTES) return;
    if (typeof judged === 'string') {
      settle(() => refused(new GatehouseError('BAD_REQUEST', 'the first bytes are not of a known protocol')));
      return;
    }
    settle(() => {
      const rest = bytes.subarray(judged.skip);
      if (rest.length > 0) socket.unshift(rest);
      opened({
        origin: judged.client === undefined ? own : { ...own, remoteAddress: judged.client },
        spoken: judged.spoken,
      });
    });
  };
  const timer = options.clock.after(FIRST_BYTES_MS, () =>
    settle(() => refused(new GatehouseError('UNAVAILABLE', 'said too little in ten seconds'))),
  );
  socket.on('data', onData).once('end', onEnd).once('close', onEnd).once('error', onEnd);
  socket.resume();
}

interface Judged {
  readonly skip: number;
  readonly client: string | undefined;
  readonly spoken: Spoken | undefined;
}

function judge(bytes: Uint8Array, isBalancer: boolean, detects: boolean): Judged | 'partial' | 'refused' {
  let [skip, client]: [number, string | undefined] = [0, undefined];
  if (isBalancer) {
    const header = readProxyHeader(bytes);
    if (header === 'partial') return header;
    if (header === 'malformed') return 'refused';
    if (header !== 'absent') ({ length: skip, client } = header);
  }
  if (!detects) return { skip, client, spoken: undefined };
  const spoken = detect(bytes.subarray(skip));
  if (spoken === 'partial') return spoken;
  return spoken === 'unknown' ? 'refused' : { skip, client, spoken };
}

function isIn(ip: string, networks: readonly IpNetwork[]): boolean {
  const address = networks.length === 0 ? undefined : parseIp(ip);
  return address !== undefined && networks.some((network) => isInNetwork(address, network));
}
