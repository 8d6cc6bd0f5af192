// The tunnels that end at this proxy: which hosts are reached through which connection, and channels opened to them. A
// host may be here twice for a moment, when it came back before its old connection was found dead: the newest is used.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { ChannelPort } from '#wire/splice-channel.ts';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { dial, DIAL_CHANNEL, RECONNECT_REQUEST, type TunnelService } from '#wire/tunnel/protocol.ts';
import { Pulses, type CountedStream, type Pulse } from '#wire/tunnel/pulse.ts';

/** Agents ask after 4 to 6 s, which is a sign of life here; so a proxy seldom has to. */
const ASK_AFTER_MS = 9000;
const BY_APPLICATION = 11;
const NO_BYTES = new Uint8Array();

export interface TunnelRequest {
  readonly service: TunnelService;
  /** `ip:port` of the person's client. */
  readonly client: string;
  /** How long the agent may take to accept it, where that is less than usual. */
  readonly timeoutMs?: number;
}

export interface NewTunnel {
  readonly hostId: string;
  readonly connection: SshConnection;
  /** What the connection runs over, for its signs of life. */
  readonly stream: Duplex;
  readonly services: readonly string[];
}

export interface TunnelRegistryOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How long an agent may take to accept a connection. Default 5 s. */
  readonly openTimeoutMs?: number;
}

interface Tunnel extends NewTunnel {
  readonly pulse: Pulse;
}

const NONE: readonly Tunnel[] = [];

export class TunnelRegistry {
  readonly #options: TunnelRegistryOptions;
  /** By host id; the newest last. */
  readonly #tunnels = new Map<string, readonly Tunnel[]>();
  readonly #pulses: Pulses;
  #isDraining = false;

  constructor(options: TunnelRegistryOptions) {
    this.#options = options;
    this.#pulses = new Pulses({ clock: options.clock, askAfterMs: ASK_AFTER_MS, spreadMs: 0 });
  }

  /** Hosts with a tunnel here. */
  get hosts(): number {
    return this.#tunnels.size;
  }

  /** Connections; above `hosts` only while old ones are found out. */
  get connections(): number {
    let count = 0;
    for (const tunnels of this.#tunnels.values()) count += tunnels.length;
    return count;
  }

  has(hostId: string): boolean {
    return this.#tunnels.has(hostId);
  }

  /** From now on until its connection closes. The host was proven by its certificate. */
  add(about: NewTunnel): void {
    const { hostId, connection, stream } = about;
    const tunnel: Tunnel = {
      ...about,
      pulse: this.#pulses.watch({
        stream: stream as CountedStream,
        probe: () => connection.probe(),
        onDead: () => this.#dead(tunnel),
      }),
    };
    const others = this.#tunnels.get(hostId) ?? NONE;
    // It would not have come if it thought the old one alive.
    for (const other of others) other.pulse.hurry();
    this.#tunnels.set(hostId, [...others, tunnel]);
    if (this.#isDraining) connection.notify(RECONNECT_REQUEST, NO_BYTES);
    void this.#removeWhenClosed(tunnel);
  }

  /**
   * A channel to a service of the host; the caller splices it. NOT_FOUND when the host has no tunnel here, UNAVAILABLE
   * when it does not answer, ACCESS_DENIED when it refuses.
   */
  async dial(hostId: string, { service, client, timeoutMs }: TunnelRequest): Promise<ChannelPort> {
    const tunnels = (this.#tunnels.get(hostId) ?? NONE).filter(({ services }) => services.includes(service));
    let failure = new GatehouseError('NOT_FOUND', 'it has no tunnel at this proxy');
    for (const tunnel of tunnels.toReversed()) {
      const port = new ChannelPort();
      try {
        return await this.#open(tunnel, port, dial.encode({ service, client }), timeoutMs);
      } catch (error) {
        failure = error as GatehouseError;
      }
    }
    throw failure;
  }

  /** Asks all agents to go elsewhere; what runs through their tunnels goes on. */
  drain(): void {
    this.#isDraining = true;
    for (const { connection } of this.#all()) connection.notify(RECONNECT_REQUEST, NO_BYTES);
  }

  /** Ends all tunnels and what runs through them. */
  close(): void {
    for (const { connection } of this.#all()) connection.disconnect(BY_APPLICATION, 'the proxy stops');
  }

  *#all(): Iterable<Tunnel> {
    for (const tunnels of this.#tunnels.values()) yield* tunnels;
  }

  async #open(
    tunnel: Tunnel,
    port: ChannelPort,
    payload: Uint8Array,
    timeoutMs?: number,
  ): Promise<ChannelPort> {
    const { clock } = this.#options;
    const openTimeoutMs = timeoutMs ?? this.#options.openTimeoutMs ?? 5000;
    const late = Promise.withResolvers<never>();
    const timer = clock.after(openTimeoutMs, () => {
      // Nobody waits for it any more, and the tunnel itself is in doubt.
      tunnel.pulse.hurry();
      late.reject(
        new GatehouseError('UNAVAILABLE', `its tunnel gave no answer within ${openTimeoutMs / 1000} s`),
      );
    });
    const opening = tunnel.connection.open(DIAL_CHANNEL, payload, port);
    try {
      return port.bind(await Promise.race([opening, late.promise]));
    } catch (error) {
      void closeLate(opening);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  #dead(tunnel: Tunnel): void {
    this.#options.log.info({ hostId: tunnel.hostId }, 'a tunnel gave no sign of life and is closed');
    this.#remove(tunnel);
    tunnel.stream.destroy();
  }

  async #removeWhenClosed(tunnel: Tunnel): Promise<void> {
    await tunnel.connection.closed;
    tunnel.pulse.stop();
    this.#remove(tunnel);
  }

  #remove(tunnel: Tunnel): void {
    const left = (this.#tunnels.get(tunnel.hostId) ?? NONE).filter((other) => other !== tunnel);
    if (left.length === 0) this.#tunnels.delete(tunnel.hostId);
    else this.#tunnels.set(tunnel.hostId, left);
  }
}

async function closeLate(opening: Promise<{ close(): void }>): Promise<void> {
  const channel = await opening.catch(() => undefined);
  channel?.close();
}
