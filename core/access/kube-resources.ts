// Which Kubernetes objects a user may touch inside a cluster that the roles already grant: `kubernetes_resources`.
// Separate from targets because a role lists objects by pattern, with verbs, for each cluster it selects.
import type { AccessSet, CompiledRole, Side } from './compile.ts';
import { isVisible } from './decide.ts';
import { matchesSelector } from './labels.ts';
import { compilePattern, WILDCARD } from './pattern.ts';
import { quote, type Decision, type Reason } from './reason.ts';
import type { AccessRole, KubernetesResource } from './role.ts';
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
  /**
   * Empty when the request is about all objects of the kind. Whoever lets a list or a watch through asks again for each
   * object in it.
   */
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
  const denying = set.roles.find(({ role }) => lists(set, role, 'deny', object));
  if (denying !== undefined) {
    const { name } = denying.role;
    return { allowed: false, reasons: [reason(name, 'deny', `role ${name} denies ${what} (deny.${field})`)] };
  }
  const granting = set.roles.find(
    (role) => selects(set, role, cluster) && lists(set, role.role, 'allow', object),
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

function lists(set: AccessSet, role: AccessRole, side: Side, object: KubeObject): boolean {
  return role[side].kubernetes_resources?.some((entry) => covers(set, entry, side, object)) === true;
}

function covers(set: AccessSet, entry: KubernetesResource, side: Side, object: KubeObject): boolean {
  const { kind, verbs = [WILDCARD] } = entry;
  const isEveryVerb = verbs.includes(WILDCARD) || (side === 'deny' && verbs.length === 0);
  if (!isEveryVerb && !verbs.includes(object.verb)) return false;
  if (kind !== WILDCARD && kind !== object.kind) return false;
  const test = (pattern: string | undefined, value: string): boolean =>
    isUnlimited(side, pattern, value, object.verb) ||
    compilePattern(pattern ?? '', set.predicates.patterns).test(value);
  return (
    (entry.api_group === undefined || test(entry.api_group, object.apiGroup ?? '')) &&
    test(entry.namespace, object.namespace) &&
    test(entry.name, object.name)
  );
}

/**
 * A deny covers all that it does not limit: one that says too little must not deny nothing. And what is done to all
 * objects at once is done to those that are denied. On the allow side a part that is left out is the empty name.
 */
function isUnlimited(side: Side, pattern: string | undefined, value: string, verb: string): boolean {
  return side === 'deny' && (pattern === undefined || (value === '' && verb === 'deletecollection'));
}

function reason(role: string, side: 'allow' | 'deny', text: string): Reason {
  return { role, side, field: 'kubernetes_resources', text };
}
