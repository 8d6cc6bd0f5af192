// The tunnels of this host: one to every proxy of the cluster (agent_mesh), or to a few of them (proxy_peering). Behind a
// balancer nobody can choose a proxy, so it dials until each was reached, and gives up a connection as soon as the proxy
// shows that there is one already. Lost ones are replaced with random waits that grow.
//
//   wanted ─ dial ─▶ claimed ─ proven, taken ─▶ held (held-tunnels.ts) ─ gone ─▶ wanted
//     ▲               └ failed, there already ┐
//     └────────────── wait ───────────────────┘
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { backoffMs } from '#client/member/backoff.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { Membership } from '#client/member/membership.ts';
import { lockInForce } from '#core/access/locks.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { sleep, type Timer } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import { certifiedHostKey } from '#wire/host-keys.ts';
import { connectTunnel, type Tunnel, type TunnelServices } from './connect.ts';
import { TunnelDialer, type TunnelDialerOptions } from './dialer.ts';
import { HeldTunnels, type Held } from './held-tunnels.ts';
import type { TunnelTarget } from './targets.ts';

/**
 * Between dials, in milliseconds; about an eighth of the time for which a tunnel has been missing. Behind a balancer most
 * dials end at proxies that have one already, so waits that doubled with each would be most of the time that a node cannot
 * be reached after a short outage.
 */
const WAIT = { leastMs: 500, mostMs: 10_000, share: 1 / 8 };
/** All agents of a proxy that died come back within this time, not at once. */
const FIRST_SPREAD_MS = 1000;
const TEND_MS = 2000;

export interface TunnelsOptions extends Omit<TunnelDialerOptions, 'signal'> {
  readonly log: Log;
  /** Joined. */
  readonly membership: Pick<Membership, 'record'>;
  readonly view: Pick<
    ClusterView,
    'isReady' | 'proxies' | 'networking' | 'sshAuthorities' | 'locks' | 'onChange'
  >;
  readonly services: TunnelServices;
  /** This host is a proxy as well, in this process: it needs no tunnel to itself. */
  readonly isBesideProxy?: boolean;
  /** The proxies with a tunnel are others now. */
  readonly onChange?: () => void;
}

export interface Tunnels {
  /** Host ids of the proxies that reach this host now: `proxy_ids` of its node. */
  proxyIds(): readonly string[];
  /** Dials that reached a proxy for the first time, that ended at one with a tunnel, and that failed. */
  readonly counts: { readonly opened: number; readonly redundant: number; readonly failed: number };
  /** Takes no new connections; what is open goes on until `close`. */
  drain(): void;
  /** Ends all tunnels. Safe to call twice. */
  close(): Promise<void>;
}

/** Starts at once; the caller closes it before the view and the membership. */
export function startTunnels(options: TunnelsOptions): Tunnels {
  return new RunningTunnels(options);
}

class RunningTunnels implements Tunnels {
  counts = { opened: 0, redundant: 0, failed: 0 };
  readonly #options: TunnelsOptions;
  readonly #closing = new AbortController();
  readonly #key: ReturnType<typeof certifiedHostKey>;
  readonly #dialer: TunnelDialer;
  readonly #held: HeldTunnels;
  /** By proxy id: dialed and not proven yet. */
  readonly #claimed = new Set<string>();
  /** Of dials that are under way. */
  readonly #streams = new Set<Socket>();
  readonly #heard = new Map<string, string>();
  readonly #stopWatching: () => void;
  #dialers = new Set<Promise<void>>();
  #hurry = new AbortController();
  #turn = 0;
  #isDraining = false;
  #tending: Timer;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    const { clock, membership, view } = options;
    this.#key = certifiedHostKey(() => membership.record());
    this.#dialer = new TunnelDialer({ ...options, signal: this.#closing.signal });
    this.#held = new HeldTunnels({ ...options, onChange: () => this.#onChange() });
    this.#stopWatching = view.onChange((kinds) => {
      if (kinds.has('proxy')) this.#onProxies();
      if (kinds.has('lock')) this.#held.cut((proxyId) => this.#isLocked(proxyId));
      this.#adjust();
    });
    this.#tending = clock.after(TEND_MS, () => this.#tend());
    this.#adjust();
  }

  proxyIds(): readonly string[] {
    return this.#held.proxyIds();
  }

  drain(): void {
    this.#isDraining = true;
    this.#held.refuseNew();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopWatching();
    this.#tending.cancel();
    this.#held.close();
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(this.#dialers);
  }

  #onChange(): void {
    this.#options.onChange?.();
    this.#adjust();
  }

  // What is missing

  #proxies(): readonly Resource<ProxySpec>[] {
    const { view } = this.#options;
    if (!view.isReady()) return [];
    return view.proxies().filter(({ metadata: { name } }) => !this.#isOwn(name) && !this.#isLocked(name));
  }

  #isOwn(proxyId: string): boolean {
    const { isBesideProxy = false, membership } = this.#options;
    return isBesideProxy && membership.record()?.certificates.host_id === proxyId;
  }

  /** Who was locked must not come to this host with addresses of clients that it made up. */
  #isLocked(proxyId: string): boolean {
    const { view, clock } = this.#options;
    return view.isReady() && lockInForce(view.locks(), { serverId: proxyId }, clock.now()) !== undefined;
  }

  /** How many tunnels, or undefined for one to each proxy. */
  #wantedCount(): number | undefined {
    const { view } = this.#options;
    const strategy = view.isReady() ? view.networking().tunnel_strategy : undefined;
    return strategy?.type === 'proxy_peering' ? (strategy.agent_connection_count ?? 1) : undefined;
  }

  #has(proxyId: string): boolean {
    return this.#held.has(proxyId) || this.#claimed.has(proxyId);
  }

  #missing(): { readonly proxies: readonly Resource<ProxySpec>[]; readonly count: number } {
    const { isBesideProxy = false } = this.#options;
    const all = this.#proxies();
    const proxies = all.filter(({ metadata }) => !this.#has(metadata.name));
    const here = this.#held.size + this.#claimed.size;
    const wanted = this.#wantedCount();
    // Before anything is known of the cluster, one tunnel is the way to know it.
    if (all.length === 0) return { proxies, count: here === 0 && !isBesideProxy ? 1 : 0 };
    if (wanted === undefined) return { proxies, count: proxies.length };
    return { proxies, count: Math.min(Math.max(wanted - here, 0), proxies.length) };
  }

  /** As many dialers as tunnels are missing; each ends by itself when it is one too many. */
  #adjust(): void {
    if (this.#closing.signal.aborted || this.#isDraining) return;
    const missing = this.#missing().count;
    while (this.#dialers.size < missing) {
      const dialer = this.#dialUntilEnough().finally(() => {
        this.#dialers.delete(dialer);
        this.#adjust();
      });
      this.#dialers.add(dialer);
    }
  }

  #isOver(): boolean {
    return this.#closing.signal.aborted || this.#isDraining;
  }

  // Dialing

  async #dialUntilEnough(): Promise<void> {
    const isFirst = this.counts.opened + this.counts.failed === 0;
    await this.#wait(isFirst ? 0 : randomInt(FIRST_SPREAD_MS));
    const { clock } = this.#options;
    let since = clock.now();
    while (!this.#isOver() && this.#dialers.size <= this.#missing().count) {
      const isOpened = await this.#attempt();
      if (isOpened || (await this.#wait(waitMs(clock.now() - since)))) since = clock.now();
    }
  }

  /** True when it was cut short because there is news. */
  async #wait(ms: number): Promise<boolean> {
    const { clock } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, this.#hurry.signal]);
    try {
      await sleep(clock, ms, signal);
      return false;
    } catch {
      return true;
    }
  }

  /** All ways to one of the missing proxies, until one leads to any proxy. */
  async #attempt(): Promise<boolean> {
    const { proxies } = this.#missing();
    const targets = await this.#dialer.targetsOf(proxies[this.#turn++ % Math.max(proxies.length, 1)]);
    let failure: unknown;
    for (const target of targets) {
      if (this.#isOver()) return false;
      try {
        await this.#open(target);
        return true;
      } catch (error) {
        if (isCode(error, 'ALREADY_EXISTS')) {
          this.counts = { ...this.counts, redundant: this.counts.redundant + 1 };
          return false;
        }
        failure = error;
      }
    }
    this.counts = { ...this.counts, failed: this.counts.failed + 1 };
    this.#options.log.debug(
      { err: failure, targets: targets.length },
      'no tunnel could be opened; trying again',
    );
    return false;
  }

  async #open(target: TunnelTarget): Promise<void> {
    const stream = await this.#dialer.dial(target);
    this.#streams.add(stream);
    if (this.#closing.signal.aborted) stream.destroy();
    const { clock, log, membership, services } = this.#options;
    const record = membership.record();
    let claimed: string | undefined;
    let held: Held | undefined;
    let isUnwanted = false;
    try {
      const tunnel = await connectTunnel({
        clock,
        log,
        stream,
        hostId: record?.certificates.host_id ?? '',
        key: this.#key(),
        clusterName: record?.certificates.cluster_name ?? '',
        hostAuthorities: this.#hostAuthorities(record),
        services,
        claim: (proxyId) => {
          this.#dialer.note(target, true);
          if (this.#isLocked(proxyId)) throw new GatehouseError('LOCKED', 'a lock is in force on this proxy');
          if (this.#has(proxyId) || this.#isOwn(proxyId)) return false;
          this.#claimed.add((claimed = proxyId));
          return true;
        },
        onReconnect: () => {
          isUnwanted = true;
          if (held !== undefined) this.#held.leave(held, true);
        },
      });
      // One that is on its way out takes it, but is of no use.
      if (isUnwanted) throw this.#refuse(tunnel);
      held = this.#held.add(tunnel, record);
      if (this.#isDraining) tunnel.refuseNew();
      this.counts = { ...this.counts, opened: this.counts.opened + 1 };
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS')) this.#dialer.note(target, false);
      throw error;
    } finally {
      this.#streams.delete(stream);
      if (claimed !== undefined) this.#claimed.delete(claimed);
    }
  }

  #refuse(tunnel: Tunnel): GatehouseError {
    tunnel.disconnect('another proxy is wanted');
    return new GatehouseError('UNAVAILABLE', 'the proxy is stopping');
  }

  #hostAuthorities(record: HostRecord | undefined): readonly SshPublicKey[] {
    const { view } = this.#options;
    if (view.isReady()) return view.sshAuthorities('host');
    return (record?.certificates.ssh_authorities.host ?? []).map((line) => parseAuthorizedKey(line).key);
  }

  #tend(): void {
    this.#held.tend(this.#options.membership.record());
    this.#adjust();
    this.#tending = this.#options.clock.after(TEND_MS, () => this.#tend());
  }

  /** A proxy that is missing and was heard of just now is worth a dial at once. */
  #onProxies(): void {
    let isNews = false;
    for (const { metadata } of this.#proxies()) {
      const heard = metadata.expires ?? '';
      if (!this.#has(metadata.name) && this.#heard.get(metadata.name) !== heard) isNews = true;
      this.#heard.set(metadata.name, heard);
    }
    if (!isNews) return;
    const before = this.#hurry;
    this.#hurry = new AbortController();
    before.abort();
  }
}

function waitMs(missingMs: number): number {
  const bound = Math.min(Math.max(missingMs * WAIT.share, WAIT.leastMs), WAIT.mostMs);
  return backoffMs({ firstMs: bound, maxMs: bound }, 1);
}
