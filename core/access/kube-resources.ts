// Which Kubernetes objects a user may touch inside a cluster that the roles already grant: `kubernetes_resources`.
// Separate from targets because a role lists objects by pattern, with verbs, for each cluster it selects.
import type { AccessSet, CompiledRole } from './compile.ts';
import { isVisible } from './decide.ts';
import { matchesSelector } from './labels.ts';
import { compilePattern, WILDCARD } from './pattern.ts';
import { quote, type Decision, type Reason } from './reason.ts';
import type { KubernetesResource } from './role.ts';
import type { Target } from './target.ts';

export const KUBE_VERBS = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'exec',
  'portforward',
] as const;

export interface KubeObject {
  readonly kind: string;
  readonly apiGroup?: string;
  /** Empty for objects outside any namespace. */
  readonly namespace: string;
  /** Empty when the request is about all objects of the kind, such as a list. */
  readonly name: string;
  readonly verb: string;
}

/** Deny entries win; then one role that selects the cluster must have an entry for the object. */
export function decideKubeObject(set: AccessSet, cluster: Target, object: KubeObject): Decision {
  if (!isVisible(set, 'kube', cluster)) {
    const text = `no role grants the Kubernetes cluster ${quote(cluster.name)}`;
    return { allowed: false, reasons: [{ side: 'none', field: 'kubernetes_labels', text }] };
  }
  const field = 'kubernetes_resources';
  const what = `${object.verb} on ${quote(object.kind)} ${quote(object.name)} in ${quote(object.namespace)}`;
  const denying = set.roles.find(({ role }) => lists(set, role.deny.kubernetes_resources, object));
  if (denying !== undefined) {
    const { name } = denying.role;
    return { allowed: false, reasons: [reason(name, 'deny', `role ${name} denies ${what} (deny.${field})`)] };
  }
  const granting = set.roles.find(
    (role) => selects(set, role, cluster) && lists(set, role.role.allow.kubernetes_resources, object),
  );
  if (granting !== undefined) {
    const { name } = granting.role;
    return {
      allowed: true,
      reasons: [reason(name, 'allow', `role ${name} allows ${what} (allow.${field})`)],
    };
  }
  return {
    allowed: false,
    reasons: [{ side: 'none', field, text: `no role that selects the cluster allows ${what}` }],
  };
}

function selects(set: AccessSet, role: CompiledRole, cluster: Target): boolean {
  const selector = role.allow.selector('kubernetes_labels');
  const expression = role.allow.expression('kubernetes_labels');
  if (selector === undefined && expression === undefined) return false;
  if (selector !== undefined && !matchesSelector(selector, cluster.labels)) return false;
  return expression?.({ user: set.subject, labels: cluster.labels, name: cluster.name }) !== false;
}

function lists(
  set: AccessSet,
  entries: readonly KubernetesResource[] | undefined,
  object: KubeObject,
): boolean {
  return entries?.some((entry) => covers(set, entry, object)) === true;
}

/** A part that is left out covers nothing but the empty name, except verbs, which then are all. */
function covers(set: AccessSet, entry: KubernetesResource, object: KubeObject): boolean {
  const test = (pattern: string | undefined, value: string): boolean =>
    compilePattern(pattern ?? '', set.predicates.patterns).test(value);
  const verbs = entry.verbs ?? [WILDCARD];
  return (
    (verbs.includes(WILDCARD) || verbs.includes(object.verb)) &&
    (entry.kind === WILDCARD || entry.kind === object.kind) &&
    (entry.api_group === undefined || test(entry.api_group, object.apiGroup ?? '')) &&
    test(entry.namespace, object.namespace) &&
    test(entry.name, object.name)
  );
}

function reason(role: string, side: 'allow' | 'deny', text: string): Reason {
  return { role, side, field: 'kubernetes_resources', text };
}
