// charts/gatehouse-operator/files/rules.yaml: what the operator may do, for the templates of its roles.
import { stringify } from 'yaml';
import { rulesOf } from '#operator/rbac.ts';
import type { Page } from './page.ts';

const PLACES = ['cluster', 'watched', 'own', 'ending'] as const;

export const rbacPage: Page = {
  path: 'charts/gatehouse-operator/files/rules.yaml',
  render: () => `# Generated from operator/rbac.ts by "make gen"; edit that file instead.
# cluster: a ClusterRole. watched: a ClusterRole, or a Role in the one namespace that is watched. own: a Role in the
# operator's namespace, where OWN_SERVICE_ACCOUNT stands for the name of its ServiceAccount. ending: a ClusterRole where one
# namespace is watched, limited to that namespace by an admission policy.
${stringify(Object.fromEntries(PLACES.map((where) => [where, rulesOf(where)])), { aliasDuplicateObjects: false, lineWidth: 0 })}`,
};
