// One way to an agent: a channel of its tunnel here or at another proxy, or a function where it lives in this process. The
// header of the target is sent on it before anything else.
import { duplexPair, type Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { portStream } from '#wire/port-stream.ts';
import { spliceChannel, type ChannelPort } from '#wire/splice-channel.ts';
import { writeTargetHeader, type TargetHeader } from '#wire/target/header.ts';

/** An open way to an agent; the header is on its way. Exactly one of `join`, `stream` and `drop` is called, once. */
export interface TargetLink {
  /** Host id of the agent. */
  readonly hostId: string;
  /** Joins the client's stream to the agent: both are owned from now on. The cheapest way. */
  join(stream: Duplex): void;
  /** The agent's end as a stream: what is written goes to the target behind the header. Half-open; the caller destroys it. */
  stream(): Duplex;
  drop(): void;
}

/** The agent of this very process: takes a connection as if it had come by a tunnel of this host. Owns the stream. */
export type HandOver = (header: TargetHeader, stream: Duplex) => void;

export function linkByChannel(
  hostId: string,
  port: ChannelPort,
  header: TargetHeader,
  clock: Clock,
): TargetLink {
  port.take(Buffer.from(writeTargetHeader(header)));
  return {
    hostId,
    join: (stream) => spliceChannel(port, stream, clock),
    stream: () => portStream(port),
    drop: () => port.drop(),
  };
}

export function linkByHand(hostId: string, handOver: HandOver, header: TargetHeader): TargetLink {
  return {
    hostId,
    join: (stream) => handOver(header, stream),
    stream() {
      const [near, far] = duplexPair();
      handOver(header, far);
      return near;
    },
    drop: () => {},
  };
}
