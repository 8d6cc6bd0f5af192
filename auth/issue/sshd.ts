// Host certificates for servers that run plain sshd. They carry no identity, so they are worth nothing but to show SSH
// clients that this is the server of that name; and no name that means a member or a door of the cluster.
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import type { IssueContext } from './context.ts';
import { isDoorName } from './door-names.ts';
import { serverNames } from './host-names.ts';
import { validUntil } from './modifiers.ts';
import { makePlan, startPlan, type Modifier } from './plan.ts';
import { signSshPlan } from './sign.ts';
import { readSshKey } from './subject-keys.ts';
import { requireForeignKey, requireNoIdentity, requirePrincipals, requireTtlWithin } from './validators.ts';

/** Set up by hand and seldom, like databases. */
export const MAX_SSHD_TTL_MS = 5 * 365 * 24 * 3_600_000;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface SshdRequest {
  readonly sshPublicKey: string;
  readonly hosts: readonly string[];
  readonly ttlMs: number;
  readonly requestedBy: string;
  readonly address?: string | undefined;
}

export interface SshdCertificate {
  readonly ssh_certificate: string;
  /** What the server checks users against. */
  readonly ssh_user_authorities: readonly string[];
  readonly expires: string;
}

/** BAD_REQUEST names the field: key, hosts or ttl. */
export async function issueSshd(context: IssueContext, request: SshdRequest): Promise<SshdCertificate> {
  const { authorities, clusterName, clock } = context;
  const { dnsNames, ipAddresses } = serverNames('hosts', request.hosts);
  for (const name of dnsNames) requireFreeName(context, name);
  const cluster = `.${clusterName.toLowerCase()}`;
  const full = dnsNames
    .filter((name) => !name.endsWith(cluster) && name.length + cluster.length <= 253)
    .map((name) => `${name}${cluster}`);
  const principals = [...new Set([...dnsNames, ...full, ...ipAddresses])];
  const end = Math.floor((clock.now() + request.ttlMs) / 1000) * 1000;
  const ssh = readSshKey(request.sshPublicKey);
  const plan = makePlan(
    startPlan('host', { ssh, tls: ssh.key }, clock.now()),
    [forSshd(principals), validUntil(end)],
    [requireTtlWithin(MAX_SSHD_TTL_MS), requirePrincipals, requireForeignKey(authorities), requireNoIdentity],
  );
  const signed = await signSshPlan(context, plan, {
    type: 'host',
    method: 'sign',
    user: request.requestedBy,
    ...(request.address === undefined ? {} : { address: request.address }),
  });
  return {
    ssh_certificate: signed.ssh,
    ssh_user_authorities: authorities.publicPart('user').sshPublicKeys,
    expires: timestampOf(signed.expires),
  };
}

const forSshd =
  (principals: readonly string[]): Modifier =>
  (plan) => ({ ...plan, principals, keyId: `sshd ${principals[0] ?? ''}` });

/** A certificate for the name of an agent or a door would let another machine answer in its place. */
function requireFreeName(context: IssueContext, name: string): void {
  const cluster = context.clusterName.toLowerCase();
  const short = name.endsWith(`.${cluster}`) ? name.slice(0, -cluster.length - 1) : name;
  const isMember = UUID.test(short) || name === cluster || isAgent(context, short);
  if (!isMember && !isDoorName(context, name)) return;
  throw new GatehouseError(
    'BAD_REQUEST',
    `hosts: must not be ${JSON.stringify(name.slice(0, 64))}, a name of a member or of the cluster's own services`,
    { details: { field: 'hosts' } },
  );
}

function isAgent({ state }: IssueContext, name: string): boolean {
  const nodes = [...state.list('node')] as readonly Resource<NodeSpec>[];
  return nodes.some(({ sub_kind, spec }) => sub_kind === undefined && spec.hostname.toLowerCase() === name);
}
