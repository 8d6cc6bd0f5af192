// Which node a user means. Only nodes that the user may see take part, so that what others have cannot be guessed from
// the answer. A name and an address count alike: a node that calls itself by the address of another one makes the
// address ambiguous, and takes nothing over. Pure.
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { RouteRequest } from './request.ts';

export type RouteNode = Resource<NodeSpec>;

/** Parts of the local view; see client/cluster-view.ts. */
export interface NodeDirectory {
  nodes(): readonly RouteNode[];
  node(id: string): RouteNode | undefined;
  nodesNamed(hostname: string): readonly RouteNode[];
}

export interface RouteRules {
  readonly clusterName: string;
  /** `case_insensitive_routing`. */
  readonly ignoresCase: boolean;
  /** `routing_strategy: most_recent`. */
  readonly takesMostRecent: boolean;
}

export type Resolution =
  | { readonly is: 'node'; readonly node: RouteNode }
  | { readonly is: 'ambiguous'; readonly candidates: readonly RouteNode[] }
  /** `hidden`: how many fit that the user may not see. For the audit log, never for the user. */
  | { readonly is: 'none'; readonly hidden: readonly RouteNode[] };

/** More are not kept: nobody reads them. */
const MAX_CANDIDATES = 20;
const MAX_LABELS = 16;

export function resolveTarget(
  request: RouteRequest,
  directory: NodeDirectory,
  isVisible: (node: RouteNode) => boolean,
  rules: RouteRules,
): Resolution {
  const hidden: RouteNode[] = [];
  for (const host of spellings(request.host, rules.clusterName)) {
    const found: RouteNode[] = [];
    for (const node of candidates({ ...request, host }, directory, rules)) {
      if (isVisible(node)) found.push(node);
      else if (hidden.length < MAX_CANDIDATES) hidden.push(node);
    }
    const [first] = found;
    if (first === undefined) continue;
    if (found.length === 1) return { is: 'node', node: first };
    if (rules.takesMostRecent) return { is: 'node', node: mostRecent(found) };
    return { is: 'ambiguous', candidates: found.toSorted(byName).slice(0, MAX_CANDIDATES) };
  }
  return { is: 'none', hidden };
}

/** As it is, then without the name of the cluster that some clients put behind. */
function spellings(host: string, clusterName: string): string[] {
  const suffix = `.${clusterName}`.toLowerCase();
  const isLong = host.length > suffix.length && host.toLowerCase().endsWith(suffix);
  return isLong ? [host, host.slice(0, -suffix.length)] : [host];
}

function candidates(
  { host, port }: RouteRequest,
  directory: NodeDirectory,
  rules: RouteRules,
): readonly RouteNode[] {
  const named = directory.node(host) ?? directory.node(host.toLowerCase());
  const fitsPort = (node: RouteNode): boolean => port === undefined || servesPort(node, port);
  if (named !== undefined) return fitsPort(named) ? [named] : [];
  const wanted = parseLabels(host);
  if (wanted !== undefined)
    return directory.nodes().filter((node) => fitsPort(node) && hasLabels(node, wanted));
  const found = new Set(
    directory
      .nodesNamed(host)
      .filter((node) => (rules.ignoresCase || node.spec.hostname === host) && fitsPort(node)),
  );
  const lower = host.toLowerCase();
  for (const node of directory.nodes()) if (hasAddress(node, lower, port)) found.add(node);
  return [...found];
}

/** `key=value` pairs, all of which a node must have. Undefined when it is not that. */
function parseLabels(text: string): ReadonlyMap<string, string> | undefined {
  if (!text.includes('=')) return undefined;
  const wanted = new Map<string, string>();
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at < 1 || wanted.size === MAX_LABELS) return new Map();
    wanted.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return wanted;
}

function hasLabels(node: RouteNode, wanted: ReadonlyMap<string, string>): boolean {
  if (wanted.size === 0) return false;
  const labels = nodeLabels(node);
  for (const [key, value] of wanted) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return true;
}

const addressesOf = ({ spec }: RouteNode): readonly string[] => [spec.addr, ...(spec.public_addrs ?? [])];

function servesPort(node: RouteNode, port: number): boolean {
  return addressesOf(node).some((address) => address.endsWith(`:${port}`));
}

/** `host` is in lower case. */
function hasAddress(node: RouteNode, host: string, port: number | undefined): boolean {
  if (isAt(node.spec.addr, host, port)) return true;
  const { public_addrs: others } = node.spec;
  return others !== undefined && others.some((address) => isAt(address, host, port));
}

const MAX_AROUND = '[]:65535'.length;

/** `host`, `host:port` or `[host]:port`. Asked for every node, so most are told by their length. */
function isAt(address: string, host: string, port: number | undefined): boolean {
  if (address.length < host.length || address.length > host.length + MAX_AROUND) return false;
  const lower = address.toLowerCase();
  const rest = lower.startsWith(host)
    ? lower.slice(host.length)
    : lower.startsWith(`[${host}]`)
      ? lower.slice(host.length + 2)
      : undefined;
  if (rest === undefined || !/^(?::\d{1,5})?$/.test(rest)) return false;
  return port === undefined || rest === `:${port}`;
}

/** Presence is renewed by heartbeats, so what expires last was heard of last. */
function mostRecent(nodes: readonly RouteNode[]): RouteNode {
  const heardAt = ({ metadata }: RouteNode): number =>
    metadata.expires === undefined ? 0 : Date.parse(metadata.expires);
  return nodes.toSorted((a, b) => heardAt(b) - heardAt(a) || byName(a, b))[0] as RouteNode;
}

const byName = (a: RouteNode, b: RouteNode): number => (a.metadata.name < b.metadata.name ? -1 : 1);
