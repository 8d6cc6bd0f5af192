// The files that the pods read: gatehouse.yaml of auth and of the proxies, and the resources auth applies at its start.
// Text, because the operator may not know the services from inside.
import { stringify } from 'yaml';
import { operatorAudience } from '../../house/audience.ts';
import {
  authAddress,
  operatorTokenName,
  proxyTokenName,
  stepName,
  AUTH_PORT,
  DIAG_PORT,
  WEB_PORT,
} from '../names.ts';
import { mergeTrees, type Tree } from '../overlay.ts';
import type { ClusterPlan } from '../plan.ts';

export const CONFIG_FILE = 'gatehouse.yaml';
export const RESOURCES_FILE = 'resources.yaml';
export const CONFIG_FOLDER = '/etc/gatehouse';
export const TLS_FOLDER = '/etc/gatehouse-tls';
/** One port serves everything, so that one port of a Service is enough. */
const LISTENER_MODE = 'multiplex';

/** The files of auth's ConfigMap. */
export function authFiles(plan: ClusterPlan): Readonly<Record<string, string>> {
  return {
    [CONFIG_FILE]: toYaml(mergeTrees(authConfig(plan), plan.spec.auth.config ?? {})),
    [RESOURCES_FILE]: startupResources(plan).map(toYaml).join('---\n'),
  };
}

/** The files of the proxies' ConfigMap. */
export function proxyFiles(plan: ClusterPlan): Readonly<Record<string, string>> {
  return { [CONFIG_FILE]: toYaml(mergeTrees(proxyConfig(plan), plan.spec.proxy.config ?? {})) };
}

function authConfig({ key, spec, storage }: ClusterPlan): Tree {
  const name = stepName(key.name, 'auth');
  const { type, sqlite, auditEventsUri, auditSessionsUri, config = {} } = storage;
  return {
    version: 'v3',
    gatehouse: {
      diag_addr: `0.0.0.0:${DIAG_PORT}`,
      log: log(),
      storage: {
        type,
        ...definedOf({
          sync: sqlite.sync,
          journal: sqlite.journal,
          audit_events_uri: auditEventsUri,
          audit_sessions_uri: auditSessionsUri,
        }),
        ...config,
      },
    },
    auth_service: {
      enabled: true,
      cluster_name: spec.clusterName,
      listen_addr: `0.0.0.0:${AUTH_PORT}`,
      public_addr: [
        authAddress(key),
        `${name}.${key.namespace}.svc.cluster.local:${AUTH_PORT}`,
        `${name}.${key.namespace}:${AUTH_PORT}`,
        `${name}:${AUTH_PORT}`,
      ],
      proxy_listener_mode: LISTENER_MODE,
      ...definedOf({ authentication: spec.authentication }),
    },
    proxy_service: { enabled: false },
    ssh_service: { enabled: false },
  };
}

function proxyConfig({ key, spec, publicAddress, tlsSecret, caPins }: ClusterPlan): Tree {
  return {
    version: 'v3',
    gatehouse: {
      auth_server: authAddress(key),
      ...(caPins.length === 0 ? {} : { ca_pin: [...caPins].sort() }),
      join_params: { method: 'kubernetes', token_name: proxyTokenName(key.name) },
      diag_addr: `0.0.0.0:${DIAG_PORT}`,
      drain_timeout: `${spec.proxy.drainSeconds}s`,
      log: log(),
    },
    auth_service: { enabled: false, proxy_listener_mode: LISTENER_MODE },
    proxy_service: {
      enabled: true,
      web_listen_addr: `0.0.0.0:${WEB_PORT}`,
      public_addr: [publicAddress],
      ...(tlsSecret === undefined
        ? {}
        : {
            https_keypairs: [{ key_file: `${TLS_FOLDER}/tls.key`, cert_file: `${TLS_FOLDER}/tls.crt` }],
          }),
    },
    ssh_service: { enabled: false },
  };
}

/** How the operator and the proxies join: by their ServiceAccounts, so no secret is in here. */
function startupResources({ key, operatorAccount }: ClusterPlan): readonly Tree[] {
  const proxyAccount = `${key.namespace}:${stepName(key.name, 'proxy')}`;
  return [
    tokenOf(operatorTokenName(key.name), 'operator', operatorAccount, operatorAudience(key)),
    tokenOf(proxyTokenName(key.name), 'proxy', proxyAccount),
  ];
}

/** Without an audience it is the name of the cluster. */
function tokenOf(name: string, role: string, account: string, audience?: string): Tree {
  return {
    kind: 'token',
    version: 'v2',
    metadata: { name },
    spec: {
      roles: [role],
      join_method: 'kubernetes',
      kubernetes: { type: 'in_cluster', ...definedOf({ audience }), allow: [{ service_account: account }] },
    },
  };
}

const log = (): Tree => ({ output: 'stderr', severity: 'INFO', format: { output: 'json' } });

const definedOf = (fields: Tree): Tree =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

const toYaml = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
