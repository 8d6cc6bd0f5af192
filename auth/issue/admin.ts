// The certificate of the local admin: what lets gatectl on the auth host in, through the same door as everybody.
import type { KeyObject } from 'node:crypto';
import type { AdminIdentity } from '#core/identity.ts';
import type { IssueContext } from './context.ts';
import { forAdmin, validUntil } from './modifiers.ts';
import { makePlan, startPlan } from './plan.ts';
import { signPlan } from './sign.ts';
import { requireFittingAuthority, requireForeignKey, requireTtlWithin } from './validators.ts';

/** Renewed by the running auth service when half of it is over. */
export const ADMIN_TTL_MS = 24 * 3_600_000;
export const ADMIN_NAME = 'local-admin';

export interface AdminCertificate {
  readonly tls_certificate: string;
  /** The host authority, to know the auth service by. */
  readonly tls_authorities: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** No route leads here: only the process that holds the data directory calls it. */
export async function issueAdmin(context: IssueContext, publicKey: KeyObject): Promise<AdminCertificate> {
  const { authorities, clusterName, clock } = context;
  const identity: AdminIdentity = { kind: 'admin', cluster: clusterName, name: ADMIN_NAME };
  const end = Math.floor((clock.now() + ADMIN_TTL_MS) / 1000) * 1000;
  const plan = makePlan(
    startPlan('user', { tls: publicKey }, clock.now()),
    [forAdmin(identity), validUntil(end)],
    [requireTtlWithin(ADMIN_TTL_MS), requireForeignKey(authorities), requireFittingAuthority],
  );
  const signed = await signPlan(context, plan, { type: 'admin', method: 'local', user: ADMIN_NAME });
  return {
    tls_certificate: signed.tls,
    tls_authorities: authorities.publicPart('host').tlsCertificates,
    expires: signed.expires,
  };
}
