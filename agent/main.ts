// The agent of a machine: becomes a member, says that it is there, and keeps its certificates fresh. Opens the parts,
// connects them, and closes them in reverse. In this release it serves no sessions.
import { openCredentialDir } from '#client/credentials-dir.ts';
import type { CommandLabel } from '#config/labels.ts';
import type { Clock } from '#core/clock.ts';
import type { SystemRole } from '#core/identity.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { startCommandLabels } from './labels.ts';
import { startMembership } from '#client/member/membership.ts';
import { nodeDocument } from './node-document.ts';
import { startPresence } from '#client/member/presence.ts';

export interface AgentOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Holds the identity; the caller has it for this process alone. */
  readonly dataDir: string;
  readonly nodeName: string;
  readonly roles: readonly SystemRole[];
  /** `host:port` each. */
  readonly authServers: readonly string[];
  /** Needed at the first start. */
  readonly token?: Secret | undefined;
  readonly caPins: readonly string[];
  /** `host:port` under which the node service is dialed. */
  readonly address: string;
  readonly publicAddresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly CommandLabel[];
  /** Variables of the process; commands get a few of them. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface AgentHealth {
  readonly ready: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

export interface Agent {
  /** Undefined until the machine has joined. */
  readonly hostId: string | undefined;
  /** Rejects when the machine cannot become a member, however often it would try; never resolves. */
  readonly failed: Promise<never>;
  health(): AgentHealth;
  /** Heartbeats that were answered, and that were not. */
  readonly heartbeats: { readonly sent: number; readonly failed: number };
  /** Says goodbye when the auth service is at hand; done within a second. Safe to call twice. */
  close(): Promise<void>;
}

/** Returns at once; joining goes on in the background for as long as no auth server answers. */
export function startAgent(options: AgentOptions): Agent {
  const { clock, log } = options;
  const addresses = [options.address, ...options.publicAddresses].map(withoutPort);
  const membership = startMembership({
    ...options,
    store: openCredentialDir(options.dataDir),
    addresses: [...new Set(addresses)],
  });
  const labels = startCommandLabels({ ...options, environment: options.environment });
  const presence = startPresence({
    clock,
    log,
    version: options.version,
    membership,
    ready: labels.ready,
    resources: (record) => [nodeDocument(record, { ...options, results: labels.results() })],
  });
  let closing: Promise<void> | undefined;
  return {
    get hostId() {
      return membership.record()?.certificates.host_id;
    },
    failed: membership.failed,
    health: () => presence.health(),
    get heartbeats() {
      return presence.counts;
    },
    close: () =>
      (closing ??= (async () => {
        await presence.close();
        await labels.close();
        await membership.close();
      })()),
  };
}

const withoutPort = (address: string): string => address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
