// Certificates for a proxy that ends SSH sessions, because the server has a plain sshd or the cluster records at proxies:
// one that names the server to the person, one that lets the person's session through to the server. The proxy only
// speaks for people who have shown it their certificate, and gets no more than that certificate and their roles give now.
import { decideSsh } from '#core/access/decide.ts';
import { parseIp } from '#core/certs/ip-address.ts';
import { parseSshCertificateLine } from '#core/certs/ssh/certificate.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { verifySshCertificate, type SshGrant } from '#core/certs/ssh/verify.ts';
import { RELAY_NODE_EXTENSION, relayPrincipal } from '#core/api/relay.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { readSshIdentity, SSH_IDENTITY_EXTENSION, writeSshIdentity } from '#core/ssh-identity.ts';
import { timestampOf } from '#core/timestamp.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import type { SessionRecordingConfigSpec } from '#kinds/session-recording-config/kind.ts';
import { parseAddress } from '#config/address.ts';
import { accessOf, rolesLeft, unlockedLogins } from '../guard/holder.ts';
import type { IssueContext } from './context.ts';
import { isDoorName } from './door-names.ts';
import { requireHolder, requireHostUnlocked } from './holder.ts';
import { serverNames } from './host-names.ts';
import { validUntil } from './modifiers.ts';
import { makePlan, startPlan, type Modifier } from './plan.ts';
import { commonTraits } from './reissue.ts';
import { signSshPlan } from './sign.ts';
import { readSshKey } from './subject-keys.ts';
import { requireForeignKey, requirePrincipals } from './validators.ts';

export const RELAY_HOST_TTL_MS = 3_600_000;
/** sshd looks at it when a session begins, and the proxy asks anew. */
export const RELAY_USER_TTL_MS = 5 * 60_000;
const SSH_PORT = 22;
const PERMITS = [
  'permit-pty',
  'permit-port-forwarding',
  'permit-agent-forwarding',
  'permit-X11-forwarding',
] as const;

type Node = Resource<NodeSpec>;

export interface RelayCertificate {
  readonly ssh_certificate: string;
  readonly expires: string;
}

interface RelayRequest {
  readonly node: string;
  readonly sshPublicKey: string;
  /** The proxy that asks. */
  readonly proxyId: string;
}

export interface RelayUserRequest extends RelayRequest {
  readonly login: string;
  readonly certificate: string;
  readonly address: string;
}

/** A server whose sessions a proxy may end. ACCESS_DENIED (`message` for admins), LOCKED. */
function relayedNode(context: IssueContext, name: string): Node {
  const node = context.state.get('node', name) as Node | undefined;
  const config = context.state.get('session_recording_config', 'session-recording-config') as
    | Resource<SessionRecordingConfigSpec>
    | undefined;
  const isRecorded = config?.spec.mode.startsWith('proxy') === true;
  if (node === undefined || (node.sub_kind !== 'openssh' && !isRecorded)) {
    throw refuse(
      'sessions of this server do not end at proxies: it has an agent, which is not recorded there',
    );
  }
  requireHostUnlocked(context, name);
  return node;
}

/** As relayedNode; BAD_REQUEST for keys that are not good. */
export async function issueRelayHost(
  context: IssueContext,
  request: RelayRequest,
): Promise<RelayCertificate> {
  const node = relayedNode(context, request.node);
  const principals = namesOf(context, node);
  const keyId = `relay ${node.metadata.name}`;
  return sign(context, request, {
    type: 'host',
    end: context.clock.now() + RELAY_HOST_TTL_MS,
    modify: (plan) => ({ ...plan, principals, keyId }),
    facts: { hostId: request.proxyId },
  });
}

/** The names by which people ask for a server; those of the cluster's own doors only where it is one. */
function namesOf(context: IssueContext, { metadata, spec }: Node): readonly string[] {
  const addresses = [spec.addr, ...(spec.public_addrs ?? [])].filter((address) => address !== '');
  const given = [metadata.name, spec.hostname, ...addresses.map((one) => parseAddress(one, SSH_PORT).host)];
  // A machine that runs a proxy as well has the names of that door.
  const isDoor = context.state.get('proxy', metadata.name) !== undefined;
  const usable = given.filter((name) => isDoor || parseIp(name) !== undefined || !isDoorName(context, name));
  const { dnsNames, ipAddresses } = serverNames('node', usable);
  const cluster = `.${context.clusterName.toLowerCase()}`;
  const full = dnsNames.map((name) => `${name}${cluster}`).filter((name) => name.length <= 253);
  return [...new Set([...dnsNames, ...full, ...ipAddresses])];
}

/**
 * As relayedNode; CERTIFICATE_INVALID, LOCKED or NOT_FOUND for a certificate or user that is not good any more,
 * ACCESS_DENIED (`message` for admins) when the roles do not give the login on the server.
 */
export async function issueRelayUser(
  context: IssueContext,
  request: RelayUserRequest,
): Promise<RelayCertificate> {
  const { login, address, proxyId } = request;
  const node = relayedNode(context, request.node);
  const nodeId = node.metadata.name;
  const { grant, identity } = readShown(context, request);
  requireAllowed(context, identity, node, login);
  const { name: user, impersonator, roles } = identity;
  const { certificate } = grant;
  const isPlain = node.sub_kind === 'openssh';
  const about: Modifier = (plan) => ({
    ...plan,
    keyId: user,
    principals: isPlain ? [login, relayPrincipal(nodeId, login)] : [login],
    criticalOptions: criticalOptionsOf(grant, isPlain),
    extensions: {
      ...Object.fromEntries(
        PERMITS.filter((permit) => certificate.extensions.has(permit)).map((permit) => [permit, '']),
      ),
      // A server with an agent asks who comes; a plain sshd refuses nothing for it, and has no use for it.
      ...(isPlain
        ? {}
        : { [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity), [RELAY_NODE_EXTENSION]: nodeId }),
    },
  });
  return sign(context, request, {
    type: 'user',
    end: Math.min(certificate.validBefore, context.clock.now() + RELAY_USER_TTL_MS),
    modify: about,
    facts: { user, ...(impersonator === undefined ? {} : { impersonator }), roles, address, hostId: proxyId },
  });
}

/** What restricts the certificate of the user restricts this one. A plain sshd sees the address of the proxy. */
function criticalOptionsOf({ certificate }: SshGrant, isPlain: boolean): Readonly<Record<string, string>> {
  const options = Object.fromEntries(certificate.criticalOptions);
  if (isPlain) delete options['source-address'];
  return options;
}

function readShown(
  { authorities, clock, clusterName }: IssueContext,
  { certificate, login, address }: RelayUserRequest,
): { readonly grant: SshGrant; readonly identity: UserIdentity } {
  const grant = verifySshCertificate(parseSshCertificateLine(certificate).blob, {
    type: 'user',
    authorities: authorities.publicPart('user').sshPublicKeys.map((line) => parseAuthorizedKey(line).key),
    principal: login,
    now: clock.now(),
    sourceAddress: address,
  });
  const { extensions } = grant.certificate;
  if (extensions.has(RELAY_NODE_EXTENSION)) throw refuse('a certificate of a proxy makes no other');
  const identity = readSshIdentity(extensions);
  if (identity.kind !== 'user' || identity.cluster !== clusterName || identity.usage !== undefined) {
    throw refuse('the certificate is not one for SSH of a user of this cluster');
  }
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== address) {
    throw refuse('the certificate is pinned to another address');
  }
  return { grant, identity };
}

function requireAllowed(context: IssueContext, identity: UserIdentity, node: Node, login: string): void {
  const user = requireHolder(context, identity);
  const traits = commonTraits(identity.traits, user.spec.traits);
  const access = accessOf(user, rolesLeft(context, user, identity.roles), traits);
  const decision = decideSsh(access, {
    node: { name: node.metadata.name, labels: nodeLabels(node) },
    login,
  });
  if (!decision.allowed) throw refuse(decision.reasons.map(({ text }) => text).join('; '));
  if (!unlockedLogins(context, identity.name, [login]).includes(login))
    throw new GatehouseError('LOCKED', 'a lock is in force on the login');
}

interface Signing {
  readonly type: 'user' | 'host';
  readonly end: number;
  readonly modify: Modifier;
  readonly facts: Partial<Parameters<typeof signSshPlan>[2]>;
}

async function sign(
  context: IssueContext,
  { sshPublicKey }: RelayRequest,
  { type, end, modify, facts }: Signing,
): Promise<RelayCertificate> {
  const { authorities, clock } = context;
  const ssh = readSshKey(sshPublicKey);
  const plan = makePlan(
    startPlan(type, { ssh, tls: ssh.key }, clock.now()),
    [modify, validUntil(Math.floor(end / 1000) * 1000)],
    [requirePrincipals, requireForeignKey(authorities)],
  );
  const signed = await signSshPlan(context, plan, { ...facts, type, method: 'relay' });
  return { ssh_certificate: signed.ssh, expires: timestampOf(signed.expires) };
}

const refuse = (why: string): GatehouseError => new GatehouseError('ACCESS_DENIED', why);

/** Refusals whose reasons are for admins. */
export const isRelayRefusal = (error: unknown): error is GatehouseError => isCode(error, 'ACCESS_DENIED');
