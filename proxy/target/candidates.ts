// Which agents can serve a target for somebody: all that announce it and whose document the roles show, in random order,
// those with a tunnel to this proxy first. Pure but for the dice.
import { randomInt } from 'node:crypto';
import type { AccessSet } from '#core/access/compile.ts';
import { isVisible } from '#core/access/decide.ts';
import type { Labels } from '#core/access/role.ts';
import type { TargetService } from '#wire/target/header.ts';

/** An agent that announces a target. */
export interface TargetServer {
  readonly hostId: string;
  /** Other proxies that have a tunnel of it, as it said last. */
  readonly proxyIds: readonly string[];
  /** Of the target, as that agent knows it. */
  readonly labels: Labels;
}

export interface CandidateGround {
  readonly service: TargetService;
  readonly target: string;
  readonly servers: readonly TargetServer[];
  readonly access: AccessSet;
  readonly isLocked: (hostId: string) => boolean;
  /** A tunnel of it ends here, or it is in this very process. */
  readonly isNear: (hostId: string) => boolean;
}

export interface Candidates {
  /** Best first. */
  readonly open: readonly TargetServer[];
  /** For admins, when nothing is open: why; never empty then. */
  readonly reasons: readonly string[];
  /** All that may be seen are locked. */
  readonly isLocked: boolean;
}

export function candidatesFor(ground: CandidateGround): Candidates {
  const { service, target, servers, access, isLocked, isNear } = ground;
  const visible = servers.filter(({ labels }) => isVisible(access, service, { name: target, labels }));
  const open = shuffled(visible.filter(({ hostId }) => !isLocked(hostId)));
  const near = open.filter(({ hostId }) => isNear(hostId));
  const far = open.filter(({ hostId }) => !isNear(hostId));
  return {
    open: [...near, ...far],
    reasons: reasonsOf(servers, visible),
    isLocked: visible.length > 0 && open.length === 0,
  };
}

function reasonsOf(servers: readonly TargetServer[], visible: readonly TargetServer[]): readonly string[] {
  if (servers.length === 0) return ['no agent announces a target of this name'];
  const hosts = servers.map(({ hostId }) => hostId).slice(0, 5);
  if (visible.length === 0) {
    return [`no role of the user selects the labels it has at its agents: ${hosts.join(', ')}`];
  }
  return [`the agents that serve it are locked: ${hosts.join(', ')}`];
}

function shuffled<T>(items: readonly T[]): T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
  }
  return mixed;
}
