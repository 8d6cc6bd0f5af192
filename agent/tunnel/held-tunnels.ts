// The tunnels that are open: watched for signs of life, one per proxy, and those on their way out beside them. A tunnel
// leaves when its proxy asks for it, or when the certificate it was opened with was renewed; what runs through it stays.
//
//   add ─▶ held ─ no sign of life, closed ─▶ gone
//            └─ leave ─▶ leaving (its place is free) ─ unused ─▶ gone
import type { HostRecord } from '#client/credentials.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { Pulses, type Pulse } from '#wire/tunnel/pulse.ts';
import type { Tunnel } from './connect.ts';

const ASK_AFTER_MS = 4000;
const ASK_SPREAD_MS = 2000;
/** One that leaves is used for so long by those who are on their way to it. */
const LEAVE_MS = 10_000;

export interface HeldTunnelsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** A place became free or was taken. */
  readonly onChange: () => void;
}

export interface Held {
  readonly tunnel: Tunnel;
  readonly pulse: Pulse;
  /** Of the certificate it was opened with. */
  readonly record: HostRecord | undefined;
  /** Set when it is to go: what is open may end, nothing new is expected. */
  leavesAt?: number;
  /** It is the proxy that goes; otherwise it stays until there is another one. */
  isAsked: boolean;
}

export class HeldTunnels {
  readonly #options: HeldTunnelsOptions;
  readonly #pulses: Pulses;
  readonly #held = new Map<string, Held>();
  readonly #leaving = new Set<Held>();
  #isClosed = false;

  constructor(options: HeldTunnelsOptions) {
    this.#options = options;
    this.#pulses = new Pulses({ clock: options.clock, askAfterMs: ASK_AFTER_MS, spreadMs: ASK_SPREAD_MS });
  }

  /** Places that are taken; those that leave have none. */
  get size(): number {
    return this.#held.size;
  }

  has(proxyId: string): boolean {
    return this.#held.has(proxyId);
  }

  /** Proxies that reach this host now. */
  proxyIds(): readonly string[] {
    return [...new Set([...this.#all()].map(({ tunnel }) => tunnel.proxyId))].toSorted();
  }

  add(tunnel: Tunnel, record: HostRecord | undefined): Held {
    const { connection, stream, proxyId } = tunnel;
    const held: Held = {
      tunnel,
      record,
      isAsked: false,
      pulse: this.#pulses.watch({
        stream,
        probe: () => connection.probe(),
        onDead: () => this.#onDead(held),
      }),
    };
    this.#held.set(proxyId, held);
    this.#options.log.info({ proxyId }, 'tunnel to a proxy is open');
    void this.#forgetWhenClosed(held);
    this.#options.onChange();
    return held;
  }

  /** Its place is free for another one, to the same proxy if that is there again; what is open stays. */
  leave(held: Held, isAsked: boolean): void {
    held.isAsked ||= isAsked;
    if (held.leavesAt !== undefined) return;
    held.leavesAt = this.#options.clock.now() + LEAVE_MS;
    this.#leaving.add(held);
    if (this.#held.get(held.tunnel.proxyId) === held) this.#held.delete(held.tunnel.proxyId);
    this.#options.onChange();
  }

  /** To be called now and then: those of another certificate leave, and those that left and are unused end. */
  tend(record: HostRecord | undefined): void {
    const now = this.#options.clock.now();
    for (const held of this.#held.values()) if (held.record !== record) this.leave(held, false);
    for (const { tunnel, leavesAt = 0, isAsked } of this.#leaving) {
      const isNeeded = !isAsked && !this.#held.has(tunnel.proxyId);
      if (now >= leavesAt && !isNeeded && tunnel.connection.channelCount === 0) {
        tunnel.disconnect('it is not needed any more');
      }
    }
  }

  /** Ends those to proxies that may not be used any more, and what runs through them. */
  cut(isLocked: (proxyId: string) => boolean): void {
    for (const { tunnel } of this.#all()) {
      if (isLocked(tunnel.proxyId)) tunnel.disconnect('a lock is in force on this proxy');
    }
  }

  refuseNew(): void {
    for (const { tunnel } of this.#all()) tunnel.refuseNew();
  }

  /** Ends all of them. */
  close(): void {
    this.#isClosed = true;
    for (const { tunnel } of this.#all()) tunnel.disconnect('the agent stops');
  }

  *#all(): Iterable<Held> {
    yield* this.#held.values();
    yield* this.#leaving;
  }

  #onDead(held: Held): void {
    const { proxyId, stream } = held.tunnel;
    this.#options.log.warn({ proxyId }, 'a proxy gave no sign of life; its tunnel is opened anew');
    this.#forget(held);
    stream.destroy();
  }

  async #forgetWhenClosed(held: Held): Promise<void> {
    const { connection, proxyId } = held.tunnel;
    const error = await connection.closed;
    if (this.#held.get(proxyId) === held && !this.#isClosed) {
      this.#options.log.info({ err: error, proxyId }, 'tunnel to a proxy was closed');
    }
    this.#forget(held);
  }

  #forget(held: Held): void {
    held.pulse.stop();
    const wasLeaving = this.#leaving.delete(held);
    const isHeld = this.#held.get(held.tunnel.proxyId) === held;
    if (isHeld) this.#held.delete(held.tunnel.proxyId);
    if ((isHeld || wasLeaving) && !this.#isClosed) this.#options.onChange();
  }
}
