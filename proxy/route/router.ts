// From what a user asked for to an open way to a node: which node is meant among those the user may see, and how it is
// reached. Whether the user may log in there is decided by the node, over the connection that runs through.
import { isVisible } from '#core/access/decide.ts';
import { joinModes } from '#core/access/join-sessions.ts';
import type { AccessSet } from '#core/access/compile.ts';
import { requireUnlocked } from '#core/access/locks.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import { nodeLabels } from '#kinds/node/kind.ts';
import type { Link } from './link.ts';
import { reachNode, type ReachOptions } from './reach.ts';
import type { RouteRequest } from './request.ts';
import { resolveTarget, type RouteNode, type Resolution } from './resolve.ts';

export type RouteView = Pick<
  ClusterView,
  'clusterName' | 'networking' | 'nodes' | 'node' | 'nodesNamed' | 'sessions' | 'locks'
>;

export interface RouterOptions extends ReachOptions {
  readonly view: RouteView;
}

/** A node that fits, as the user is told of it. */
export interface Candidate {
  readonly name: string;
  readonly id: string;
  readonly address: string;
}

export interface Route {
  readonly node: RouteNode;
  readonly link: Link;
}

export class Router {
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /**
   * The node that `request` means to a user with this access. NOT_FOUND when there is none that the user may see (what
   * there is beyond that is in its cause, for the audit log), BAD_REQUEST with `details.candidates` when there are
   * several, LOCKED when the node is.
   */
  resolve(request: RouteRequest, access: AccessSet): RouteNode {
    const { view, clock } = this.#options;
    const { case_insensitive_routing: ignoresCase = false, routing_strategy: strategy } = view.networking();
    const found = resolveTarget(request, view, (node) => this.#mayReach(access, node, request), {
      clusterName: view.clusterName(),
      ignoresCase,
      takesMostRecent: strategy === 'most_recent',
    });
    const node = requireOne(request, found);
    requireUnlocked(view.locks(), { serverId: node.metadata.name }, clock.now());
    return node;
  }

  /** UNAVAILABLE says what was tried. The caller joins or drops the link. */
  async reach(node: RouteNode, client: string): Promise<Route> {
    return { node, link: await reachNode(node, client, this.#options) };
  }

  #mayReach(access: AccessSet, node: RouteNode, { host }: RouteRequest): boolean {
    if (isVisible(access, 'node', { name: node.metadata.name, labels: nodeLabels(node) })) return true;
    // Who may join a session there need not see the server; it must be asked for by its id.
    return host === node.metadata.name && this.#hasSessionFor(access, node);
  }

  #hasSessionFor(access: AccessSet, node: RouteNode): boolean {
    return this.#options.view
      .sessions()
      .some(
        ({ spec }) =>
          spec.server_id === node.metadata.name &&
          joinModes(access, { kind: spec.session_type, hostRoles: spec.host_roles }).length > 0,
      );
  }
}

/** For the audit log, on the cause of NOT_FOUND: what fits and may not be seen. */
export class HiddenNodes extends Error {
  readonly ids: readonly string[];

  constructor(ids: readonly string[]) {
    super('nodes that the user may not see');
    this.ids = ids;
  }
}

function requireOne(request: RouteRequest, found: Resolution): RouteNode {
  switch (found.is) {
    case 'node':
      return found.node;
    case 'none':
      throw new GatehouseError('NOT_FOUND', `no such server, or no access to it: ${request.host}`, {
        cause: new HiddenNodes(found.hidden.map(({ metadata }) => metadata.name)),
      });
    case 'ambiguous': {
      const candidates = found.candidates.map(candidateOf);
      const list = candidates.map(({ name, id, address }) => `${name} ${id} ${address}`).join(', ');
      throw new GatehouseError(
        'BAD_REQUEST',
        `${request.host} fits several servers; ask for one of them by its id: ${list}`,
        { details: { reason: 'ambiguous', candidates } },
      );
    }
  }
}

const candidateOf = ({ metadata, spec }: RouteNode): Candidate => ({
  name: spec.hostname,
  id: metadata.name,
  address: spec.use_tunnel || spec.addr === '' ? '(tunnel)' : spec.addr,
});
