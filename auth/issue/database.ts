// Server certificates for self-hosted databases. They carry no identity and come from an authority of their own, so
// that they are worth nothing anywhere but at a database.
import type { IssueContext } from './context.ts';
import { serverNames } from './host-names.ts';
import { forDatabase, validUntil } from './modifiers.ts';
import { makePlan, startPlan } from './plan.ts';
import { signPlan } from './sign.ts';
import { readTlsKey } from './subject-keys.ts';
import { requireFittingAuthority, requireForeignKey, requireTtlWithin } from './validators.ts';

/** Databases are set up by hand and seldom; the authority itself lasts ten years. */
export const MAX_DATABASE_TTL_MS = 5 * 365 * 24 * 3_600_000;

export interface DatabaseRequest {
  readonly tlsPublicKey: string;
  readonly hosts: readonly string[];
  readonly ttlMs: number;
  readonly requestedBy: string;
  readonly address?: string | undefined;
}

export interface DatabaseCertificate {
  readonly tls_certificate: string;
  /** What the database checks its clients against. */
  readonly tls_authorities: readonly string[];
  readonly expires: string;
}

/** BAD_REQUEST names the field: key, hosts or ttl. */
export async function issueDatabase(
  context: IssueContext,
  request: DatabaseRequest,
): Promise<DatabaseCertificate> {
  const { authorities, clusterName, clock } = context;
  const names = serverNames('hosts', request.hosts);
  const end = Math.floor((clock.now() + request.ttlMs) / 1000) * 1000;
  const plan = makePlan(
    startPlan('db', { tls: readTlsKey(request.tlsPublicKey) }, clock.now()),
    [forDatabase(names, clusterName), validUntil(end)],
    [requireTtlWithin(MAX_DATABASE_TTL_MS), requireForeignKey(authorities), requireFittingAuthority],
  );
  const signed = await signPlan(context, plan, {
    type: 'db',
    method: 'sign',
    user: request.requestedBy,
    ...(request.address === undefined ? {} : { address: request.address }),
  });
  return {
    tls_certificate: signed.tls,
    tls_authorities: authorities.publicPart('db').tlsCertificates,
    expires: new Date(signed.expires).toISOString().replace('.000Z', 'Z'),
  };
}
