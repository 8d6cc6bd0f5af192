// What may be put into a certificate, one named step each. All pure; issuing is a list of these.
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import type { SessionOptions } from '#core/access/options.ts';
import {
  identityName,
  type HostIdentity,
  type Identity,
  type SystemRole,
  type UserIdentity,
} from '#core/identity.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from '#core/ssh-identity.ts';
import type { HostNames } from './host-names.ts';
import type { Modifier } from './plan.ts';

/** A holder whose clock is a little behind ours shall not refuse a fresh certificate. */
export const BACKDATE_MS = 60_000;
/** X.509 names are bounded; all roles are in the identity. */
const MAX_ORGANIZATIONS = 32;
/** No login can begin with "-", and none is this long: such a certificate opens no shell anywhere. */
const NO_LOGIN = '-gatehouse-nologin-';
/** Machines that reach the cluster, and are reached through what they opened. */
const AGENTS: readonly SystemRole[] = ['node', 'db', 'app'];

/** From a minute ago until `expires` (milliseconds since the epoch). */
export const validUntil =
  (expires: number): Modifier =>
  (plan) => ({ ...plan, validAfter: plan.now - BACKDATE_MS, validBefore: expires });

export const forUser =
  (identity: UserIdentity): Modifier =>
  (plan) => ({
    ...plan,
    identity,
    keyId: identity.name,
    commonName: identity.name,
    organization: identity.roles.slice(0, MAX_ORGANIZATIONS),
    usage: 'client',
  });

/** SSH needs a principal: who has no login gets one that cannot be a login, made unique by `tag`. */
export const withLogins =
  (logins: readonly string[], tag: string): Modifier =>
  (plan) => ({ ...plan, principals: logins.length === 0 ? [`${NO_LOGIN}${tag}`] : [...logins] });

/** A shell always; forwarding as the roles permit. */
export const withPermits =
  (options: Pick<SessionOptions, 'forwardAgent' | 'portForwarding' | 'x11Forwarding'>): Modifier =>
  (plan) => {
    const { local, remote } = options.portForwarding;
    const permits: readonly (readonly [name: string, isPermitted: boolean])[] = [
      ['permit-pty', true],
      // Either direction needs it; which of the two is decided by the agent.
      ['permit-port-forwarding', local || remote],
      ['permit-agent-forwarding', options.forwardAgent],
      ['permit-X11-forwarding', options.x11Forwarding],
    ];
    const given = permits.filter(([, isPermitted]) => isPermitted).map(([name]) => [name, ''] as const);
    return { ...plan, extensions: { ...plan.extensions, ...Object.fromEntries(given) } };
  };

/** Extensions that roles ask for; none of ours or OpenSSH's can be set that way. */
export const withRoleExtensions =
  (extensions: ReadonlyMap<string, string>): Modifier =>
  (plan) => {
    const foreign = [...extensions].filter(
      ([name]) => name.includes('@') && !name.endsWith('@gatehouse.dev'),
    );
    return { ...plan, extensions: { ...Object.fromEntries(foreign), ...plan.extensions } };
  };

/** The SSH certificate says who its holder is, so that agents need not ask. */
export const withSshIdentity =
  (identity: Identity): Modifier =>
  (plan) => ({
    ...plan,
    extensions: { ...plan.extensions, [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity) },
  });

/** The SSH certificate works from this address only; the identity says the same for everything else. */
export const pinnedTo =
  (address: string | undefined): Modifier =>
  (plan) => {
    const ip = address === undefined ? undefined : parseIp(address);
    if (ip === undefined) return plan;
    return { ...plan, criticalOptions: { ...plan.criticalOptions, 'source-address': formatIp(ip) } };
  };

export const forHost =
  (identity: HostIdentity, names: HostNames): Modifier =>
  (plan) => ({
    ...plan,
    identity,
    keyId: identityName(identity),
    principals: names.principals,
    commonName: identityName(identity),
    organization: [...identity.roles],
    // Agents never answer TLS: their certificates must not pass for a server of ours.
    usage: identity.roles.every((role) => AGENTS.includes(role)) ? 'client' : 'both',
    dnsNames: names.dnsNames,
    ipAddresses: names.ipAddresses,
  });

export const forAdmin =
  (identity: Identity): Modifier =>
  (plan) => ({ ...plan, identity, keyId: identityName(identity), commonName: identityName(identity) });

export const forDatabase =
  (names: Pick<HostNames, 'dnsNames' | 'ipAddresses'>, clusterName: string): Modifier =>
  (plan) => ({
    ...plan,
    commonName: names.dnsNames[0] ?? names.ipAddresses[0] ?? '',
    organization: [clusterName],
    usage: 'server',
    dnsNames: names.dnsNames,
    ipAddresses: names.ipAddresses,
  });
