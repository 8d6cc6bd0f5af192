// From a finished plan to certificates. They are on record before anybody holds them: the audit event is on disk
// before this returns.
import { createHash, randomBytes, type KeyObject } from 'node:crypto';
import { CERTIFICATE_SUFFIX } from '#core/certs/ssh/algorithms.ts';
import { sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { fingerprint } from '#core/certs/ssh/public-key.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import type { IssueContext } from './context.ts';
import type { CertificatePlan } from './plan.ts';

/** What the audit log is told beyond what the plan says. */
export interface IssueFacts {
  readonly type: 'user' | 'host' | 'admin' | 'db';
  /** How the holder came to it: login, reissue, sign, token, renew and so on. */
  readonly method: string;
  /** Who asked for it, when that is a person. */
  readonly user?: string;
  /** Who acts as that person. */
  readonly impersonator?: string;
  readonly hostId?: string;
  readonly roles?: readonly string[];
  readonly address?: string;
  /** The one target that it is for. */
  readonly target?: TargetFacts;
}

export interface TargetFacts {
  readonly db_service?: string;
  readonly db_user?: string;
  readonly db_name?: string;
  readonly app_name?: string;
  readonly aws_role_arn?: string;
}

export interface SignedCertificates {
  /** As in a *-cert.pub file, without line break; empty when the plan has no SSH key. */
  readonly ssh: string;
  /** PEM. */
  readonly tls: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const SERIAL_BYTES = 16;
const LOW_64_BITS = (1n << 64n) - 1n;

/** Rejects as AuditLog.emitDurably when the issue cannot be put on record; then no certificate leaves the service. */
export async function signPlan(
  context: IssueContext,
  plan: CertificatePlan,
  facts: IssueFacts,
): Promise<SignedCertificates> {
  const serial = newSerial();
  const tls = context.authorities.signTls(plan.authority, {
    ...plan,
    subject: plan.keys.tls,
    serial,
  });
  const ssh = plan.authority === 'db' ? '' : signSsh(context, plan, serial & LOW_64_BITS);
  await putOnRecord(context, plan, facts, serial);
  return { ssh, tls: certificateToPem(tls), expires: plan.validBefore };
}

/** The same for the SSH certificate alone, which no member of the cluster is: for servers with plain sshd. */
export async function signSshPlan(
  context: IssueContext,
  plan: CertificatePlan,
  facts: IssueFacts,
): Promise<Pick<SignedCertificates, 'ssh' | 'expires'>> {
  const serial = newSerial();
  const ssh = signSsh(context, plan, serial & LOW_64_BITS);
  await putOnRecord(context, plan, facts, serial & LOW_64_BITS);
  return { ssh, expires: plan.validBefore };
}

async function putOnRecord(
  context: IssueContext,
  plan: CertificatePlan,
  facts: IssueFacts,
  serial: bigint,
): Promise<void> {
  await context.audit.emitDurably({
    event: 'cert.create',
    cert_type: facts.type,
    serial: serial.toString(16),
    expires: new Date(plan.validBefore).toISOString(),
    method: facts.method,
    public_key: plan.keys.ssh === undefined ? fingerprintOf(plan.keys.tls) : fingerprint(plan.keys.ssh),
    key_id: plan.keyId === '' ? plan.commonName : plan.keyId,
    ...(plan.principals.length === 0 ? {} : { logins: plan.principals }),
    ...(facts.user === undefined ? {} : { user: facts.user }),
    ...(facts.impersonator === undefined ? {} : { impersonator: facts.impersonator }),
    ...(facts.hostId === undefined ? {} : { host_id: facts.hostId }),
    ...(facts.roles === undefined ? {} : { roles: facts.roles }),
    ...(facts.address === undefined ? {} : { 'addr.remote': facts.address }),
    ...facts.target,
  });
}

function signSsh({ authorities }: IssueContext, plan: CertificatePlan, serial: bigint): string {
  const { ssh } = plan.keys;
  if (ssh === undefined) return '';
  const blob = authorities.signSsh(plan.authority, {
    ...plan,
    type: plan.authority === 'host' ? 'host' : 'user',
    subject: ssh.blob,
    serial,
  });
  return sshCertificateLine({ algorithm: `${ssh.algorithm}${CERTIFICATE_SUFFIX}`, blob });
}

/** One number for both certificates: the serial of the SSH certificate is the low half of the X.509 one. */
function newSerial(): bigint {
  const bytes = randomBytes(SERIAL_BYTES);
  // Positive, and of full length: 01xxxxxx.
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return BigInt(`0x${bytes.toString('hex')}`);
}

function fingerprintOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  return `SHA256:${createHash('sha256').update(der).digest('base64').replace(/=+$/, '')}`;
}
