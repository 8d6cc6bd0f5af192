// What the services of one process share as a member of the cluster: its identity, its view of the cluster, the way of
// its events to the audit log, and its heartbeats. One of each, however many services there are.
import { join } from 'node:path';
import { startAuditSender, type AuditSender } from '#client/audit-sender.ts';
import { startClusterView, type ClusterView } from '#client/cluster-view.ts';
import type { HostRecord } from '#client/credentials.ts';
import { openLiveSessions, type LiveSessions } from '#client/member/live-sessions.ts';
import { startMembership, type Membership, type MembershipOptions } from '#client/member/membership.ts';
import { startPresence, type Presence } from '#client/member/presence.ts';
import { sleep } from '#core/clock.ts';
import type { Resource } from '#core/resource.ts';
import { openIdentityStore } from './identity-store.ts';

export interface MemberOptions extends Omit<MembershipOptions, 'store'> {
  readonly version: string;
  /** Absolute, and locked for this process. */
  readonly dataDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long the end waits for auth to take all audit events. */
  readonly patienceMs: number;
}

/** A service as far as heartbeats go. */
export interface Announced {
  readonly ready: Promise<void>;
  documents(record: HostRecord): readonly Resource[];
  /** Calls when documents changed and should be told soon. */
  onChange?(listener: () => void): void;
}

export interface Member {
  readonly membership: Membership;
  readonly view: ClusterView;
  readonly audit: AuditSender;
  /** What the host carries; services write it. */
  readonly sessions: LiveSessions;
  /** `host:port` each, as the configuration has them. */
  readonly authServers: readonly string[];
  /** Undefined until the host has joined. */
  readonly hostId: string | undefined;
  /** Heartbeats that were answered, and that were not. */
  readonly heartbeats: Presence['counts'];
  health(): { readonly ready: boolean; readonly reason?: string };
  /** Starts the heartbeats, which tell of all these; once. */
  announce(services: readonly Announced[]): void;
  /** Another process is this host now: only sessions of this one are told of from here on. */
  handOver(): void;
  /** This host goes away: its services are taken off the lists now, its sessions when they end. */
  leave(): void;
  /** After the services. Safe to call twice. */
  close(): Promise<void>;
}

const LOOK_MS = 50;

/** Returns at once; joining goes on in the background for as long as no auth server answers. */
export function startMember(options: MemberOptions): Member {
  const { clock, log, version, dataDir } = options;
  const membership = startMembership({ ...options, store: openIdentityStore(options) });
  const view = startClusterView({ membership, clock, log });
  const audit = startAuditSender({ dir: join(dataDir, 'outbox'), membership, clock, log });
  const sessions = openLiveSessions();
  let presence: Presence | undefined;
  let isReplaced = false;
  let closing: Promise<void> | undefined;
  return {
    membership,
    view,
    audit,
    sessions,
    authServers: options.authServers,
    get hostId() {
      return membership.record()?.certificates.host_id;
    },
    get heartbeats() {
      return presence?.counts ?? { sent: 0, failed: 0 };
    },
    health() {
      const problem = membership.problem();
      if (problem !== undefined) return { ready: false, reason: problem };
      return presence?.health() ?? { ready: false, reason: 'nothing is announced yet' };
    },
    announce(services) {
      const ready = Promise.all(services.map((service) => service.ready)).then(() => undefined);
      ready.catch(() => {});
      presence = startPresence({
        clock,
        log,
        version,
        membership,
        ready,
        sessions,
        resources: (record) => (isReplaced ? [] : services.flatMap((service) => service.documents(record))),
      });
      for (const service of services) service.onChange?.(() => presence?.renew());
    },
    handOver: () => void (isReplaced = true),
    leave: () => presence?.leave(),
    close: () =>
      (closing ??= (async () => {
        await presence?.close({ isReplaced });
        const lateAt = clock.now() + options.patienceMs;
        while (audit.status().pending > 0 && clock.now() < lateAt) await sleep(clock, LOOK_MS);
        await audit.close();
        await view.close();
        await membership.close();
      })()),
  };
}
