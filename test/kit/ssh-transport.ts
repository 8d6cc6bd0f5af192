// One end of an SSH connection at the level of its messages, for tests: what came up, and how it ended.
import { generateKeyPairSync } from 'node:crypto';
import { duplexPair, type Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { sshLimits } from '#wire/ssh/limits.ts';
import type { SshKey, SshLimits } from '#wire/ssh/ssh.ts';
import type { Transport, TransportOptions } from '#wire/ssh/transport-contract.ts';
import { openTransport } from '#wire/ssh/transport/transport.ts';
import { FakeClock } from './clock.ts';
import { RawSshPeer, type RawPeerOptions } from './raw-ssh-peer.ts';

export interface End {
  readonly transport: Transport;
  readonly messages: Buffer[];
  isReady: boolean;
  isClosed: boolean;
  drains: number;
  error: unknown;
}

export type EndOptions = Partial<Omit<TransportOptions, 'limits' | 'role' | 'socket'>> & {
  readonly limits?: Partial<SshLimits>;
  readonly onMessage?: (payload: Buffer, end: End) => void;
};

const KEY: SshKey = { privateKey: generateKeyPairSync('ed25519').privateKey };

export function openEnd(
  role: 'server' | 'client',
  socket: Duplex,
  clock: Clock,
  options: EndOptions = {},
): End {
  const { limits, onMessage, ...more } = options;
  const messages: Buffer[] = [];
  const transport = openTransport({
    role,
    socket,
    clock,
    log: silentLog,
    hostKeys: [KEY],
    verifyHost: () => {},
    handlers: {
      onMessage: (payload) => {
        messages.push(payload);
        onMessage?.(payload, end);
      },
      onDrain: () => (end.drains += 1),
      onClose: (error) => {
        end.isClosed = true;
        end.error = error;
      },
    },
    onReady: () => (end.isReady = true),
    ...more,
    limits: sshLimits(limits),
  });
  const end: End = { transport, messages, isReady: false, isClosed: false, drains: 0, error: undefined };
  return end;
}

export interface Ends {
  readonly clock: FakeClock;
  readonly server: End;
  readonly client: End;
}

/** Both ends joined, with a clock that stands still. */
export async function openEnds(
  options: { server?: EndOptions; client?: EndOptions; sockets?: readonly [Duplex, Duplex] } = {},
): Promise<Ends> {
  const clock = new FakeClock();
  const [near, far] = options.sockets ?? duplexPair();
  const server = openEnd('server', far, clock, options.server);
  const client = openEnd('client', near, clock, options.client);
  await settle(clock);
  return { clock, server, client };
}

/** One end of ours, towards a peer that keeps no rules. */
export async function openAgainstRaw(
  role: 'server' | 'client',
  raw: Omit<RawPeerOptions, 'role'> = {},
  options: EndOptions = {},
): Promise<{ clock: FakeClock; end: End; peer: RawSshPeer }> {
  const clock = new FakeClock();
  const [near, far] = duplexPair();
  const end = openEnd(role, near, clock, options);
  const peer = new RawSshPeer(far, { ...raw, role: role === 'server' ? 'client' : 'server' });
  await settle(clock);
  return { clock, end, peer };
}

/** Lets what was written in memory arrive, and answers to it, a few times over. */
export async function settle(clock: FakeClock, rounds = 6): Promise<void> {
  for (let round = 0; round < rounds; round++) await clock.advance(0);
}
