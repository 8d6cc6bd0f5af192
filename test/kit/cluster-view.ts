// A cluster view whose contents the test writes: roles, locks and settings take effect at once, as after a change that
// the watch of auth brought. Separate from client/cluster-view.ts, which needs an auth service.
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import type { ClusterView, ViewListener } from '#client/cluster-view.ts';
import { TargetIndex } from '#client/view-targets.ts';
import { compileAccess } from '#core/access/compile.ts';
import type { Lock } from '#core/access/locks.ts';
import { sshAuthority, type SshAuthority } from '#core/certs/ssh/issue.ts';
import type { Clock } from '#core/clock.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { authPreferenceKind } from '#kinds/cluster-auth-preference/kind.ts';
import { networkingConfigKind } from '#kinds/cluster-networking-config/kind.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import { accessRoleOf, roleKind, type Role } from '#kinds/role/kind.ts';
import { sessionRecordingConfigKind } from '#kinds/session-recording-config/kind.ts';

export interface TestView extends ClusterView {
  readonly userAuthority: SshAuthority;
  readonly hostAuthority: SshAuthority;
  readonly name: string;
  /** Replaces the role of this name. */
  putRole(name: string, spec: object): void;
  removeRole(name: string): void;
  setLocks(locks: readonly Lock[]): void;
  /** When auth was last heard of; by default always now. */
  locksAreOf(time: number | undefined): void;
  setPreference(spec: object): void;
  setNetworking(spec: object): void;
  putNode(node: Resource<NodeSpec>): void;
  putProxy(proxy: Resource<ProxySpec>): void;
  /** A resource of kind db, app, db_server or app_server. */
  putTarget(resource: Resource): void;
  removeTarget(kind: 'db' | 'app' | 'db_server' | 'app_server', name: string): void;
}

export function makeTestView(clock: Clock, name = 'test.example.com'): TestView {
  const roles = new Map<string, Role>();
  const nodes = new Map<string, Resource<NodeSpec>>();
  const proxies = new Map<string, Resource<ProxySpec>>();
  const targets = new TargetIndex();
  const listeners = new Set<ViewListener>();
  const userAuthority = sshAuthority(generateKeyPair('ed25519').privateKey);
  const hostAuthority = sshAuthority(generateKeyPair('ed25519').privateKey);
  let locks: readonly Lock[] = [];
  let locksAsOf: number | undefined;
  let preference = setting(authPreferenceKind, {});
  let networking = setting(networkingConfigKind, {});
  const tell = (kind: string): void => {
    for (const listener of listeners) listener(new Set([kind]));
  };
  return {
    userAuthority,
    hostAuthority,
    name,
    ready: Promise.resolve(),
    isReady: () => true,
    clusterName: () => name,
    sshAuthorities: (type) => [(type === 'user' ? userAuthority : hostAuthority).publicKey],
    tlsAuthorities: () => [],
    x509Authorities: () => [],
    accessSet: (identity) =>
      compileAccess(
        identity.roles.flatMap((role) => roles.get(role) ?? []).map((role) => accessRoleOf(role)),
        { name: identity.name, roles: identity.roles, traits: identity.traits },
      ),
    locks: () => locks,
    locksAsOf: () => locksAsOf ?? clock.now(),
    preference: () => preference,
    networking: () => networking,
    recording: () => setting(sessionRecordingConfigKind, {}),
    nodes: () => [...nodes.values()],
    node: (id) => nodes.get(id),
    nodesNamed: (hostname) => [...nodes.values()].filter(({ spec }) => spec.hostname === hostname),
    proxies: () => [...proxies.values()],
    proxy: (id) => proxies.get(id),
    sessions: () => [],
    session: () => undefined,
    hasWebSession: () => false,
    dbServers: () => targets.dbServers.all(),
    dbServersOf: (target) => targets.dbServers.of(target),
    appServers: () => targets.appServers.all(),
    appServersOf: (target) => targets.appServers.of(target),
    appServersAt: (address) => targets.appServers.at(address),
    dbs: () => targets.dbs.all(),
    apps: () => targets.apps.all(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => listeners.clear(),
    putRole(role, spec) {
      roles.set(
        role,
        parseResource(roleKind, { kind: 'role', version: 'v5', metadata: { name: role }, spec }),
      );
      tell('role');
    },
    removeRole(role) {
      roles.delete(role);
      tell('role');
    },
    setLocks(all) {
      locks = all;
      tell('lock');
    },
    locksAreOf(time) {
      locksAsOf = time;
    },
    setPreference(spec) {
      preference = setting(authPreferenceKind, spec);
      tell('cluster_auth_preference');
    },
    setNetworking(spec) {
      networking = setting(networkingConfigKind, spec);
      tell('cluster_networking_config');
    },
    putNode(node) {
      nodes.set(node.metadata.name, node);
      tell('node');
    },
    putProxy(proxy) {
      proxies.set(proxy.metadata.name, proxy);
      tell('proxy');
    },
    putTarget(resource) {
      targets.index(resource.kind)?.put(resource.metadata.name, resource);
      tell(resource.kind);
    },
    removeTarget(kind, target) {
      targets.index(kind)?.delete(target);
      tell(kind);
    },
  };
}

function setting<S>(kind: Parameters<typeof parseResource<S>>[0], spec: object): S {
  return parseResource(kind, { kind: kind.name, spec }).spec;
}
