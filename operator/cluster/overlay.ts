// A person's piece of gatehouse.yaml laid over the generated one: the rule of merging, and which keys are not theirs to
// set. The services check the rest when they start; what they say then is shown as the message of the failed gate.
import type { Step } from './upgrade.ts';

export type Tree = { readonly [key: string]: unknown };

export interface OverlayProblem {
  /** `spec.auth.config.gatehouse.storage` */
  readonly path: string;
  readonly message: string;
}

const OPERATORS = 'is set by the operator';
const IN_PLAIN_SIGHT =
  'would keep a secret in a ConfigMap: use a GatehouseToken, or a file that extraVolumes mount from a Secret';

/** Keys that the rest of the cluster depends on; a path with none of these is a person's to set. */
const RESERVED: Readonly<Record<string, string>> = {
  version: OPERATORS,
  'gatehouse.data_dir': OPERATORS,
  'gatehouse.diag_addr': OPERATORS,
  'gatehouse.nodename': 'is the name of the pod',
  'gatehouse.auth_server': OPERATORS,
  'gatehouse.auth_servers': OPERATORS,
  'gatehouse.proxy_server': OPERATORS,
  'gatehouse.join_params': OPERATORS,
  'gatehouse.auth_token': IN_PLAIN_SIGHT,
  'gatehouse.ca_pin': OPERATORS,
  'gatehouse.storage': 'belongs in the GatehouseStorage that spec.storageRef names',
  'auth_service.enabled': OPERATORS,
  'auth_service.cluster_name': 'is spec.clusterName',
  'auth_service.listen_addr': OPERATORS,
  'auth_service.public_addr': OPERATORS,
  'auth_service.tokens': IN_PLAIN_SIGHT,
  'proxy_service.enabled': OPERATORS,
  'proxy_service.web_listen_addr': OPERATORS,
  'proxy_service.public_addr': 'is spec.publicAddress',
  'proxy_service.https_keypairs': 'is spec.proxy.tls',
};
const SECTIONS: Readonly<Record<Step, readonly string[]>> = {
  auth: ['gatehouse', 'auth_service'],
  // What listens where is decided by the proxy's own file, with the mode that auth_service names.
  proxy: ['gatehouse', 'auth_service', 'proxy_service'],
};
const DROPPED_NAMES = new Set(['__proto__', 'constructor', 'prototype']);

/** Maps are merged key by key; lists and plain values of `over` replace those of `base`; null takes a key away. */
export function mergeTrees(base: Tree, over: Tree): Tree {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (DROPPED_NAMES.has(key)) continue;
    const below = merged[key];
    if (value === null) delete merged[key];
    else if (isTree(value)) merged[key] = mergeTrees(isTree(below) ? below : {}, value);
    else merged[key] = value;
  }
  return merged;
}

/** What is wrong with `spec.<step>.config`, as far as it can be seen here. */
export function overlayProblems(step: Step, overlay: Tree | undefined): readonly OverlayProblem[] {
  if (overlay === undefined) return [];
  const at = `spec.${step}.config`;
  const problems: OverlayProblem[] = [];
  for (const [section, value] of Object.entries(overlay)) {
    const path = `${at}.${section}`;
    const reserved = RESERVED[section];
    if (reserved !== undefined) problems.push({ path, message: reserved });
    else if (!SECTIONS[step].includes(section)) {
      problems.push({ path, message: `is no section of this file; it has ${SECTIONS[step].join(', ')}` });
    } else if (!isTree(value)) problems.push({ path, message: 'must be a map' });
    else problems.push(...reservedKeys(at, section, value));
  }
  return problems;
}

function reservedKeys(at: string, section: string, keys: Tree): OverlayProblem[] {
  return Object.keys(keys).flatMap((key) => {
    const message = RESERVED[`${section}.${key}`];
    return message === undefined ? [] : [{ path: `${at}.${section}.${key}`, message }];
  });
}

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
